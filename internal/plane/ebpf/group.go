package ebpf

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
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
			p.delFlood(vtepMacKey{Bd: d.bd, Mac: c.Key.MAC, Kind: floodMembers})
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
	targets := make([]vtepTarget, 0, len(d.groups[mac]))
	for _, at := range d.groups[mac] {
		if b := p.bindings[at]; b != nil && d.members[b.slot] == b {
			targets = append(targets, vtepTarget{Id: b.slot})
		}
	}
	slices.SortFunc(targets, func(a, b vtepTarget) int { return int(a.Id) - int(b.Id) })
	p.setFlood(vtepMacKey{Bd: d.bd, Mac: mac, Kind: floodMembers}, targets)
}

// forOthers says whether a list is for groups that have none of their own.
func forOthers(k vtepMacKey) bool {
	return k.Kind == floodMembers && (intent.MAC(k.Mac) == intent.OtherGroups4 || intent.MAC(k.Mac) == intent.OtherGroups6)
}

// orderLists puts the lists for other groups after those that are to be written, and before those that are
// to be deleted.
func (p *Plane) orderLists() {
	last := func(k vtepMacKey) int {
		if forOthers(k) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(p.tFloods.staged, func(a, b vtepMacKey) int { return last(a) - last(b) })
	slices.SortStableFunc(p.tFloods.gone, func(a, b vtepMacKey) int { return last(b) - last(a) })
}

// missingMax is MISSING_MAX of the programs.
const missingMax = 260 * time.Second

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
		if d.features&featureGroups == 0 {
			continue
		}
		var r vtepGroupRate
		switch err := p.objs.GroupRates.Lookup(vtepGroupKey{Bd: bd}, &r); {
		case isMissing(err):
		case err != nil:
			return nil, fmt.Errorf("ebpf plane: read map group_rates: %w", err)
		case r.Lost > 0 && now-time.Duration(r.Lost) < missingMax:
			lost[d.id] = missingMax - (now - time.Duration(r.Lost))
		}
	}
	return lost, nil
}
