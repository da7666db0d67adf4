package hwvtep

import (
	"net/netip"
	"slices"
)

// HasIP says whether one of the texts means the address that text means: one of IPv6 has many texts.
// What is no address equals itself only.
func HasIP(texts []string, text string) bool {
	ip, err := netip.ParseAddr(text)
	return slices.ContainsFunc(texts, func(other string) bool {
		if other == text || err != nil {
			return other == text
		}
		otherIP, err := netip.ParseAddr(other)
		return err == nil && otherIP == ip
	})
}
