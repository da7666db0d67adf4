package intent

import (
	"fmt"
	"slices"
)

// MaxVNI is the greatest VXLAN network identifier.
const MaxVNI = 1<<24 - 1

// Check says what in s breaks a promise that planes rely on: whatever is named exists, flood
// sets are sorted, and nothing leads to this VTEP itself. A compiler's State passes.
func (s *State) Check() error {
	for k, b := range s.Bindings {
		if _, ok := s.Ports[k.Port]; !ok {
			return fmt.Errorf("binding %v: no such port", k)
		}
		if _, ok := s.Switches[b.Switch]; !ok {
			return fmt.Errorf("binding %v: no switch %v", k, b.Switch)
		}
		if k.VLAN > 4094 {
			return fmt.Errorf("binding %v: no such VLAN", k)
		}
	}
	for k, t := range s.Unicast {
		if k.MAC.IsGroup() || k.MAC.IsZero() {
			return fmt.Errorf("unicast %v: not the address of a station", k)
		}
		if err := s.checkTunnel(k.Switch, t); err != nil {
			return fmt.Errorf("unicast %v: %w", k, err)
		}
	}
	for k, set := range s.Floods {
		if k.MAC != UnknownDst && !k.MAC.IsGroup() {
			return fmt.Errorf("flood %v: not a group address", k)
		}
		for i, t := range set {
			if i > 0 && set[i-1].Compare(t) >= 0 {
				return fmt.Errorf("flood %v: not sorted, or twice %v", k, t)
			}
			if err := s.checkTunnel(k.Switch, t); err != nil {
				return fmt.Errorf("flood %v: %w", k, err)
			}
		}
		if _, ok := s.Switches[k.Switch]; !ok {
			return fmt.Errorf("flood %v: no such switch", k)
		}
	}
	for t, id := range s.Decap {
		if err := s.checkTunnel(id, t); err != nil {
			return fmt.Errorf("decap %v: %w", t, err)
		}
	}
	return s.checkVNIs()
}

func (s *State) checkTunnel(id SwitchID, t Tunnel) error {
	switch _, ok := s.Switches[id]; {
	case !ok:
		return fmt.Errorf("no switch %v", id)
	case !t.Peer.Is4():
		return fmt.Errorf("tunnel %v: not an IPv4 address", t)
	case !s.TunnelIP.IsValid():
		return fmt.Errorf("tunnel %v: there is no tunnel IP", t)
	case t.Peer == s.TunnelIP:
		return fmt.Errorf("tunnel %v: leads to this VTEP", t)
	case t.VNI > MaxVNI:
		return fmt.Errorf("tunnel %v: VNI out of range", t)
	case s.Decap[t] != id:
		return fmt.Errorf("tunnel %v: its frames are not accepted by %v", t, id)
	}
	return nil
}

// checkVNIs holds where frames are told apart by their VNI alone.
func (s *State) checkVNIs() error {
	if !s.AcceptAnySource {
		return nil
	}
	var seen []uint32
	for _, ls := range s.Switches {
		if ls.OverlayUp() {
			seen = append(seen, ls.VNI)
		}
	}
	slices.Sort(seen)
	for i := range seen {
		if i > 0 && seen[i-1] == seen[i] {
			return fmt.Errorf("two switches accept VNI %d from any source", seen[i])
		}
	}
	return nil
}
