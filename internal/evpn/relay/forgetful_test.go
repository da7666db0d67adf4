package relay

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// A GoBGP is asked for its routes once more, when it has said something in the session, and has said all only when it has answered;
// others, and one that can't be asked, are not.
func TestForgetful(t *testing.T) {
	heard := updateOf(attribute(attrUnreach, false, append([]byte{0, afiL2VPN, safiEVPN, 2, 37}, good(2, false, false)...)))
	end := updateOf(attribute(attrUnreach, false, []byte{0, afiL2VPN, safiEVPN}))
	const ends, asks = 1, 2 // capabilities
	for name, test := range map[string]struct {
		version string
		can     int
		said    [][]byte
		asked   int    // after so many of these; 0: never
		want    []What // after Opened
	}{
		"GoBGP":              {"GoBGP/4.8.0", ends | asks, [][]byte{heard, end, heard, end, heard, end}, 2, []What{Heard, Heard, Whole, Heard, Whole}},
		"without the end":    {"GoBGP/3.10.0", asks, [][]byte{keepalive, heard, heard}, 2, []What{Heard, Heard}},
		"GoBGP has no way":   {"GoBGP/4.8.0", ends, [][]byte{heard, end}, 0, []What{Heard, Whole}},
		"another":            {"FRRouting/8.4.4", ends | asks, [][]byte{heard, end}, 0, []What{Heard, Whole}},
		"one without a name": {"", ends | asks, [][]byte{heard, end}, 0, []What{Heard, Whole}},
	} {
		t.Run(name, func(t *testing.T) {
			r, library, neighbor := join(t)
			capabilities := []bgp.ParameterCapabilityInterface{bgp.NewCapMultiProtocol(bgp.RF_EVPN)}
			if test.version != "" {
				capabilities = append(capabilities, bgp.NewCapSoftwareVersion(test.version))
			}
			if test.can&ends != 0 {
				capabilities = append(capabilities, bgp.NewCapGracefulRestart(false, false, 0, nil))
			}
			if test.can&asks != 0 {
				capabilities = append(capabilities, bgp.NewCapRouteRefresh())
			}
			m, err := bgp.NewBGPOpenMessage(65001, 90, netip.MustParseAddr("10.0.0.9"), []bgp.OptionParameterInterface{bgp.NewOptionParameterCapability(capabilities)})
			if err != nil {
				t.Fatal(err)
			}
			open, err := m.Serialize()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := neighbor.Write(slices.Concat(open, keepalive)); err != nil {
				t.Fatal(err)
			}
			expect(t, library, open)
			if _, err := library.Write(keepalive); err != nil {
				t.Fatal(err)
			}
			expect(t, neighbor, keepalive)
			for i, m := range test.said {
				if _, err := neighbor.Write(m); err != nil {
					t.Fatal(err)
				}
				if test.asked == i+1 {
					expect(t, neighbor, refresh)
				}
			}
			var got []What
			for e := range r.Events() {
				if e.What != Opened {
					got = append(got, e.What)
				}
				if len(got) == len(test.want) {
					break
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
			_, _ = library.Write(message(typeRefresh, "it is asked no more"))
			expect(t, neighbor, message(typeRefresh, "it is asked no more"))
		})
	}
}
