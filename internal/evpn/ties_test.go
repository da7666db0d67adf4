package evpn

import (
	"net/netip"
	"testing"
)

// Of two routes of a MAC one is better, and which one that is does not depend on which was heard first, also where one VTEP says two things of it.
func TestTies(t *testing.T) {
	base := route{key: key{kind: MACIP, rd: "10.0.0.2:33", mac: host1}, vtep: high, vni: 33, peer: high}
	for name, change := range map[string]func(r *route){
		"segment":  func(r *route) { r.segment = seg1 },
		"label":    func(r *route) { r.vni = 34 },
		"RD":       func(r *route) { r.rd = "10.0.0.2:34" },
		"tag":      func(r *route) { r.tag = 5 },
		"address":  func(r *route) { r.ip = netip.MustParseAddr("192.0.2.1") },
		"neighbor": func(r *route) { r.peer = netip.MustParseAddr("10.0.0.9") },
		"ADD-PATH": func(r *route) { r.index = 1 },
		"VTEP":     func(r *route) { r.vtep = netip.MustParseAddr("10.0.0.9") },
		"sequence": func(r *route) { r.sequence = 1 },
		"sticky":   func(r *route) { r.sticky = true },
	} {
		other := base
		if change(&other); base.better(&other) == other.better(&base) {
			t.Errorf("%s: better is %t both ways", name, base.better(&other))
		}
	}
	// A host at a VTEP by its MAC, and at a segment of which another VTEP is attached by its MAC and address.
	plain, at := macRoute(high, host1, 0), macRoute(high, host1, 0)
	plain.segment, at.ip, at.segment = esi{}, netip.MustParseAddr("192.0.2.1"), seg1
	far := netip.MustParseAddr("10.0.0.9")
	for _, order := range [][]*route{{plain, at}, {at, plain}} {
		b, n := fabricOf(t)
		hears(b, true, discovery(far, allTags, true))
		hears(b, true, discovery(far, 0, true))
		for _, r := range order {
			copied := *r
			hears(b, true, &copied)
		}
		h := n.hosts[host1]
		if got := n.endOf(h, h.best()); got.vtep != high {
			t.Errorf("the row is at %v", got.vtep)
		}
	}
}
