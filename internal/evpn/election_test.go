package evpn

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/evpn/relay"
)

// All VTEPs of a segment come to the same designated forwarder, in whatever order they have heard of one another.
func TestElect(t *testing.T) {
	at := func(ip string, algorithm uint8, preference uint16) candidate {
		return candidate{netip.MustParseAddr(ip), relay.Election{Algorithm: algorithm, Preference: preference}}
	}
	for name, c := range map[string]struct {
		all  []candidate
		want string // for tags 0 to 3
	}{
		"nobody":                {nil, "invalid IP invalid IP invalid IP invalid IP"},
		"alone":                 {[]candidate{at("10.0.0.2", 2, 0)}, "10.0.0.2 10.0.0.2 10.0.0.2 10.0.0.2"},
		"the higher preference": {[]candidate{at("10.0.0.2", 2, 100), at("10.0.0.3", 2, 65535)}, "10.0.0.3 10.0.0.3 10.0.0.3 10.0.0.3"},
		"the lower address":     {[]candidate{at("10.0.0.9", 2, 7), at("10.0.0.10", 2, 7), at("10.0.0.2", 2, 6)}, "10.0.0.9 10.0.0.9 10.0.0.9 10.0.0.9"},
		"not all have one":      {[]candidate{at("10.0.0.2", 2, 100), at("10.0.0.3", 0, 0)}, "10.0.0.2 10.0.0.3 10.0.0.2 10.0.0.3"},
		"another algorithm":     {[]candidate{at("10.0.0.2", 2, 100), at("10.0.0.3", 1, 200)}, "10.0.0.2 10.0.0.3 10.0.0.2 10.0.0.3"},
		"by turns":              {[]candidate{at("10.0.0.9", 0, 0), at("10.0.0.10", 0, 0), at("2001:db8::1", 0, 0)}, "10.0.0.9 10.0.0.10 2001:db8::1 10.0.0.9"},
	} {
		for turn := range max(1, len(c.all)) {
			all := append(append([]candidate{}, c.all[turn:]...), c.all[:turn]...)
			var got []string
			for tag := range uint32(4) {
				got = append(got, elect(all, tag).String())
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("%s: %s, want %s", name, text, c.want)
			}
		}
	}
}
