package memory

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
)

// Routing. A frame from a switch that has a router is the router's if it is to the router's address,
// or asks for it:
//
//	to the router ──> for itself ──> echo
//	              └─> route ──> next hop ──> neighbor ──> bridged in the switch of the route
//
// What comes by a tunnel is routed, too, but nobody there is answered or told of trouble: the VTEP of
// that host is a router for it.

// routerOf returns the router that has interfaces in a switch.
func (f *Fabric) routerOf(id intent.SwitchID) (intent.RouterID, bool) {
	r := f.installed.Switches[id].Router
	return r, r != intent.RouterID{}
}

// isRouters says whether an address is one that a router sends from.
func (f *Fabric) isRouters(r intent.RouterID, mac intent.MAC) bool {
	return mac == f.installed.Routers[r].MAC || mac == f.installed.ARPSource && !mac.IsZero()
}

// toRouter takes a frame that is for the router of dst.Switch. A nil in: it came by a tunnel.
func (f *Fabric) toRouter(r intent.RouterID, dst intent.MACKey, in *intent.BindingKey, fr frame) (outs []Out, why Drop, taken bool) {
	toIt := f.isRouters(r, dst.MAC)
	switch {
	case in == nil && !toIt:
	case fr.etherType() == packet.EtherARP:
		outs, why, taken = f.takeARP(r, dst.Switch, in, fr)
	case packet.IsND(fr):
		outs, why, taken = f.takeND(r, dst.Switch, in, fr)
	}
	if taken || !toIt {
		return outs, why, taken
	}
	if why := f.guardRouter(dst.Switch, sourceOf(fr), intent.Ingress, fr); why != Forwarded {
		return nil, why, true
	}
	switch fr.etherType() {
	case packet.EtherIPv4:
		outs, why = f.route4(r, dst.Switch, in, fr)
	case packet.EtherIPv6:
		outs, why = f.route6(r, dst.Switch, in, fr)
	default:
		why = Unroutable
	}
	return outs, why, true
}

// takeARP answers for the addresses of the router.
func (f *Fabric) takeARP(r intent.RouterID, id intent.SwitchID, in *intent.BindingKey, fr frame) ([]Out, Drop, bool) {
	a, ok := packet.ParseARP(fr[headerLen:])
	if !ok || nobody(a.SenderMAC) {
		return nil, BadARP, true
	}
	f.consultIP(plane.EntryInterface, intent.IPKey{Switch: id, IP: a.TargetIP})
	_, its := f.installed.Interfaces[intent.IPKey{Switch: id, IP: a.TargetIP}]
	switch {
	case in != nil && its && a.Op == packet.ARPRequest:
		f.note(plane.Entry{}, true, "the router answers for its address")
		mac := f.installed.Routers[r].MAC
		a.Op, a.TargetMAC, a.TargetIP, a.SenderMAC, a.SenderIP = packet.ARPReply, a.SenderMAC, a.SenderIP, mac, a.TargetIP
		outs, why := f.deliver(nil, *in, a.Frame(fr.src(), mac))
		return outs, why, true
	case f.isRouters(r, fr.dst()):
		return nil, f.hear(id, in, fr, a.Op == packet.ARPReply), true
	}
	return nil, Forwarded, false
}

// takeND does the same for IPv6.
func (f *Fabric) takeND(r intent.RouterID, id intent.SwitchID, in *intent.BindingKey, fr frame) ([]Out, Drop, bool) {
	f.consultIP(plane.EntryInterface, intent.IPKey{Switch: id, IP: packet.NDTarget(fr)})
	_, its := f.installed.Interfaces[intent.IPKey{Switch: id, IP: packet.NDTarget(fr)}]
	toIt := f.isRouters(r, fr.dst())
	if !its && !toIt {
		return nil, Forwarded, false
	}
	n, ok := packet.ParseND(fr)
	switch {
	case !ok:
		return nil, BadND, true
	case in != nil && its && n.Type == packet.Solicitation:
		f.note(plane.Entry{}, true, "the router answers for its address")
		mac := f.installed.Routers[r].MAC
		to, answer := fr.src(), packet.ND{
			Type: packet.Advertisement, Flags: packet.FlagRouter | packet.FlagSolicited | packet.FlagOverride,
			Src: n.Target, Dst: n.Src, Target: n.Target, MAC: mac}
		if n.Src.IsUnspecified() { // it looks for somebody who has its address
			to, answer.Dst, answer.Flags = intent.MAC{0x33, 0x33, 5: 1}, packet.AllNodes, packet.FlagRouter|packet.FlagOverride
		}
		outs, why := f.deliver(nil, *in, answer.Frame(to, mac))
		return outs, why, true
	case toIt:
		return nil, f.hear(id, in, fr, n.Type == packet.Advertisement), true
	}
	return nil, Forwarded, false
}

// hear takes what somebody says to the router by ARP or Neighbor Discovery: the agent gets answers.
func (f *Fabric) hear(id intent.SwitchID, in *intent.BindingKey, fr frame, answer bool) Drop {
	if !answer {
		return Unserved
	}
	f.note(plane.Entry{}, true, "the router takes note of the answer")
	f.punt(plane.Punted{Reason: plane.PuntAnswer, Switch: id}, in, fr)
	return Forwarded
}

// NotSent implements plane.PuntKeeper.
func (p *Plane) NotSent(_ context.Context, at intent.BindingKey, n uint32) error {
	unlock, err := p.use()
	if err != nil {
		return fmt.Errorf("count what was not sent: %w", err)
	}
	defer unlock()
	p.fabric.came = plane.PlaceDrops{Port: at.Port, VLAN: int(at.VLAN)}
	for range n {
		p.fabric.count(NoNeighbor)
	}
	return nil
}

func (f *Fabric) punt(e plane.Punted, in *intent.BindingKey, fr frame) {
	if in != nil {
		e.At = *in
	}
	e.Frame, e.Length = fr, len(fr)
	f.emit(e)
}

func (f *Fabric) route4(r intent.RouterID, id intent.SwitchID, in *intent.BindingKey, fr frame) ([]Out, Drop) {
	p, ok := packet.ParseIPv4(fr[headerLen:])
	switch {
	case !ok || p.TTL == 0:
		return nil, BadIP
	case p.SourceRouted():
		return nil, SourceRoute
	case !isStation(p.Src) || !isStation(p.Dst):
		return nil, Unroutable
	}
	return f.route(r, id, in, fr, p.Src, p.Dst, p.TTL)
}

func (f *Fabric) route6(r intent.RouterID, id intent.SwitchID, in *intent.BindingKey, fr frame) ([]Out, Drop) {
	p, ok := packet.ParseIPv6(fr[headerLen:])
	switch {
	case !ok || p.HopLimit == 0:
		return nil, BadIP
	case !isStation(p.Src) && !p.Src.IsLinkLocalUnicast() || !isStation(p.Dst):
		return nil, Unroutable
	}
	return f.route(r, id, in, fr, p.Src, p.Dst, p.HopLimit)
}

// isStation says whether a packet from the address, or to it, may leave its link.
func isStation(ip netip.Addr) bool {
	if ip.Is4() && (ip.As4()[0] == 0 || ip.As4()[0] >= 224) {
		return false
	}
	return !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast()
}

// route forwards a packet from src to dst with ttl hops to go.
func (f *Fabric) route(r intent.RouterID, id intent.SwitchID, in *intent.BindingKey, fr frame, src, dst netip.Addr, ttl uint8) ([]Out, Drop) {
	at := plane.Entry{Kind: plane.EntryRoute, Router: r, IP: dst}
	f.consult(at)
	if _, its := f.own[ownKey{r, dst}]; its {
		f.note(at, true, "")
		answer := f.echoes.Answer(f.opts.Now(), id, fr, f.installed.Routers[r].MAC)
		if in == nil || answer == nil {
			return nil, Unserved
		}
		return f.deliver(nil, *in, answer)
	}
	if src.IsLinkLocalUnicast() {
		return nil, Unroutable
	}
	prefix, way, ok := f.lookup(r, dst)
	f.note(at, ok, "")
	switch {
	case !ok:
		return f.tell(r, id, in, fr, src, packet.NoRoute), NoRoute
	case !way.Via.IsValid() && isEdge(prefix, dst):
		return nil, Unroutable
	case ttl <= 1:
		return f.tell(r, id, in, fr, src, packet.TimeExceeded), TTLExceeded
	}
	hop := way.Via
	if !hop.IsValid() {
		hop = dst
	}
	key := intent.IPKey{Switch: way.Switch, IP: hop}
	f.consultIP(plane.EntryInterface, key)
	at = f.consultIP(plane.EntryNeighbour, key)
	mac, ok := f.installed.Neighbours[key]
	f.note(at, ok, "")
	if !ok {
		if _, own := f.installed.Interfaces[key]; own || f.rehearsal != nil { // else it may wait
			return nil, NoNeighbor
		}
		f.punt(plane.Punted{Reason: plane.PuntNoNeighbor, Switch: id, Hop: key}, in, fr)
		return nil, Forwarded
	}
	if f.rehearsal == nil {
		f.used[key] = f.opts.Now()
	}
	if at, mtu, is := f.tooLongFor(intent.MACKey{Switch: way.Switch, MAC: mac}, fr); is {
		return f.tellOf(r, id, in, fr, src, packet.TooBig, mtu), f.noteDrop(at, TooBig)
	}
	f.note(plane.Entry{}, true, "the packet goes a hop further, in another frame to %v from %v", mac, f.installed.Routers[r].MAC)
	fr = packet.Routed(fr, mac, f.installed.Routers[r].MAC)
	if why := f.guardRouter(way.Switch, hop, intent.Egress, fr); why != Forwarded {
		return nil, why
	}
	return f.bridge(intent.MACKey{Switch: way.Switch, MAC: mac}, intent.BindingKey{}, fr)
}

// guardRouter asks the ACL of the router's interface that an address of a switch is next to; the zero Addr: the
// frame is no packet.
func (f *Fabric) guardRouter(id intent.SwitchID, ip netip.Addr, d intent.Direction, fr frame) Drop {
	if !ip.IsValid() {
		return Forwarded
	}
	at := f.consultIP(plane.EntryGuard, intent.IPKey{Switch: id, IP: ip})
	acl, ok := f.routerACL(intent.IPKey{Switch: id, IP: ip})
	if !ok {
		return Forwarded
	}
	return f.ask(at, acl, d, fr)
}

// sourceOf is the source address of a packet, whether or not the rest of it is right.
func sourceOf(fr frame) (ip netip.Addr) {
	switch b := fr[headerLen:]; {
	case fr.etherType() == packet.EtherIPv4 && len(b) >= 16:
		ip, _ = netip.AddrFromSlice(b[12:16])
	case fr.etherType() == packet.EtherIPv6 && len(b) >= 24:
		ip, _ = netip.AddrFromSlice(b[8:24])
	}
	return ip
}

// lookup finds the longest prefix of a router that an address is in.
func (f *Fabric) lookup(r intent.RouterID, dst netip.Addr) (netip.Prefix, intent.Route, bool) {
	for bits := dst.BitLen(); bits >= 0; bits-- {
		prefix := netip.PrefixFrom(dst, bits).Masked()
		if way, ok := f.installed.Routes[intent.RouteKey{Router: r, Prefix: prefix}]; ok {
			return prefix, way, true
		}
	}
	return netip.Prefix{}, intent.Route{}, false
}

// isEdge says whether an IPv4 address is the first or the last of a network: that of all hosts in it.
func isEdge(p netip.Prefix, ip netip.Addr) bool {
	if !ip.Is4() || p.Bits() >= 31 {
		return false
	}
	before, after := ip.Prev(), ip.Next()
	return !before.IsValid() || !p.Contains(before) || !after.IsValid() || !p.Contains(after)
}

// tell tells the sender of fr, in the name of the router, what it has with it.
func (f *Fabric) tell(r intent.RouterID, id intent.SwitchID, in *intent.BindingKey, fr frame, src netip.Addr, what packet.Trouble) []Out {
	return f.tellOf(r, id, in, fr, src, what, 0)
}

// tellOf does so with the size that would do.
func (f *Fabric) tellOf(r intent.RouterID, id intent.SwitchID, in *intent.BindingKey, fr frame, src netip.Addr, what packet.Trouble, mtu int) []Out {
	ip := f.addressFor(id, src)
	if in == nil || !ip.IsValid() {
		return nil
	}
	message := packet.Error(fr, what, f.installed.Routers[r].MAC, ip, uint32(mtu))
	if message == nil {
		return nil
	}
	outs, _ := f.deliver(nil, *in, message)
	return outs
}

// addressFor is the lowest address of a family that a router has in a switch.
func (f *Fabric) addressFor(id intent.SwitchID, family netip.Addr) (lowest netip.Addr) {
	for key := range f.installed.Interfaces {
		if key.Switch == id && key.IP.Is4() == family.Is4() && (!lowest.IsValid() || key.IP.Less(lowest)) {
			lowest = key.IP
		}
	}
	return lowest
}

// ownKey is an address of a router.
type ownKey struct {
	router intent.RouterID
	ip     netip.Addr
}
