package planetest

import (
	"bytes"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testnet"
)

// listened is the MAC of groups that hosts join: group's are for all hosts, whatever they say.
func listened(n byte) intent.MAC { return intent.MAC{0x01, 0x00, 0x5e, 1, 1, n} }

func snoop(s *intent.State, id intent.SwitchID) {
	ls := s.Switches[id]
	ls.SnoopGroups = true
	s.Switches[id] = ls
}

func members(s *intent.State, id intent.SwitchID, mac intent.MAC, set ...intent.BindingKey) {
	s.Members[intent.MACKey{Switch: id, MAC: mac}] = append(intent.MemberSet{}, set...)
}

// onlyWhatItCan takes out of s what the plane says that it can't do.
func (l *lab) onlyWhatItCan(s *intent.State) {
	if !l.plane.Features().TunnelDSCP.Has(s.TunnelDSCP) {
		s.TunnelDSCP = intent.Priority{Value: 34}
	}
	if !l.plane.Features().TagPCP.Has(s.TagPCP) {
		s.TagPCP = intent.Priority{Value: 3}
	}
	if !l.plane.Features().Segments {
		clear(s.Segments)
		clear(s.Attached)
		for at, b := range s.Bindings {
			s.Bindings[at] = intent.Binding{Switch: b.Switch}
		}
	}
	if l.plane.Features().SnoopGroups {
		return
	}
	clear(s.Members)
	for id, ls := range s.Switches {
		ls.SnoopGroups = false
		s.Switches[id] = ls
	}
}

// threePorts is red at all ports, and two peers.
func threePorts(s *intent.State) {
	usual(s)
	bind(s, "p2", 0, red)
	snoop(s, red)
}

// Frames to a group go to its members, and to the tunnels as ever.
func groupMembers(l *lab) {
	if !l.plane.Features().SnoopGroups {
		return
	}
	l.apply(threePorts)
	tunnels := func(f Frame) []Out { return []Out{toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f)} }
	expect := func(from string, dst intent.MAC, to ...string) {
		l.Helper()
		f := l.frame(1, dst)
		want := tunnels(f)
		for _, p := range to {
			want = append(want, toPort(p, f))
		}
		l.fromPort(from, f, want...)
	}
	fromPeer := func(dst intent.MAC, to ...string) {
		l.Helper()
		f, want := l.frame(21, dst), []Out{}
		for _, p := range to {
			want = append(want, toPort(p, f))
		}
		l.fromTunnel(tunnel(0, redVNI), f, want...)
	}
	one, two, six := listened(1), listened(2), intent.MAC{0x33, 0x33, 0, 1, 0, 3}
	expect("p0", one, "p1", "p2") // nothing is known
	fromPeer(one, "p0", "p1", "p2")

	l.apply(func(s *intent.State) {
		members(s, red, one, at("p0", 0), at("p1", 0))
		members(s, red, two)
		members(s, red, intent.OtherGroups4, at("p2", 0))
	})
	expect("p0", one, "p1")
	expect("p2", one, "p0", "p1")
	expect("p0", two)
	expect("p0", listened(3), "p2")
	expect("p2", listened(3))
	expect("p0", six, "p1", "p2") // of IPv6 nothing is known
	fromPeer(one, "p0", "p1")
	fromPeer(two)
	fromPeer(listened(3), "p2")
	for _, dst := range []intent.MAC{broadcastMAC, group(1), group(251), station(77), {0x33, 0x33, 0, 0, 0, 1}, {0x33, 0x33, 0xff, 1, 2, 3}} {
		expect("p0", dst, "p1", "p2")
		fromPeer(dst, "p0", "p1", "p2")
	}
	f := l.frame(3, one, 100) // blue does not snoop
	l.fromPort("p2", f, toPort("p0", f), toTunnel(tunnel(1, blueVNI), f.withTags()))

	// A row of the group says which tunnels, nothing else does; and members may change.
	l.apply(func(s *intent.State) {
		flood(s, red, one, tunnel(2, redVNI))
		members(s, red, one, at("p1", 0))
		members(s, red, six, at("p0", 0))
		members(s, red, intent.OtherGroups6, at("p1", 0))
		delete(s.Members, intent.MACKey{Switch: red, MAC: two})
	})
	f = l.frame(1, one)
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(2, redVNI), f))
	expect("p0", two, "p2")
	expect("p2", six, "p0")
	expect("p2", intent.MAC{0x33, 0x33, 0, 9, 9, 9}, "p1")
	fromPeer(one, "p1")

	// A new process finds them, and what it does not want goes.
	l.shut()
	f = l.frame(1, one)
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(2, redVNI), f))
	l.open()
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(2, redVNI), f))
	l.apply(func(s *intent.State) {
		clear(s.Members)
		delete(s.Floods, intent.FloodKey{Switch: red, MAC: one})
	})
	expect("p0", one, "p1", "p2")
	l.apply(func(s *intent.State) {
		members(s, red, one, at("p1", 0))
		members(s, red, intent.OtherGroups4)
	})
	expect("p0", one, "p1")

	// With its binding a member is out; and a switch that does not snoop has none.
	l.apply(func(s *intent.State) {
		delete(s.Bindings, at("p1", 0))
		members(s, red, one)
	})
	expect("p0", one)
	fromPeer(one)
	l.apply(func(s *intent.State) {
		clear(s.Members)
		ls := s.Switches[red]
		ls.SnoopGroups = false
		s.Switches[red] = ls
	})
	expect("p0", one, "p2")
}

// What hosts say of groups goes to routers, what routers say to all.
func groupReports(l *lab) {
	if !l.plane.Features().SnoopGroups {
		return
	}
	l.apply(threePorts)
	l.apply(func(s *intent.State) {
		members(s, red, listened(1), at("p1", 0))
		for _, mac := range []intent.MAC{intent.OtherGroups4, intent.OtherGroups6} {
			members(s, red, mac)
		}
		for _, mac := range []intent.MAC{intent.Reports4, intent.Reports6} {
			members(s, red, mac, at("p2", 0))
		}
	})
	mac := station(1)
	g4, g6 := netip.MustParseAddr("239.1.1.1"), netip.MustParseAddr("ff05::1:3")
	router4, router6 := netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("fe80::9")
	for _, c := range []struct {
		frame []byte
		all   bool
	}{
		{testnet.Join(mac[:], 1, g4), false},
		{testnet.Join(mac[:], 2, g4), false},
		{testnet.Join(mac[:], 3, g4), false},
		{testnet.Leave(mac[:], 2, g4), false},
		{testnet.Leave(mac[:], 3, g4), false},
		{testnet.Join(mac[:], 1, g6), false},
		{testnet.Join(mac[:], 2, g6), false},
		{testnet.Leave(mac[:], 1, g6), false},
		{testnet.Leave(mac[:], 2, g6), false},
		{testnet.AskAll(mac[:], router4, 2, 10), true},
		{testnet.AskAll(mac[:], router4, 3, 10), true},
		{testnet.AskAll(mac[:], router6, 1, 10), true},
		{testnet.AskAll(mac[:], router6, 2, 10), true},
	} {
		f := l.frame(1, intent.MAC(c.frame))
		f.Packet = c.frame[12:]
		want := []Out{toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f), toPort("p2", f)}
		if c.all {
			want = append(want, toPort("p1", f))
		}
		l.fromPort("p0", f, want...)
		l.punted(plane.Punted{Reason: plane.PuntMembership, Switch: red, At: at("p0", 0)}, f.Bytes())
		f.Src = station(21)
		want = []Out{toPort("p2", f)}
		if c.all {
			want = append(want, toPort("p0", f), toPort("p1", f))
		}
		l.fromTunnel(tunnel(0, redVNI), f, want...)
		l.punted(plane.Punted{Reason: plane.PuntMembership, Switch: red, From: tunnel(0, redVNI)}, f.Bytes())
	}
	// What is in a VLAN is shown without its tag; and only where the switch snoops.
	l.apply(func(s *intent.State) { snoop(s, blue) })
	frame := testnet.Join(mac[:], 2, g4)
	f := l.frame(1, intent.MAC(frame), 100)
	f.Packet = frame[12:]
	l.fromPort("p0", f, toPort("p2", f), toTunnel(tunnel(1, blueVNI), f.withTags()))
	l.punted(plane.Punted{Reason: plane.PuntMembership, Switch: blue, At: at("p0", 100)}, f.withTags().Bytes())
	l.apply(func(s *intent.State) {
		clear(s.Members)
		ls := s.Switches[red]
		ls.SnoopGroups = false
		s.Switches[red] = ls
	})
	f = l.frame(1, intent.MAC(frame))
	f.Packet = frame[12:]
	l.fromPort("p0", f, toPort("p1", f), toPort("p2", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	f = l.frame(1, intent.MAC(frame), 100)
	f.Packet = frame[12:]
	l.fromPort("p2", f, toPort("p0", f), toTunnel(tunnel(1, blueVNI), f.withTags()))
	l.punted(plane.Punted{Reason: plane.PuntMembership, Switch: blue, At: at("p2", 100)}, f.withTags().Bytes())
}

// punted waits for the next Punted event, which must be this one, with the frame.
func (l *lab) punted(want plane.Punted, frame []byte) {
	l.Helper()
	l.event("punted "+want.At.String(), func(e plane.Event) bool {
		got, ok := e.(plane.Punted)
		if !ok || got.Reason == plane.PuntMembership && got.Reason == want.Reason && !Mine(got.Frame) { // what hosts say by themselves
			return false
		}
		if got.Reason != want.Reason || got.Switch != want.Switch || got.At != want.At || got.From != want.From || got.Hop != want.Hop ||
			got.Length != len(frame) || !bytes.Equal(got.Frame, frame) {
			l.Fatalf("punted %+v, want %+v with\n%x", got, want, frame)
		}
		return true
	})
}
