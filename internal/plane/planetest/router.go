package planetest

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// Routers of the suite have one address.
var (
	routerMAC = intent.MAC{0x02, 0, 0, 0, 0xaa, 0x01}
	arpMAC    = intent.MAC{0x02, 0, 0, 0, 0xaa, 0x02} // by which the VTEP asks

	green   = intent.SwitchID{0x6e}
	routerA = intent.RouterID{0xa}
	routerB = intent.RouterID{0xb}
)

// routerCases are for planes that route, with packets of both families.
var routerCases = []testCase{
	{"routes", routes, false},
	{"routes of what comes by tunnels", fromTunnelRouted, false},
	{"longest prefix", longestPrefix, false},
	{"senders are told", trouble, false},
	{"packets for the router", forRouter, false},
	{"who has the router's address", whoHas, false},
	{"hostile packets", hostile, false},
	{"unknown neighbors", unknownNeighbors, false},
	{"frames of the agent", agentFrames, false},
	{"two routers", twoRouters, false},
	{"router changes", routerChanges, false},
	{"router after a restart", routerRestart, false},
	{"router alone", routerAlone, false},
	{"echo in fragments", echoInFragments, false},
}

const greenVNI = 7000

// of is the address with a number in the prefix with a number, of the family of the case.
func (l *lab) of(prefix, host byte) netip.Addr { return address(l.payload, prefix, host) }

// gateway is the address of the router in a prefix.
func (l *lab) gateway(prefix byte) netip.Addr { return l.of(prefix, 254) }

func address(k Payload, prefix, host byte) netip.Addr {
	if k == IPv6 {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 5: prefix, 15: host})
	}
	return netip.AddrFrom4([4]byte{10, prefix, 0, host})
}

var families = []Payload{IPv4, IPv6}

// gateway gives a router an address in a switch, with host number 254 of a prefix.
func gateway(s *intent.State, r intent.RouterID, id intent.SwitchID, prefix byte) {
	s.Routers[r] = intent.Router{MAC: routerMAC}
	ls := s.Switches[id]
	ls.Router = r
	s.Switches[id] = ls
	for _, k := range families {
		bits := 24
		if k == IPv6 {
			bits = 64
		}
		ip := address(k, prefix, 254)
		s.Interfaces[intent.IPKey{Switch: id, IP: ip}] = intent.Interface{Bits: bits}
		s.Routes[intent.RouteKey{Router: r, Prefix: netip.PrefixFrom(ip, bits).Masked()}] = intent.Route{Switch: id}
	}
}

// lives says that a station has the address of its number in a prefix.
func lives(s *intent.State, id intent.SwitchID, prefix, n byte) {
	for _, k := range families {
		s.Neighbours[intent.IPKey{Switch: id, IP: address(k, prefix, n)}] = station(n)
	}
}

// via gives a router a static route.
func via(s *intent.State, r intent.RouterID, prefix string, id intent.SwitchID, hop netip.Addr) {
	s.Routes[intent.RouteKey{Router: r, Prefix: netip.MustParsePrefix(prefix)}] = intent.Route{Switch: id, Via: hop}
}

// routed is the usual State with a router between red (prefix 1), blue (2) and green (3), of which
// green has no binding: its hosts are behind a peer. Stations 1 and 2 live in red, 3 and 4 in blue, those
// from 21 on behind peers.
func routed(s *intent.State) {
	usual(s)
	s.ARPSource = arpMAC
	s.Switches[green] = intent.Switch{Name: "green", VNI: greenVNI}
	gateway(s, routerA, red, 1)
	gateway(s, routerA, blue, 2)
	gateway(s, routerA, green, 3)
	remote(s, green, station(23), tunnel(2, greenVNI))
	lives(s, red, 1, 1)
	lives(s, red, 1, 2)
	lives(s, red, 1, 21)
	lives(s, blue, 2, 3)
	lives(s, blue, 2, 4)
	lives(s, blue, 2, 22)
	lives(s, green, 3, 23)
}

// packet returns a new packet to the router, from a host at a binding.
func (l *lab) packet(src byte, from, to netip.Addr, tags ...uint16) packet {
	l.lastID++
	return packet{dst: routerMAC, src: station(src), tags: tags, from: from, to: to, ttl: 64, id: l.lastID}
}

// sent is any frame.
type sent interface{ Bytes() []byte }

type raw []byte

func (r raw) Bytes() []byte { return r }

func (l *lab) portGets(port string, f sent, want ...Out) {
	l.Helper()
	l.sendPort(port, f.Bytes())
	l.expect("from port "+port, want)
}

func (l *lab) tunnelGets(from intent.Tunnel, f sent, want ...Out) {
	l.Helper()
	l.sendTunnel(from, 0, f.Bytes())
	l.expect("from tunnel "+from.String(), want)
}

func atPort(port string, f sent) Out { return Out{Port: port, Frame: f.Bytes()} }

func inTunnel(t intent.Tunnel, f sent) Out { return Out{Tunnel: t, Frame: f.Bytes()} }

// settleHosts has the hosts at ports learned: 1 and 2 in red, 3 and 4 in blue.
func (l *lab) settleHosts() {
	l.Helper()
	for _, h := range []struct {
		n    byte
		at   intent.BindingKey
		tags []uint16
	}{{1, at("p0", 0), nil}, {2, at("p1", 0), nil}, {3, at("p2", 100), []uint16{100}}, {4, at("p0", 100), []uint16{100}}} {
		l.sendPort(h.at.Port, l.frame(h.n, station(h.n), h.tags...).Bytes())
		l.harness.Receive(l, 0)
	}
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{
		{Switch: red, MAC: station(1)}: at("p0", 0), {Switch: red, MAC: station(2)}: at("p1", 0),
		{Switch: blue, MAC: station(3)}: at("p2", 100), {Switch: blue, MAC: station(4)}: at("p0", 100)})
	l.before = drops{}
	l.noteDrops()
}

// routes goes through all that can be behind a next hop.
func routes(l *lab) {
	l.apply(routed)
	l.settleHosts()
	p := l.packet(1, l.of(1, 10), l.of(2, 3)) // to another port
	l.portGets("p0", p, atPort("p2", p.hop(station(3), 100)))
	p = l.packet(1, l.of(1, 10), l.of(2, 4)) // to the same port, in another VLAN
	l.portGets("p0", p, atPort("p0", p.hop(station(4), 100)))
	p = l.packet(3, l.of(2, 3), l.of(1, 2), 100) // from a VLAN to none
	l.portGets("p2", p, atPort("p1", p.hop(station(2))))
	p = l.packet(3, l.of(2, 3), l.of(1, 21), 100) // to a tunnel of a switch that has other ports
	l.portGets("p2", p, inTunnel(tunnel(0, redVNI), p.hop(station(21))))
	p = l.packet(1, l.of(1, 10), l.of(3, 23)) // and of one that has none
	l.portGets("p0", p, inTunnel(tunnel(2, greenVNI), p.hop(station(23))))
	p = l.packet(1, l.of(1, 10), l.of(1, 2)) // in the switch that it came from, where a host asks for that
	l.portGets("p0", p, atPort("p1", p.hop(station(2))))
	p = l.packet(1, l.of(1, 10), l.gateway(1)) // which is the router itself
	l.portGets("p0", p)

	p = l.packet(1, l.of(1, 10), l.of(2, 3)) // not to the router: bridged
	p.dst = station(2)
	l.portGets("p0", p, atPort("p1", p))
	p.dst = station(21)
	l.portGets("p0", p, inTunnel(tunnel(0, redVNI), p))

	// A neighbor of whom nothing is known but the address is looked for as bridges do.
	l.apply(func(s *intent.State) { lives(s, blue, 2, 9) })
	p = l.packet(1, l.of(1, 10), l.of(2, 9))
	h := p.hop(station(9))
	l.portGets("p0", p, atPort("p0", p.hop(station(9), 100)), atPort("p2", p.hop(station(9), 100)), inTunnel(tunnel(1, blueVNI), h))

	p = l.packet(1, l.of(1, 10), l.of(2, 77)) // nobody has it: it is the agent's now
	l.portGets("p0", p)
	l.mustHaveDropped(map[string]uint64{"unserved": 1}, nil)
}

// fromTunnelRouted is of frames that come by a tunnel.
func fromTunnelRouted(l *lab) {
	l.apply(routed)
	l.settleHosts()
	for _, to := range []intent.MAC{routerMAC, arpMAC} {
		p := l.packet(21, l.of(1, 21), l.of(2, 3))
		p.dst = to
		l.tunnelGets(tunnel(0, redVNI), p, atPort("p2", p.hop(station(3), 100)))
		p = l.packet(21, l.of(1, 21), l.of(3, 23))
		p.dst = to
		l.tunnelGets(tunnel(0, redVNI), p, inTunnel(tunnel(2, greenVNI), p.hop(station(23))))
	}
	p := l.packet(23, l.of(3, 23), l.of(2, 3)) // by a tunnel of a switch that has no ports
	l.tunnelGets(tunnel(2, greenVNI), p, atPort("p2", p.hop(station(3), 100)))
	// Another VTEP has routed it already: its source is the address that all routers have.
	p = l.packet(21, l.of(3, 23), l.of(1, 2))
	p.dst, p.src = station(2), routerMAC
	l.tunnelGets(tunnel(0, redVNI), p, atPort("p1", p))
	// Nobody there is told of trouble, or answered.
	p = l.packet(21, l.of(1, 21), l.of(2, 3))
	p.ttl = 1
	l.tunnelGets(tunnel(0, redVNI), p)
	p = l.packet(21, l.of(1, 21), l.gateway(2))
	l.tunnelGets(tunnel(0, redVNI), raw(p.icmp(echoRequest(l.payload))))
	q := ask(station(21), l.of(1, 21), l.gateway(1))
	l.tunnelGets(tunnel(0, redVNI), q, atPort("p0", q), atPort("p1", q))
	l.mustHaveDropped(map[string]uint64{"ttl_exceeded": 1, "unserved": 1}, nil)
}

func echoRequest(k Payload) []byte {
	kind := byte(8)
	if k == IPv6 {
		kind = 128
	}
	return append([]byte{kind, 0, 0, 0, 0x11, 0x22, 0, 1}, marker...)
}

func echoReply(k Payload) []byte {
	m := echoRequest(k)
	m[0] = 0
	if k == IPv6 {
		m[0] = 129
	}
	return m
}

// longestPrefix is of static routes.
func longestPrefix(l *lab) {
	l.apply(routed)
	l.settleHosts()
	all, wide, narrow, one := "0.0.0.0/0", "10.9.0.0/16", "10.9.0.0/24", "10.9.0.7/32"
	if l.payload == IPv6 {
		all, wide, narrow, one = "::/0", "2001:db8:9::/48", "2001:db8:9::/64", "2001:db8:9::7/128"
	}
	l.apply(func(s *intent.State) {
		via(s, routerA, all, blue, l.of(2, 22))
		via(s, routerA, wide, green, l.of(3, 23))
		via(s, routerA, narrow, blue, l.of(2, 3))
		via(s, routerA, one, red, l.of(1, 2))
	})
	elsewhere := netip.MustParseAddr("10.9.1.1") // outside of narrow
	if l.payload == IPv6 {
		elsewhere = netip.MustParseAddr("2001:db8:9:1::1")
	}
	send := func(to netip.Addr, want func(packet) Out) {
		p := l.packet(1, l.of(1, 10), to)
		l.portGets("p0", p, want(p))
	}
	toOne := func(p packet) Out { return atPort("p1", p.hop(station(2))) }
	toNarrow := func(p packet) Out { return atPort("p2", p.hop(station(3), 100)) }
	toWide := func(p packet) Out { return inTunnel(tunnel(2, greenVNI), p.hop(station(23))) }
	toAll := func(p packet) Out { return inTunnel(tunnel(1, blueVNI), p.hop(station(22))) }
	send(l.of(9, 7), toOne)
	send(l.of(9, 8), toNarrow)
	send(elsewhere, toWide)
	send(l.of(77, 1), toAll)
	send(l.of(2, 3), toNarrow) // connected
	l.apply(func(s *intent.State) {
		delete(s.Routes, intent.RouteKey{Router: routerA, Prefix: netip.MustParsePrefix(one)})
		via(s, routerA, narrow, blue, l.of(2, 22))
	})
	send(l.of(9, 7), toAll)
	l.apply(func(s *intent.State) {
		delete(s.Routes, intent.RouteKey{Router: routerA, Prefix: netip.MustParsePrefix(narrow)})
	})
	send(l.of(9, 7), toWide)
	l.apply(func(s *intent.State) {
		delete(s.Routes, intent.RouteKey{Router: routerA, Prefix: netip.MustParsePrefix(wide)})
	})
	send(l.of(9, 7), toAll)
}

// trouble is what senders are told of.
func trouble(l *lab) {
	l.apply(routed)
	l.settleHosts()
	p := l.packet(1, l.of(1, 10), l.of(2, 3))
	p.ttl = 2
	l.portGets("p0", p, atPort("p2", p.hop(station(3), 100)))
	p.ttl = 1
	l.portGets("p0", p, atPort("p0", raw(p.trouble(l.gateway(1), 11, 0, 3, 0))))
	p = l.packet(3, l.of(2, 3), l.of(77, 1), 100) // there is no way to it
	l.portGets("p2", p, atPort("p2", raw(p.trouble(l.gateway(2), 3, 0, 1, 0))))
	if l.payload == IPv4 { // the rest of a packet that was cut up
		p = l.packet(1, l.of(1, 10), l.of(77, 1))
		p.fragment = 7
		l.portGets("p0", p)
		l.mustHaveDropped(map[string]uint64{"ttl_exceeded": 1, "no_route": 2}, nil)
		return
	}
	l.mustHaveDropped(map[string]uint64{"ttl_exceeded": 1, "no_route": 1}, nil)
}

// forRouter is of what is for the router itself: echo of its addresses, near and far.
func forRouter(l *lab) {
	l.apply(routed)
	l.settleHosts()
	for _, prefix := range []byte{1, 2, 3} {
		p := l.packet(1, l.of(1, 10), l.gateway(prefix))
		answer := packet{dst: station(1), src: routerMAC, from: p.to, to: p.from, ttl: 64}
		l.portGets("p0", raw(p.icmp(echoRequest(l.payload))), atPort("p0", raw(answer.icmp(echoReply(l.payload)))))
		p.ttl = 1 // it has arrived
		l.portGets("p0", raw(p.icmp(echoRequest(l.payload))), atPort("p0", raw(answer.icmp(echoReply(l.payload)))))
	}
	for _, n := range []byte{30, 21} { // the answer goes back, although the host is new there, or is known to be behind a peer
		p := l.packet(n, l.of(1, n), l.gateway(1))
		answer := packet{dst: station(n), src: routerMAC, from: p.to, to: p.from, ttl: 64}
		l.portGets("p0", raw(p.icmp(echoRequest(l.payload))), atPort("p0", raw(answer.icmp(echoReply(l.payload)))))
	}
	p := l.packet(3, l.of(2, 3), l.gateway(2), 100)
	answer := packet{dst: station(3), src: routerMAC, tags: []uint16{100}, from: p.to, to: p.from, ttl: 64}
	l.portGets("p2", raw(p.icmp(echoRequest(l.payload))), atPort("p2", raw(answer.icmp(echoReply(l.payload)))))
	l.portGets("p2", raw(p.icmp(echoReply(l.payload)))) // nothing else is answered
	l.portGets("p2", p)
	l.mustHaveDropped(map[string]uint64{"unserved": 2}, nil)
}

// whoHas is of questions for the router's addresses.
func whoHas(l *lab) {
	l.apply(routed)
	l.settleHosts()
	nobody := netip.IPv4Unspecified()
	if l.payload == IPv6 {
		nobody = netip.IPv6Unspecified()
	}
	q := ask(station(1), l.of(1, 10), l.gateway(1))
	l.portGets("p0", q, atPort("p0", raw(q.answer())))
	q = ask(station(3), l.of(2, 3), l.gateway(2), 100)
	l.portGets("p2", q, atPort("p2", raw(q.answer())))
	q.to = routerMAC // as hosts make sure that it is still there
	l.portGets("p2", q, atPort("p2", raw(q.answer())))
	q = ask(station(1), nobody, l.gateway(1)) // before somebody takes it as his own
	l.portGets("p0", q, atPort("p0", raw(q.answer())))
	if l.payload == IPv6 && !l.limits().RoughHeaders { // with another option before that of its MAC
		q = ask(station(1), l.of(1, 10), l.gateway(1))
		b := q.Bytes()
		b = append(append(append([]byte{}, b[:78]...), 14, 1, 'n', 'o', 'n', 'c', 'e', '.'), b[78:]...)
		l.portGets("p0", raw(withSum6(b)), atPort("p0", raw(q.answer())))
	}

	q = ask(station(1), l.of(1, 10), l.gateway(2)) // in a switch where the router does not have it
	l.portGets("p0", q, atPort("p1", q), inTunnel(tunnel(0, redVNI), q), inTunnel(tunnel(1, redVNI), q))
	q = ask(station(1), l.of(1, 10), l.of(1, 2)) // others'
	l.portGets("p0", q, atPort("p1", q), inTunnel(tunnel(0, redVNI), q), inTunnel(tunnel(1, redVNI), q))
	q.to = routerMAC
	l.portGets("p0", q)
	l.mustHaveDropped(map[string]uint64{"unserved": 1}, nil)
}

// unknownNeighbors is of those that the agent has to ask for, and of their answers.
func unknownNeighbors(l *lab) {
	l.apply(routed)
	l.settleHosts()
	hop := intent.IPKey{Switch: blue, IP: l.of(2, 77)}
	p := l.packet(1, l.of(1, 10), hop.IP)
	l.portGets("p0", p)
	l.punted(plane.Punted{Reason: plane.PuntNoNeighbor, Switch: red, At: at("p0", 0), Hop: hop}, p.Bytes())
	p = l.packet(21, l.of(1, 21), hop.IP)
	l.tunnelGets(tunnel(0, redVNI), p)
	l.punted(plane.Punted{Reason: plane.PuntNoNeighbor, Switch: red, Hop: hop}, p.Bytes())
	p = l.packet(3, l.of(2, 3), l.of(9, 9), 100) // behind another router
	l.apply(func(s *intent.State) {
		for prefix, hop := range map[string]netip.Addr{"10.9.0.0/16": address(IPv4, 3, 78), "2001:db8:9::/48": address(IPv6, 3, 78)} {
			via(s, routerA, prefix, green, hop)
		}
	})
	l.portGets("p2", p)
	bare := p
	bare.tags = nil
	l.punted(plane.Punted{Reason: plane.PuntNoNeighbor, Switch: blue, At: at("p2", 100), Hop: intent.IPKey{Switch: green, IP: l.of(3, 78)}}, bare.Bytes())

	for _, to := range []intent.MAC{routerMAC, arpMAC} {
		reply := answerTo(to, l.gateway(1), station(2), l.of(1, 2))
		l.portGets("p1", raw(reply))
		l.punted(plane.Punted{Reason: plane.PuntAnswer, Switch: red, At: at("p1", 0)}, reply)
	}
	reply := answerTo(arpMAC, l.gateway(3), station(23), l.of(3, 23))
	l.tunnelGets(tunnel(2, greenVNI), raw(reply))
	l.punted(plane.Punted{Reason: plane.PuntAnswer, Switch: green}, reply)
	l.mustHaveDropped(map[string]uint64{}, nil)

	// What the agent has not sent after all is counted where it came in, if that was a port.
	keeper, ok := l.plane.(plane.PuntKeeper)
	if !ok {
		l.Fatal("packets for unknown neighbors are counted by nobody")
	}
	for at, n := range map[intent.BindingKey]uint32{at("p0", 0): 1, at("p2", 100): 2, {}: 1} {
		if err := keeper.NotSent(l.Context(), at, n); err != nil {
			l.Error(err)
		}
	}
	l.mustHaveDropped(map[string]uint64{"no_neighbor": 4}, map[plane.PlaceDrops]uint64{
		{Reason: "no_neighbor", Port: "p0"}: 1, {Reason: "no_neighbor", Port: "p2", VLAN: 100}: 2})
}

// answerTo is the answer of a station that it has ip.
func answerTo(to intent.MAC, asks netip.Addr, mac intent.MAC, ip netip.Addr) []byte {
	if ip.Is4() {
		return arp(to, mac, nil, 2, mac, ip, to, asks)
	}
	body := append([]byte{136, 0, 0, 0, 0x60, 0, 0, 0}, ip.AsSlice()...)
	return packet{dst: to, src: mac, from: ip, to: asks, ttl: 255}.icmp(append(append(body, 2, 1), mac[:]...))
}
