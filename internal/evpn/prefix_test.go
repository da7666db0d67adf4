package evpn

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// A VTEP's address in the router's net ends like its own, and nobody has it twice.
func TestHops(t *testing.T) {
	for prefix, want := range map[string]map[string]string{
		"169.254.0.1/16":  {"10.0.0.2": "169.254.0.2", "10.1.0.1": "169.254.0.3", "2001:db8::5": "169.254.0.5", "10.0.255.255": "169.254.0.4"},
		"fd00:5000::1/64": {"10.0.0.2": "fd00:5000::a00:2", "2001:db8::2": "fd00:5000::2", "2001:db8::": "fd00:5000::3"},
		"192.0.2.1/30":    {"10.0.0.2": "192.0.2.2", "10.0.0.6": ""},
	} {
		p := netip.MustParsePrefix(prefix)
		n := newNetwork()
		n.row.UUID = hwvtep.UUID{1}
		r := &router{net: n, hops: map[hop]netip.Addr{}, had: map[string]bool{}, interfaces: []routerInterface{{p, n.row.UUID}}}
		db := &database{}
		for _, vtep := range []string{"10.0.0.2", "10.1.0.1", "10.0.0.6", "2001:db8::2", "2001:db8::", "10.0.255.255", "2001:db8::5"} {
			text, asked := want[vtep]
			if !asked {
				continue
			}
			got := db.hop(r, hop{end{vtep: netip.MustParseAddr(vtep)}, host1, p.Addr().Is6()})
			if again := db.hop(r, hop{end{vtep: netip.MustParseAddr(vtep)}, host1, p.Addr().Is6()}); again != got {
				t.Errorf("%s in %s: %v, then %v", vtep, prefix, got, again)
			}
			if got.IsValid() != (text != "") || got.IsValid() && got.String() != text {
				t.Errorf("%s in %s: %v, want %q", vtep, prefix, got, text)
			}
		}
	}
}

// Of two routers that want one switch one has it, and both are told.
func TestContestedRouter(t *testing.T) {
	b := New(Options{Config: &Config{AS: 1, RouterID: low}})
	db := newDatabase(b, nil)
	b.database = db
	n := newNetwork()
	n.row.UUID, n.row.Name = hwvtep.UUID{1}, "red"
	db.networks[n.row.UUID] = n
	want := func(faults ...string) {
		t.Helper()
		db.wire()
		for i, fault := range faults {
			if r := db.routers[hwvtep.UUID{byte(10 + i)}]; r.fault != fault || (n.l3 == r) != (i == 0) {
				t.Errorf("%s: %q, want %q", r.row.Name, r.fault, fault)
			}
		}
	}
	for i, name := range []string{"a", "b"} {
		r := &router{hops: map[hop]netip.Addr{}, had: map[string]bool{}}
		r.configure(hwvtep.LogicalRouter{UUID: hwvtep.UUID{byte(10 + i)}, Name: name, SwitchBinding: map[string]hwvtep.UUID{"169.254.0.1/16": {1}}, OtherConfig: map[string]string{keyL3Switch: "red"}})
		db.routers[r.row.UUID] = r
	}
	want("switch red is one of router b, too, which does not get it", "switch red is one of router a, too, which has it")
	first := &router{hops: map[hop]netip.Addr{}, had: map[string]bool{}} // that the lowest UUID has comes later
	first.configure(hwvtep.LogicalRouter{UUID: hwvtep.UUID{9}, Name: "c", SwitchBinding: map[string]hwvtep.UUID{"169.254.0.1/16": {1}}})
	db.routers[first.row.UUID] = first
	if db.wire(); n.l3 != db.routers[hwvtep.UUID{10}] || !strings.Contains(first.fault, "of router a, too, which has it") {
		t.Errorf("%q", first.fault)
	}
	delete(db.routers, hwvtep.UUID{9})
	delete(db.routers, hwvtep.UUID{11})
	want("")
}

// VTEPs, and prefixes, are spread over routes that are as good as one another: a third of them each, more or less; and when one
// goes only its own ones go elsewhere.
func TestSpread(t *testing.T) {
	first := func(to netip.Prefix, own netip.Addr, routes ...*route) (best *route) {
		for _, o := range routes {
			o.to = to
			if best == nil || o.nearer(best, own) {
				best = o
			}
		}
		return best
	}
	var all []*route
	for i := range 3 {
		all = append(all, &route{key: key{kind: Prefix}, vtep: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 2)})})
	}
	count := map[*route]int{}
	for i := range 30 {
		for j := range 10 {
			to, own := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i)}), 16), netip.AddrFrom4([4]byte{10, 0, 1, byte(j)})
			best := first(to, own, all...)
			count[best]++
			if best != all[2] && first(to, own, all[0], all[1]) != best {
				t.Errorf("%v at %v goes elsewhere though its route is still there", to, own)
			}
		}
	}
	for _, o := range all {
		if count[o] < 70 || count[o] > 130 {
			t.Errorf("%v is used by %d of 300", o.vtep, count[o])
		}
	}
	// A host is at one VTEP: with the same sequence that with the lower address has it.
	for i := range 20 {
		all[0].kind, all[1].kind = MACIP, MACIP
		if first(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i)}), 32), low, all[1], all[0]) != all[0] {
			t.Errorf("%d: a host is with the higher address", i)
		}
	}
}

// Which of several routes comes first does not depend on which is looked at first: of those of one VTEP, and of a host's among those
// of prefixes with its address alone, neither.
func TestOrder(t *testing.T) {
	var all []*route
	ip := netip.MustParseAddr("10.9.0.1")
	for i := range 4 {
		vtep := netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 2)})
		for _, vni := range []uint32{5000, 6000} {
			all = append(all, &route{key: key{kind: Prefix, to: netip.PrefixFrom(ip, 32)}, vtep: vtep, vni: vni},
				&route{key: key{kind: MACIP, mac: host1, ip: ip}, vtep: vtep, vni: 33, l3vni: vni})
		}
	}
	for i := range 10 {
		own := netip.AddrFrom4([4]byte{10, 0, 1, byte(i)})
		for _, x := range all {
			for _, y := range all {
				if x != y && x.nearer(y, own) == y.nearer(x, own) {
					t.Errorf("%v of %v with %d+%d and %v of %v with %d+%d have no order", x.dest(), x.vtep, x.vni, x.l3vni, y.dest(), y.vtep, y.vni, y.l3vni)
				}
				for _, z := range all {
					if x.nearer(y, own) && y.nearer(z, own) && !x.nearer(z, own) {
						t.Errorf("kinds %d, %d, %d of %v, %v, %v are in a circle", x.kind, y.kind, z.kind, x.vtep, y.vtep, z.vtep)
					}
				}
			}
		}
	}
}

// Of several routes to a prefix one counts, and what can't be is refused by its reason.
func TestChoose(t *testing.T) {
	b := New(Options{Config: &Config{RouterID: low}})
	b.database = newDatabase(b, nil)
	n := newNetwork()
	n.row.UUID, n.row.Name, n.vni = hwvtep.UUID{1}, "red", 5000
	r := &router{net: n, hops: map[hop]netip.Addr{}, had: map[string]bool{}}
	n.l3, n.router = r, r
	row := hwvtep.LogicalRouter{UUID: hwvtep.UUID{2}, SwitchBinding: map[string]hwvtep.UUID{"169.254.0.1/16": {1}, "10.1.0.1/24": {3}},
		StaticRoutes: map[string]string{"10.5.0.9/16": "10.1.0.9", "10.6.0.0/16": "169.254.0.2"}, OtherConfig: map[string]string{keyMaxRoutes: "3", keyRoute + "10.6.0.0/16": "169.254.0.2"}}
	r.configure(row)
	mac := func(i int) string { return fmt.Sprintf("02:00:00:00:50:%02x", i) }
	add := func(to string, vtep int, change func(*route)) *route {
		o := &route{key: key{kind: Prefix, to: netip.MustParsePrefix(to)}, vtep: netip.AddrFrom4([4]byte{10, 0, 0, byte(vtep)}), vni: 5000, routerMAC: mac(vtep)}
		if change != nil {
			change(o)
		}
		n.prefixes[path{peer: o.vtep, id: uint32(len(n.prefixes)), key: o.key}] = o
		return o
	}
	want := map[*route]string{
		add("10.2.0.0/16", 4, nil):                                                        "",
		add("10.2.0.0/16", 3, nil):                                                        "as good as the one of 10.0.0.4, but a static route has one next hop",
		add("10.2.0.0/16", 2, func(o *route) { o.hops = 2 }):                              "the one of 10.0.0.4 is better: shorter AS path",
		add("10.3.0.0/16", 2, func(o *route) { o.preference = 100 }):                      "the one of 10.0.0.5 is better: higher LOCAL_PREF",
		add("10.3.0.0/16", 5, func(o *route) { o.preference, o.hops = 200, 9 }):           "",
		add("10.1.0.0/24", 2, nil):                                                        whyConnected,
		add("10.5.0.0/16", 2, nil):                                                        whyTaken,
		add("10.6.0.0/16", 2, nil):                                                        "",
		add("10.7.0.0/24", 6, nil):                                                        whyRoom,
		add("10.8.0.0/16", 7, func(o *route) { o.routerMAC = mac(2) }):                    whyShared,
		add("2001:db8::/64", 2, nil):                                                      whyFamily,
		add("10.9.0.0/16", 2, func(o *route) { o.via = netip.MustParseAddr("10.1.0.7") }): whyVia,
	}
	r.chosen, r.why = b.choose(r)
	for o, why := range want {
		got := ""
		if c := r.chosen[o.dest()]; c.route != o {
			got = r.whyNot(o)
		}
		if got != why {
			t.Errorf("%v of %v: %q, want %q", o.to, o.vtep, got, why)
		}
	}
	if got := r.chosen[netip.MustParsePrefix("10.3.0.0/16")].via; got != netip.MustParseAddr("169.254.0.5") {
		t.Error(got)
	}
	// One that is used is withdrawn: another one that was as good takes its place.
	again := netip.MustParsePrefix("10.2.0.0/16")
	for p, o := range n.prefixes {
		if o == r.chosen[again].route {
			delete(n.prefixes, p)
			break
		}
	}
	if r.chosen, r.why = b.choose(r); r.chosen[again].route == nil || r.chosen[again].route.vtep.String() != "10.0.0.3" {
		t.Errorf("after the withdrawal %v has it", r.chosen[again].route)
	}
	// A host with the next hop's address is heard.
	ls := newNetwork()
	ls.row.UUID, ls.router = hwvtep.UUID{3}, r
	b.database.networks[ls.row.UUID] = ls
	ls.host(host1).locals[hwvtep.UUID{9}] = &local{ip: netip.MustParseAddr("10.1.0.7")}
	r.most = MaxPrefixes
	if r.chosen, _ = b.choose(r); r.chosen[netip.MustParsePrefix("10.9.0.0/16")].via.String() != "10.1.0.7" || len(r.chosen) != 5 {
		t.Error(r.chosen)
	}
	if got := fmt.Sprint(r.reaches()); got != "map[10.1.0.0/24:invalid IP 10.5.0.0/16:invalid IP]" {
		t.Error(got)
	}
}

// A prefix behind a host (RFC 9136, section 4.1) is reached by whatever reaches the host: in a switch of the router the host itself,
// else the VTEP that has it, and another one when it has moved. It is announced so, too, where the router's row says so.
func TestBehindHost(t *testing.T) {
	for _, family := range []struct{ own, net, host, prefix, via string }{
		{"10.1.0.1/24", "169.254.0.1/16", "10.3.0.7", "10.9.0.0/16", "169.254.0.2"},
		{"2001:db8:1::1/64", "fd00:5000::1/64", "2001:db8:3::7", "2001:db8:9::/48", "fd00:5000::a00:2"},
	} {
		s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
			v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
			tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
			ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
			red := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "red", TunnelKey: hwvtep.Some[int64](5000)})
			l := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"})
			tx.InsertARPSourceLocal(hwvtep.ARPSourceLocal{SrcMAC: "02:00:00:00:99:01", Locator: l})
			own := netip.MustParsePrefix(family.own)
			behind := netip.PrefixFrom(netip.MustParseAddr(family.prefix[:len(family.prefix)-3]).Next(), own.Addr().BitLen()).String()
			tx.InsertLogicalRouter(hwvtep.LogicalRouter{Name: "lr0", SwitchBinding: map[string]hwvtep.UUID{family.own: ls, family.net: red},
				StaticRoutes: map[string]string{behind: own.Addr().Next().String()}, OtherConfig: map[string]string{keyL3Switch: "red"}})
		})
		static := func(want string) {
			t.Helper()
			testenv.Eventually(t, deadline, func() (err error) {
				failed := s.bridge.ask(t.Context(), func() {
					for row := range s.bridge.database.view.LogicalRouters() {
						if got := row.StaticRoutes[family.prefix]; got != want {
							err = fmt.Errorf("%s is by %q, want %q", family.prefix, got, want)
						}
					}
				})
				return cmp.Or(failed, err)
			})
		}
		s.up()
		ip := netip.MustParseAddr(family.host)
		behind := &route{key: key{kind: Prefix, rd: "10.0.0.2:5000", to: netip.MustParsePrefix(family.prefix)}, vtep: high, targets: []target{{"65002", false, 5000}}, via: ip}
		s.announce(behind, nil)
		s.whole()
		s.knows(family.prefix, "by the host "+family.host)
		s.knows(family.prefix, whyVia)
		at := func(vtep string, sequence uint32) *route {
			r := hostAt(host1, netip.MustParseAddr(vtep))
			r.rd, r.ip, r.vni, r.l3vni, r.routerMAC = vtep+":34", ip, 34, 5000, "02:00:00:00:50:"+vtep[len(vtep)-1:]+"0"
			r.targets, r.sequence, r.moved = []target{{"65002", false, 34}, {"65002", false, 5000}}, sequence, sequence > 0
			return r
		}
		s.announce(at("10.0.0.2", 0), nil)
		static(family.via)
		s.announce(at("10.0.0.3", 1), nil)
		static(family.via[:len(family.via)-1] + "3")
		s.withdraw(at("10.0.0.3", 1))
		static(family.via)
		s.withdraw(at("10.0.0.2", 0))
		static("")

		announced := func(want string) {
			t.Helper()
			testenv.Eventually(t, deadline, func() (err error) {
				failed := s.bridge.ask(t.Context(), func() {
					err = errors.New("the static route is not announced")
					for k, r := range s.bridge.speaker.announced {
						if k.kind != Prefix || !k.to.IsSingleIP() {
							continue
						}
						if err = nil; fmt.Sprint(r.via) != want {
							err = fmt.Errorf("%v is announced by %v, want %s", k.to, r.via, want)
						}
					}
				})
				return cmp.Or(failed, err)
			})
		}
		announced("invalid IP")
		s.write(func(tx *hwvtep.Txn) {
			for row := range s.bridge.database.view.LogicalRouters() {
				tx.PutLogicalRouterOtherConfig(row.UUID, map[string]string{keyGatewayIP: "true"})
			}
		})
		announced(netip.MustParsePrefix(family.own).Addr().Next().String())
	}
}
