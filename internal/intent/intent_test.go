package intent

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestParseMAC(t *testing.T) {
	for text, want := range map[string]string{
		"00:23:20:00:00:01":  "00:23:20:00:00:01",
		"AA:bb:Cc:dD:EE:0F":  "aa:bb:cc:dd:ee:0f",
		"":                   "",
		"unknown-dst":        "",
		"00:23:20:00:00:0g":  "",
		"00-23-20-00-00-01":  "",
		"0:23:20:00:00:01":   "",
		"00:23:20:00:00:011": "",
		"00:23:20:00:00:1 ":  "",
	} {
		m, err := ParseMAC(text)
		if want == "" {
			if err == nil {
				t.Errorf("ParseMAC(%q) = %v, want an error", text, m)
			}
			continue
		}
		if err != nil || m.String() != want {
			t.Errorf("ParseMAC(%q) = %v, %v, want %s", text, m, err, want)
		}
	}
}

func TestMACKinds(t *testing.T) {
	for _, c := range []struct {
		mac                   MAC
		group, zero, reserved bool
	}{
		{MAC{2, 0, 0, 0, 0, 1}, false, false, false},
		{MAC{}, false, true, false},
		{MAC{255, 255, 255, 255, 255, 255}, true, false, false},
		{MAC{0x01, 0x80, 0xc2, 0, 0, 0x0e}, true, false, true},
		{MAC{0x01, 0x80, 0xc2, 0, 0, 0x10}, true, false, false},
		{MAC{0x01, 0x80, 0xc2, 0, 1, 0x00}, true, false, false},
	} {
		if c.mac.IsGroup() != c.group || c.mac.IsZero() != c.zero || c.mac.Reserved() != c.reserved {
			t.Errorf("%v: group %v, zero %v, reserved %v", c.mac, c.mac.IsGroup(), c.mac.IsZero(), c.mac.Reserved())
		}
	}
}

func TestRouterString(t *testing.T) {
	s := NewState()
	s.ARPSource = MAC{2, 0, 0, 0, 0, 0xa}
	a, r := SwitchID{1}, RouterID{9}
	s.Switches[a] = Switch{Name: "ls0", VNI: 5000, Router: r}
	s.Routers[r] = Router{"lr 0", MAC{2, 0, 0, 0, 0, 0xb}}
	s.Interfaces[IPKey{a, netip.MustParseAddr("192.0.2.1")}] = Interface{Bits: 24}
	s.Routes[RouteKey{r, netip.MustParsePrefix("192.0.2.0/24")}] = Route{Switch: a}
	s.Routes[RouteKey{r, netip.MustParsePrefix("0.0.0.0/0")}] = Route{a, netip.MustParseAddr("192.0.2.9")}
	s.Neighbours[IPKey{a, netip.MustParseAddr("192.0.2.9")}] = MAC{2, 5: 1}
	const want = `arp-source 02:00:00:00:00:0a
switch ls0 vni 5000 router "lr 0"
router "lr 0" mac 02:00:00:00:00:0b
interface ls0 192.0.2.1/24
route "lr 0" 0.0.0.0/0 -> ls0 via 192.0.2.9
route "lr 0" 192.0.2.0/24 -> ls0
neighbour ls0 192.0.2.9 -> 02:00:00:00:00:01
`
	if got := s.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	for what, spoil := range map[string]func(*State){
		"no router": func(s *State) { clear(s.Routers) },
		"no route":  func(s *State) { clear(s.Routes) },
		"host bits": func(s *State) { s.Routes[RouteKey{r, netip.MustParsePrefix("192.0.2.1/24")}] = Route{Switch: a} },
		"families": func(s *State) {
			s.Routes[RouteKey{r, netip.MustParsePrefix("::/0")}] = Route{a, netip.MustParseAddr("192.0.2.9")}
		},
		"switch":                func(s *State) { s.Switches[a] = Switch{} },
		"neighbour is a router": func(s *State) { s.Neighbours[IPKey{a, netip.MustParseAddr("192.0.2.1")}] = MAC{2} },
	} {
		bad := s.Clone()
		if spoil(bad); bad.Check() == nil {
			t.Errorf("%s: passes", what)
		}
	}
}

// Small domains, so that states meet.
func drawState(t *rapid.T) *State {
	id := rapid.Custom(func(t *rapid.T) SwitchID { return SwitchID{rapid.ByteRange(1, 3).Draw(t, "ls")} })
	mac := rapid.Custom(func(t *rapid.T) MAC { return MAC{2, 5: rapid.ByteRange(0, 5).Draw(t, "mac")} })
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		return netip.AddrFrom4([4]byte{192, 0, 2, rapid.ByteRange(1, 4).Draw(t, "addr")})
	})
	tunnel := rapid.Custom(func(t *rapid.T) Tunnel {
		return Tunnel{addr.Draw(t, "peer"), rapid.Uint32Range(0, 2).Draw(t, "vni")}
	})
	key := rapid.Custom(func(t *rapid.T) MACKey { return MACKey{id.Draw(t, "ls"), mac.Draw(t, "mac")} })
	port := rapid.SampledFrom([]string{"p0", "p1", "p2"})
	router := rapid.Custom(func(t *rapid.T) RouterID { return RouterID{rapid.ByteRange(0, 2).Draw(t, "router")} })
	at := rapid.Custom(func(t *rapid.T) IPKey { return IPKey{id.Draw(t, "ls"), addr.Draw(t, "ip")} })
	s := NewState()
	s.ARPSource = mac.Draw(t, "arp source")
	s.TunnelIP = addr.Draw(t, "tunnel ip")
	s.AcceptAnySource = rapid.Bool().Draw(t, "any source")
	s.MACLimit = rapid.Uint32Range(0, 1).Draw(t, "mac limit")
	s.Ports = rapid.MapOf(port, rapid.Custom(func(t *rapid.T) Port {
		return Port{rapid.Uint32Range(0, 1).Draw(t, "limit"), rapid.Bool().Draw(t, "take over"), rapid.Bool().Draw(t, "service tags"), rapid.Uint16Max(1).Draw(t, "group")}
	})).Draw(t, "ports")
	s.Switches = rapid.MapOf(id, rapid.Custom(func(t *rapid.T) Switch {
		return Switch{Name: rapid.StringN(0, 2, 4).Draw(t, "name"), VNI: rapid.Uint32Range(0, 2).Draw(t, "vni"), VNI0: rapid.Bool().Draw(t, "vni0"),
			SwitchOptions: SwitchOptions{rapid.Bool().Draw(t, "inner tags"), rapid.Bool().Draw(t, "snoop ips"), rapid.Bool().Draw(t, "suppress"), rapid.Bool().Draw(t, "probe"),
				Flooding(rapid.ByteMax(2).Draw(t, "flooding")), ReservedMACs(rapid.Uint16Max(1).Draw(t, "reserved")),
				rapid.Bool().Draw(t, "groups"), rapid.Bool().Draw(t, "unregistered")},
			Router: router.Draw(t, "router")}
	})).Draw(t, "switches")
	place := rapid.Custom(func(t *rapid.T) BindingKey {
		return BindingKey{port.Draw(t, "port"), rapid.Uint16Range(0, 2).Draw(t, "vlan")}
	})
	s.Members = rapid.MapOf(key, rapid.Custom(func(t *rapid.T) MemberSet {
		return slices.SortedFunc(maps.Keys(rapid.MapOf(place, rapid.Just(0)).Draw(t, "set")), BindingKey.Compare)
	})).Draw(t, "members")
	s.Bindings = rapid.MapOf(place, rapid.Custom(func(t *rapid.T) Binding { return Binding{id.Draw(t, "ls"), Role(rapid.ByteMax(2).Draw(t, "role"))} })).Draw(t, "bindings")
	s.Attached = rapid.MapOf(key, place).Draw(t, "attached")
	s.Segments = rapid.MapOf(port, rapid.Custom(func(t *rapid.T) Segment {
		return slices.SortedFunc(maps.Keys(rapid.MapOfN(addr, rapid.Just(0), 1, 3).Draw(t, "vteps")), netip.Addr.Compare)
	})).Draw(t, "segments")
	for k, to := range rapid.MapOf(key, tunnel).Draw(t, "unicast") {
		s.Unicast.Set(k, to)
	}
	s.Floods = rapid.MapOf(key, rapid.Custom(func(t *rapid.T) FloodSet {
		return slices.SortedFunc(maps.Keys(rapid.MapOf(tunnel, rapid.Just(0)).Draw(t, "set")), Tunnel.Compare)
	})).Draw(t, "floods")
	for tunnel, id := range rapid.MapOf(tunnel, id).Draw(t, "decap") {
		s.Decap.Set(tunnel, id)
	}
	s.BFD = rapid.MapOf(addr, rapid.Custom(func(t *rapid.T) BFD {
		return BFD{MinRx: rapid.Uint32Range(1, 2).Draw(t, "min rx"), CPathDown: rapid.Bool().Draw(t, "cpath down")}
	})).Draw(t, "bfd")
	s.Routers = rapid.MapOf(router, rapid.Custom(func(t *rapid.T) Router {
		return Router{rapid.StringN(0, 2, 4).Draw(t, "name"), mac.Draw(t, "mac")}
	})).Draw(t, "routers")
	s.Interfaces = rapid.MapOf(at, rapid.Custom(func(t *rapid.T) Interface { return Interface{Bits: rapid.IntRange(1, 32).Draw(t, "bits")} })).Draw(t, "interfaces")
	s.Routes = rapid.MapOf(rapid.Custom(func(t *rapid.T) RouteKey {
		return RouteKey{router.Draw(t, "router"), netip.PrefixFrom(addr.Draw(t, "prefix"), rapid.IntRange(0, 2).Draw(t, "bits")).Masked()}
	}), rapid.Custom(func(t *rapid.T) Route { return Route{id.Draw(t, "ls"), addr.Draw(t, "via")} })).Draw(t, "routes")
	s.Neighbours = rapid.MapOf(at, mac).Draw(t, "neighbours")
	acl := rapid.Custom(func(t *rapid.T) ACLID { return ACLID{rapid.ByteRange(1, 2).Draw(t, "acl")} })
	entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ACLEntry {
		return ACLEntry{Sequence: rapid.Int64Range(1, 2).Draw(t, "sequence"), Deny: rapid.Bool().Draw(t, "deny")}
	}), 0, 2)
	s.ACLs = rapid.MapOf(acl, rapid.Custom(func(t *rapid.T) ACL {
		return ACL{rapid.StringN(0, 2, 4).Draw(t, "name"), entries.Draw(t, "ingress"), entries.Draw(t, "egress")}
	})).Draw(t, "acls")
	s.Policies = rapid.MapOf(rapid.Custom(func(t *rapid.T) BindingKey {
		return BindingKey{port.Draw(t, "port"), rapid.Uint16Range(0, 2).Draw(t, "vlan")}
	}), rapid.Custom(func(t *rapid.T) Policy { return Policy{acl.Draw(t, "acl")} })).Draw(t, "policies")
	return s
}

func TestDeltasAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		states := rapid.SliceOfN(rapid.Custom(drawState), 2, 5).Draw(t, "states")
		s := states[0].Clone()
		for i := 1; i < len(states); i++ {
			d := Diff(states[i-1], states[i])
			if d.Empty() != (states[i-1].String() == states[i].String()) {
				t.Fatalf("delta is empty: %v\n%v", d.Empty(), d)
			}
			s.Apply(d)
			if s.String() != states[i].String() || !Diff(s, states[i]).Empty() {
				t.Fatalf("after %v got\n%v\nwant\n%v", d, s, states[i])
			}
		}
	})
}

func TestString(t *testing.T) {
	peer := netip.MustParseAddr("192.0.2.2")
	s := NewState()
	s.TunnelIP = netip.MustParseAddr("192.0.2.1")
	s.Ports["p0"] = Port{MACLimit: 10}
	a, b := SwitchID{1}, SwitchID{2}
	s.Switches[a] = Switch{Name: "ls0", VNI: 5000}
	s.Switches[b] = Switch{Name: "a b"}
	s.Bindings[BindingKey{"p0", 100}] = Binding{Switch: a}
	s.Unicast.Set(MACKey{a, MAC{2, 0, 0, 0, 0, 1}}, Tunnel{peer, 5000})
	s.Floods[FloodKey{a, UnknownDst}] = FloodSet{{peer, 5000}, {peer, 6000}}
	s.Decap.Set(Tunnel{peer, 5000}, a)
	s.Decap.Set(Tunnel{peer, 6000}, a)
	const want = `tunnel-ip 192.0.2.1
port p0 mac-limit 10
switch "a b" no vni
switch ls0 vni 5000
binding p0/100 -> ls0
unicast ls0 02:00:00:00:00:01 -> 192.0.2.2/5000
flood ls0 unknown-dst -> 192.0.2.2/5000 192.0.2.2/6000
decap 192.0.2.2/5000 -> ls0
decap 192.0.2.2/6000 -> ls0
`
	if got := s.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	s.Decap.Delete(Tunnel{peer, 6000})
	if s.Check() == nil {
		t.Error("a flood set may use a tunnel whose frames are not accepted")
	}
}
