package simulation

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/memory"
)

// host sends frames, at one of the VTEPs.
type host struct {
	name string
	mac  intent.MAC
	m    *machine
	at   intent.BindingKey // port and VLAN
}

func (h *host) String() string { return fmt.Sprintf("%s at %s %v", h.name, h.m.name, h.at) }

// packet is a frame in a tunnel, on its way.
type packet struct {
	from, to netip.Addr
	vni      uint32
	network  string // that the sender had it in
	frame    []byte
	removals int // World.removals when it was sent
}

const (
	testType = 0x88b5 // EtherType for experiments
	vlanType = 0x8100
)

var broadcast = intent.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func makeFrame(dst, src intent.MAC, vlan uint16) []byte {
	f := append(dst[:], src[:]...)
	if vlan != 0 {
		f = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(f, vlanType), vlan)
	}
	return append(binary.BigEndian.AppendUint16(f, testType), make([]byte, 46)...)
}

// tagOf returns the VLAN of a frame, and the frame without it.
func tagOf(f []byte) (uint16, []byte) {
	if binary.BigEndian.Uint16(f[12:]) != vlanType {
		return 0, f
	}
	return binary.BigEndian.Uint16(f[14:]) & 0xfff, slices.Concat(f[:12], f[16:])
}

// arrival is a copy of a frame that came out at a port.
type arrival struct {
	m  *machine
	at intent.BindingKey
}

// send has a host send a frame, checks where it goes by the rows that forwarding was made from, and returns the
// copies that came out, and those that are in tunnels.
func (w *world) send(h *host, dst intent.MAC) ([]arrival, []packet) {
	m := h.m
	f := m.inForce()
	ls, bound := f.bindings[h.at]
	outs, _ := m.fabric.FromPort(h.at.Port, makeFrame(dst, h.mac, h.at.VLAN))
	if len(outs) > 0 && !bound {
		w.violated("a frame of %v was forwarded; by the rows it is in no switch", h)
	}
	return w.leave(m, ls, outs)
}

// arrive has a packet come to the VTEP that it is for.
func (w *world) arrive(p packet) []arrival {
	for _, m := range w.machines {
		if m.ip != p.to {
			continue
		}
		f := m.inForce()
		outs, _ := m.fabric.FromTunnel(p.from, p.vni, p.frame)
		if len(outs) == 0 {
			return nil
		}
		ls, ok := m.fabric.Installed().Decap.Get(intent.Tunnel{Peer: p.from, VNI: p.vni})
		if !ok || !f.tunnels[ls][intent.Tunnel{Peer: p.from, VNI: p.vni}] {
			w.violated("%s: a frame of %v with VNI %d was taken; no row names it", m.name, p.from, p.vni)
		}
		// A VNI may be given to another network once no database has it, while packets are on their way.
		if f.names[ls] != p.network && p.removals == w.removals {
			w.violated("%s: a frame of network %q came into %q, with VNI %d", m.name, p.network, f.names[ls], p.vni)
		}
		all, more := w.leave(m, ls, outs)
		if len(more) > 0 {
			w.violated("%s: a frame that came by a tunnel leaves by one", m.name)
		}
		return all
	}
	return nil // a peer that is no VTEP of ours
}

// leave takes what leaves a VTEP, of one of its switches.
func (w *world) leave(m *machine, ls intent.SwitchID, outs []memory.Out) (all []arrival, more []packet) {
	f := m.inForce()
	for _, o := range outs {
		if o.Port == "" {
			if !f.tunnels[ls][o.Tunnel] {
				w.violated("%s: a frame of %q leaves to %v; the rows name %v", m.name, f.names[ls], o.Tunnel, f.tunnels[ls])
			}
			more = append(more, packet{m.ip, o.Tunnel.Peer, o.Tunnel.VNI, f.names[ls], o.Frame, w.removals})
			continue
		}
		vlan, _ := tagOf(o.Frame)
		at := intent.BindingKey{Port: o.Port, VLAN: vlan}
		if to, ok := f.bindings[at]; !ok || to != ls {
			w.violated("%s: a frame of %q leaves at %v, which by the rows is in %q", m.name, f.names[ls], at, f.names[to])
		}
		all = append(all, arrival{m, at})
	}
	return all, more
}

// speak has a host send a frame; what leaves by tunnels is on its way then.
func (w *world) speak(h *host, dst intent.MAC) {
	_, more := w.send(h, dst)
	w.underlay = append(w.underlay, more...)
}

// carry has some of the packets on their way arrive: in any order, once, twice, or never.
func (w *world) carry(r *rand.Rand, all bool) {
	var left []packet
	for _, i := range r.Perm(len(w.underlay)) {
		switch p := w.underlay[i]; {
		case all:
			w.arrive(p)
		case r.IntN(3) == 0:
			left = append(left, p)
		case r.IntN(8) == 0: // lost
		default:
			if w.arrive(p); r.IntN(8) == 0 {
				left = append(left, p) // comes again
			}
		}
	}
	w.underlay = left
}

// reach sends a frame and carries it through at once. It returns where it came out.
func (w *world) reach(h *host, dst intent.MAC) []arrival {
	all, more := w.send(h, dst)
	for _, p := range more {
		all = append(all, w.arrive(p)...)
	}
	return all
}
