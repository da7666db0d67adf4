package intent

import "net/netip"

// Change is one key's move from Old to New. A nil Old: the key is new; a nil New: it is gone.
// Both are never nil together.
type Change[K comparable, V any] struct {
	Key      K
	Old, New *V
}

// Delta is what changed from one State to the next, one list for each map of State, each
// key at most once in its list. Applying deltas one after another to a copy of the first
// State gives the last one.
//
// Global is set when a scalar of State (Physical, TunnelIP, AcceptAnySource, MACLimit) changed; Scalars
// are then the new ones.
type Delta struct {
	Global   bool
	Scalars  Scalars
	Ports    []Change[string, Port]
	Switches []Change[SwitchID, Switch]
	Bindings []Change[BindingKey, Binding]
	Unicast  []Change[MACKey, Tunnel]
	Floods   []Change[FloodKey, FloodSet]
	Decap    []Change[Tunnel, SwitchID]
	BFD      []Change[netip.Addr, BFD]
}

// Empty says whether nothing changed.
func (d *Delta) Empty() bool {
	return !d.Global && len(d.Ports)+len(d.Switches)+len(d.Bindings)+
		len(d.Unicast)+len(d.Floods)+len(d.Decap)+len(d.BFD) == 0
}
