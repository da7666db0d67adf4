package ebpf

import "github.com/vtep/vtep/internal/intent"

// What a logical switch has beside forwarding, as enum features.
const (
	featureInnerTags = 1 << iota
	featureSnoop
	featureGroups
	featureRoute

	featureSuppress       = 1 << 4
	featureACL            = 1 << 12 // of a member alone
	featureFloodNeighbors = 1 << 14
	featureFloodNone      = 1 << 15
	reservedShift         = 16
)

// featuresOf makes the bits of a switch, which the programs find in its members and decaps.
func featuresOf(sw intent.Switch) (bits uint32) {
	for _, f := range []struct {
		on  bool
		bit uint32
	}{
		{sw.InnerTags, featureInnerTags},
		{sw.SnoopIPs, featureSnoop},
		{sw.SnoopGroups, featureGroups},
		{sw.Suppress, featureSuppress},
		{sw.Flooding == intent.FloodNeighbors, featureFloodNeighbors},
		{sw.Flooding == intent.FloodNone, featureFloodNone},
		{sw.Router != (intent.RouterID{}), featureRoute},
	} {
		if f.on {
			bits |= f.bit
		}
	}
	return bits | uint32(sw.ReservedMACs)<<reservedShift
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
