package evpn

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
)

var (
	low, high = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	host1     = "02:00:00:00:00:01"
)

func TestTargets(t *testing.T) {
	for text, want := range map[string]string{
		"65001:33":         "",
		"4200000001:33":    "",
		"192.0.2.1:65535":  "",
		"65001":            "not AS:NUMBER",
		"x:1":              "neither an AS",
		"65001:4294967296": "not a number of 32 bits",
		"4200000001:65536": "16 bits",
		"192.0.2.1:65536":  "16 bits",
		"2001:db8::1:5":    "not a number",
	} {
		got, err := parseTarget(text)
		switch {
		case want == "" && (err != nil || got.String() != text):
			t.Errorf("%s: %v, %v", text, got, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", text, err)
		}
	}
	if got, err := parseTarget("065001:0033"); err != nil || got != (target{admin: "65001", value: 33}) {
		t.Errorf("with zeros before it: %v, %v", got, err)
	}
	if got := autoTarget(4_200_000_001, 33).String(); got != "59905:33" {
		t.Error(got)
	}
	n := newNetwork()
	n.configure(hwvtep.LogicalSwitch{TunnelKey: hwvtep.Some[int64](33)})
	n.serve(n.wants, nil, 65001)
	for text, want := range map[string]bool{"65002:33": true, "4200000009:33": true, "10.9.0.2:33": true, "65002:268435489": false, "65002:65569": false} {
		got, err := parseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		r, x, all := &route{targets: []target{got}}, index{}, targeted{}
		x.add(n)
		all.add(r)
		_, found := all.of(n)[r]
		if placed := len(slices.Collect(x.networks(r))) == 1; placed != want || found != want {
			t.Errorf("%s: imported: %v, and when the switch comes later: %v", text, placed, found)
		}
	}
	if n.imports(&route{}) {
		t.Error("a route without a target is imported")
	}
	n.configure(hwvtep.LogicalSwitch{TunnelKey: hwvtep.Some[int64](33), OtherConfig: map[string]string{keyImport: "1:2, 3:4", keyExport: "5:6"}})
	n.serve(n.wants, nil, 65001)
	if n.imports(&route{targets: []target{{"65002", false, 33}}}) || !n.imports(&route{targets: []target{{"3", false, 4}}}) || n.exp[0].String() != "5:6" {
		t.Error("configured targets")
	}
	n.configure(hwvtep.LogicalSwitch{TunnelKey: hwvtep.Some[int64](33), ReplicationMode: hwvtep.ReplicationModeServiceNode, OtherConfig: map[string]string{keyImport: "x"}})
	n.serve(n.wants, nil, 1)
	if !strings.Contains(n.fault, "evpn_import") || !strings.Contains(n.fault, "source_node") {
		t.Error(n.fault)
	}
}

// What is announced is read as it was meant, and what others may announce is refused for what is wrong.
func TestWire(t *testing.T) {
	for _, r := range []*route{
		{key: key{kind: MACIP, rd: "10.0.0.1:33", mac: host1}, vtep: low, vni: 33, targets: []target{{"65001", false, 33}}},
		{key: key{kind: MACIP, rd: "10.0.0.1:33", mac: host1, ip: netip.MustParseAddr("192.0.2.1")}, vtep: low, vni: 1<<24 - 1, sequence: 7, moved: true,
			targets: []target{{"4200000001", true, 33}, {"192.0.2.9", true, 5}}},
		{key: key{kind: MACIP, rd: "10.0.0.1:33", mac: host1, ip: netip.MustParseAddr("2001:db8::1")}, vtep: netip.MustParseAddr("2001:db8::9"), vni: 33, moved: true, sticky: true},
		{key: key{kind: Multicast, rd: "10.0.0.1:33", ip: low}, vtep: low, vni: 33, targets: []target{{"65001", false, 33}}},
		{key: key{kind: MACIP, rd: "10.0.0.1:33", mac: host1, ip: netip.MustParseAddr("192.0.2.1")}, vtep: low, vni: 33, l3vni: 5000, routerMAC: "02:00:00:00:00:fe", targets: []target{{"1", false, 33}}},
		{key: key{kind: MACIP, rd: "10.0.0.1:33", mac: host1, ip: netip.MustParseAddr("192.0.2.1")}, vtep: low, vni: 33, gateway: true},
		{key: key{kind: MACIP, rd: "10.0.0.1:33", mac: host1, ip: netip.MustParseAddr("2001:db8::1")}, vtep: low, vni: 33, gateway: true, flags: relay.Present | relay.Router | relay.Override},
		{key: key{kind: MACIP, rd: "10.0.0.1:33", mac: host1}, vtep: low, vni: 33, segment: seg1, targets: []target{{"65001", false, 33}}},
		{key: key{kind: Discovery, rd: "10.0.0.1:33", esi: seg1}, vtep: low, vni: 33, segment: seg1, targets: []target{{"65001", false, 33}}},
		{key: key{kind: Discovery, rd: "10.0.0.1:9", tag: allTags, esi: seg1}, vtep: low, segment: seg1, single: true, targets: []target{{"65001", false, 33}}},
		{key: key{kind: Attached, rd: "10.0.0.1:9", ip: low, esi: seg1}, vtep: low, segment: seg1, election: relay.Election{Algorithm: relay.ByPreference, Preference: 513}},
		{key: key{kind: Prefix, rd: "10.0.0.1:5000", to: netip.MustParsePrefix("10.2.0.0/16")}, vtep: low, vni: 5000, routerMAC: "02:00:00:00:00:fe"},
		{key: key{kind: Prefix, rd: "10.0.0.1:5000", to: netip.MustParsePrefix("0.0.0.0/0")}, vtep: low, via: netip.MustParseAddr("10.1.0.9")},
		{key: key{kind: Prefix, rd: "10.0.0.1:5000", to: netip.MustParsePrefix("2001:db8::/32")}, vtep: high, vni: 5000, routerMAC: "02:00:00:00:00:fe"},
	} {
		p, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(p.Nlri, readAttributes(p.Attrs, true))
		if err != nil || !got.same(r) {
			t.Errorf("%+v, %v, want %+v", got, err, r)
		}
	}
	good := func() *route {
		return &route{key: key{kind: MACIP, rd: "10.0.0.1:33", mac: host1}, vtep: low, vni: 33}
	}
	prefix := func(text string) func(r *route) {
		return func(r *route) {
			r.key, r.routerMAC = key{kind: Prefix, rd: r.rd, to: netip.MustParsePrefix(text)}, host1
		}
	}
	for _, bad := range []string{"224.0.0.0/4", "127.0.0.0/8", "fe80::/64", "ff00::/8", "0.0.0.0/8", "::ffff:10.0.0.0/104"} {
		r := good()
		prefix(bad)(r)
		p, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(p.Nlri, readAttributes(p.Attrs, true)); !errors.Is(err, refusal(whyIP)) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for want, change := range map[string]func(r *route){
		whyRMAC: func(r *route) { prefix("10.0.0.0/8")(r); r.routerMAC = "" },
		whyVNI:  func(r *route) { prefix("10.0.0.0/8")(r); r.vni = 0 },
		whyMAC:  func(r *route) { r.mac = "01:00:5e:00:00:05" },
	} {
		r := good()
		change(r)
		p, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(p.Nlri, readAttributes(p.Attrs, true)); !errors.Is(err, refusal(want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, bad := range []string{"127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1", "fe80::1"} {
		r := good()
		r.vtep = netip.MustParseAddr(bad)
		p, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(p.Nlri, readAttributes(p.Attrs, true)); !errors.Is(err, refusal(whyVTEP)) {
			t.Errorf("behind %s: %v", bad, err)
		}
	}
	p, err := encode(good())
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range p.Attrs {
		if _, ok := a.(*bgp.PathAttributeExtendedCommunities); ok {
			p.Attrs[i] = bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{bgp.NewEncapExtended(bgp.TUNNEL_TYPE_GRE)})
		}
	}
	if _, err := decode(p.Nlri, readAttributes(p.Attrs, true)); !errors.Is(err, refusal(whyEncap)) {
		t.Error(err)
	}
	m := &route{key: key{kind: Multicast, rd: "10.0.0.1:33", ip: low}, vtep: low, vni: 33}
	if p, err = encode(m); err != nil {
		t.Fatal(err)
	}
	p.Attrs = slices.DeleteFunc(p.Attrs, func(a bgp.PathAttributeInterface) bool { _, ok := a.(*bgp.PathAttributePmsiTunnel); return ok })
	if _, err := decode(p.Nlri, readAttributes(p.Attrs, true)); !errors.Is(err, refusal(whyPMSI)) {
		t.Error(err)
	}
	rd, err := bgp.ParseRouteDistinguisher("10.0.0.1:33")
	if err != nil {
		t.Fatal(err)
	}
	p.Nlri = bgp.NewEVPNIPMSIRoute(rd, 0, bgp.NewEncapExtended(bgp.TUNNEL_TYPE_VXLAN))
	if _, err := decode(p.Nlri, readAttributes(p.Attrs, true)); !errors.Is(err, refusal(whyKind)) {
		t.Error(err)
	}
}

// Labels are VNIs of 24 bits, as they are, and the end of a tunnel is the VTEP, in the octets that others read.
func TestWireOctets(t *testing.T) {
	target := []target{{"65001", false, 33}}
	for want, r := range map[string]*route{
		"00000000000000000000 00000000 30 020000000001 00 000021": {key: key{kind: MACIP, rd: "10.0.0.1:33", mac: host1}, vtep: low, vni: 33, targets: target},
		"c01609 00 06 000021 0a000001":                            {key: key{kind: Multicast, rd: "10.0.0.1:33", ip: low}, vtep: low, vni: 33, targets: target},
	} {
		p, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		attrs := ""
		for _, a := range p.Attrs {
			b, err := a.Serialize()
			if err != nil {
				t.Fatal(err)
			}
			attrs += fmt.Sprintf("%x ", b)
		}
		for _, part := range []string{strings.ReplaceAll(want, " ", ""), "030c000000000008", "0002fde900000021"} { // the encapsulation and the target, too
			if !strings.Contains(attrs, part) {
				t.Errorf("there is no %s in %s", part, attrs)
			}
		}
	}
}

// Of switches that want one VNI one has it, and all are told.
func TestContest(t *testing.T) {
	b := New(Options{Config: &Config{AS: 1, RouterID: low}})
	db := newDatabase(b, nil)
	b.database = db
	set := func(id byte, name string, vni int64) *network {
		n := db.networks[hwvtep.UUID{id}]
		if n == nil {
			n = newNetwork()
			db.networks[hwvtep.UUID{id}] = n
		}
		b.imports.remove(n)
		db.configure(n, hwvtep.LogicalSwitch{UUID: hwvtep.UUID{id}, Name: name, TunnelKey: hwvtep.Some(vni)})
		db.takeVNIs(map[*network]uint32{n: n.vni})
		return n
	}
	want := func(n *network, vni uint32, fault string) {
		t.Helper()
		if n.vni != vni || (n.fault == "") != (fault == "") || !strings.Contains(n.fault, fault) {
			t.Errorf("%s has VNI %d, %q, want %d, %q", n.row.Name, n.vni, n.fault, vni, fault)
		}
		for range b.imports.networks(&route{targets: []target{{"9", false, n.wants}}}) {
			return
		}
		if vni != 0 {
			t.Errorf("%s imports nothing", n.row.Name)
		}
	}
	y := set(1, "y", 33)
	want(y, 33, "")
	x := set(2, "x", 33)
	want(y, 33, "VNI 33 is that of x, too, which is no part of the fabric then")
	want(x, 0, "VNI 33 is that of y, too, and this one is no part")
	set(1, "y", 34)
	want(y, 34, "")
	want(x, 33, "")
	z := set(3, "z", 33)
	set(2, "x", 0)
	want(z, 33, "")
	want(x, 0, "")
}

// A MAC goes from VTEP to VTEP.
func TestMobility(t *testing.T) {
	id := hwvtep.UUID{1}
	now := time.Now()
	fresh := func(own netip.Addr) *host {
		h := newNetwork().host(host1)
		h.locals[id] = &local{vtep: own, ours: true}
		return h
	}
	remote := func(h *host, vtep netip.Addr, r route) {
		r.vtep = vtep
		h.paths = append(slices.DeleteFunc(h.paths, func(o *route) bool { return o.vtep == vtep }), &r)
		h.heard(&r)
	}
	h := fresh(low)
	if !h.claim(now) || h.moved {
		t.Errorf("known nowhere else: %+v", h)
	}
	if remote(h, high, route{}); h.yield() {
		t.Error("gives way to a higher address")
	}
	if remote(h, high, route{moved: true, sequence: 1}); !h.yield() || h.here() != nil {
		t.Error("does not give way to a higher sequence")
	}
	h.locals = map[hwvtep.UUID]*local{{2}: {vtep: low, ours: true}}
	if !h.claim(now) || !h.moved || h.sequence != 2 {
		t.Errorf("comes back: %+v", h)
	}
	if remote(h, high, route{moved: true, sequence: 2}); h.yield() {
		t.Error("with the same sequence the lower address has it")
	}
	h = fresh(high)
	if remote(h, low, route{}); !h.yield() {
		t.Error("does not give way to a lower address")
	}
	if remote(h, low, route{moved: true, sticky: true}); h.claim(now) {
		t.Error("takes what is sticky")
	}
	for _, fixed := range []route{{moved: true, sticky: true}, {gateway: true}} {
		h = fresh(low)
		h.moved, h.sequence = true, 7
		if remote(h, high, fixed); !h.yield() || h.claim(now) {
			t.Errorf("does not give way to what may not move: %+v", fixed)
		}
	}
	h = fresh(high)
	if remote(h, low, route{gateway: true}); h.claim(now) {
		t.Error("takes the default gateway")
	}

	h = fresh(low)
	remote(h, high, route{moved: true, sequence: 5})
	remote(h, netip.MustParseAddr("10.0.0.3"), route{moved: true, sequence: 2})
	h.paths = nil
	if !h.claim(now) || !h.moved || h.sequence != 6 {
		t.Errorf("the highest sequence that was heard counts: %+v", h)
	}

	// Others take a MAC for a duplicate that moves 5 times in 180 s (RFC 7432, section 15.1): they are not to see that of here.
	for between, most := range map[time.Duration]int{time.Second: 4, 44 * time.Second: 4, 46 * time.Second: 20} {
		h, at, moves := fresh(low), now, 0
		for moves < 20 {
			remote(h, high, route{moved: true, sequence: uint32(2 * moves)})
			if !h.claim(at) {
				if h.claim(at.Add(179*time.Second)) || !h.claim(at.Add(181*time.Second)) {
					t.Error("a duplicate is left alone for a time")
				}
				break
			}
			at = at.Add(between)
			moves++
		}
		if moves != most {
			t.Errorf("every %v: %d moves, want %d", between, moves, most)
		}
	}

	// One that nobody else has is announced, however often others take it, and give it up again.
	h = fresh(high)
	for range 3 * mostMoves {
		if remote(h, low, route{moved: true, sequence: h.sequence + 1}); !h.yield() {
			t.Errorf("does not give way to %d", h.sequence+1)
		}
		h.paths = nil
		h.locals = map[hwvtep.UUID]*local{id: {vtep: high, ours: true}}
		if !h.claim(now) || h.sequence != h.highest+1 {
			t.Errorf("sequence %d of %d, with nobody else: %v", h.sequence, h.highest, h.until)
		}
	}

	// Nothing comes after the last sequence.
	h = fresh(high)
	if remote(h, low, route{moved: true, sequence: math.MaxUint32}); h.claim(now) {
		t.Errorf("announced with %d against the last sequence of a lower address", h.sequence)
	}
	if h.paths = nil; !h.claim(now) || h.sequence != math.MaxUint32 {
		t.Errorf("announced with %d when the last one has gone", h.sequence)
	}
	h = fresh(low)
	if remote(h, high, route{moved: true, sequence: math.MaxUint32}); !h.claim(now) || h.sequence != math.MaxUint32 || h.yield() {
		t.Errorf("announced with %d against the last sequence of a higher address", h.sequence)
	}
}
