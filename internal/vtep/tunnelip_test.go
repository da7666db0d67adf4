package vtep

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/plane"
)

// A bridge, which sees the row alone, names the VTEP as that names itself.
func TestTunnelIPOfRow(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.9 10.0.0.10":                     "10.0.0.10", // as texts
		"2001:db8::1 10.0.0.9":                   "10.0.0.9",
		"2001:db8::9 2001:db8::10":               "2001:db8::10",
		"127.0.0.1 192.0.2.1":                    "192.0.2.1",
		"::1 127.0.0.1 2001:db8::1":              "2001:db8::1",
		"::ffff:10.0.0.1 fe80::1 0.0.0.0 nobody": "invalid IP",
		"224.0.0.1 10.0.0.7":                     "10.0.0.7",
	} {
		row := hwvtep.PhysicalSwitch{TunnelIPs: strings.Fields(text)}
		var s scope
		s.ownIPs, s.ports = map[netip.Addr]bool{}, map[UUID]bool{}
		s.ipv6 = true
		s.readOwn(&row, plane.Features{IPv6: true})
		if got := row.TunnelIP(); got != s.First() || got.String() != want {
			t.Errorf("%s: %v, the VTEP has %v, want %s", text, got, s.First(), want)
		}
	}
}
