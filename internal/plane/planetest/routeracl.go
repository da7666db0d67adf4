package planetest

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// routerACLs are of interfaces of routers: what comes to the router is asked before it is looked at, and what leaves
// it as it leaves, beside the ACLs of ports.
func routerACLs(l *lab) {
	l.apply(routed)
	l.settleHosts()
	from := func(fields intent.ACLFields, n byte) intent.ACLEntry {
		return deny(fields, func(e *intent.ACLEntry) { e.SrcMAC, e.DstMAC = station(n), station(n) })
	}
	pass := func(src, to byte, tags []uint16, prefixes [2]byte, out func(packet) Out) {
		l.Helper()
		p := l.packet(src, l.of(prefixes[0], src), l.of(prefixes[1], to), tags...)
		port := map[byte]string{1: "p0", 2: "p1", 3: "p2", 4: "p0"}[src]
		if out == nil {
			l.portGets(port, p)
		} else {
			l.portGets(port, p, out(p))
		}
	}
	v100 := []uint16{100}
	redToBlue, blueToRed := [2]byte{1, 2}, [2]byte{2, 1}
	to := func(n byte) func(packet) Out {
		return map[byte]func(packet) Out{
			1: func(p packet) Out { return atPort("p0", p.hop(station(1))) }, 2: func(p packet) Out { return atPort("p1", p.hop(station(2))) },
			3: func(p packet) Out { return atPort("p2", p.hop(station(3), 100)) }, 4: func(p packet) Out { return atPort("p0", p.hop(station(4), 100)) },
		}[n]
	}
	// protect gives the interfaces of a prefix an ACL.
	protect := func(s *intent.State, id intent.SwitchID, prefix byte, acl intent.ACLID) {
		for _, k := range families {
			at := intent.IPKey{Switch: id, IP: address(k, prefix, 254)}
			i := s.Interfaces[at]
			i.ACL = acl
			s.Interfaces[at] = i
		}
	}
	l.apply(func(s *intent.State) {
		// In red: nothing from station 1 may come, nothing may go to station 2, which has a MAC only as it leaves.
		s.ACLs[aclA] = both("a", entries(from(intent.ACLSrcMAC, 1)), entries(from(intent.ACLDstMAC, 2)))
		protect(s, red, 1, aclA)
	})
	pass(1, 3, nil, redToBlue, nil)
	pass(2, 3, nil, redToBlue, to(3))
	pass(3, 2, v100, blueToRed, nil)
	pass(3, 1, v100, blueToRed, to(1))
	p := l.packet(1, l.of(1, 1), l.gateway(1)) // nor may the router itself be asked
	l.portGets("p0", raw(p.icmp(echoRequest(l.payload))))
	q := ask(station(1), l.of(1, 1), l.gateway(1)) // but for its address
	l.portGets("p0", q, atPort("p0", raw(q.answer())))
	p = l.packet(1, l.of(1, 1), l.of(1, 2)) // what is bridged does not come to it
	p.dst = station(2)
	l.portGets("p0", p, atPort("p1", p))
	l.tunnelGets(tunnel(2, greenVNI), l.packet(23, l.of(3, 23), l.of(1, 2))) // from tunnels, and to them
	p = l.packet(1, l.of(1, 1), l.of(3, 23))
	l.portGets("p0", p)
	l.mustHaveDropped(map[string]uint64{"acl_ingress": 3, "acl_egress": 2}, map[plane.PlaceDrops]uint64{
		{Reason: "acl_ingress", Port: "p0"}: 3, {Reason: "acl_egress", Port: "p2", VLAN: 100}: 1, {Reason: "acl_egress", Tunnel: tunnel(2, greenVNI)}: 1})
	l.mustHaveCounted(map[plane.ACLEntryAt]uint64{entryAt(aclA, intent.Ingress, 0): 3, entryAt(aclA, intent.Egress, 0): 2})

	// A switch with two prefixes: the interface of each has its own, also none; what is in no prefix has the lowest
	// address's that has any. Ports have theirs beside.
	l.apply(func(s *intent.State) {
		gateway(s, routerA, red, 4)
		lives(s, red, 4, 2)
		s.ACLs[aclB] = both("b", entries(from(intent.ACLSrcMAC, 4)), entries(from(intent.ACLDstMAC, 4)))
		guard(s, at("p0", 100), aclB)
	})
	pass(1, 3, nil, [2]byte{4, 2}, to(3)) // from an address of the other prefix
	pass(3, 2, v100, [2]byte{2, 4}, to(2))
	pass(1, 3, nil, [2]byte{77, 2}, nil)
	pass(2, 3, nil, [2]byte{77, 2}, to(3))
	pass(4, 2, v100, blueToRed, nil)
	pass(2, 4, nil, redToBlue, nil)
	l.apply(func(s *intent.State) { // each its own, changed
		protect(s, red, 1, intent.ACLID{})
		protect(s, red, 4, aclA)
		delete(s.Policies, at("p0", 100))
		delete(s.ACLs, aclB)
	})
	pass(1, 3, nil, redToBlue, to(3))
	pass(1, 3, nil, [2]byte{4, 2}, nil)
	pass(1, 3, nil, [2]byte{77, 2}, nil)
	l.apply(func(s *intent.State) { // another version of the same
		s.ACLs[aclA] = both("a", entries(from(intent.ACLSrcMAC, 2)), nil)
	})
	pass(1, 3, nil, [2]byte{4, 2}, to(3))
	pass(2, 3, nil, [2]byte{4, 2}, nil)

	// It stays while nobody is there, and is taken over.
	l.shut()
	pass(2, 3, nil, [2]byte{4, 2}, nil)
	l.open()
	pass(2, 3, nil, [2]byte{4, 2}, nil)
	l.mustHaveCounted(map[plane.ACLEntryAt]uint64{entryAt(aclA, intent.Ingress, 0): 9})
	l.apply(func(s *intent.State) { // what is asked of one direction is not asked of the other
		s.ACLs[aclA] = both("a", entries(from(intent.ACLSrcMAC, 2)), entries(deny(intent.ACLProtocol, func(e *intent.ACLEntry) { e.Protocol = 17 })))
	})
	pass(1, 3, nil, [2]byte{4, 2}, to(3))
	pass(3, 2, v100, [2]byte{2, 4}, nil)
	l.apply(func(s *intent.State) { // an interface goes, and its ACL with it
		for _, k := range families {
			ip := address(k, 4, 254)
			bits := map[Payload]int{IPv4: 24, IPv6: 64}[k]
			delete(s.Interfaces, intent.IPKey{Switch: red, IP: ip})
			delete(s.Routes, intent.RouteKey{Router: routerA, Prefix: netip.PrefixFrom(ip, bits).Masked()})
		}
		clear(s.ACLs)
	})
	pass(2, 3, nil, [2]byte{77, 2}, to(3))
}
