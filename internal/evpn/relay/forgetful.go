package relay

import "strings"

// GoBGP (4.8, and before) says what it has when a session begins, and only then takes the session for one that news go to: what
// comes between the two this neighbour never hears. So it is asked for everything again (RFC 2918) as soon as it has
// said something, which it does in a session that has begun.

// forgetful says of the version that a neighbour tells (draft-abraitis-bgp-version-capability) whether it is such.
func forgetful(version string) bool { return strings.HasPrefix(version, "GoBGP/") }

// again asks a neighbour that forgets for its routes, once, if it can be asked. What it says first is whole, or if it says no
// End-of-RIB, is anything: that of what it is asked for now would else be one with the first one. It tells whether it has asked.
func (s *session) again(whole bool) (asked bool, err error) {
	if !s.forgets || !s.refreshes.Load() || !whole && s.ends {
		return false, nil
	}
	s.forgets = false
	if err := s.say(refresh); err != nil {
		return false, err
	}
	return true, s.flushOut()
}
