package ebpf

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// stageMembers makes the lists of bindings that get frames to groups. What a frame of a group finds
// at any moment must not be less than it should: the lists for groups that have none of their own come
// after those of groups, and go before them.
func (p *Plane) stageMembers(changes []intent.Change[intent.MACKey, intent.MemberSet]) {
	for _, c := range changes {
		d := p.byUUID[c.Key.Switch]
		if d == nil {
			continue
		}
		if c.New == nil {
			delete(d.groups, c.Key.MAC)
			p.delFlood(layout.MACKey{BD: d.bd, MAC: c.Key.MAC, Kind: layout.FloodMembers})
			continue
		}
		if d.groups == nil {
			d.groups = map[intent.MAC]intent.MemberSet{}
		}
		d.groups[c.Key.MAC] = *c.New
		p.setGroup(d, c.Key.MAC)
	}
}

// setGroup makes the list of a group: of the bindings that are in force.
func (p *Plane) setGroup(d *domain, mac intent.MAC) {
	targets := make([]layout.Target, 0, len(d.groups[mac]))
	for _, at := range d.groups[mac] {
		if b := p.bindings[at]; b != nil && d.members[b.slot] == b {
			targets = append(targets, layout.Target{ID: b.slot})
		}
	}
	slices.SortFunc(targets, func(a, b layout.Target) int { return int(a.ID) - int(b.ID) })
	p.setFlood(layout.MACKey{BD: d.bd, MAC: mac, Kind: layout.FloodMembers}, targets)
}

// forOthers says whether a list is for groups that have none of their own.
func forOthers(k layout.MACKey) bool {
	return k.Kind == layout.FloodMembers && (intent.MAC(k.MAC) == intent.OtherGroups4 || intent.MAC(k.MAC) == intent.OtherGroups6)
}

// orderLists puts the lists for other groups after those that are to be written, and before those that are
// to be deleted.
func (p *Plane) orderLists() {
	last := func(k layout.MACKey) int {
		if forOthers(k) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(p.tFloods.staged, func(a, b layout.MACKey) int { return last(a) - last(b) })
	slices.SortStableFunc(p.tFloods.gone, func(a, b layout.MACKey) int { return last(b) - last(a) })
}

// missingMax is how long a member may be missing.
const missingMax = layout.MissingSeconds * time.Second

// LostGroups implements plane.GroupLoser.
func (p *Plane) LostGroups(context.Context) (map[intent.SwitchID]time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	lost := map[intent.SwitchID]time.Duration{}
	now := monotonic()
	for bd, d := range p.domains {
		if d.features&layout.FeatureGroups == 0 {
			continue
		}
		var r layout.GroupRate
		switch err := p.objs.GroupRates.Lookup(layout.GroupKey{BD: bd}, &r); {
		case isMissing(err):
		case err != nil:
			return nil, fmt.Errorf("ebpf plane: read map group_rates: %w", err)
		case r.Lost > 0 && now-time.Duration(r.Lost) < missingMax:
			lost[d.id] = missingMax - (now - time.Duration(r.Lost))
		}
	}
	return lost, nil
}
