package ebpf

import (
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// featuresOf makes the bits of a switch, which the programs find in its members and decaps.
func featuresOf(sw intent.Switch) (bits uint32) {
	for _, f := range []struct {
		on  bool
		bit uint32
	}{
		{sw.InnerTags, layout.FeatureInnerTags},
		{sw.SnoopIPs, layout.FeatureSnoop},
		{sw.SnoopGroups, layout.FeatureGroups},
		{sw.Suppress, layout.FeatureSuppress},
		{sw.Flooding == intent.FloodNeighbors, layout.FeatureFloodNeighbors},
		{sw.Flooding == intent.FloodNone, layout.FeatureFloodNone},
		{sw.Router != (intent.RouterID{}), layout.FeatureRoute},
	} {
		if f.on {
			bits |= f.bit
		}
	}
	return bits | uint32(sw.ReservedMACs)<<layout.FeatureReservedShift
}

// decap is what the entries of d's tunnels have.
func (d *domain) decap() layout.Decap { return layout.Decap{BD: d.bd, Features: d.features} }

// setFeatures writes the features of domains, by bd, where frames find them.
func (p *Plane) setFeatures(changed map[uint32]*domain) {
	if len(changed) == 0 {
		return
	}
	p.forgetSnooped(changed)
	for _, d := range changed {
		for _, b := range d.members {
			p.place(b)
		}
	}
	for key, have := range p.tDecaps.want {
		if d := changed[have.BD]; d != nil {
			p.tDecaps.set(key, d.decap())
		}
	}
}
