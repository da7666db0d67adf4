package evpn

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/evpn/relay"
)

// candidate is a VTEP that is attached to a segment, and may be the one that sends what is flooded to it: the designated
// forwarder. Each VTEP elects by itself, from what all announce (Attached), and all come to the same.
type candidate struct {
	vtep netip.Addr
	relay.Election
}

func (c candidate) compare(o candidate) int { return c.vtep.Compare(o.vtep) }

// byPreference says whether the candidates elect by preference: if all offer it, else by modulo (RFC 8584, section 2.2).
func byPreference(all []candidate) bool {
	return !slices.ContainsFunc(all, func(c candidate) bool { return c.Algorithm != relay.ByPreference })
}

// elect returns the designated forwarder for a network of the segment, invalid if there is no candidate: that with the
// highest preference, of several the one with the lowest address (RFC 9785, section 4.1); or in the order of addresses the one
// whose turn it is by tag (RFC 7432, section 8.5). Capabilities, such as to stay when a better one comes, are not offered,
// and count for nothing then.
func elect(all []candidate, tag uint32) netip.Addr {
	if len(all) == 0 {
		return netip.Addr{}
	}
	if byPreference(all) {
		return slices.MinFunc(all, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.Preference, a.Preference), a.vtep.Compare(b.vtep))
		}).vtep
	}
	return inTurn(slices.SortedFunc(slices.Values(all), candidate.compare), tag)
}

// inTurn is elect for candidates that are in order, there are some, and don't elect by preference.
func inTurn(all []candidate, tag uint32) netip.Addr { return all[tag%uint32(len(all))].vtep }
