package intent

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// Scalars returns the scalars of s.
func (s *State) Scalars() Scalars {
	return Scalars{s.Physical, s.TunnelIP, s.AcceptAnySource, s.MACLimit}
}

// Clone returns a State that shares nothing with s that either may edit.
func (s *State) Clone() *State {
	return &State{
		Physical:        s.Physical,
		TunnelIP:        s.TunnelIP,
		AcceptAnySource: s.AcceptAnySource,
		MACLimit:        s.MACLimit,
		Position:        s.Position,

		Ports:    maps.Clone(s.Ports),
		Switches: maps.Clone(s.Switches),
		Bindings: maps.Clone(s.Bindings),
		Unicast:  maps.Clone(s.Unicast),
		Floods:   maps.Clone(s.Floods),
		Decap:    maps.Clone(s.Decap),
		BFD:      maps.Clone(s.BFD),
	}
}

// Diff returns what changed from before to after, each list in the order of its keys.
func Diff(before, after *State) *Delta {
	d := &Delta{
		Ports:    diff(before.Ports, after.Ports, equal, cmp.Compare),
		Switches: diff(before.Switches, after.Switches, equal, SwitchID.Compare),
		Bindings: diff(before.Bindings, after.Bindings, equal, BindingKey.Compare),
		Unicast:  diff(before.Unicast, after.Unicast, equal, MACKey.Compare),
		Floods:   diff(before.Floods, after.Floods, slices.Equal, FloodKey.Compare),
		Decap:    diff(before.Decap, after.Decap, equal, Tunnel.Compare),
		BFD:      diff(before.BFD, after.BFD, equal, netip.Addr.Compare),
	}
	if before.Scalars() != after.Scalars() {
		d.Global, d.Scalars = true, after.Scalars()
	}
	return d
}

func equal[V comparable](a, b V) bool { return a == b }

func diff[K comparable, V any](before, after map[K]V, equal func(a, b V) bool, order func(a, b K) int) []Change[K, V] {
	var changes []Change[K, V]
	for k, v := range after {
		if w, ok := before[k]; !ok {
			changes = append(changes, Change[K, V]{Key: k, New: &v})
		} else if !equal(v, w) {
			changes = append(changes, Change[K, V]{Key: k, Old: &w, New: &v})
		}
	}
	for k, w := range before {
		if _, ok := after[k]; !ok {
			changes = append(changes, Change[K, V]{Key: k, Old: &w})
		}
	}
	slices.SortFunc(changes, func(a, b Change[K, V]) int { return order(a.Key, b.Key) })
	return changes
}

// Apply makes s what it becomes by d.
func (s *State) Apply(d *Delta) {
	if d.Global {
		s.Physical = d.Scalars.Physical
		s.TunnelIP = d.Scalars.TunnelIP
		s.AcceptAnySource = d.Scalars.AcceptAnySource
		s.MACLimit = d.Scalars.MACLimit
	}
	apply(s.Ports, d.Ports)
	apply(s.Switches, d.Switches)
	apply(s.Bindings, d.Bindings)
	apply(s.Unicast, d.Unicast)
	apply(s.Floods, d.Floods)
	apply(s.Decap, d.Decap)
	apply(s.BFD, d.BFD)
}

func apply[K comparable, V any](m map[K]V, changes []Change[K, V]) {
	for _, c := range changes {
		if c.New != nil {
			m[c.Key] = *c.New
		} else {
			delete(m, c.Key)
		}
	}
}
