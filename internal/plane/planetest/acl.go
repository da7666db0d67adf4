package planetest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// aclCases are for planes that have ACLs, with packets of both families.
var aclCases = []testCase{
	{"ACL fields", aclFields, false},
	{"ACL fragments and extension headers", aclFragments, false},
	{"ACL order", aclOrder, false},
	{"ACLs of ports and VLANs", aclPlaces, false},
	{"ACL and tags", aclTags, false},
	{"ACL and copies", aclCopies, false},
	{"ACL changes", aclChanges, false},
	{"ACL after a restart", aclRestart, true},
	{"random ACLs", randomACLs, true},
}

var aclA, aclB = intent.ACLID{0xa}, intent.ACLID{0xb}

// guard gives a binding an ACL.
func guard(s *intent.State, at intent.BindingKey, id intent.ACLID) {
	s.Policies[at] = intent.Policy{ACL: id}
}

// entries are entries in their order; each gets a number for its UUID and sequence.
func entries(list ...intent.ACLEntry) []intent.ACLEntry {
	for i := range list {
		list[i].ID, list[i].Sequence = intent.ACLEntryID{14: byte(i >> 8), 15: byte(i)}, int64(i)
	}
	return list
}

// both makes an ACL of two lists of entries, and gives those of egress other UUIDs.
func both(name string, ingress, egress []intent.ACLEntry) intent.ACL {
	egress = slices.Clone(egress)
	for i := range egress {
		egress[i].ID[0] = 1
	}
	return intent.ACL{Name: name, Ingress: ingress, Egress: egress}
}

func deny(fields intent.ACLFields, set func(*intent.ACLEntry)) intent.ACLEntry {
	e := intent.ACLEntry{Deny: true, Fields: fields}
	if set != nil {
		set(&e)
	}
	return e
}

func permit(fields intent.ACLFields, set func(*intent.ACLEntry)) intent.ACLEntry {
	e := deny(fields, set)
	e.Deny = false
	return e
}

// betweenPorts is a State in which red is p0 and p1 untagged, with an ACL that asks frames from p0 to p1 in
// one of the directions.
func betweenPorts(d intent.Direction, list ...intent.ACLEntry) func(*intent.State) {
	return func(s *intent.State) {
		*s = *intent.NewState()
		site(s)
		bind(s, "p0", 0, red)
		bind(s, "p1", 0, red)
		if d == intent.Egress {
			s.ACLs[aclA] = both("a", entries(permit(0, nil), deny(0, nil)), entries(list...))
			guard(s, at("p1", 0), aclA)
		} else {
			s.ACLs[aclA] = both("a", entries(list...), entries(permit(0, nil), deny(0, nil)))
			guard(s, at("p0", 0), aclA)
		}
	}
}

// passes sends a frame from p0, and expects that it comes out of p1, or does not.
func (l *lab) passes(what string, pass bool, f sent) {
	l.Helper()
	l.sendPort("p0", f.Bytes())
	var want []Out
	if pass {
		want = append(want, atPort("p1", f))
	}
	l.expect(what, want)
}

// aclFields looks at every field, with a frame that has it and one that has not.
func aclFields(l *lab) {
	family, mask := uint16(intent.EtherTypeIPv4), netip.MustParseAddr("255.255.0.1")
	icmp, otherICMP := uint8(intent.ProtocolICMP), uint8(intent.ProtocolICMPv6)
	if l.payload == IPv6 {
		family, mask = intent.EtherTypeIPv6, netip.MustParseAddr("ffff:ffff::1")
		icmp, otherICMP = otherICMP, icmp
	}
	all := netip.MustParseAddr(map[Payload]string{IPv4: "255.255.255.255", IPv6: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}[l.payload])
	const ip = intent.ACLEtherType
	tcp := tcpSegment(1024, 80, 0x02)
	for _, c := range []struct {
		name      string
		fields    intent.ACLFields
		set       func(*intent.ACLEntry)
		hit, miss segment // miss: another segment, or with a nil one a frame that is not IP
	}{
		{"source MAC", intent.ACLSrcMAC, func(e *intent.ACLEntry) { e.SrcMAC = station(1) }, tcp, segment{}},
		{"destination MAC", intent.ACLDstMAC, func(e *intent.ACLEntry) { e.DstMAC = station(2) }, tcp, segment{}},
		{"EtherType", ip, func(e *intent.ACLEntry) { e.EtherType = family }, tcp, segment{}},
		{"source", ip | intent.ACLSrcIP, func(e *intent.ACLEntry) { e.EtherType, e.Src = family, intent.Masked{IP: l.of(1, 1), Mask: all} }, tcp, segment{}},
		{"destination", ip | intent.ACLDstIP, func(e *intent.ACLEntry) { e.EtherType, e.Dst = family, intent.Masked{IP: l.of(1, 2), Mask: all} }, tcp, segment{}},
		{"any mask", ip | intent.ACLSrcIP, func(e *intent.ACLEntry) { e.EtherType, e.Src = family, intent.Mask(l.of(1, 3), mask) }, tcp, segment{}},
		{"protocol", intent.ACLProtocol, func(e *intent.ACLEntry) { e.Protocol = 17 }, udpSegment(17, 1, 2), tcp},
		{"another protocol", intent.ACLProtocol, func(e *intent.ACLEntry) { e.Protocol = 89 }, udpSegment(89, 1, 2), tcp},
		{"source ports", intent.ACLProtocol | intent.ACLSrcPorts, func(e *intent.ACLEntry) { e.Protocol, e.SrcPorts = 6, intent.PortRange{Min: 1024, Max: 2000} },
			tcp, tcpSegment(1023, 80, 0x02)},
		{"last of the source ports", intent.ACLProtocol | intent.ACLSrcPorts, func(e *intent.ACLEntry) { e.Protocol, e.SrcPorts = 17, intent.PortRange{Max: 7} },
			udpSegment(17, 7, 9), udpSegment(17, 8, 9)},
		{"destination ports", intent.ACLProtocol | intent.ACLDstPorts, func(e *intent.ACLEntry) { e.Protocol, e.DstPorts = 6, intent.PortRange{Min: 80, Max: 80} },
			tcp, tcpSegment(80, 81, 0x02)},
		{"ports of SCTP", intent.ACLProtocol | intent.ACLDstPorts, func(e *intent.ACLEntry) { e.Protocol, e.DstPorts = 132, intent.PortRange{Min: 80, Max: 0xffff} },
			udpSegment(132, 1, 0xffff), udpSegment(17, 1, 0xffff)},
		{"TCP flags", intent.ACLProtocol | intent.ACLTCPFlags, func(e *intent.ACLEntry) { e.Protocol, e.TCPFlags, e.TCPMask = 6, 0x02, 0x12 },
			tcpSegment(1, 2, 0xe2), tcpSegment(1, 2, 0x12)},
		{"no TCP flags", intent.ACLProtocol | intent.ACLTCPFlags, func(e *intent.ACLEntry) { e.Protocol = 6 }, tcpSegment(1, 2, 0xff), udpSegment(17, 1, 2)},
		{"type of ICMP", intent.ACLICMPType, func(e *intent.ACLEntry) { e.ICMPType = 8 }, l.icmpOf(8, 1), l.icmpOf(0, 8)},
		{"code of ICMP", intent.ACLICMPCode | intent.ACLProtocol, func(e *intent.ACLEntry) { e.ICMPCode, e.Protocol = 3, icmp }, l.icmpOf(1, 3), l.icmpOf(3, 1)},
		{"ICMP of the other family", intent.ACLICMPType | intent.ACLEtherType, func(e *intent.ACLEntry) { e.ICMPType, e.EtherType = 8, family },
			l.icmpOf(8, 0), segment{otherICMP, []byte{8, 0, 0, 0, 0, 0, 0, 0}}},
	} {
		for _, d := range []intent.Direction{intent.Ingress, intent.Egress} {
			l.apply(betweenPorts(d, deny(c.fields, c.set)))
			l.passes(fmt.Sprintf("%v: what an entry with %s denies", d, c.name), false, l.carrying(c.hit))
			if c.miss.bytes != nil {
				l.passes(fmt.Sprintf("%v: what an entry with %s does not ask for", d, c.name), true, l.carrying(c.miss))
			} else {
				l.passes(fmt.Sprintf("%v: what is not IP, and an entry with %s", d, c.name), true, l.otherFrame(3, station(4)))
			}
		}
	}
}

// aclFragments looks behind extension headers, and for what fragments have, and what they have not.
func aclFragments(l *lab) {
	l.apply(betweenPorts(intent.Ingress,
		deny(intent.ACLProtocol|intent.ACLDstPorts, func(e *intent.ACLEntry) { e.Protocol, e.DstPorts = 17, intent.PortRange{Min: 9, Max: 9} }),
		deny(intent.ACLProtocol, func(e *intent.ACLEntry) { e.Protocol = 6 })))
	discard, echo, tcp := udpSegment(17, 1, 9), udpSegment(17, 1, 7), tcpSegment(1, 2, 2)
	l.passes("the port that is denied", false, l.carrying(discard))
	l.passes("another port", true, l.carrying(echo))
	if l.payload == IPv4 {
		l.passes("first fragment", false, l.carryingIn(discard, 0x2000, nil))
		l.passes("next fragment, of the protocol", true, l.carryingIn(discard, 0x2001, nil))
		l.passes("last fragment, of the protocol", true, l.carryingIn(discard, 0x0001, nil))
		l.passes("next fragment, of a protocol that is denied", false, l.carryingIn(tcp, 0x2001, nil))
		l.passes("not a fragment", false, l.carryingIn(discard, 0x4000, nil))
		return
	}
	// header is an extension header of 8 bytes.
	header := func(kind byte, rest ...byte) func(byte) (byte, []byte) {
		return func(next byte) (byte, []byte) {
			return kind, append(append([]byte{next}, rest...), make([]byte, 7-len(rest))...)
		}
	}
	chain := func(all ...func(byte) (byte, []byte)) func(byte) (byte, []byte) {
		return func(next byte) (byte, []byte) {
			var headers []byte
			for _, h := range slices.Backward(all) {
				var b []byte
				next, b = h(next)
				headers = append(b, headers...)
			}
			return next, headers
		}
	}
	const hopByHop, routing, fragment, ah, destination = 0, 43, 44, 51, 60
	long := func(next byte) (byte, []byte) { return destination, append([]byte{next, 1}, make([]byte, 14)...) }
	authentication := func(next byte) (byte, []byte) { return ah, append([]byte{next, 2}, make([]byte, 14)...) }
	all := chain(header(hopByHop), header(routing), long, authentication, header(fragment), header(destination))
	for what, c := range map[string]struct {
		pass bool
		s    segment
		in   func(byte) (byte, []byte)
	}{
		"behind hop-by-hop options":          {false, discard, header(hopByHop)},
		"another port behind them":           {true, echo, header(hopByHop)},
		"behind all extension headers":       {false, discard, all},
		"another port behind all":            {true, echo, all},
		"TCP behind all":                     {false, tcp, all},
		"first fragment":                     {false, discard, header(fragment, 0, 0, 1)},
		"next fragment":                      {!l.limits().SeesHeaders, discard, header(fragment, 0, 0, 9)},
		"next fragment of TCP":               {false, tcp, header(fragment, 0, 0, 8)},
		"no next header":                     {true, segment{59, discard.bytes}, nil},
		"behind too many, of what is denied": {false, discard, chain(slices.Repeat([]func(byte) (byte, []byte){header(destination)}, 13)...)},
		"behind too many, of what is not":    {l.limits().SeesHeaders, echo, chain(slices.Repeat([]func(byte) (byte, []byte){header(destination)}, 13)...)},
	} {
		l.passes(what, c.pass, l.carryingIn(c.s, 0, c.in))
	}
	l.apply(betweenPorts(intent.Ingress, deny(intent.ACLEtherType, func(e *intent.ACLEntry) { e.EtherType = intent.EtherTypeIPv4 })))
	l.passes("behind too many, where nobody asks", true, l.carryingIn(echo, 0, chain(slices.Repeat([]func(byte) (byte, []byte){header(destination)}, 13)...)))
}

// aclOrder has the first entry that matches decide.
func aclOrder(l *lab) {
	protocol := func(n uint8) func(*intent.ACLEntry) { return func(e *intent.ACLEntry) { e.Protocol = n } }
	for _, d := range []intent.Direction{intent.Ingress, intent.Egress} {
		l.apply(betweenPorts(d, permit(intent.ACLProtocol, protocol(6)), deny(intent.ACLProtocol, protocol(17)), permit(intent.ACLProtocol, protocol(17)),
			permit(intent.ACLProtocol, protocol(89)), deny(0, nil)))
		l.passes("the first permits", true, l.carrying(tcpSegment(1, 2, 2)))
		l.passes("the second denies", false, l.carrying(udpSegment(17, 1, 2)))
		l.passes("the fourth permits", true, l.carrying(udpSegment(89, 1, 2)))
		l.passes("the last denies", false, l.carrying(udpSegment(90, 1, 2)))
		l.passes("the last denies what is not IP", false, l.otherFrame(1, station(2)))
		l.apply(betweenPorts(d, deny(intent.ACLProtocol, protocol(17))))
		l.passes("none matches", true, l.carrying(udpSegment(90, 1, 2)))
		l.apply(betweenPorts(d))
		l.passes("there is none", true, l.carrying(udpSegment(17, 1, 2)))

		// More than a dataplane looks at in one go.
		var many []intent.ACLEntry
		for port := range uint16(200) {
			many = append(many, deny(intent.ACLProtocol|intent.ACLDstPorts, func(e *intent.ACLEntry) { e.Protocol, e.DstPorts = 17, intent.PortRange{Min: 2 * port, Max: 2 * port} }))
		}
		l.apply(betweenPorts(d, append(many, permit(intent.ACLProtocol, protocol(17)), deny(0, nil))...))
		l.passes("the first of many", false, l.carrying(udpSegment(17, 1, 0)))
		l.passes("one of many", false, l.carrying(udpSegment(17, 1, 398)))
		l.passes("the last but one of many", true, l.carrying(udpSegment(17, 1, 399)))
		l.passes("the last of many", false, l.carrying(udpSegment(18, 1, 399)))
	}
}

// aclPlaces has ACLs that differ by VLAN of a port, and in which direction a frame goes.
func aclPlaces(l *lab) {
	only := func(n byte) []intent.ACLEntry {
		return entries(deny(intent.ACLSrcMAC, func(e *intent.ACLEntry) { e.SrcMAC = station(n) }))
	}
	l.apply(func(s *intent.State) {
		site(s)
		bind(s, "p0", 0, red)
		bind(s, "p0", 100, red)
		bind(s, "p1", 0, red)
		s.ACLs[aclA] = both("a", only(1), only(2))
		s.ACLs[aclB] = both("b", only(3), only(4))
		guard(s, at("p0", 0), aclA)
		guard(s, at("p0", 100), aclB)
	})
	send := func(src byte, from intent.BindingKey, to ...intent.BindingKey) {
		l.Helper()
		tags := func(at intent.BindingKey) []uint16 {
			if at.VLAN != 0 {
				return []uint16{at.VLAN}
			}
			return nil
		}
		f := l.frame(src, broadcastMAC, tags(from)...)
		var want []Out
		for _, at := range to {
			want = append(want, toPort(at.Port, f.withTags(tags(at)...)))
		}
		l.fromPort(from.Port, f, want...)
	}
	p0, v100, p1 := at("p0", 0), at("p0", 100), at("p1", 0)
	send(1, p0)
	send(1, v100, p0, p1)
	send(3, v100)
	send(3, p0, v100, p1)
	send(2, p1, v100)
	send(4, p1, p0)
	send(2, v100, p1) // of two VLANs of a port each has its own
	send(4, p0, p1)
	send(4, v100, p0, p1)
	// Who is denied where he is has not been there, and is not learned there.
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{
		{Switch: red, MAC: station(1)}: v100, {Switch: red, MAC: station(3)}: p0, {Switch: red, MAC: station(2)}: v100, {Switch: red, MAC: station(4)}: v100})
}

// aclTags has a look at frames as they are in the switch: the tag of the binding is not there, and a
// frame with one more is not IP.
func aclTags(l *lab) {
	family := map[Payload]uint16{IPv4: 0x0800, IPv6: 0x86dd}[l.payload]
	typed := func(etherType uint16) []intent.ACLEntry {
		return entries(deny(intent.ACLEtherType, func(e *intent.ACLEntry) { e.EtherType = etherType }))
	}
	place := func(ingress, egress []intent.ACLEntry) {
		l.apply(func(s *intent.State) {
			*s = *intent.NewState()
			site(s)
			bind(s, "p0", 100, red)
			bind(s, "p1", 200, red)
			s.ACLs[aclA] = both("a", ingress, nil)
			s.ACLs[aclB] = both("b", nil, egress)
			guard(s, at("p0", 100), aclA)
			guard(s, at("p1", 200), aclB)
		})
	}
	send := func(pass bool, tags ...uint16) {
		l.Helper()
		f := l.frame(1, broadcastMAC, append([]uint16{100}, tags...)...)
		if pass {
			l.fromPort("p0", f, toPort("p1", f.withTags(append([]uint16{200}, tags...)...)))
		} else {
			l.fromPort("p0", f)
		}
	}
	place(typed(family), nil)
	send(false)
	send(true, 42)
	place(typed(0x8100), nil)
	send(true)
	send(false, 42)
	place(nil, typed(family))
	send(false)
	send(true, 42)
	place(nil, typed(0x8100))
	send(true)
	send(false, 42)
	place(entries(deny(intent.ACLProtocol, func(e *intent.ACLEntry) { e.Protocol = 17 })), nil)
	send(false)
	send(true, 42)
}

// aclCopies has frames to many, and from and to tunnels, asked where they leave by a port; what is
// denied is counted, and what counts it.
func aclCopies(l *lab) {
	from := func(n byte) []intent.ACLEntry {
		return entries(permit(intent.ACLSrcMAC, func(e *intent.ACLEntry) { e.SrcMAC = station(5) }),
			deny(intent.ACLSrcMAC, func(e *intent.ACLEntry) { e.SrcMAC = station(n) }))
	}
	l.apply(usual)
	l.apply(func(s *intent.State) {
		s.ACLs[aclA] = both("a", from(1), from(2))
		s.ACLs[aclB] = both("b", nil, from(31))
		guard(s, at("p0", 0), aclA)
		guard(s, at("p1", 0), aclB)
	})
	f := l.frame(2, broadcastMAC)
	l.fromPort("p1", f, toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	f = l.frame(3, broadcastMAC)
	l.fromPort("p1", f, toPort("p0", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	f = l.frame(5, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	l.fromPort("p0", l.frame(1, station(21)))
	f = l.frame(31, broadcastMAC)
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f))
	f = l.frame(32, station(5))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f))
	l.fromTunnel(tunnel(0, redVNI), l.frame(2, station(5)))
	l.mustHaveDropped(map[string]uint64{"acl_ingress": 1, "acl_egress": 3}, map[plane.PlaceDrops]uint64{
		{Reason: "acl_ingress", Port: "p0"}:               1,
		{Reason: "acl_egress", Port: "p1"}:                1,
		{Reason: "acl_egress", Tunnel: tunnel(0, redVNI)}: 2,
	})
	l.mustHaveCounted(map[plane.ACLEntryAt]uint64{
		entryAt(aclA, intent.Ingress, 0): 1, entryAt(aclA, intent.Ingress, 1): 1, entryAt(aclA, intent.Egress, 1): 2, entryAt(aclB, intent.Egress, 1): 1})
	stats := l.stats().Bindings[at("p0", 0)]
	if stats.PacketsFromLocal != 1 || stats.PacketsToLocal != 3 {
		l.Errorf("counted %+v, where 1 and 3 were not denied", stats)
	}
}

// entryAt names an entry of what both has made, from 0.
func entryAt(id intent.ACLID, d intent.Direction, n byte) plane.ACLEntryAt {
	return plane.ACLEntryAt{ACL: id, Entry: intent.ACLEntryID{0: byte(d), 15: n}}
}

// mustHaveCounted waits until these entries have decided so many frames, and all others none.
func (l *lab) mustHaveCounted(want map[plane.ACLEntryAt]uint64) {
	l.Helper()
	counter, ok := l.plane.(plane.ACLCounter)
	if !ok {
		l.Fatal("the plane has ACLs that do not count")
	}
	testenv.Eventually(l, deadline, func() error {
		got, err := counter.ACLStats(context.Background())
		if err != nil {
			return err
		}
		for at, n := range want {
			if _, there := got[at]; !there {
				return fmt.Errorf("entry %v is not there", at)
			}
			if got[at].Packets != n {
				return fmt.Errorf("entry %v has decided %d frames, should be %d", at, got[at].Packets, n)
			}
		}
		for at, c := range got {
			if c.Packets != want[at] || (c.Bytes > 0) != (c.Packets > 0) {
				return fmt.Errorf("entry %v has decided %+v, should be %d", at, c, want[at])
			}
		}
		return nil
	})
}
