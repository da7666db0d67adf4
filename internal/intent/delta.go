package intent

import "net/netip"

// Delta is what changed from one State to the next, one list for each table, each key at most
// once in its list. Applying deltas one after another to a copy of the first State gives the
// last one.
//
// Global is set when a scalar of State changed; Scalars are then the new ones. Whole is set in
// one that Whole has made.
type Delta struct {
	Global   bool
	Whole    bool
	Scalars  Scalars
	Ports    []Change[string, Port]
	Switches []Change[SwitchID, Switch]
	Bindings []Change[BindingKey, Binding]
	Segments []Change[string, Segment]
	Unicast  []Change[MACKey, Tunnel]
	Attached []Change[MACKey, BindingKey]
	Floods   []Change[FloodKey, FloodSet]
	Members  []Change[MACKey, MemberSet]
	Decap    []Change[Tunnel, SwitchID]
	BFD      []Change[netip.Addr, BFD]
	Ends     []Change[netip.Addr, End]

	Routers    []Change[RouterID, Router]
	Interfaces []Change[IPKey, Interface]
	Routes     []Change[RouteKey, Route]
	Neighbours []Change[IPKey, MAC]

	ACLs     []Change[ACLID, ACL]
	Policies []Change[BindingKey, Policy]
}

// Len returns the number of changes in all tables.
func (d *Delta) Len() (n int) {
	for _, t := range tables {
		n += t.count(d)
	}
	return n
}

// Empty says whether nothing changed.
func (d *Delta) Empty() bool { return !d.Global && d.Len() == 0 }

// Diff returns what changed from before to after, each list in the order of its keys.
func Diff(before, after *State) *Delta {
	d := &Delta{}
	d.setScalars(before.Scalars, after.Scalars)
	for _, t := range tables {
		t.diff(before, after, d)
	}
	return d
}

func (d *Delta) setScalars(before, after Scalars) {
	if before != after {
		d.Global, d.Scalars = true, after
	}
}

// Whole returns the Delta that makes s of nothing, in no order. It says all scalars, whatever
// they are. MACs behind other VTEPs are left to s: the list of a million would be longer than all else that is made of them.
func Whole(s *State) *Delta {
	d := &Delta{Global: true, Scalars: s.Scalars, Whole: true}
	for _, t := range tables {
		if t != &UnicastTable {
			t.additions(s, d)
		}
	}
	return d
}
