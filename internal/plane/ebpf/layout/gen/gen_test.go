package main

import "testing"

func TestGoName(t *testing.T) {
	for c, want := range map[string]string{
		"mac_key": "MACKey", "tunnel_ip6": "TunnelIP6", "DROP_BFD_TTL": "DropBFDTTL", "route_key4": "RouteKey4", "FAMILY_IPV6": "FamilyIPv6",
	} {
		if got := goName(c); got != want {
			t.Errorf("%s is %s in Go, not %s", c, got, want)
		}
	}
}

func TestDeclarations(t *testing.T) {
	found, err := declarationsIn([]string{"../../bpf/maps/flood.h"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range found {
		names = append(names, d.kind+" "+d.name)
		if d.name == "target" && d.doc != "One destination of a copy: a tunnel, or a member. Both zero: none." {
			t.Errorf("struct target is %q", d.doc)
		}
	}
	if len(names) != 6 {
		t.Errorf("found %q", names)
	}
}
