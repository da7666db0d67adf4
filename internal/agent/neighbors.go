package agent

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/neighbor"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
)

// hearNeighbor takes a packet that a router can't hand on for want of a neighbor, or what a station
// has answered.
func (a *Agent) hearNeighbor(now time.Time, e plane.Punted) {
	_, sends := a.opts.Plane.(plane.Sender)
	sends = sends && a.ready && !a.frozen
	switch {
	case e.Reason == plane.PuntNoNeighbor:
		p := neighbor.Packet{Switch: e.Switch, At: e.At}
		if e.Length == len(e.Frame) { // of a larger one there is nothing to be sent later
			p.Frame = e.Frame
		}
		s := a.compiler.State()
		mac, known := s.Neighbours[e.Hop]
		switch {
		case !sends || s.Switches[e.Hop.Switch].Router == (intent.RouterID{}):
			a.notSent(p)
		case known: // the answer has overtaken it
			a.neighbors.Pass(e.Hop, mac, p)
		default:
			a.neighbors.Ask(now, e.Hop, p)
		}
	case e.Reason == plane.PuntAnswer && sends:
		if ip, mac, ok := answered(e.Frame); ok {
			a.neighbors.Heard(now, intent.IPKey{Switch: e.Switch, IP: ip}, mac, e.At)
		}
	}
}

// notSent notes that packets which a router could not hand on go nowhere. Those that are not whole the plane has
// counted.
func (a *Agent) notSent(packets ...neighbor.Packet) {
	for _, p := range packets {
		if p.Frame == nil {
			continue
		}
		if a.unsent == nil {
			a.unsent = map[intent.BindingKey]uint32{}
		}
		a.unsent[p.At]++
	}
}

// flushUnsent has the plane count them.
func (a *Agent) flushUnsent(ctx context.Context) {
	all := a.unsent
	a.unsent = nil
	keeper, ok := a.opts.Plane.(plane.PuntKeeper)
	if !ok {
		return
	}
	for at, n := range all {
		if err := keeper.NotSent(ctx, at, n); err != nil {
			a.log.Debug("dropped packets were not counted", "port", at.Port, "vlan", at.VLAN, "err", err)
		}
	}
}

// answered is who has which address, as an answer says.
func answered(frame []byte) (netip.Addr, intent.MAC, bool) {
	if len(frame) < packet.HeaderLen {
		return netip.Addr{}, intent.MAC{}, false
	}
	if packet.EtherType(frame) == packet.EtherARP {
		r, ok := packet.ParseARP(frame[packet.HeaderLen:])
		return r.SenderIP, intent.MAC(r.SenderMAC), ok
	}
	if !packet.IsND(frame) {
		return netip.Addr{}, intent.MAC{}, false
	}
	n, ok := packet.ParseND(frame)
	if n.MAC == (packet.MAC{}) { // it is not said, and need not be
		n.MAC = packet.MAC(frame[6:])
	}
	return n.Target, intent.MAC(n.MAC), ok
}

// adoptNeighbors has those looked after that routers of an earlier process have found, and that are no
// hosts at ports: from now on they stay as long as they answer, or until nobody uses them.
func (a *Agent) adoptNeighbors() {
	s := a.compiler.State()
	for key, mac := range a.compiler.Unconfirmed() {
		if s.Switches[key.Switch].Router != (intent.RouterID{}) && !a.compiler.KnownByRow(key) {
			a.neighbors.Adopt(time.Now(), key, mac)
			a.compiler.SetNeighbour(key, mac)
		}
	}
}

// followNeighbors takes note of what rows and hosts at ports say without being asked.
func (a *Agent) followNeighbors(d *intent.Delta) {
	if d == nil {
		a.gateways = nil
		return
	}
	if len(d.Interfaces) > 0 {
		a.gateways = nil
	}
	s := a.compiler.State()
	for _, c := range d.Neighbours {
		if c.New == nil { // a host at a port has gone, or its row: with the next packet all are asked
			a.neighbors.Forget(c.Key)
			continue
		}
		if _, state, known := a.neighbors.Get(c.Key); known && state == neighbor.Incomplete {
			at, _ := a.table.Get(intent.MACKey{Switch: c.Key.Switch, MAC: *c.New})
			a.neighbors.Heard(time.Now(), c.Key, *c.New, at)
		}
		if a.compiler.KnownByRow(c.Key) {
			a.neighbors.Forget(c.Key)
		}
	}
	for _, c := range d.Switches {
		if c.Old == nil || c.Old.Router == s.Switches[c.Key].Router {
			continue
		}
		for n := range a.neighbors.All() { // another router
			if n.Key.Switch == c.Key {
				a.neighbors.Forget(n.Key)
			}
		}
	}
}

// usedNeighbors says of neighbors whether packets went to them of late.
func (a *Agent) usedNeighbors(ctx context.Context) func([]intent.IPKey) []bool {
	return func(keys []intent.IPKey) []bool {
		if p, ok := a.opts.Plane.(plane.NeighborUser); ok {
			return p.UsedNeighbors(ctx, keys, neighbor.ReachableTime)
		}
		return make([]bool, len(keys))
	}
}

// flushNeighbors does what follows from what routers need and stations have answered. Forwarding
// follows with the next Refresh (see moves.refresh).
func (a *Agent) flushNeighbors(ctx context.Context) {
	defer func() { a.flushUnsent(ctx) }()
	if !a.ready || a.frozen {
		return
	}
	do := a.neighbors.Take()
	a.notSent(do.Dropped...)
	a.notSent(do.Unreachable...)
	if do.FullChanged {
		a.tellFull(do.Full)
	}
	for key, mac := range do.Changed {
		a.compiler.SetNeighbour(key, mac)
		a.moves.refresh = true
	}
	sender, ok := a.opts.Plane.(plane.Sender)
	if !ok || !a.owner {
		for _, d := range do.Deliver {
			a.notSent(d.Packets...)
		}
		return
	}
	send := func(frame []byte, to plane.Destination) (lost bool) {
		err := sender.Send(ctx, frame, to)
		if err != nil {
			a.log.Debug("a frame of a router was not sent", "switch", to.Switch, "err", err)
		}
		return err != nil && !errors.Is(err, plane.ErrDropped)
	}
	for _, q := range do.Ask {
		if frame := a.question(q); frame != nil {
			send(frame, a.wayTo(intent.MACKey{Switch: q.Key.Switch, MAC: q.To}))
		}
	}
	s := a.compiler.State()
	for _, d := range do.Deliver {
		router := s.Routers[s.Switches[d.Key.Switch].Router].MAC
		for _, p := range d.Packets {
			if p.Frame != nil {
				to := a.wayTo(intent.MACKey{Switch: d.Key.Switch, MAC: d.MAC})
				to.Hop = d.Key.IP
				if send(packet.Routed(p.Frame, packet.MAC(d.MAC), packet.MAC(router)), to) {
					a.notSent(p)
				}
			}
		}
	}
	for _, p := range do.Unreachable {
		if p.Frame == nil || p.At.Port == "" { // behind a tunnel another VTEP is the router
			continue
		}
		router := s.Routers[s.Switches[p.Switch].Router].MAC
		ip := a.routerAddress(p.Switch, netip.Addr{}, packet.EtherType(p.Frame) == packet.EtherIPv4)
		if !ip.IsValid() {
			continue
		}
		if frame := packet.Error(p.Frame, packet.HostUnreachable, packet.MAC(router), ip, 0); frame != nil {
			send(frame, plane.Destination{Switch: p.Switch, At: p.At})
		}
	}
}

// question is the frame that asks who has an address; nil: the router is in no prefix with it any more.
func (a *Agent) question(q neighbor.Question) []byte {
	src := packet.MAC(a.compiler.State().ARPSource)
	from := a.routerAddress(q.Key.Switch, q.Key.IP, q.Key.IP.Is4())
	if !from.IsValid() || src == (packet.MAC{}) {
		return nil
	}
	return questionFrame(q, src, from)
}

// questionFrame asks by the MAC src for the router with an address in that prefix.
//
// Hosts take note of who asks them: one that learns from a question that the router's address is at src has
// this VTEP route all that it sends, wherever it is, and not its own one. So nobody learns that if it can
// be helped: a solicitation comes from a link-local address, and a neighbor that is known is asked in nobody's
// name. A broadcast in nobody's name would keep a host that just looks whether the address is free
// from taking it (RFC 5227, 2.1.1): it comes from the router's.
func questionFrame(q neighbor.Question, src packet.MAC, router netip.Addr) []byte {
	switch {
	case !q.To.IsZero():
		return probeFrame(packet.MAC(q.To), src, q.Key.IP)
	case q.Key.IP.Is4():
		return packet.ARP{Op: packet.ARPRequest, SenderMAC: src, SenderIP: router, TargetIP: q.Key.IP}.Frame(packet.MAC{255, 255, 255, 255, 255, 255}, src)
	}
	group, to := packet.SolicitedNode(q.Key.IP)
	return packet.ND{Type: packet.Solicitation, Src: packet.LinkLocal(src), Dst: group, Target: q.Key.IP, MAC: src}.Frame(to, src)
}

// routerAddress is an address of a family that the router has in a switch: one whose prefix has ip if
// there is any, and of these the lowest.
func (a *Agent) routerAddress(id intent.SwitchID, ip netip.Addr, is4 bool) (best netip.Addr) {
	if a.gateways == nil {
		a.gateways = map[intent.SwitchID][]netip.Prefix{}
		for key, i := range a.compiler.State().Interfaces {
			a.gateways[key.Switch] = append(a.gateways[key.Switch], netip.PrefixFrom(key.IP, i.Bits))
		}
	}
	near := false
	for _, p := range a.gateways[id] {
		if p.Addr().Is4() != is4 {
			continue
		}
		is := ip.IsValid() && p.Contains(ip)
		if !best.IsValid() || is && !near || is == near && p.Addr().Less(best) {
			best, near = p.Addr(), is
		}
	}
	return best
}

// wayTo is where a station is, or else everybody in its switch.
func (a *Agent) wayTo(key intent.MACKey) plane.Destination {
	to := plane.Destination{Switch: key.Switch}
	if key.MAC.IsZero() {
		return to
	}
	if t, ok := a.compiler.State().Unicast.Get(key); ok {
		to.Tunnel = t
	} else if at, ok := a.compiler.State().Attached[key]; ok {
		to.At = at
	} else if at, ok := a.table.Get(key); ok {
		to.At = at
	}
	return to
}
