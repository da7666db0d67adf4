package vtep

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// locatorIPs has the dst_ip of each locator, which can't be changed. Those with a K have a key.
var locatorIPs = map[string]string{
	"L1": "192.0.2.1", "K1": "192.0.2.1", "K4": "192.0.2.4", "L2": "192.0.2.2", "L3": "192.0.2.3", "L4": "192.0.2.4", "K2": "192.0.2.2", "K3": "192.0.2.3", "LB": "bad",
}

var locators = slices.Sorted(maps.Keys(locatorIPs))

// draw draws one transaction: rows put and deleted at random, in small domains.
func (b *book) draw(t *rapid.T) {
	pick := func(label string, options ...string) string { return rapid.SampledFrom(options).Draw(t, label) }
	ls := func() string { return pick("ls", "LS0", "LS1", "LS2") }
	loc := func() string { return pick("loc", locators...) }
	mac := func() string {
		return pick("mac", "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:aa", "01:00:5e:00:00:01", "bad")
	}
	ip := func() string { return pick("ip", "", "10.0.0.1", "10.0.0.5", "10.0.1.5", "2001:db8::5", "bad") }
	some := func(label string, options ...string) string {
		return strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(options), 0, len(options), rapid.ID).Draw(t, label), ",")
	}
	put := func(table, label string, columns ...string) {
		if err := b.put(table, label, columns); err != nil {
			t.Fatal(err)
		}
	}
	for range rapid.IntRange(1, 6).Draw(t, "rows") {
		kind := pick("table", "PS", "PT", "port", "LS", "locator", "locator", "set", "ucast", "ucast", "ucast", "local", "mcast", "mcast", "mlocal", "arp", "larp", "LR", "A", "A", "E", "E", "tunnel", "all of LS")
		n := rapid.IntRange(0, 4).Draw(t, "n")
		label := fmt.Sprintf("%s%d", kind, n)
		switch kind {
		case "PS", "PT":
			label = kind
		case "LS":
			label = ls()
		case "locator":
			label = loc()
		case "all of LS": // as a controller removes a network
			gone := ls()
			for _, l := range slices.Sorted(maps.Keys(b.texts)) {
				if l == gone || strings.Contains(b.texts[l], gone) {
					b.delete(l)
				}
			}
			continue
		}
		if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
			b.delete(label)
			continue
		}
		switch kind {
		case "PS":
			put("Physical_Switch", label, "name=br0", "tunnel_ips="+some("ips", "192.0.2.1", "192.0.2.4", "bad"),
				"ports="+some("ports", "port0", "port1", "port2", "port3", "port4"),
				"other_config="+some("config", "accept_any_source:true", "flood_to_unicast_peers:true", "mac_limit:7", "mac_aging_time:x"))
		case "PT":
			put("Physical_Switch", label, "name=br1", "tunnel_ips="+some("ips", "192.0.2.2", "192.0.2.3"), "tunnels="+some("tunnels", "tunnel0", "tunnel1"))
		case "port":
			put("Physical_Port", label, "name="+pick("name", "p0", "p1", "p2"), "other_config="+some("config", "mac_limit:3", "take_over:true", "evpn_single_active:true", "evpn_segment_vteps:192.0.2.2")+
				","+pick("segment", "", "evpn_segment:1", "evpn_esi:00:00:00:00:00:00:00:00:00:01,evpn_segment:1", "evpn_esi:00:00:00:00:00:00:00:00:00:02,evpn_segment:"+pick("number", "1", "5", "x"))+
				","+pick("blocked", "", "", "evpn_blocked:"+pick("which", "all", "0", "1", "x")),
				"vlan_bindings="+some("bindings", "0:LS0", "1:LS1", "2:LS2", "3:LS0", "4095:LS1"), "acl_bindings="+some("acls", "0:A0", "1:A1", "2:A2", "4095:A0"))
		case "LS":
			put("Logical_Switch", label, "name="+pick("name", "a", "b"), "tunnel_key="+pick("vni", "", "0", "1", "2", "99999999"),
				"replication_mode="+pick("mode", "", "service_node", "source_node"),
				"other_config="+some("config", "allow_vni_0:true", "mcast_snooping:true", "flood_to_unicast_peers:"+pick("flood", "true", "false")))
		case "locator":
			key := ""
			if label[0] == 'K' {
				key = pick("key", "1", "0", "1", "5", "99999999")
			}
			put("Physical_Locator", label, "dst_ip="+locatorIPs[label], "tunnel_key="+key)
		case "set":
			put("Physical_Locator_Set", label, "locators="+some("members", locators...))
		case "ucast":
			put("Ucast_Macs_Remote", label, "MAC="+mac(), "logical_switch="+ls(), "locator="+pick("to", append(locators, "K1", "K1")...), "ipaddr="+ip())
		case "local":
			put("Ucast_Macs_Local", label, "MAC="+mac(), "logical_switch="+ls(), "locator="+loc(), "ipaddr="+ip())
		case "mcast", "mlocal":
			table := map[string]string{"mcast": "Mcast_Macs_Remote", "mlocal": "Mcast_Macs_Local"}[kind]
			put(table, label, "MAC="+pick("group", "unknown-dst", "unknown-dst", mac()), "logical_switch="+ls(),
				"locator_set=set"+pick("set", "0", "1", "2", "3", "4"))
		case "arp":
			put("Arp_Sources_Remote", label, "src_mac="+mac(), "locator="+loc())
		case "larp":
			put("Arp_Sources_Local", label, "src_mac="+mac(), "locator="+loc())
		case "A":
			put("ACL", label, "acl_name="+label, "acl_entries="+some("entries", "E0", "E1", "E2", "E3", "E4"))
		case "E":
			put("ACL_entry", label, "sequence="+pick("sequence", "1", "2"), "direction="+pick("direction", "ingress", "egress"),
				"action="+pick("action", "permit", "deny"), "protocol="+pick("protocol", "", "6", "17", "300"), "tcp_flags="+pick("flags", "", "2"))
		case "tunnel":
			put("Tunnel", label, "local="+loc(), "remote="+loc())
		case "LR":
			put("Logical_Router", label, "name="+label, "other_config="+some("mac", "router_mac:02:00:00:00:00:aa"),
				"switch_binding="+some("binding", "a->LS0", "10.0.0.1/24->LS0", "10.0.0.2/24->LS0", "10.0.1.1/24->LS1", "10.0.1.1/25->LS2", "2001:db8::1/64->LS2"),
				"static_routes="+some("routes", "0.0.0.0/0->10.0.0.9", "10.9.0.0/16->10.0.1.9", "10.0.0.0/24->10.0.1.9", "::/0->2001:db8::9", "::/0->10.0.0.9", "x->y"),
				"acl_binding="+some("acls", "10.0.0.1->A0", "10.0.0.2/24->A1", "10.0.1.1->A2", "2001:db8::1->A1", "10.0.0.1/24->A2", "x->A0"))
		}
	}
	// The server keeps references good.
	for _, l := range locators {
		if b.tables[l] == "" && b.refers(l) {
			put("Physical_Locator", l, "dst_ip="+locatorIPs[l])
		}
	}
	for _, ls := range []string{"LS0", "LS1", "LS2"} {
		if b.tables[ls] == "" && b.refers(ls) {
			put("Logical_Switch", ls, "name=again")
		}
	}
}

func (b *book) refers(label string) bool {
	for _, text := range b.texts {
		if strings.Contains(text, label) {
			return true
		}
	}
	return false
}

// Whatever the rows and the order of edits: deltas add up to the State, the State keeps its
// promises, and compiling all anew gives the same.
func TestIncrementalIsFull(t *testing.T) {
	defer func(n int) { manyDirty = n }(manyDirty)
	manyDirty = 3
	rapid.Check(t, func(t *rapid.T) {
		features := plane.Features{BFD: true, Segments: rapid.IntRange(0, 3).Draw(t, "segments") > 0, Routers: rapid.Bool().Draw(t, "routers"), SnoopGroups: true, ACLs: rapid.Bool().Draw(t, "acls")}
		features.RouterACLs = features.ACLs && features.Routers
		b, c := newBook(), NewCompiler("br0", features)
		sum := intent.NewState()
		told := told{}
		for range rapid.IntRange(1, 15).Draw(t, "transactions") {
			b.draw(t)
			changes := b.rows.Changes()
			sum.Apply(c.Update(b.rows.View(), &changes))
			if rapid.IntRange(0, 4).Draw(t, "heard") == 0 {
				ip := netip.MustParseAddr(rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.5", "10.0.1.5", "2001:db8::5"}).Draw(t, "ip"))
				c.SetNeighbour(intent.IPKey{Switch: switchID(labelUUID(rapid.SampledFrom([]string{"LS0", "LS1", "LS2"}).Draw(t, "of"))), IP: ip},
					intent.MAC{0: rapid.SampledFrom([]byte{0, 2}).Draw(t, "found")})
				sum.Apply(c.Refresh())
			}
			if rapid.IntRange(0, 2).Draw(t, "group") == 0 {
				key := intent.MACKey{Switch: switchID(labelUUID(rapid.SampledFrom([]string{"LS0", "LS1", "LS2"}).Draw(t, "of group"))),
					MAC: rapid.SampledFrom([]intent.MAC{{1, 0, 0x5e, 1, 1, 1}, intent.OtherGroups4, intent.Reports6}).Draw(t, "group MAC")}
				var set intent.MemberSet // nil: none
				if rapid.Bool().Draw(t, "members") {
					set = append(intent.MemberSet{}, rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) intent.BindingKey {
						return intent.BindingKey{Port: rapid.SampledFrom([]string{"p0", "p1", "p2"}).Draw(t, "port"), VLAN: rapid.Uint16Max(3).Draw(t, "vlan")}
					}), 0, 5, rapid.ID).Draw(t, "set")...)
					slices.SortFunc(set, intent.BindingKey.Compare)
				}
				c.SetMembers(key, set)
				sum.Apply(c.Refresh())
			}
			if rapid.IntRange(0, 4).Draw(t, "bfd") == 0 {
				c.SetLiveness(rapid.SampledFrom([]netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")}).Draw(t, "peer"),
					Liveness(rapid.IntRange(0, 2).Draw(t, "liveness")))
				sum.Apply(c.Refresh())
			}
			if got, want := c.State().String(), sum.String(); got != want {
				t.Fatalf("the State is\n%s\nits deltas add up to\n%s", got, want)
			}
			if err := c.State().Check(); err != nil {
				t.Fatalf("%v in\n%v", err, c.State())
			}
			if err := errors.Join(
				c.switchNumbers.check(slices.Collect(maps.Values(c.switches)), func(ls *lswitch) ordinal { return ls.number }),
				c.numbers.check(slices.Collect(maps.Values(c.locators)), func(l *locator) ordinal { return l.number })); err != nil {
				t.Fatal(err)
			}
			told.take(c)
			for _, p := range c.Problems() {
				if told[p] == 0 {
					t.Fatalf("%v stands, and was not told", p)
				}
			}
			if n := len(setOf(c.Problems())); n != len(told) {
				t.Fatalf("%d problems stand, told are %v", n, told)
			}
			verdict := b.verdict(c)
			next := NewCompiler("br0", features) // of a new process, which knows what is installed
			for peer, l := range c.liveness {
				next.SetLiveness(peer, l)
			}
			for id, sets := range c.memberSets {
				for mac, set := range sets {
					next.SetMembers(intent.MACKey{Switch: id, MAC: mac}, set)
				}
			}
			next.Update(b.rows.View(), nil)
			if !next.Undecided() && next.State().String() != c.State().String() {
				t.Fatalf("a new process has\n%s\nand thinks that nothing else can be; the old one had\n%s", next.State(), c.State())
			}
			next.Inherit(c.State().Clone())
			if got, want := next.State().String(), c.State().String(); got != want {
				t.Fatalf("a new process has\n%s\nthe old one had\n%s", got, want)
			}
			if d := c.Update(b.rows.View(), nil); !d.Empty() {
				t.Fatalf("compiling all anew changes\n%v", d)
			}
			if again := b.verdict(c); again != verdict {
				t.Fatalf("compiling all anew says\n%s\nit said\n%s", again, verdict)
			}
		}
	})
}

func setOf(list []problem.Problem) map[problem.Problem]bool {
	set := map[problem.Problem]bool{}
	for _, p := range list {
		set[p] = true
	}
	return set
}

// Nothing of rows that are gone may stay in the indexes.
func TestNoLeaks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		acls := rapid.Bool().Draw(t, "acls")
		b, c := newBook(), NewCompiler("br0", plane.Features{BFD: true, Routers: true, Segments: true, ACLs: acls, RouterACLs: acls})
		for range rapid.IntRange(1, 8).Draw(t, "transactions") {
			b.draw(t)
			changes := b.rows.Changes()
			c.Update(b.rows.View(), &changes)
		}
		for _, label := range slices.Collect(maps.Keys(b.tables)) {
			if label != "PS" {
				b.delete(label)
			}
		}
		changes := b.rows.Changes()
		c.Update(b.rows.View(), &changes)
		left := map[string]int{
			"ports": len(c.ports) + len(c.portsByName) + len(c.bound), "segments": len(c.segments.of) + len(c.segments.byESI) + len(c.segments.byNumber), "acls": len(c.acls) + len(c.aclEntries) + len(c.guarded) + len(c.unserved), "routers": len(c.routers),
			"switches": len(c.switches), "locators": len(c.locators), "sets": len(c.sets), "users of sets": len(c.setUsers),
			"numbers of locators": max(len(c.numbers.all)-len(c.numbers.free)-1, 0), "numbers of switches": max(len(c.switchNumbers.all)-len(c.switchNumbers.free)-1, 0), "arps": len(c.arps), "addresses": c.byAddr.Len(),
			"claims": c.claims.len + len(c.claims.byVNI) + len(c.claims.others) + len(c.claims.pieces), "peers": c.peers.Len() + c.claims.peers.Len(),
		}
		for what, n := range left {
			if n != 0 {
				t.Errorf("%d %s are left", n, what)
			}
		}
		for _, p := range c.Problems() {
			if p.Object != "Physical_Switch br0" {
				t.Errorf("problem left: %+v", p)
			}
		}
	})
}
