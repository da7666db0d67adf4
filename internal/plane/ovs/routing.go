package ovs

import (
	"bytes"
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// Routing. All routers are in one bridge, which has a pair of patch ports with the bridge of each switch that
// has a router. A packet to the router's MAC goes there and, a hop further, to the bridge of another switch or
// back, where it is bridged as what comes from a host, but not learned:
//
//	LS, table 4   to a router?            ARP for its addresses is answered here; see gateway.go
//	LR, table 0   which router is it to?  by the patch port
//	    table 4   has the interface that it comes to an ACL? see routeracl.go
//	    table 5   may it be forwarded?
//	    table 6   for the router itself?
//	    table 7   the longest prefix:     the switch that is next, and who there
//	    table 8   are there hops to go?
//	    table 9   who has the address?
//	    table 13  does it fit?            see size.go
//	    table 14                          other MACs, a hop less
//	    table 10  has the interface that it leaves by an ACL?
//	    table 11  to the switch
//
// What needs an answer other than ARP's, or is to be told of, comes to the agent with the flow's cookie
// (punt.go). The mark of the packet has the port that it came by in the first bridge, 0 for a tunnel's: marks stay
// where registers do not. An answer of the router's has one bit more of it, markAnswer.
const (
	tableRouter uint8 = 4 // LS
	tableBack   uint8 = 5 // LS

	tableAdvertise uint8 = 6 // LS

	tableEnter     uint8 = 4 // LR; tables 3 and 12 are those of ACLs
	tableCheck     uint8 = 5
	tableSelf      uint8 = 6
	tableRoutes    uint8 = 7
	tableHops      uint8 = 8
	tableNeighbors uint8 = 9
	tablePass      uint8 = 10
	tableLeave     uint8 = 11
	tableSize      uint8 = 13
	tableOn        uint8 = 14

	markAnswer = 16 // the packet goes back to the port that the mark has

	regCame   = 5  // LS: not 0: it came by a tunnel, and is for this audience
	regRouter = 5  // LR: the router's number
	regStage  = 6  // LR: which ACL was asked: that of where it came from, or that of where it goes
	regOut    = 7  // LR: the patch port of the switch that is next
	regHop    = 8  // LR: the address there; of IPv6 with the three registers that follow
	regMost   = 12 // LR: the bytes of the largest frame that fits into the way there; 0: that is not known
	regLarger = 13 // LR: 1: this one has more

	prioStage    uint16 = 940  // LR, table 0: an ACL was asked
	prioAnywhere uint16 = 949  // LR, table 0: it was denied, wherever it came in
	prioRefuse   uint16 = 2000 // LR
	prioRoute    uint16 = 1000 // and twice the length of the prefix
	prioOwn      uint16 = 200
	prioRouted   uint16 = 100
	prioLastHop  uint16 = 100
	prioLastHop0 uint16 = 110 // by a tunnel
	prioMiss     uint16 = 0
	prioMiss0    uint16 = 10 // by a tunnel
)

func (n *names) router() string { return n.ps + "_vtep_lr" }

// The pair of patch ports of a switch: in its bridge, and in that of the routers.
func toRouters(bridge string) string   { return bridge + "-r" }
func fromRouters(bridge string) string { return bridge + "-s" }

// planRouters adds what the bridge of the routers needs.
func (n *names) planRouters(l *layout, v *vswitch, s *site) {
	for _, ls := range s.sorted() {
		if _, ok := s.routers[ls.router]; !ok {
			continue
		}
		bridge, mark := n.bridge(v, ls.id), map[string]string{markOwner: n.ps}
		l.bridges[n.router()] = mark
		for _, p := range []*wantedPort{
			{bridge, toRouters(bridge), "patch", map[string]string{"peer": fromRouters(bridge)}, mark},
			{n.router(), fromRouters(bridge), "patch", map[string]string{"peer": toRouters(bridge)}, mark},
		} {
			l.ports[p.name] = p
		}
	}
}

// routing is what the bridge of the routers is to do.
type routing struct {
	site    *site
	numbers numbering[intent.RouterID]
	ports   map[intent.SwitchID]uint32 // of the switches that have routers, in this bridge
	access  *accessLists
	members func(intent.SwitchID) []patch // the bindings of a switch
	largest func(intent.MACKey) uint16    // see engine.largest

	changed bool              // otherwise than by routes and neighbors, since the flows were built
	dirty   []intent.RouteKey // the routes that have changed since
	built   routingBuilt
}

// flows returns all of the bridge.
func (r *routing) flows() flowSet {
	s := flowSet{}
	if len(r.ports) == 0 {
		return s
	}
	r.checks(s)
	add := r.adder(s)
	for id, port := range r.ports {
		add(tableIn, prioRouted, openflow.Match{openflow.InPort(port)},
			openflow.Goto(tableEnter, openflow.SetField(openflow.Reg(regRouter, r.numbers.get(r.site.switches[id].router)))))
		add(tableLeave, prioRouted, openflow.Match{openflow.InPort(port), openflow.Reg(regOut, port)}, openflow.Apply(openflow.Output(openflow.PortInPort)))
	}
	add(tableLeave, prioMiss, nil, openflow.Apply(openflow.OutputReg(regOut)))
	r.guard(s)
	r.sizes(s)
	for key := range r.site.interfaces {
		ls := r.site.switches[key.Switch]
		if ls == nil || r.ports[key.Switch] == 0 {
			continue
		}
		r.refuse(s, tableSelf, prioOwn+2, dropUnserved, append(addressed(key.IP), r.of(ls.router), fromTunnel())...)
		r.echo(s, key, ls.router)
		s.punt(puntOwn, tableSelf, prioOwn, append(addressed(key.IP), r.of(ls.router))...)
		r.refuse(s, tableNeighbors, prioOwn, dropNoNeighbor, hop(key.IP, r.ports[key.Switch])...)
	}
	for key, way := range r.site.routes {
		r.route(s, key, way)
	}
	for key, mac := range r.site.neighbours {
		r.neighbor(s, key, mac)
	}
	return s
}

func (r *routing) adder(s flowSet) func(uint8, uint16, openflow.Match, openflow.Instructions) {
	return func(table uint8, priority uint16, match openflow.Match, inst openflow.Instructions) {
		s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieFlow, Table: table, Priority: priority, Match: match, Instructions: inst})
	}
}

func (r *routing) of(id intent.RouterID) openflow.Field {
	return openflow.Reg(regRouter, r.numbers.get(id))
}

func fromTunnel() openflow.Field { return number(openflow.FieldMark, 0, 4) }

// refuse drops and counts.
func (r *routing) refuse(s flowSet, table uint8, priority uint16, reason uint64, match ...openflow.Field) {
	s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieDrop | reason, Table: table, Priority: priority, Match: match})
}

// punt sends to the agent.
func (s flowSet) punt(kind uint64, table uint8, priority uint16, match ...openflow.Field) {
	s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookiePunt | kind, Table: table, Priority: priority, Match: match,
		Instructions: openflow.Apply(openflow.ToController(controllerID, wholePacket))})
}

// wholePacket has a packet come to the agent from its first byte to its last.
const wholePacket = 0xffff

// etherTypes are those of packets, with the field of the source and of the destination.
var etherTypes = []struct {
	etherType uint16
	src, dst  openflow.FieldID
}{
	{intent.EtherTypeIPv4, openflow.FieldIPv4Src, openflow.FieldIPv4Dst},
	{intent.EtherTypeIPv6, openflow.FieldIPv6Src, openflow.FieldIPv6Dst},
}

// nowhereRouted are addresses that no packet has which leaves its link.
var nowhereRouted = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/128"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("ff00::/8"),
}

var linkLocal6 = netip.MustParsePrefix("fe80::/10")

// checks adds what holds for all routers.
func (r *routing) checks(s flowSet) {
	add := r.adder(s)
	for _, p := range etherTypes {
		is := ethType(p.etherType)
		// Of a packet whose header is not right nothing is known, not even its TTL.
		r.refuse(s, tableCheck, prioRefuse+1, dropBadIP, is, number(openflow.FieldIPTTL, 0, 1))
		for _, no := range nowhereRouted {
			if no.Addr().Is4() == (p.etherType == intent.EtherTypeIPv4) {
				r.refuse(s, tableCheck, prioRefuse, dropUnroutable, append(prefixed(p.src, no), is)...)
				r.refuse(s, tableCheck, prioRefuse, dropUnroutable, append(prefixed(p.dst, no), is)...)
			}
		}
		r.refuse(s, tableHops, prioLastHop0, dropTTLExceeded, is, number(openflow.FieldIPTTL, 1, 1), fromTunnel())
		s.punt(puntTTL, tableHops, prioLastHop, is, number(openflow.FieldIPTTL, 1, 1))
	}
	r.refuse(s, tableCheck, prioRefuse, dropUnroutable, append(prefixed(openflow.FieldIPv6Dst, linkLocal6), ethType(intent.EtherTypeIPv6))...)
	r.refuse(s, tableSelf, prioOwn-1, dropUnroutable, append(prefixed(openflow.FieldIPv6Src, linkLocal6), ethType(intent.EtherTypeIPv6))...)
	add(tableEnter, prioMiss, nil, openflow.Goto(tableCheck))
	add(tableCheck, prioMiss, nil, openflow.Goto(tableSelf))
	add(tableSelf, prioMiss, nil, openflow.Goto(tableRoutes))
	r.refuse(s, tableRoutes, prioMiss0, dropNoRoute, fromTunnel())
	s.punt(puntNoRoute, tableRoutes, prioMiss)
	add(tableHops, prioMiss, nil, openflow.Goto(tableNeighbors))
	s.punt(puntNoNeighbor, tableNeighbors, prioMiss)
	add(tablePass, prioMiss, nil, openflow.Goto(tableLeave))
}

// addressed matches packets to an address.
func addressed(ip netip.Addr) openflow.Match { return destined(netip.PrefixFrom(ip, ip.BitLen())) }

// destined matches packets to a prefix.
func destined(p netip.Prefix) openflow.Match {
	of := etherTypes[0]
	if p.Addr().Is6() {
		of = etherTypes[1]
	}
	return append(prefixed(of.dst, p), ethType(of.etherType))
}

// hop matches what goes to an address of a switch.
func hop(ip netip.Addr, out uint32) openflow.Match {
	b := ip.AsSlice()
	m := openflow.Match{ethType(intent.EtherTypeIPv4), openflow.Reg(regOut, out)}
	if ip.Is6() {
		m[0] = ethType(intent.EtherTypeIPv6)
	}
	for i := 0; i < len(b); i += 4 {
		m = append(m, openflow.Reg(regHop+i/4, binary.BigEndian.Uint32(b[i:])))
	}
	return m
}

// route adds a route. The last or first address of a network is nobody's.
func (r *routing) route(s flowSet, key intent.RouteKey, way intent.Route) {
	out := r.ports[way.Switch]
	if out == 0 {
		return
	}
	actions := openflow.Actions{openflow.SetField(openflow.Reg(regOut, out))}
	v6 := key.Prefix.Addr().Is6()
	switch {
	case way.Via.Is4():
		actions = append(actions, openflow.SetField(openflow.Field{ID: openflow.FieldReg(regHop), Value: way.Via.AsSlice()}))
	case way.Via.Is6():
		actions = append(actions, openflow.SetField(openflow.Field{ID: openflow.FieldXXReg(regHop / 4), Value: way.Via.AsSlice()}))
	case v6:
		actions = append(actions, openflow.RegMoveAction{Src: openflow.FieldIPv6Dst, Dst: openflow.FieldXXReg(regHop / 4), SrcWidth: 16, DstWidth: 16, Bits: 128})
	default:
		actions = append(actions, openflow.RegMoveAction{Src: openflow.FieldIPv4Dst, Dst: openflow.FieldReg(regHop), SrcWidth: 4, DstWidth: 4, Bits: 32})
	}
	priority := prioRoute + 2*uint16(key.Prefix.Bits())
	r.adder(s)(tableRoutes, priority, append(destined(key.Prefix), r.of(key.Router)), openflow.Goto(tableHops, actions...))
	if !way.Via.IsValid() && !v6 && key.Prefix.Bits() < 31 {
		for _, ip := range []netip.Addr{key.Prefix.Addr(), lastOf(key.Prefix)} {
			r.refuse(s, tableRoutes, priority+1, dropUnroutable, append(addressed(ip), r.of(key.Router))...)
		}
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|1<<(32-p.Bits())-1)
	return netip.AddrFrom4(b)
}

// neighbor adds who has an address; the zero key: there is no flow for that.
func (r *routing) neighbor(s flowSet, key intent.IPKey, mac intent.MAC) flowKey {
	ls, out := r.site.switches[key.Switch], r.ports[key.Switch]
	if ls == nil || out == 0 {
		return flowKey{}
	}
	actions := openflow.Actions{openflow.SetField(openflow.EthDst(mac))}
	if most := r.largest(intent.MACKey{Switch: key.Switch, MAC: mac}); most != 0 {
		size(s, most)
		actions = append(actions, openflow.SetField(openflow.Reg(regMost, uint32(most))), again(tableSize))
	} else {
		actions = append(actions, again(tableOn))
	}
	return s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieNeighbor, Table: tableNeighbors, Priority: prioRouted, Match: hop(key.IP, out),
		Instructions: openflow.Apply(actions...)})
}

// routerOf returns the router that has interfaces in a switch.
func (s *site) routerOf(id intent.SwitchID) (intent.Router, bool) {
	ls := s.switches[id]
	if ls == nil {
		return intent.Router{}, false
	}
	r, ok := s.routers[ls.router]
	return r, ok
}

// addressesIn lists the addresses of the router in a switch.
func (s *site) addressesIn(id intent.SwitchID) []netip.Addr {
	if ls := s.switches[id]; ls != nil {
		return slices.SortedFunc(maps.Keys(ls.addresses), netip.Addr.Compare)
	}
	return nil
}

// applyRouters takes what changed of routers. It returns the addresses whose owner did, and the routes that did.
func (s *site) applyRouters(d *intent.Delta) (ips []intent.IPKey, routes []intent.RouteKey) {
	renewed := map[intent.RouterID]bool{}
	for _, c := range d.Routers {
		renewed[c.Key] = true
		set(s.routers, c.Key, c.New)
	}
	for _, c := range d.Interfaces {
		set(s.interfaces, c.Key, c.New)
		if addresses := s.change(c.Key.Switch).addresses; c.New == nil {
			delete(addresses, c.Key.IP)
		} else {
			addresses[c.Key.IP] = true
		}
	}
	for _, c := range d.Routes {
		routes = append(routes, c.Key)
		set(s.routes, c.Key, c.New)
	}
	for _, c := range d.Neighbours {
		ips = append(ips, c.Key)
		s.setNeighbour(c.Key, c.New)
	}
	for _, ls := range s.switches {
		if renewed[ls.router] || d.Global && ls.router != (intent.RouterID{}) {
			ls.changed = true
		}
	}
	return ips, routes
}

// hopOf reads back where a packet was going.
func hopOf(m openflow.Match, v6 bool) (ip netip.Addr, out uint32) {
	var b bytes.Buffer
	for i := range 4 {
		v, ok := m.Get(openflow.FieldReg(regHop + i))
		if !ok {
			v = make([]byte, 4)
		}
		b.Write(v)
	}
	if v6 {
		ip = netip.AddrFrom16([16]byte(b.Bytes()))
	} else {
		ip = netip.AddrFrom4([4]byte(b.Bytes()))
	}
	if v, ok := m.Get(openflow.FieldReg(regOut)); ok {
		out = binary.BigEndian.Uint32(v)
	}
	return ip, out
}
