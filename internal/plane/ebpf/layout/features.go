package layout

import (
	"github.com/vtep/vtep/internal/intent"
)

// featuresOf makes the bits of a switch, which the programs find in its members and decaps.
func featuresOf(sw intent.Switch) (bits uint32) {
	for _, f := range []struct {
		on  bool
		bit uint32
	}{
		{sw.InnerTags, FeatureInnerTags},
		{sw.SnoopIPs, FeatureSnoop},
		{sw.SnoopGroups, FeatureGroups},
		{sw.Suppress, FeatureSuppress},
		{sw.Flooding == intent.FloodNeighbors, FeatureFloodNeighbors},
		{sw.Flooding == intent.FloodNone, FeatureFloodNone},
		{sw.Router != (intent.RouterID{}), FeatureRoute},
	} {
		if f.on {
			bits |= f.bit
		}
	}
	return bits | uint32(sw.ReservedMACs)<<FeatureReservedShift
}

// decap is what the entries of d's tunnels have.
func (d *Domain) decap() Decap { return Decap{BD: d.BD, Features: d.Features} }

// setFeatures writes the features of domains, by bd, where frames find them.
func (c *Contents) setFeatures(changed map[uint32]*Domain) {
	if len(changed) == 0 {
		return
	}
	for _, d := range changed {
		for _, b := range d.members {
			c.place(b)
		}
	}
	for key, have := range c.Maps.Decaps.Want.All() {
		if d := changed[have.BD]; d != nil {
			have.Features = d.Features
			c.Maps.Decaps.Set(key, have)
		}
	}
}

// OptionsOf is the reverse of featuresOf.
func OptionsOf(features uint32) intent.SwitchOptions {
	o := intent.SwitchOptions{
		InnerTags: features&FeatureInnerTags != 0, SnoopIPs: features&FeatureSnoop != 0, Suppress: features&FeatureSuppress != 0,
		SnoopGroups: features&FeatureGroups != 0, ReservedMACs: intent.ReservedMACs(features >> FeatureReservedShift),
	}
	switch {
	case features&FeatureFloodNeighbors != 0:
		o.Flooding = intent.FloodNeighbors
	case features&FeatureFloodNone != 0:
		o.Flooding = intent.FloodNone
	}
	return o
}
