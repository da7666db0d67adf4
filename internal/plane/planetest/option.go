package planetest

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testnet"
)

// option changes a switch.
func option(id intent.SwitchID, edit func(*intent.Switch)) func(*intent.State) {
	return func(s *intent.State) {
		ls := s.Switches[id]
		edit(&ls)
		s.Switches[id] = ls
	}
}

func reservedMAC(last byte) intent.MAC { return intent.MAC{0x01, 0x80, 0xc2, 0, 0, last} }

// A switch may pass some of the addresses that are for the other end of a link, as the kernel's bridge
// does: both ways, tags as for any other group.
func reservedByOption(l *lab) {
	l.apply(usual)
	const stp, lacp, eapol, lldp = 0x0, 0x2, 0x3, 0xe
	pass := func(id intent.SwitchID, macs ...byte) {
		l.apply(option(id, func(ls *intent.Switch) {
			ls.ReservedMACs = 0
			for _, last := range macs {
				ls.ReservedMACs |= 1 << last
			}
		}))
	}
	check := func(passed ...byte) {
		for last := range byte(16) {
			var want bool
			for _, p := range passed {
				want = want || p == last
			}
			f := l.frame(1, reservedMAC(last), 100)
			back := l.frame(22, reservedMAC(last))
			if !want {
				l.fromPort("p0", f)
				l.fromTunnel(tunnel(1, blueVNI), back)
				continue
			}
			l.fromPort("p0", f, toPort("p2", f), toTunnel(tunnel(1, blueVNI), f.withTags()))
			l.fromTunnel(tunnel(1, blueVNI), back, toPort("p0", back.withTags(100)), toPort("p2", back.withTags(100)))
		}
	}
	pass(blue, stp, lldp)
	check(stp, lldp)
	l.fromPort("p0", l.frame(1, reservedMAC(stp))) // red does not
	l.fromTunnel(tunnel(0, redVNI), l.frame(21, reservedMAC(lldp)))

	pass(red, eapol)
	f := l.frame(1, reservedMAC(eapol))
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	l.fromPort("p0", l.frame(1, reservedMAC(lacp)))

	// One that passes has a set of its own as any group, and passes where there is no flooding.
	l.apply(func(s *intent.State) { flood(s, red, reservedMAC(eapol), tunnel(2, redVNI)) })
	f = l.frame(1, reservedMAC(eapol))
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(2, redVNI), f))
	l.apply(option(blue, func(ls *intent.Switch) { ls.Flooding = intent.FloodNone }))
	check(stp, lldp)
	pass(blue)
	check()
	pass(blue, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
	l.shut()
	l.open()
	f = l.frame(3, reservedMAC(15), 100)
	l.fromPort("p2", f, toPort("p0", f), toTunnel(tunnel(1, blueVNI), f.withTags()))
}

// What finds neighbours is flooded, and nothing else.
func floodingOfNeighbors(l *lab) {
	l.apply(usual)
	l.apply(option(blue, func(ls *intent.Switch) { ls.Flooding = intent.FloodNeighbors }))
	nodes := intent.MAC{0x33, 0x33, 0xff, 0, 0, 2}
	for _, c := range []struct {
		payload Payload
		dst     intent.MAC
		passes  bool
	}{
		{arpAsks, broadcastMAC, true}, {ndAsks, nodes, true}, {ndRouter, nodes, true},
		{arpAsks, station(77), true}, {ndAsks, station(77), true}, // of somebody who is silent
		{IPv4, broadcastMAC, false}, {IPv6, nodes, false}, {Other, group(1), false}, {IPv4, station(77), false},
	} {
		l.payload = c.payload
		f := l.frame(1, c.dst, 100)
		back := l.frame(22, c.dst)
		if !c.passes {
			l.fromPort("p0", f)
			l.fromTunnel(tunnel(1, blueVNI), back)
			continue
		}
		l.fromPort("p0", f, toPort("p2", f), toTunnel(tunnel(1, blueVNI), f.withTags()))
		l.fromTunnel(tunnel(1, blueVNI), back, toPort("p0", back.withTags(100)), toPort("p2", back.withTags(100)))
	}
	l.payload = IPv4
	f := l.frame(1, broadcastMAC) // red is as ever
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	l.mustHaveDropped(map[string]uint64{"flood_limited": 8}, nil)

	// Behind a tag that stays they are what they are.
	if l.limits().OneTag {
		return
	}
	l.apply(option(blue, func(ls *intent.Switch) { ls.InnerTags = true }))
	l.payload = arpAsks
	f = l.frame(1, broadcastMAC, 100, 42)
	l.fromPort("p0", f, toPort("p2", f), toTunnel(tunnel(1, blueVNI), f.withTags(42)))
	l.payload = IPv4
	l.fromPort("p0", l.frame(1, broadcastMAC, 100, 42))
}

// Nothing is flooded; what is known goes where it is.
func noFlooding(l *lab) {
	l.apply(usual)
	l.apply(option(red, func(ls *intent.Switch) { ls.Flooding = intent.FloodNone }))
	for _, dst := range []intent.MAC{broadcastMAC, group(1), station(2)} {
		l.fromPort("p0", l.frame(1, dst))
		l.fromTunnel(tunnel(0, redVNI), l.frame(21, dst))
	}
	l.payload = arpAsks
	l.fromPort("p1", l.frame(2, broadcastMAC))
	l.mustHaveDropped(map[string]uint64{"flood_limited": 7}, nil)
	l.payload = IPv4
	f := l.frame(1, station(2)) // it is learned all the same
	l.fromPort("p0", f, toPort("p1", f))
	f = l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	f = l.frame(21, station(1))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f))

	// A group that somebody has listed is no flooding, but broadcast is.
	l.apply(func(s *intent.State) {
		flood(s, red, group(1), tunnel(0, redVNI))
		flood(s, red, broadcastMAC, tunnel(0, redVNI))
	})
	f = l.frame(1, group(1))
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f))
	f = l.frame(21, group(1))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
	l.fromPort("p0", l.frame(1, broadcastMAC))
	l.fromPort("p0", l.frame(1, group(2)))

	l.apply(option(red, func(ls *intent.Switch) { ls.Flooding = intent.FloodAll }))
	f = l.frame(1, group(2))
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
}

// A switch that snoops has groups' frames go to their members, and hears of these, also where nothing
// is flooded.
func noFloodingButToMembers(l *lab) {
	if !l.plane.Features().SnoopGroups {
		return
	}
	l.apply(threePorts)
	l.apply(option(red, func(ls *intent.Switch) { ls.Flooding = intent.FloodNone }))
	toPeers := func(f Frame) []Out { return []Out{toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f)} }
	l.fromPort("p0", l.frame(1, listened(1))) // nobody is known
	l.apply(func(s *intent.State) {
		members(s, red, listened(1), at("p1", 0))
		members(s, red, intent.OtherGroups4)
	})
	f := l.frame(1, listened(1))
	l.fromPort("p0", f, append(toPeers(f), toPort("p1", f))...)
	f = l.frame(21, listened(1))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p1", f))
	l.fromPort("p0", l.frame(1, group(1))) // in which all hosts are
	l.fromPort("p0", l.frame(1, intent.MAC{0x33, 0x33, 0, 0, 0, 1}))
	l.fromPort("p0", l.frame(1, broadcastMAC))

	mac := station(1)
	query := testnet.AskAll(mac[:], netip.MustParseAddr("192.0.2.9"), 3, 10)
	f = l.frame(1, intent.MAC(query))
	f.Packet = query[12:]
	l.fromPort("p0", f, append(toPeers(f), toPort("p1", f), toPort("p2", f))...)
	report := testnet.Join(mac[:], 2, netip.MustParseAddr("239.1.1.1"))
	f = l.frame(1, intent.MAC(report))
	f.Packet = report[12:]
	l.fromPort("p0", f, append(toPeers(f), toPort("p1", f), toPort("p2", f))...) // no router is known
	l.apply(option(red, func(ls *intent.Switch) { ls.SnoopGroups = false }))
	l.fromPort("p0", f)
}
