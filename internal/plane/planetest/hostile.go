package planetest

import (
	"encoding/binary"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
)

// hostile is of frames to routers that nobody should send: each is dropped for its reason.
func hostile(l *lab) {
	l.apply(routed)
	l.settleHosts()
	want := map[string]uint64{}
	refused := func(reason string, frames ...[]byte) {
		l.Helper()
		for _, f := range frames {
			want[reason]++
			l.portGets("p0", raw(f))
		}
	}
	p := func() packet { return l.packet(1, l.of(1, 10), l.of(2, 3)) }
	spoil := func(at int, bits byte) []byte {
		b := p().Bytes()
		b[at] ^= bits
		return b
	}
	dead := p()
	dead.ttl = 0
	refused("bad_ip", dead.Bytes()) // no hops to go
	if !l.limits().RoughHeaders {
		refused("bad_ip", spoil(14, 0x10)) // a version that there is not
	}
	between := func(from, to netip.Addr) []byte {
		x := p()
		x.from, x.to = from, to
		return x.Bytes()
	}
	if l.payload == IPv4 {
		short, long := p().Bytes(), p().Bytes()
		binary.BigEndian.PutUint16(short[16:], 19)
		binary.BigEndian.PutUint16(long[16:], 1000)
		refused("bad_ip", spoil(14, 0x06), short, long) // lengths
		if !l.limits().RoughHeaders {
			refused("bad_ip", spoil(24, 0xff)) // checksum
		}
		for _, kind := range []byte{131, 137} {
			if l.limits().RoughHeaders {
				break
			}
			x := p()
			x.options = []byte{1, kind, 7, 4, 10, 3, 0, 23}
			refused("source_route", x.Bytes())
		}
		x := p()
		x.options = []byte{148, 4, 0, 0} // router alert
		l.portGets("p0", x, atPort("p2", x.hop(station(3), 100)))
		for _, ip := range []string{"0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255", "169.254.1.9", "240.0.0.1"} {
			refused("unroutable", between(l.of(1, 10), netip.MustParseAddr(ip)), between(netip.MustParseAddr(ip), l.of(2, 3)))
		}
		refused("unroutable", between(l.of(1, 10), l.of(2, 255)), between(l.of(1, 10), l.of(2, 0))) // to all of a network
		good := ask(station(1), l.of(1, 10), l.gateway(1)).Bytes()
		for at, value := range map[int]byte{15: 6, 16: 7, 18: 8, 19: 16} {
			b := append([]byte{}, good...)
			b[at] = value
			refused("bad_arp", b)
		}
		refused("bad_arp", good[:40])
	} else {
		long := p().Bytes()
		binary.BigEndian.PutUint16(long[18:], 1000)
		refused("bad_ip", long)
		for _, ip := range []string{"::", "::1", "ff02::5"} {
			refused("unroutable", between(l.of(1, 10), netip.MustParseAddr(ip)), between(netip.MustParseAddr(ip), l.of(2, 3)))
		}
		refused("unroutable", between(l.of(1, 10), netip.MustParseAddr("fe80::9")), between(netip.MustParseAddr("fe80::9"), l.of(2, 3)))
		q := ask(station(1), l.of(1, 10), l.gateway(1))
		near, sum, code, option := q.Bytes(), q.Bytes(), q.Bytes(), q.Bytes()
		near[21] = 254 // it has come over a router
		sum[56] ^= 1
		code[55] = 1
		option[79] = 0 // of no length
		again := func(b []byte) []byte { return withSum6(b) }
		unasked := q.Bytes()
		copy(unasked[22:38], make([]byte, 16)) // a search for duplicates that says who has it
		refused("bad_nd", near, again(code), again(option), again(unasked))
		if !l.limits().RoughHeaders {
			refused("bad_nd", sum)
		}
		q.to = routerMAC // to others it is nobody's
		refused("bad_nd", again(q.Bytes()[:70]))
		q = ask(station(1), netip.IPv6Unspecified(), l.gateway(1))
		b := q.Bytes()
		copy(b[38:], l.gateway(1).AsSlice()) // a search for duplicates that is not to the group
		refused("bad_nd", again(b))
		// Extension headers are nobody's but the receiver's, however many there are; the router itself looks behind none.
		x := p()
		l.portGets("p0", raw(x.extended(60, 17)), atPort("p2", raw(x.hop(station(3), 100).extended(60, 17))))
		x.to = l.gateway(2)
		refused("unserved", x.extended(1, 58), x.extended(60, 58))
		x.to, x.ttl = q.ip, 255
		refused("unserved", x.extended(1, 58)) // no Neighbor Discovery has them (RFC 6980)
	}
	refused("unroutable", append(ethernet(routerMAC, station(1), nil, 0x88b5), marker...))
	mine := p()
	mine.src = routerMAC
	refused("spoofed_router", mine.Bytes())
	mine.src = arpMAC
	refused("spoofed_router", mine.Bytes())
	l.mustHaveDropped(want, nil)
	x := p() // and others are undisturbed
	l.portGets("p0", x, atPort("p2", x.hop(station(3), 100)))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{
		{Switch: red, MAC: station(1)}: at("p0", 0), {Switch: red, MAC: station(2)}: at("p1", 0),
		{Switch: blue, MAC: station(3)}: at("p2", 100), {Switch: blue, MAC: station(4)}: at("p0", 100)})
}

// withSum6 makes the length and the checksum of an ICMPv6 message in a frame without tags right.
func withSum6(b []byte) []byte {
	b = append([]byte{}, b...)
	binary.BigEndian.PutUint16(b[18:], uint16(len(b)-54))
	b[56], b[57] = 0, 0
	binary.BigEndian.PutUint16(b[56:], ^fold(sum(sum(uint32(len(b)-54)+58, b[22:54]), b[54:])))
	return b
}

// twoRouters have the same addresses, and nothing of each other.
func twoRouters(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) {
		s.ARPSource = arpMAC
		s.Switches[green] = intent.Switch{Name: "green", VNI: greenVNI}
		gateway(s, routerA, red, 1)
		gateway(s, routerA, green, 2)
		gateway(s, routerB, blue, 1) // the addresses that A has in red
		lives(s, red, 1, 2)
		lives(s, blue, 1, 3)
		remote(s, green, station(23), tunnel(2, greenVNI))
		lives(s, green, 2, 23)
	})
	l.settleHosts()
	p := l.packet(1, l.of(1, 10), l.of(2, 23))
	l.portGets("p0", p, inTunnel(tunnel(2, greenVNI), p.hop(station(23))))
	p = l.packet(4, l.of(1, 10), l.of(2, 23), 100)
	l.portGets("p0", p, atPort("p0", raw(p.trouble(l.gateway(1), 3, 0, 1, 0))))
	p = l.packet(4, l.of(1, 10), l.of(1, 3), 100)
	l.portGets("p0", p, atPort("p2", p.hop(station(3), 100)))
	p = l.packet(4, l.of(1, 10), l.of(1, 2), 100) // who lives in red
	l.portGets("p0", p)
	q := ask(station(4), l.of(1, 10), l.gateway(1), 100)
	l.portGets("p0", q, atPort("p0", raw(q.answer())))
	// A switch goes from one router to the other.
	l.apply(func(s *intent.State) {
		ls := s.Switches[green]
		ls.Router = routerB
		s.Switches[green] = ls
		for key, way := range s.Routes {
			if way.Switch == green {
				delete(s.Routes, key)
				s.Routes[intent.RouteKey{Router: routerB, Prefix: key.Prefix}] = way
			}
		}
	})
	p = l.packet(4, l.of(1, 10), l.of(2, 23), 100)
	l.portGets("p0", p, inTunnel(tunnel(2, greenVNI), p.hop(station(23))))
	p = l.packet(1, l.of(1, 10), l.of(2, 23))
	l.portGets("p0", p, atPort("p0", raw(p.trouble(l.gateway(1), 3, 0, 1, 0))))
}

// routerChanges is of a router that comes, changes and goes, and of a restart between.
func routerChanges(l *lab) {
	l.apply(usual)
	l.settleHosts()
	p := l.packet(1, l.of(1, 10), l.of(2, 3)) // there is no router yet, and nobody has its address
	l.portGets("p0", p, atPort("p1", p), inTunnel(tunnel(0, redVNI), p), inTunnel(tunnel(1, redVNI), p))
	l.apply(routed)
	l.portGets("p0", p, atPort("p2", p.hop(station(3), 100)))
	l.shut()
	l.portGets("p0", p, atPort("p2", p.hop(station(3), 100))) // nobody has to be there for it
	l.open()
	l.portGets("p0", p, atPort("p2", p.hop(station(3), 100)))
	l.apply(func(s *intent.State) { // the neighbor has another card
		for _, k := range families {
			s.Neighbours[intent.IPKey{Switch: blue, IP: address(k, 2, 3)}] = station(4)
		}
	})
	l.portGets("p0", p, atPort("p0", p.hop(station(4), 100)))
	l.apply(func(s *intent.State) { // the router has another address
		s.Routers[routerA] = intent.Router{MAC: intent.MAC{0x02, 0, 0, 0, 0xaa, 0x03}}
	})
	l.portGets("p0", p, atPort("p1", p), inTunnel(tunnel(0, redVNI), p), inTunnel(tunnel(1, redVNI), p))
	l.apply(func(s *intent.State) {
		*s = *intent.NewState()
		usual(s)
	})
	l.portGets("p0", p, atPort("p1", p), inTunnel(tunnel(0, redVNI), p), inTunnel(tunnel(1, redVNI), p))
}
