package intent

import (
	"fmt"
	"net/netip"
	"slices"
)

// Scalars are the fields of a State that stand alone.
type Scalars struct {
	TunnelIPs
	Physical        SwitchID // the Physical_Switch row that this is the State of; zero: there is none
	AcceptAnySource bool     // decapsulate from any source that uses a switch's own VNI
	MACLimit        uint32   // most MACs learned on all ports together; 0: no limit
	TunnelDSCP      Priority // of what leaves in tunnels
	TagPCP          Priority // of what leaves at ports with the tag of a binding
	GroupMark       uint32   // 16 adjacent bits of a frame's mark that have the group policy that it has in tunnels; 0: none
	FragmentOuter   bool     // what is too large for the way to a peer is fragmented outside, unless the sender is told instead

	// ARPSource is the address by which this VTEP asks for the neighbours of its routers, and whether
	// hosts are there (SwitchOptions.Probe), in every switch; zero: it does neither.
	ARPSource MAC
}

// State is everything a plane must realise. Maps are never nil in a State made by NewState.
type State struct {
	Scalars

	// Position says how far the database had been written when this was its State, in numbers
	// that grow; 0: not known. Nothing is forwarded by it, so no Delta has it: a plane keeps that
	// of the last State.
	Position uint64

	Ports    map[string]Port
	Switches map[SwitchID]Switch
	Bindings map[BindingKey]Binding
	Segments map[string]Segment
	Unicast  *Unicast // MACs behind other VTEPs
	Attached map[MACKey]BindingKey
	Floods   map[FloodKey]FloodSet
	Members  map[MACKey]MemberSet // of groups whose frames not all bindings get
	Decap    *Decap               // (source, VNI) of accepted frames: the switch they enter
	BFD      map[netip.Addr]BFD   // sessions with peers
	Ends     map[netip.Addr]End   // where tunnels may end, beside TunnelIPs

	Routers    map[RouterID]Router
	Interfaces map[IPKey]Interface
	Routes     map[RouteKey]Route
	Neighbours map[IPKey]MAC // who answers for an IP address, as far as rows say

	ACLs     map[ACLID]ACL
	Policies map[BindingKey]Policy // of bindings that have any
}

// NewState returns an empty State: no port, no tunnel.
func NewState() *State {
	s := &State{}
	for _, t := range tables {
		t.make(s)
	}
	return s
}

// Clone returns a State that shares nothing with s that either may edit.
func (s *State) Clone() *State {
	c := &State{Scalars: s.Scalars, Position: s.Position}
	for _, t := range tables {
		t.clone(c, s)
	}
	return c
}

// Apply makes s what it becomes by d.
func (s *State) Apply(d *Delta) {
	if d.Global {
		s.Scalars = d.Scalars
	}
	for _, t := range tables {
		t.apply(s, d)
	}
}

// Sizes returns the number of entries of each table, always in the same order.
func (s *State) Sizes() []int {
	sizes := make([]int, 0, len(tables))
	for _, t := range tables {
		sizes = append(sizes, t.size(s))
	}
	return sizes
}

// MaxVNI is the greatest VXLAN network identifier.
const MaxVNI = 1<<24 - 1

// Check says what in s breaks a promise that planes rely on: whatever is named exists, flood
// sets are sorted, and nothing leads to this VTEP itself. A compiler's State passes.
func (s *State) Check() error {
	for _, t := range tables {
		if err := t.checkAll(s); err != nil {
			return err
		}
	}
	return s.checkVNIs()
}

func (s *State) checkTunnel(id SwitchID, t Tunnel) error {
	switch {
	case !has(s.Switches, id):
		return fmt.Errorf("no switch %v", id)
	case !t.Peer.IsValid():
		return fmt.Errorf("tunnel %v: no address", t)
	case !s.Source(t.Peer).IsValid():
		return fmt.Errorf("tunnel %v: there is no tunnel IP of this family", t)
	case t.Peer == s.Source(t.Peer):
		return fmt.Errorf("tunnel %v: leads to this VTEP", t)
	case t.VNI > MaxVNI:
		return fmt.Errorf("tunnel %v: VNI out of range", t)
	case s.Decap.At(t) != id:
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
