package memory

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
)

// Out is one copy of a frame that leaves: at a port, or by a tunnel.
type Out struct {
	Port   string        // "": by Tunnel
	Tunnel intent.Tunnel // the VTEP it goes to, and the VNI
	TOS    uint8         // of the outer IP header in a tunnel: DSCP and ECN
	Frame  []byte        // as on the wire of the port; in a tunnel, the inner frame
}

// FromPort forwards a frame that the host at a port sent.
func (f *Fabric) FromPort(port string, data []byte) ([]Out, Drop) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.came = plane.PlaceDrops{Port: port, VLAN: plane.NoVLAN}
	outs, why := f.fromPort(port, frame(data))
	f.count(why)
	f.countTunnels(outs)
	f.show(data, outs)
	return outs, why
}

// FromTunnel forwards a frame that arrived in a tunnel from peer.
func (f *Fabric) FromTunnel(peer netip.Addr, vni uint32, inner []byte) ([]Out, Drop) {
	return f.FromTunnelTOS(peer, vni, 0, inner)
}

// FromTunnelTOS does so where the outer IP header had that TOS.
func (f *Fabric) FromTunnelTOS(peer netip.Addr, vni uint32, tos uint8, inner []byte) ([]Out, Drop) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.came = plane.PlaceDrops{Tunnel: intent.Tunnel{Peer: peer, VNI: vni}}
	f.outer = tos >> 2
	outs, why := f.fromTunnel(intent.Tunnel{Peer: peer, VNI: vni}, tos, frame(inner))
	f.count(why)
	if !slices.Contains(refusedFromTunnel, why) {
		t := of(f.tunnels, peer)
		t.InPackets++
		t.InBytes += uint64(len(inner))
	}
	f.countTunnels(outs)
	f.show(inner, outs)
	return outs, why
}

// refusedFromTunnel are the reasons for which no logical switch gets a frame that a peer has sent.
var refusedFromTunnel = []Drop{Runt, Congested, UnknownTunnel, TaggedInside, BadSource, Reserved, BFD}

// countTunnels counts what leaves by tunnels.
func (f *Fabric) countTunnels(outs []Out) {
	for _, o := range outs {
		if o.Port == "" {
			t := of(f.tunnels, o.Tunnel.Peer)
			t.OutPackets++
			t.OutBytes += uint64(len(o.Frame))
		}
	}
}

// of is the value of a key, which is made if there is none.
func of[K comparable, V any](m map[K]*V, key K) *V {
	v := m[key]
	if v == nil {
		v = new(V)
		m[key] = v
	}
	return v
}

// tpid is that of the tags that choose among a port's bindings.
func (f *Fabric) tpid(port string) uint16 {
	if f.installed.Ports[port].ServiceTags {
		return etherQinQ
	}
	return etherVLAN
}

func (f *Fabric) fromPort(port string, fr frame) ([]Out, Drop) {
	in, id, fr, why := f.admit(port, fr)
	if why != Forwarded {
		return nil, why
	}
	src := intent.MACKey{Switch: id, MAC: fr.src()}
	f.consultMAC(plane.EntryUnicast, src)
	router, routed := f.routerOf(id)
	if routed && f.isRouters(router, fr.src()) || f.isProbing(id, fr.src()) {
		return nil, SpoofedRouter
	}
	f.rehearseLearning(src, in)
	f.learn(src, in)
	if f.installed.Switches[id].SnoopIPs {
		f.snoop(src, in, fr)
	}

	dst := intent.MACKey{Switch: id, MAC: fr.dst()}
	f.consultMAC(plane.EntryUnicast, dst)
	if f.reserved(dst) {
		return nil, Reserved
	}
	if routed {
		if outs, why, taken := f.toRouter(router, dst, &in, fr); taken {
			return outs, why
		}
	}
	if f.installed.Switches[id].Suppress {
		if answer := f.suppress(in, id, fr); answer != nil {
			f.note(plane.Entry{}, true, "its question is answered here")
			return f.deliver(nil, in, answer)
		}
	}
	if f.isProbing(id, fr.dst()) {
		return nil, takeAnswer(fr)
	}
	return f.bridge(dst, in, fr)
}

// admit finds the binding that a frame comes in by, and the switch of that, which gets the frame without the tag that has
// chosen the binding.
func (f *Fabric) admit(port string, fr frame) (in intent.BindingKey, id intent.SwitchID, inner frame, why Drop) {
	in.Port = port
	if len(fr) < minFrame {
		return in, id, nil, Runt
	}
	here := plane.Entry{Kind: plane.EntryPort, At: in}
	f.consult(here)
	if _, ok := f.installed.Ports[port]; !ok || !f.devices[port] {
		f.note(here, false, "")
		return in, id, nil, NoPort
	}
	f.note(here, true, "")
	f.consult(plane.Entry{Kind: plane.EntryBinding, At: in})
	if fr.tagged() && len(fr) >= headerLen+tagLen {
		f.consult(plane.Entry{Kind: plane.EntryBinding, At: intent.BindingKey{Port: port, VLAN: binary.BigEndian.Uint16(fr[headerLen:]) & 0x0fff}})
	}
	vid, tagged := fr.vid(f.tpid(port))
	if tagged {
		in.VLAN = vid
	}
	f.came.VLAN = int(in.VLAN)
	f.outer = 0
	otherTag := !tagged && fr.etherType() == etherQinQ
	if otherTag {
		f.came.VLAN = plane.OtherTag
	}
	here = plane.Entry{Kind: plane.EntryBinding, At: in}
	b, ok := f.installed.Bindings[in]
	if !ok || otherTag {
		f.note(here, false, "")
		return in, id, nil, UnboundVLAN
	}
	f.note(here, true, "")
	if b.Role == intent.Standby {
		return in, id, nil, f.noteDrop(here, NotDesignated)
	}
	if tagged { // priority tags too
		f.outer = fr.pcp() << 3
		if fr = fr.pop(); len(fr) < minFrame {
			return in, id, nil, Runt
		}
	}
	if why := f.guard(in, intent.Ingress, fr); why != Forwarded {
		return in, id, nil, why
	}
	c := of(f.counts, in)
	c.PacketsFromLocal++
	c.BytesFromLocal += uint64(len(fr))
	if nobody(fr.src()) {
		return in, id, nil, BadSource
	}
	return in, b.Switch, fr, Forwarded
}

// bridge forwards what a port, or without one a router, sends.
func (f *Fabric) bridge(dst intent.MACKey, in intent.BindingKey, fr frame) ([]Out, Drop) {
	if !dst.MAC.IsGroup() {
		at := f.consultMAC(plane.EntryUnicast, dst)
		t, ok := f.installed.Unicast.Get(dst)
		f.noteUnicast(at, ok)
		if ok && fr.tagged() && !f.installed.Switches[dst.Switch].InnerTags {
			return nil, BadTunnelFrame
		}
		if ok {
			return f.toTunnel(t, in, fr)
		}
		if here, ok := f.here(dst); ok && here == in {
			return nil, Hairpin
		} else if ok {
			return f.deliver(nil, here, fr)
		}
	}
	return f.flood(dst, in, true, fr)
}

func (f *Fabric) fromTunnel(from intent.Tunnel, tos uint8, fr frame) ([]Out, Drop) {
	if len(fr) < minFrame {
		return nil, Runt
	}
	inner, ok := packet.Decapsulated(fr, tos)
	if !ok {
		return nil, Congested
	}
	fr = inner
	here := plane.Entry{Kind: plane.EntryDecap, Tunnel: from}
	f.consult(here)
	id, ok := f.installed.Decap.Get(from)
	if !ok && f.installed.AcceptAnySource {
		id, ok = f.ownVNI[from.VNI]
	}
	f.note(here, ok, "")
	switch {
	case !ok || !f.tunnelsWork():
		return nil, UnknownTunnel
	case fr.tagged() && !f.installed.Switches[id].InnerTags:
		return nil, TaggedInside
	case nobody(fr.src()):
		return nil, BadSource
	case f.reserved(intent.MACKey{Switch: id, MAC: fr.dst()}):
		return nil, Reserved
	}
	dst := intent.MACKey{Switch: id, MAC: fr.dst()}
	f.consultMAC(plane.EntryUnicast, dst)
	if router, ok := f.routerOf(id); ok {
		if outs, why, taken := f.toRouter(router, dst, nil, fr); taken {
			return outs, why
		}
	}
	if f.isProbing(id, dst.MAC) {
		return nil, NoDestination
	}
	if !dst.MAC.IsGroup() {
		at := f.consultMAC(plane.EntryUnicast, dst)
		_, ok := f.installed.Unicast.Get(dst)
		f.noteUnicast(at, ok)
		if ok {
			return nil, SplitHorizon
		}
		if here, ok := f.here(dst); ok {
			return f.deliver(nil, here, fr)
		}
	}
	return f.flood(dst, intent.BindingKey{}, false, fr)
}

// here is the binding that a MAC is at: as a row says, or else as was learned.
func (f *Fabric) here(key intent.MACKey) (intent.BindingKey, bool) {
	if at, ok := f.installed.Attached[key]; ok {
		return at, true
	}
	e := f.consultMAC(plane.EntryLearned, key)
	s, ok := f.learned[key]
	f.note(e, ok, "")
	if !ok {
		return intent.BindingKey{}, false
	}
	return s.at, true
}

// nobody says that no host can have the address.
func nobody(mac intent.MAC) bool { return mac.IsGroup() || mac == intent.MAC{} }

// flood sends fr to every binding of the switch but in, and, if the frame came from a port,
// to the tunnels of its flood set.
func (f *Fabric) flood(dst intent.MACKey, in intent.BindingKey, fromPort bool, fr frame) ([]Out, Drop) {
	if dst.MAC == bfdMAC || !fromPort && fr.bfd() {
		return nil, BFD
	}
	if f.installed.Switches[dst.Switch].SnoopGroups && dst.MAC.IsGroup() && fr.membership() != nothing {
		f.emit(plane.Punted{Reason: plane.PuntMembership, Switch: dst.Switch, At: in, From: f.came.Tunnel, Frame: fr, Length: len(fr)})
	}
	f.consultFlood(dst, fr, fromPort)
	if f.limited(dst, fr) {
		return nil, FloodLimited
	}
	var outs []Out
	refused := Forwarded  // why the last copy that went nowhere did
	withheld := Forwarded // why there are bindings that got none, which is nothing to count while somebody gets the frame
	for _, at := range f.audience(dst, fr) {
		if fromPort && at == in {
			continue
		}
		if why := f.withhold(at, fromPort); why != Forwarded {
			withheld = firstOf(withheld, why)
			continue
		}
		var why Drop
		if outs, why = f.deliver(outs, at, fr); why != Forwarded {
			f.count(refused)
			refused = why
		}
	}
	nobody := NoDestination
	if set := f.floodSet(dst); fromPort && len(set) > 0 {
		if fr.tagged() && !f.installed.Switches[dst.Switch].InnerTags {
			nobody = BadTunnelFrame // members get theirs
			set = nil
		}
		sent := false
		for n, t := range set {
			if mtu, is := f.tooLong(t.Peer, fr); is {
				f.note(plane.Entry{Kind: plane.EntryWay, IP: t.Peer}, true, "")
				f.count(refused)
				refused = f.noteDrop(plane.Entry{Kind: plane.EntryWay, IP: t.Peer}, TooBig)
				if n == len(set)-1 && !sent {
					outs = append(outs, f.tellSize(in, fr, mtu)...)
				}
				continue
			}
			sent = true
			outs = f.encapsulate(outs, t, fr)
		}
	}
	switch {
	case len(outs) > 0:
		f.count(refused)
		return outs, Forwarded
	case refused != Forwarded:
		return nil, refused
	case withheld != Forwarded:
		return nil, withheld
	}
	return nil, nobody
}

// audience is the bindings that get a frame which is not for one host.
func (f *Fabric) audience(dst intent.MACKey, fr frame) []intent.BindingKey {
	if f.installed.Switches[dst.Switch].SnoopGroups {
		if set, ok := f.installed.MembersOf(dst, fr.membership() == fromHost); ok {
			return set
		}
	}
	return f.members[dst.Switch]
}

// reserved says that the frame is for the other end of a link, and is not to pass a switch.
func (f *Fabric) reserved(dst intent.MACKey) bool {
	return dst.MAC.Reserved() && !f.installed.Switches[dst.Switch].ReservedMACs.Has(dst.MAC)
}

// limited says that the switch does not flood the frame.
func (f *Fabric) limited(dst intent.MACKey, fr frame) bool {
	flooding := f.installed.Switches[dst.Switch].Flooding
	if flooding == intent.FloodAll || flooding == intent.FloodNeighbors && fr.neighbor() || dst.MAC.Reserved() {
		return false
	}
	if !dst.MAC.IsGroup() || dst.MAC == broadcastMAC {
		return true
	}
	_, known := f.installed.Floods[dst]
	if !known && f.installed.Switches[dst.Switch].SnoopGroups {
		said := fr.membership()
		_, known = f.installed.MembersOf(dst, said == fromHost)
		known = known || said != nothing
	}
	return !known
}

func (f *Fabric) floodSet(dst intent.MACKey) intent.FloodSet {
	if dst.MAC.IsGroup() {
		if set, ok := f.installed.Floods[dst]; ok {
			return set
		}
	}
	return f.installed.Floods[intent.FloodKey{Switch: dst.Switch, MAC: intent.UnknownDst}]
}

func (f *Fabric) deliver(outs []Out, at intent.BindingKey, fr frame) ([]Out, Drop) {
	here := plane.Entry{Kind: plane.EntryBinding, At: at}
	f.consult(here)
	switch {
	case !f.devices[at.Port]:
		return outs, f.noteDrop(here, DeviceGone)
	case f.installed.Bindings[at].Role == intent.Standby:
		return outs, f.noteDrop(here, NotDesignated)
	case at.VLAN == 0 && fr.tagged() && f.vlans[at.Port] > 0:
		return outs, f.noteDrop(here, DoubleTagged)
	}
	if room := f.room(at, fr); room > 0 && len(fr) > room {
		return outs, f.noteDrop(here, TooBig)
	}
	if why := f.guard(at, intent.Egress, fr); why != Forwarded {
		return outs, why
	}
	c := of(f.counts, at)
	c.PacketsToLocal++
	c.BytesToLocal += uint64(len(fr))
	if at.VLAN != 0 {
		fr = fr.push(f.tpid(at.Port), f.tagTCI(at.VLAN, fr))
	}
	return append(outs, Out{Port: at.Port, Frame: fr}), Forwarded
}

// toTunnel sends what is for one peer.
func (f *Fabric) toTunnel(t intent.Tunnel, in intent.BindingKey, fr frame) ([]Out, Drop) {
	if mtu, is := f.tooLong(t.Peer, fr); is {
		f.note(plane.Entry{Kind: plane.EntryWay, IP: t.Peer}, true, "")
		return f.tellSize(in, fr, mtu), f.noteDrop(plane.Entry{Kind: plane.EntryWay, IP: t.Peer}, TooBig)
	}
	if f.rehearsal != nil && !f.tunnelsWork() {
		return nil, NoTunnel
	}
	return f.encapsulate(nil, t, fr), Forwarded
}

func (f *Fabric) encapsulate(outs []Out, t intent.Tunnel, fr frame) []Out {
	if _, ok := f.way(t.Peer); ok {
		f.note(plane.Entry{Kind: plane.EntryWay, IP: t.Peer}, true, "")
	}
	if !f.tunnelsWork() {
		return outs
	}
	return append(outs, Out{Tunnel: t, TOS: f.tunnelTOS(fr), Frame: fr})
}
