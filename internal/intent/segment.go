package intent

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Role is what a binding does for the Ethernet segment of its port, to which other VTEPs are attached, too
// (RFC 7432, 8.5). Of a port without a segment all bindings are Designated.
type Role uint8

const (
	// Designated is one that forwards.
	Designated Role = iota
	// NotDesignated is one by which nothing leaves that is flooded out of a tunnel: another VTEP does that.
	NotDesignated
	// Standby is one by which nothing leaves, and nothing comes in.
	Standby
)

// String returns the word for r.
func (r Role) String() string { return [...]string{"designated", "not-designated", "standby"}[r] }

// Forgets says whether what was learned at b is forgotten when next takes its place; nil: it goes.
func (b Binding) Forgets(next *Binding) bool {
	return next == nil || next.Switch != b.Switch || next.Role == Standby
}

// Segment is the other VTEPs that are attached to the Ethernet segment of a port, by all addresses that their tunnels
// begin at: sorted, without duplicates, and not empty. What one of them floods it has given to its own ports, so
// that it does not leave by this one (local bias, RFC 8365, 8.3.1). A Segment in a State is not edited: a change puts
// another in its place.
type Segment []netip.Addr

func segmentText(_ names, port string, s Segment) string {
	var b strings.Builder
	fmt.Fprintf(&b, "segment %s with", port)
	for _, ip := range s {
		fmt.Fprintf(&b, " %v", ip)
	}
	return b.String()
}

func checkSegment(s *State, port string, seg Segment) error {
	if !has(s.Ports, port) {
		return errors.New("no such port")
	}
	if len(seg) == 0 {
		return errors.New("no other VTEP")
	}
	for i, ip := range seg {
		if !ip.IsValid() || i > 0 && seg[i-1].Compare(ip) >= 0 {
			return fmt.Errorf("not sorted, twice, or no address: %v", ip)
		}
	}
	return nil
}

func attachedText(n names, k MACKey, at BindingKey) string {
	return fmt.Sprintf("attached %s %v -> %v", n.of(k.Switch), k.MAC, at)
}

func checkAttached(s *State, k MACKey, at BindingKey) error {
	switch b, ok := s.Bindings[at]; {
	case !ok || b.Switch != k.Switch:
		return fmt.Errorf("%v is no binding of the switch", at)
	case b.Role == Standby:
		return fmt.Errorf("nothing leaves by %v", at)
	}
	if _, remote := s.Unicast.Get(k); remote {
		return errors.New("it is behind a tunnel, too")
	}
	return s.checkStation(k)
}
