package intent

import "testing"

func TestMembersOf(t *testing.T) {
	red, blue := SwitchID{1}, SwitchID{2}
	s := NewState()
	a, b, r := BindingKey{Port: "p0"}, BindingKey{Port: "p1"}, BindingKey{Port: "p2"}
	group4, group6 := MAC{1, 0, 0x5e, 1, 2, 3}, MAC{0x33, 0x33, 0, 1, 0, 3}
	s.Members = map[MACKey]MemberSet{
		{red, group4}: {a, r}, {red, OtherGroups4}: {r}, {red, Reports4}: {b, r},
		{red, group6}: {}, {red, Reports6}: {b},
	}
	for _, c := range []struct {
		name   string
		id     SwitchID
		dst    MAC
		report bool
		want   string // "all" or the ports
	}{
		{"group", red, group4, false, "p0 p2"},
		{"group of IPv6, without members", red, group6, false, ""},
		{"group without an entry", red, MAC{1, 0, 0x5e, 9, 9, 9}, false, "p2"},
		{"and none for the others", red, MAC{0x33, 0x33, 0, 9, 9, 9}, false, "all"},
		{"other switch", blue, group4, false, "all"},
		{"report to its group", red, group4, true, "p1 p2"},
		{"report of IGMPv3", red, Reports4, true, "p1 p2"},
		{"leave to all routers", red, MAC{1, 0, 0x5e, 0, 0, 2}, true, "p1 p2"},
		{"report of MLDv2", red, Reports6, true, "p1"},
		{"report in a switch that knows of none", blue, Reports4, true, "all"},
		{"to where reports go, and none", red, Reports4, false, "all"},
		{"224.0.0.5", red, MAC{1, 0, 0x5e, 0, 0, 5}, false, "all"},
		{"ff02::1", red, MAC{0x33, 0x33, 0, 0, 0, 1}, false, "all"},
		{"ff02::1:ff00:1", red, MAC{0x33, 0x33, 0xff, 0, 0, 1}, false, "all"},
		{"broadcast", red, MAC{255, 255, 255, 255, 255, 255}, false, "all"},
		{"station", red, MAC{2, 0, 0, 0, 0, 1}, false, "all"},
		{"no IP multicast", red, MAC{1, 0x80, 0xc2, 0, 1, 1}, false, "all"},
		{"the upper half of IANA's block", red, MAC{1, 0, 0x5e, 0x80, 1, 1}, false, "all"},
	} {
		got := "all"
		if set, ok := s.MembersOf(MACKey{c.id, c.dst}, c.report); ok {
			got = ""
			for i, at := range set {
				if i > 0 {
					got += " "
				}
				got += at.Port
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCheckMembers(t *testing.T) {
	red, blue := SwitchID{1}, SwitchID{2}
	p0, p1 := BindingKey{Port: "p0"}, BindingKey{Port: "p1"}
	group := MACKey{red, MAC{1, 0, 0x5e, 1, 2, 3}}
	for _, c := range []struct {
		name string
		key  MACKey
		set  MemberSet
		ok   bool
	}{
		{"right", group, MemberSet{p0}, true},
		{"empty", group, nil, true},
		{"for the others", MACKey{red, OtherGroups6}, MemberSet{p0}, true},
		{"reports", MACKey{red, Reports4}, MemberSet{p0}, true},
		{"of another switch", group, MemberSet{p0, p1}, false},
		{"twice", group, MemberSet{p0, p0}, false},
		{"no switch", MACKey{SwitchID{9}, group.MAC}, nil, false},
		{"for all", MACKey{red, MAC{1, 0, 0x5e, 0, 0, 9}}, nil, false},
		{"station", MACKey{red, MAC{2, 0, 0, 0, 0, 9}}, nil, false},
	} {
		s := NewState()
		s.Switches = map[SwitchID]Switch{red: {Name: "red"}, blue: {Name: "blue"}}
		s.Ports = map[string]Port{"p0": {}, "p1": {}}
		s.Bindings = map[BindingKey]Binding{p0: {Switch: red}, p1: {Switch: blue}}
		s.Members[c.key] = c.set
		if err := s.Check(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
