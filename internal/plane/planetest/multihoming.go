package planetest

import (
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	wire "github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
)

// multihomingCases are of Ethernet segments.
var multihomingCases = []testCase{
	{"not designated", notDesignated, false},
	{"local bias", localBias, false},
	{"standby", standby, false},
	{"attached hosts", attachedHosts, false},
	{"attached hosts of routers", attachedRouted, true},
	{"answers for attached hosts", attachedAnswered, true},
	{"multihoming over a restart", multihomingRestart, true},
}

// role says what a binding does for the segment of its port.
func role(s *intent.State, port string, vlan uint16, r intent.Role) {
	b := s.Bindings[at(port, vlan)]
	b.Role = r
	s.Bindings[at(port, vlan)] = b
}

// shared attaches other VTEPs to the segment of a port; without any the port has none.
func shared(s *intent.State, port string, peers ...int) {
	delete(s.Segments, port)
	for _, n := range peers {
		s.Segments[port] = append(s.Segments[port], Peers[n])
		slices.SortFunc(s.Segments[port], netip.Addr.Compare)
	}
}

// attached places a MAC at a binding, as rows do.
func attached(s *intent.State, id intent.SwitchID, mac intent.MAC, port string, vlan uint16) {
	s.Unicast.Delete(intent.MACKey{Switch: id, MAC: mac})
	s.Attached[intent.MACKey{Switch: id, MAC: mac}] = at(port, vlan)
}

// manyMACs are what goes to all, or to who has it: each is for everybody in a switch.
var manyMACs = []intent.MAC{broadcastMAC, group(1), station(77)}

// What is flooded out of a tunnel leaves by no binding for which another VTEP is designated, while all else does.
func notDesignated(l *lab) {
	// What a port sends is not held back: where there is nobody else, that is why it goes nowhere.
	l.apply(func(s *intent.State) {
		usual(s)
		role(s, "p0", 0, intent.NotDesignated)
		delete(s.Bindings, at("p1", 0))
		delete(s.Floods, intent.FloodKey{Switch: red, MAC: intent.UnknownDst})
	})
	l.fromPort("p0", l.frame(1, broadcastMAC))
	l.mustHaveDropped(map[string]uint64{"no_destination": 1}, map[plane.PlaceDrops]uint64{{Reason: "no_destination", Port: "p0"}: 1})
	l.apply(func(s *intent.State) {
		usual(s)
		role(s, "p0", 0, intent.Designated)
	})
	l.apply(func(s *intent.State) { role(s, "p1", 0, intent.NotDesignated) })
	for _, dst := range manyMACs {
		f := l.frame(21, dst)
		l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f))
		f = l.frame(1, dst)
		l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
		f = l.frame(2, dst)
		l.fromPort("p1", f, toPort("p0", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	}
	f := l.frame(21, station(2)) // learned there
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p1", f))
	f = l.frame(2, station(21))
	l.fromPort("p1", f, toTunnel(tunnel(0, redVNI), f))

	// Nobody is left who would get it.
	l.apply(func(s *intent.State) { role(s, "p0", 0, intent.NotDesignated) })
	l.fromTunnel(tunnel(0, redVNI), l.frame(21, broadcastMAC))
	l.fromTunnel(tunnel(1, redVNI), l.frame(30, station(77)))
	f = l.frame(22, broadcastMAC) // the other VLAN of the port
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withTags(100)), toPort("p2", f.withTags(100)))
	l.mustHaveDropped(map[string]uint64{"no_destination": 1, "not_designated": 2}, map[plane.PlaceDrops]uint64{
		{Reason: "not_designated", Tunnel: tunnel(0, redVNI)}: 1,
		{Reason: "not_designated", Tunnel: tunnel(1, redVNI)}: 1,
	})

	l.apply(func(s *intent.State) {
		role(s, "p0", 0, intent.Designated)
		role(s, "p1", 0, intent.Designated)
	})
	f = l.frame(21, broadcastMAC)
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{
		{Switch: red, MAC: station(1)}: at("p0", 0), {Switch: red, MAC: station(2)}: at("p1", 0),
	})
}

// What a VTEP floods that is attached to the segment of a port does not leave there, whoever is designated.
func localBias(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) { shared(s, "p0", 0) })
	for _, dst := range manyMACs {
		f := l.frame(21, dst)
		l.fromTunnel(tunnel(0, redVNI), f, toPort("p1", f))
		l.fromTunnel(tunnel(1, redVNI), f, toPort("p0", f), toPort("p1", f))
		f = l.frame(2, dst)
		l.fromPort("p1", f, toPort("p0", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	}
	f := l.frame(22, broadcastMAC)
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withTags(100)), toPort("p2", f.withTags(100)))
	f = l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	f = l.frame(21, station(1)) // known
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f))

	// By one more, and at both ports: nobody is left.
	l.apply(func(s *intent.State) {
		shared(s, "p0", 0, 1)
		shared(s, "p1", 0, 2)
	})
	f = l.frame(21, broadcastMAC)
	l.fromTunnel(tunnel(1, redVNI), f, toPort("p1", f))
	l.fromTunnel(tunnel(0, redVNI), l.frame(21, broadcastMAC))
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p2", f.withTags(100)))
	l.mustHaveDropped(map[string]uint64{"local_bias": 1}, map[plane.PlaceDrops]uint64{
		{Reason: "local_bias", Tunnel: tunnel(0, redVNI)}: 1,
	})

	l.apply(func(s *intent.State) {
		shared(s, "p0", 1)
		shared(s, "p1")
	})
	f = l.frame(21, broadcastMAC)
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
	l.fromTunnel(tunnel(1, redVNI), f, toPort("p1", f))
	if l.plane.Features().SnoopGroups { // by lists of their own
		l.apply(func(s *intent.State) {
			snoop(s, red)
			members(s, red, listened(1), at("p0", 0), at("p1", 0))
		})
		f = l.frame(21, listened(1))
		l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
		l.fromTunnel(tunnel(1, redVNI), f, toPort("p1", f))
	}
}

// Nothing passes a binding on standby, and what was learned there is forgotten.
func standby(l *lab) {
	l.apply(usual)
	f := l.frame(2, station(21))
	l.fromPort("p1", f, toTunnel(tunnel(0, redVNI), f))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{{Switch: red, MAC: station(2)}: at("p1", 0)})
	l.apply(func(s *intent.State) { role(s, "p1", 0, intent.Standby) })
	l.mustHaveLearned(nil)
	for _, dst := range []intent.MAC{broadcastMAC, station(2)} {
		f = l.frame(21, dst)
		l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f))
		f = l.frame(1, dst)
		l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
		l.fromPort("p1", l.frame(2, dst))
	}
	l.fromPort("p1", l.frame(2, station(21)))
	l.mustHaveDropped(map[string]uint64{"not_designated": 3}, map[plane.PlaceDrops]uint64{{Reason: "not_designated", Port: "p1"}: 3})
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{{Switch: red, MAC: station(1)}: at("p0", 0)})
	l.apply(func(s *intent.State) { role(s, "p1", 0, intent.Designated) })
	f = l.frame(2, broadcastMAC)
	l.fromPort("p1", f, toPort("p0", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
}

// A row may place a MAC at a binding: that counts more than where it was learned, and does not keep it from being
// learned.
func attachedHosts(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) {
		attached(s, red, station(9), "p1", 0)
		attached(s, blue, station(9), "p0", 100)
	})
	f := l.frame(21, station(9))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p1", f))
	f = l.frame(1, station(9))
	l.fromPort("p0", f, toPort("p1", f))
	l.fromPort("p1", l.frame(2, station(9))) // back to where it came from
	f = l.frame(22, station(9))
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withTags(100)))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{{Switch: red, MAC: station(1)}: at("p0", 0), {Switch: red, MAC: station(2)}: at("p1", 0)})

	f = l.frame(9, broadcastMAC) // elsewhere
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	l.seen(intent.MACKey{Switch: red, MAC: station(9)}, at("p0", 0))
	f = l.frame(21, station(9))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p1", f))
	f = l.frame(9, station(1)) // and where it should be
	l.fromPort("p1", f, toPort("p0", f))
	l.seen(intent.MACKey{Switch: red, MAC: station(9)}, at("p1", 0))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{
		{Switch: red, MAC: station(1)}: at("p0", 0), {Switch: red, MAC: station(2)}: at("p1", 0), {Switch: red, MAC: station(9)}: at("p1", 0)})

	// Known unicast goes on where another VTEP is designated; to the other binding, behind a peer, and away.
	l.apply(func(s *intent.State) {
		role(s, "p1", 0, intent.NotDesignated)
		shared(s, "p1", 0)
	})
	f = l.frame(21, station(9))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p1", f))
	l.apply(func(s *intent.State) { attached(s, red, station(9), "p0", 0) })
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f))
	l.apply(func(s *intent.State) {
		delete(s.Attached, intent.MACKey{Switch: red, MAC: station(9)})
		remote(s, red, station(9), tunnel(0, redVNI))
	})
	f = l.frame(1, station(9))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	l.apply(func(s *intent.State) { attached(s, red, station(9), "p1", 0) })
	f = l.frame(1, station(9))
	l.fromPort("p0", f, toPort("p1", f))
	l.apply(func(s *intent.State) { clear(s.Attached) })
	f = l.frame(1, station(9)) // as was learned
	l.fromPort("p0", f, toPort("p1", f))
	l.apply(func(s *intent.State) { attached(s, red, station(8), "p1", 0) })
	l.apply(func(s *intent.State) { // with the binding
		clear(s.Attached)
		delete(s.Bindings, at("p1", 0))
	})
	f = l.frame(21, station(8))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f))
}

// A router hands on to a host that a row places at a binding, whoever is designated; and what it floods is its own, wherever
// the packet came from.
func attachedRouted(l *lab) {
	if !l.plane.Features().Routers {
		return
	}
	l.apply(routed)
	l.settleHosts()
	l.apply(func(s *intent.State) {
		lives(s, red, 1, 9)
		attached(s, red, station(9), "p1", 0)
		role(s, "p1", 0, intent.NotDesignated)
		shared(s, "p1", 0, 1)
	})
	p := l.packet(3, l.of(2, 3), l.of(1, 9), 100)
	l.portGets("p2", p, atPort("p1", p.hop(station(9))))
	p = l.packet(21, l.of(1, 21), l.of(1, 9))
	l.tunnelGets(tunnel(0, redVNI), p, atPort("p1", p.hop(station(9))))
	l.apply(func(s *intent.State) {
		delete(s.Attached, intent.MACKey{Switch: red, MAC: station(9)})
		remote(s, red, station(9), tunnel(1, redVNI))
	})
	p = l.packet(3, l.of(2, 3), l.of(1, 9), 100)
	l.portGets("p2", p, inTunnel(tunnel(1, redVNI), p.hop(station(9))))
	l.apply(func(s *intent.State) { attached(s, red, station(9), "p0", 0) })
	p = l.packet(3, l.of(2, 3), l.of(1, 9), 100)
	l.portGets("p2", p, atPort("p0", p.hop(station(9))))

	l.apply(func(s *intent.State) { lives(s, red, 1, 8) }) // of whom nothing is known but the address
	p = l.packet(22, l.of(2, 22), l.of(1, 8))
	h := p.hop(station(8))
	l.tunnelGets(tunnel(1, blueVNI), p, atPort("p0", h), atPort("p1", h), inTunnel(tunnel(0, redVNI), h), inTunnel(tunnel(1, redVNI), h))
}

// Questions for a host that a row places at a binding are answered, but for those that come from there.
func attachedAnswered(l *lab) {
	if !l.plane.Features().Suppress {
		return
	}
	l.apply(suppressing)
	l.apply(func(s *intent.State) { attached(s, red, station(21), "p1", 0) })
	ip, asks := netip.MustParseAddr("198.51.100.21"), netip.MustParseAddr("198.51.100.1")
	answer := wire.ARP{Op: wire.ARPReply, SenderMAC: wire.MAC(station(21)), SenderIP: ip, TargetMAC: wire.MAC(station(1)), TargetIP: asks}
	l.fromPort("p0", arpFrom(1, broadcastMAC, wire.ARPRequest, asks.String(), ip.String()),
		Out{Port: "p0", Frame: answer.Frame(wire.MAC(station(1)), wire.MAC(station(21)))})
	f := arpFrom(4, broadcastMAC, wire.ARPRequest, "198.51.100.4", ip.String())
	l.fromPort("p1", f, toPort("p0", f), toPort("p1", f.withTags(7)), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
}

// It is all as it was for the next process.
func multihomingRestart(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) {
		role(s, "p0", 0, intent.NotDesignated)
		shared(s, "p1", 1)
		attached(s, red, station(9), "p1", 0)
	})
	check := func() {
		f := l.frame(21, broadcastMAC)
		l.fromTunnel(tunnel(0, redVNI), f, toPort("p1", f))
		l.fromTunnel(tunnel(1, redVNI), l.frame(30, broadcastMAC))
		f = l.frame(21, station(9))
		l.fromTunnel(tunnel(0, redVNI), f, toPort("p1", f))
	}
	check()
	l.shut()
	check()
	was := l.state
	l.open()
	check()
	l.audit()
	l.shut()
	l.state = was
	l.open()
	l.apply(func(s *intent.State) {
		role(s, "p0", 0, intent.Designated)
		shared(s, "p1")
		clear(s.Attached)
	})
	f := l.frame(30, broadcastMAC)
	l.fromTunnel(tunnel(1, redVNI), f, toPort("p0", f), toPort("p1", f))
}
