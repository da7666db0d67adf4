package trace

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/intent"
)

// Of what is flooded a trace says which bindings get no copy since another VTEP gives it to their segment, and which row
// says so; if nobody gets any, that is why. Hosts that rows place at a port are there.
func TestTraceSegments(t *testing.T) {
	p0, p1 := intent.BindingKey{Port: "p0", VLAN: 100}, intent.BindingKey{Port: "p1"}
	const abroad = "--from=10.0.0.2 --vni=33 --dst=ff:ff:ff:ff:ff:ff --src=02:00:00:00:00:09"
	for _, c := range []struct {
		name string
		edit func(*intent.State)
		ask  string
		drop string
		says []string
	}{
		{"one does not", func(s *intent.State) { s.Bindings[p0] = intent.Binding{Switch: red, Role: intent.NotDesignated} }, abroad, "", []string{
			"no copy goes there (binding of port p0 VLAN 100: Logical_Switch red, not-designated for the segment of the port)", "-> port p1"}},
		{"none does", func(s *intent.State) {
			s.Bindings[p0] = intent.Binding{Switch: red, Role: intent.NotDesignated}
			s.Bindings[p1] = intent.Binding{Switch: red, Role: intent.NotDesignated}
		}, abroad, "not_designated", []string{"another VTEP forwards for the Ethernet segment", "evpn_blocked"}},
		{"by a VTEP of both segments", func(s *intent.State) {
			s.Segments["p0"], s.Segments["p1"] = intent.Segment{peer}, intent.Segment{netip.MustParseAddr("10.0.0.1"), peer}
		}, abroad, "local_bias", []string{"no copy goes there (VTEP 10.0.0.2 is attached to the segment of port p0, too)", "has given it to that itself"}},
		{"standby", func(s *intent.State) { s.Bindings[p1] = intent.Binding{Switch: red, Role: intent.Standby} },
			"--port=p1 --dst=02:00:00:00:00:09 --src=02:00:00:00:00:05", "not_designated", []string{"binding of port p1 untagged: Logical_Switch red, standby for the segment of the port"}},
		{"a host at a port", func(s *intent.State) { s.Attached[intent.MACKey{Switch: red, MAC: station(7)}] = p1 },
			"--from=10.0.0.2 --vni=33 --dst=02:00:00:00:00:07 --src=02:00:00:00:00:09", "", []string{
				"MAC 02:00:00:00:00:07 of Logical_Switch red is at port p1 untagged, as a row says", "-> port p1"}},
	} {
		o, _ := newOne(t, c.edit)
		a := ask(t, o, c.ask)
		drop := ""
		if a.Drop != nil {
			drop = a.Drop.Reason
		}
		if drop != c.drop {
			t.Errorf("%s: dropped for %q, want %q:\n%s", c.name, drop, c.drop, a)
		}
		for _, words := range c.says {
			if !strings.Contains(a.String(), words) {
				t.Errorf("%s: does not say %q:\n%s", c.name, words, a)
			}
		}
	}
}
