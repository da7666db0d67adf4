package main

import (
	"slices"
	"testing"
)

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
	want := []string{"enum flood_kind", "struct flood_set", "struct chunk_key", "struct target", "enum flood_size",
		"struct lane", "enum lane_count", "struct lanes", "struct chunk"}
	if !slices.Equal(names, want) {
		t.Errorf("found %q, want %q", names, want)
	}
}
