package ebpf

import "github.com/vtep/vtep/internal/intent"

// What a logical switch has beside forwarding, as enum features.
const (
	featureInnerTags = 1 << iota
	featureSnoop
	featureGroups

	featureSuppress       = 1 << 4
	featureACL            = 1 << 12 // of a member alone
	featureFloodNeighbors = 1 << 14
	featureFloodNone      = 1 << 15
	reservedShift         = 16
)

// featuresOf makes the bits of a switch, which the programs find in its members and decaps.
func featuresOf(o intent.SwitchOptions) (bits uint32) {
	for _, f := range []struct {
		on  bool
		bit uint32
	}{
		{o.InnerTags, featureInnerTags},
		{o.SnoopIPs, featureSnoop},
		{o.SnoopGroups, featureGroups},
		{o.Suppress, featureSuppress},
		{o.Flooding == intent.FloodNeighbors, featureFloodNeighbors},
		{o.Flooding == intent.FloodNone, featureFloodNone},
	} {
		if f.on {
			bits |= f.bit
		}
	}
	return bits | uint32(o.ReservedMACs)<<reservedShift
}

// decap is what the entries of d's tunnels have.
func (d *domain) decap() vtepDecap { return vtepDecap{Bd: d.bd, Features: d.features} }

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
		if d := changed[have.Bd]; d != nil {
			p.tDecaps.set(key, d.decap())
		}
	}
}
