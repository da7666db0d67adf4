package intent

import (
	"net/netip"
	"testing"
)

func TestSegmentString(t *testing.T) {
	peer := netip.MustParseAddr("192.0.2.2")
	s := NewState()
	s.TunnelIP = netip.MustParseAddr("192.0.2.1")
	a, host := SwitchID{1}, MACKey{SwitchID{1}, MAC{2, 5: 1}}
	s.Ports["p0"], s.Ports["p1"] = Port{}, Port{}
	s.Switches[a] = Switch{Name: "ls0", VNI: 5000}
	s.Bindings[BindingKey{"p0", 0}] = Binding{a, NotDesignated}
	s.Bindings[BindingKey{"p0", 100}] = Binding{a, Standby}
	s.Segments["p0"] = Segment{peer, netip.MustParseAddr("2001:db8::2")}
	s.Attached[host] = BindingKey{"p0", 0}
	const want = `tunnel-ip 192.0.2.1
port p0
port p1
segment p0 with 192.0.2.2 2001:db8::2
switch ls0 vni 5000
binding p0/0 -> ls0 not-designated
binding p0/100 -> ls0 standby
attached ls0 02:00:00:00:00:01 -> p0/0
`
	if got := s.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	for what, spoil := range map[string]func(*State){
		"no port":    func(s *State) { s.Segments["p2"] = Segment{peer} },
		"nobody":     func(s *State) { s.Segments["p0"] = Segment{} },
		"twice":      func(s *State) { s.Segments["p0"] = Segment{peer, peer} },
		"no binding": func(s *State) { s.Attached[host] = BindingKey{"p1", 0} },
		"another's": func(s *State) {
			s.Switches[SwitchID{2}] = Switch{}
			s.Bindings[BindingKey{"p0", 0}] = Binding{Switch: SwitchID{2}}
		},
		"standby": func(s *State) { s.Attached[host] = BindingKey{"p0", 100} },
		"group":   func(s *State) { s.Attached[MACKey{a, MAC{1}}] = BindingKey{"p0", 0} },
		"behind a tunnel": func(s *State) {
			s.Unicast.Set(host, Tunnel{peer, 5000})
			s.Decap.Set(Tunnel{peer, 5000}, a)
		},
	} {
		bad := s.Clone()
		if spoil(bad); bad.Check() == nil {
			t.Errorf("%s: passes", what)
		}
	}
}
