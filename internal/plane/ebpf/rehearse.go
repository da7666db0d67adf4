package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

var (
	errDeadline = os.ErrDeadlineExceeded
	errNotKnown = errors.New("what is installed is not known yet")
)

// What a program says is to become of a frame.
const (
	verdictNext = ^uint32(0) // TC_ACT_UNSPEC: the host's stack gets it
	outerMost   = 256        // bytes that a frame may grow by
)

// rehearsal is one frame.
type rehearsal struct {
	set      *rehearsalSet
	frame    plane.Arriving
	settings layout.Settings
	index    int            // of the device that it comes in by: the port's, or the vxlan device
	underlay host.Device    // by which packets of the peer come; zero: not known, or not by the short way
	names    map[int]string // of devices
	source   netip.Addr     // the tunnel IP
	result   plane.Rehearsal
}

// newRehearsal finds out what there is to know of the frame beside its bytes.
func (p *Plane) newRehearsal(set *rehearsalSet, fr plane.Arriving, seen []plane.Entry) (*rehearsal, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &rehearsal{set: set, frame: fr, settings: p.settings, source: p.overlay.Source(fr.Tunnel.Peer), names: map[int]string{}}
	for index, d := range p.devices.ByIndex {
		r.names[index] = d.Name
	}
	if err := p.copyKnown(set, seen); err != nil {
		return nil, err
	}
	if fr.Port != "" {
		d := p.devices.Named(fr.Port)
		if p.attached.All[d.Index] != nil && p.portOf(d.Index) != nil {
			r.index = d.Index
		}
		return r, nil
	}
	r.index = int(p.settings.VXLANIfindex)
	if pr := p.contents.Peers[fr.Tunnel.Peer]; pr != nil && fr.Tunnel.Peer.Is4() && p.settings.Flags&layout.ConfigDirectDecap != 0 && p.overlay.underlays[pr.Device] {
		r.underlay = p.devices.ByIndex[pr.Device]
	}
	return r, nil
}

// run runs the programs that the frame would come to.
func (r *rehearsal) run(p *Plane) error {
	return p.space.Run(func() error {
		before, err := r.drops()
		if err != nil {
			return err
		}
		if err := r.enter(p); err != nil {
			return err
		}
		after, err := r.drops()
		if err != nil {
			return err
		}
		// What the agent would be handed, for it to find a neighbor.
		if err := drain(r.set.punts, func(b []byte) {
			if len(b) >= 4 && binary.NativeEndian.Uint32(b) == layout.PuntNoNeighbor && after[layout.DropNoNeighbor] == before[layout.DropNoNeighbor] {
				r.result.Drops = append(r.result.Drops, dropReasons[layout.DropNoNeighbor])
			}
		}); err != nil {
			return err
		}
		for i, n := range after {
			for range n - before[i] {
				r.result.Drops = append(r.result.Drops, dropReasons[i])
			}
		}
		return nil
	})
}

func (r *rehearsal) enter(p *Plane) error {
	switch {
	case r.index == 0 && r.frame.Port != "":
		r.result.Way, r.result.Drops = "the kernel, which has no program at "+r.frame.Port, []string{"no_port"}
		return nil
	case r.index == 0:
		r.result.Way, r.result.Drops = "the kernel, which has no vxlan device of this VTEP", []string{"unknown_tunnel"}
		return nil
	}
	if r.frame.Port != "" {
		r.result.Way = "the program vtep_port"
		_, err := r.through("vtep_port", r.index, r.frame.Frame, layout.Rehearsal{})
		return err
	}
	if r.underlay.Index != 0 {
		r.result.Way = "the program vtep_underlay"
		link, err := p.space.Links.LinkByIndex(r.underlay.Index)
		if err != nil {
			return fmt.Errorf("find device %s: %w", r.underlay.Name, err)
		}
		verdict, err := r.through("vtep_underlay", r.underlay.Index, r.outer(link.Attrs().HardwareAddr, p.opts.Port), layout.Rehearsal{})
		if err != nil || verdict != verdictNext {
			return err
		}
	}
	r.result.Way = "the program vtep_overlay"
	inner, ok := packet.Decapsulated(r.frame.Frame, r.frame.TOS) // as the vxlan device does it
	if !ok {
		r.result.Drops = append(r.result.Drops, dropReceive)
		return nil
	}
	state := layout.Rehearsal{In: layout.BPFTunnelKey{TunnelID: r.frame.Tunnel.VNI, TunnelTOS: r.frame.TOS, RemoteIPv6: keyAddress(r.frame.Tunnel.Peer), LocalIPv6: keyAddress(r.source)}}
	if r.frame.Tunnel.Peer.Is6() {
		state.In6 = 1
	}
	_, err := r.through("vtep_overlay", r.index, inner, state)
	return err
}

// keyAddress gives an address as struct bpf_tunnel_key has it: IPv4 as the first word, in host byte order.
func keyAddress(ip netip.Addr) (words [4]uint32) {
	switch {
	case ip.Is4():
		words[0] = layout.IPv4Number(ip)
	case ip.Is6():
		words = layout.AddressOf(ip).Word
	}
	return words
}

// outer makes the packet that the frame comes in.
func (r *rehearsal) outer(dst []byte, port uint16) []byte {
	length := 20 + 8 + 8 + len(r.frame.Frame)
	b := append(append([]byte{}, dst...), 2, 0, 0, 0, 0, 1, 8, 0)
	ip := []byte{0x45, r.frame.TOS, 0, 0, 0, 0, 0x40, 0, 64, unix.IPPROTO_UDP, 0, 0}
	binary.BigEndian.PutUint16(ip[2:], uint16(length))
	ip = append(append(ip, r.frame.Tunnel.Peer.AsSlice()...), r.source.AsSlice()...)
	binary.BigEndian.PutUint16(ip[10:], packet.Fold(packet.Sum(0, ip)))
	b = binary.BigEndian.AppendUint16(append(b, ip...), 0xc000)
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint16(b, uint16(length-20))
	b = append(b, 0, 0, 8, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, r.frame.Tunnel.VNI<<8)
	return append(b, r.frame.Frame...)
}

// through runs one program, and takes note of what would leave.
func (r *rehearsal) through(program string, ifindex int, frame []byte, state layout.Rehearsal) (uint32, error) {
	maps := r.set.all.Maps
	if err := maps["entrance"].Put(uint32(0), r.set.all.Programs[program]); err != nil {
		return 0, fmt.Errorf("write map entrance: %w", err)
	}
	if err := maps["rehearsal"].Put(uint32(0), &state); err != nil {
		return 0, fmt.Errorf("write map rehearsal: %w", err)
	}
	ctx := make([]byte, 192)                                 // struct __sk_buff
	binary.NativeEndian.PutUint32(ctx[36:], uint32(ifindex)) // ingress_ifindex
	binary.NativeEndian.PutUint32(ctx[40:], uint32(ifindex)) // ifindex
	o := &ebpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+outerMost), Context: ctx}
	verdict, err := r.set.all.Programs["vtep_rehearse"].Run(o)
	if errors.Is(err, unix.EINVAL) {
		return 0, fmt.Errorf("the kernel runs no program on a frame of %d bytes: %w", len(frame), plane.ErrNoRehearsal)
	}
	if err != nil {
		return 0, kernel.Explain("run a program", err)
	}
	var lost uint64
	if err := maps["copies_lost"].Lookup(uint32(0), &lost); err != nil {
		return 0, fmt.Errorf("read map copies_lost: %w", err)
	}
	if lost > 0 {
		return 0, fmt.Errorf("there are %d copies more than can be told of: %w", lost, plane.ErrNoRehearsal)
	}
	var bad error
	err = drain(r.set.ring, func(b []byte) {
		var c layout.RehearsedCopy
		if _, err := binary.Decode(b, binary.NativeEndian, &c); err != nil {
			bad = fmt.Errorf("read a copy: %w", err)
			return
		}
		bytes := o.DataOut
		if c.Kind == layout.CopyClone {
			bytes = slices.Clone(c.Bytes[:min(uint32(len(c.Bytes)), c.Length)])
		}
		r.result.Copies = append(r.result.Copies, r.copy(c, bytes))
	})
	return verdict, errors.Join(err, bad)
}

// copy says where a copy would go.
func (r *rehearsal) copy(c layout.RehearsedCopy, b []byte) plane.Copy {
	if c.Kind == layout.CopyNeighbor { // with its outer headers
		const inner = 14 + 20 + 8 + 8
		if len(b) < inner {
			return plane.Copy{Frame: b}
		}
		return plane.Copy{TOS: b[15], Frame: b[inner:],
			Tunnel: intent.Tunnel{Peer: netip.AddrFrom4([4]byte(b[30:])), VNI: binary.BigEndian.Uint32(b[46:]) >> 8}}
	}
	if c.Tagged != 0 {
		tagged := append([]byte{}, b[:12]...)
		tagged = binary.NativeEndian.AppendUint16(tagged, uint16(c.Proto))
		tagged = binary.BigEndian.AppendUint16(tagged, uint16(c.TCI))
		b = append(tagged, b[12:]...)
	}
	if c.Ifindex != r.settings.VXLANIfindex {
		return plane.Copy{Port: r.names[int(c.Ifindex)], Frame: b}
	}
	peer := layout.IPv4Of(c.Out.RemoteIPv6[0])
	if c.Out6 != 0 {
		peer = layout.Address{Word: c.Out.RemoteIPv6}.Addr()
	}
	// The vxlan device adds what the packet says of congestion.
	return plane.Copy{TOS: c.Out.TunnelTOS&^3 | packet.OuterECN(b), Tunnel: intent.Tunnel{Peer: peer, VNI: c.Out.TunnelID}, Frame: b}
}

// drops reads what the programs have counted, by enum drop.
func (r *rehearsal) drops() ([]uint64, error) {
	sums := make([]uint64, len(dropReasons))
	for i := range sums {
		var cpus []uint64
		if err := r.set.all.Maps["drops"].Lookup(uint32(i), &cpus); err != nil {
			return nil, fmt.Errorf("read map drops: %w", err)
		}
		for _, n := range cpus {
			sums[i] += n
		}
	}
	return sums, nil
}
