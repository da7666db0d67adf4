package intent

import (
	"errors"
	"fmt"
	"strings"
)

// MemberSet is the bindings that get frames to a group of IP multicast, sorted and without
// duplicates; it may be empty. The one that a frame came from gets none. A MemberSet in a State is
// not edited: a change puts another in its place.
//
// A switch that snoops (see Switch) has sets under the MACs of groups, and under OtherGroups4 and
// OtherGroups6 for the groups that have none, and under Reports4 and Reports6 for what hosts say to
// routers. Where there is none, and in switches that don't snoop, all bindings get the frame. Which
// set it is MembersOf says; tunnels have nothing to do with it: see FloodSet.
type MemberSet []BindingKey

// Keys in the Members of a State beside the MACs of groups. OtherGroups4 and OtherGroups6 are no
// group's; nothing but reports is sent to Reports4 and Reports6, but not all reports are.
var (
	OtherGroups4 = MAC{0x01, 0x00, 0x5e, 0x00, 0x00, 0x00}
	OtherGroups6 = MAC{0x33, 0x33, 0x00, 0x00, 0x00, 0x00}
	Reports4     = MAC{0x01, 0x00, 0x5e, 0x00, 0x00, 0x16} // 224.0.0.22
	Reports6     = MAC{0x33, 0x33, 0x00, 0x00, 0x00, 0x16} // ff02::16
)

// IsIPv4Group and IsIPv6Group say whether m is the address of frames to groups of IP multicast.
func (m MAC) IsIPv4Group() bool {
	return m[0] == 0x01 && m[1] == 0x00 && m[2] == 0x5e && m[3]&0x80 == 0
}

func (m MAC) IsIPv6Group() bool { return m[0] == 0x33 && m[1] == 0x33 }

// ForAll says whether all hosts get frames to m, whatever they say of it: what is no group of IP
// multicast; 224.0.0.x, in which hosts are without telling (RFC 4541, 2.1.2), and ff02::1, in which
// all are; and the groups by which IPv6 hosts look for each other's MACs, which must not depend on
// what has been heard.
func (m MAC) ForAll() bool {
	switch {
	case m.IsIPv4Group():
		return m[3] == 0 && m[4] == 0
	case m.IsIPv6Group():
		return m[2] == 0xff || m == MAC{0x33, 0x33, 0, 0, 0, 1}
	}
	return true
}

// MemberKey returns the key of the set for frames to dst, and the one for when there is none;
// false: all bindings get the frame. A report is a message of hosts of IGMP or MLD.
func MemberKey(dst MAC, report bool) (key, otherwise MAC, ok bool) {
	switch {
	case report && dst.IsIPv4Group():
		return Reports4, Reports4, true
	case report && dst.IsIPv6Group():
		return Reports6, Reports6, true
	case dst.ForAll():
		return MAC{}, MAC{}, false
	case dst.IsIPv4Group():
		return dst, OtherGroups4, true
	}
	return dst, OtherGroups6, true
}

// MembersOf returns the set of s for frames to dst.MAC in dst.Switch; false: all bindings get them.
func (s *State) MembersOf(dst MACKey, report bool) (MemberSet, bool) {
	key, otherwise, ok := MemberKey(dst.MAC, report)
	if !ok {
		return nil, false
	}
	set, ok := s.Members[MACKey{dst.Switch, key}]
	if !ok {
		set, ok = s.Members[MACKey{dst.Switch, otherwise}]
	}
	return set, ok
}

func membersText(n names, k MACKey, set MemberSet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "members %s %v ->", n.of(k.Switch), k.MAC)
	for _, at := range set {
		b.WriteString(" " + at.String())
	}
	return b.String()
}

func checkMembers(s *State, k MACKey, set MemberSet) error {
	special := k.MAC == OtherGroups4 || k.MAC == OtherGroups6 || k.MAC == Reports4 || k.MAC == Reports6
	switch {
	case k.MAC.ForAll() && !special:
		return errors.New("all bindings get its frames")
	case !has(s.Switches, k.Switch):
		return errors.New("no such switch")
	}
	for i, at := range set {
		if i > 0 && set[i-1].Compare(at) >= 0 {
			return fmt.Errorf("not sorted, or twice %v", at)
		}
		if b, ok := s.Bindings[at]; !ok || b.Switch != k.Switch {
			return fmt.Errorf("%v is no binding of the switch", at)
		}
	}
	return nil
}
