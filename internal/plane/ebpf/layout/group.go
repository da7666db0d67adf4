package layout

import (
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// stageMembers makes the lists of bindings that get frames to groups. What a frame of a group finds
// at any moment must not be less than it should: the lists for groups that have none of their own come
// after those of groups, and go before them.
func (c *Contents) stageMembers(changes []intent.Change[intent.MACKey, intent.MemberSet]) {
	for _, ch := range changes {
		d := c.ByUUID[ch.Key.Switch]
		if d == nil {
			continue
		}
		if ch.New == nil {
			delete(d.groups, ch.Key.MAC)
			c.delFlood(MACKey{BD: d.BD, MAC: ch.Key.MAC, Kind: FloodMembers})
			continue
		}
		if d.groups == nil {
			d.groups = map[intent.MAC]intent.MemberSet{}
		}
		d.groups[ch.Key.MAC] = *ch.New
		c.setGroup(d, ch.Key.MAC)
	}
}

// setGroup makes the list of a group: of the bindings that are in force.
func (c *Contents) setGroup(d *Domain, mac intent.MAC) {
	targets := make([]Target, 0, len(d.groups[mac]))
	for _, at := range d.groups[mac] {
		if b := c.Bindings[at]; b != nil && d.members[b.Slot] == b {
			targets = append(targets, Target{ID: b.Slot})
		}
	}
	slices.SortFunc(targets, func(a, b Target) int { return int(a.ID) - int(b.ID) })
	c.setFlood(MACKey{BD: d.BD, MAC: mac, Kind: FloodMembers}, targets)
}

// forOthers says whether a list is for groups that have none of their own.
func forOthers(k MACKey) bool {
	return k.Kind == FloodMembers && (intent.MAC(k.MAC) == intent.OtherGroups4 || intent.MAC(k.MAC) == intent.OtherGroups6)
}

// OrderLists puts the lists for other groups after those that are to be written, and before those that are
// to be deleted.
func (c *Contents) OrderLists() {
	last := func(k MACKey) int {
		if forOthers(k) {
			return 1
		}
		return 0
	}
	c.Maps.Floods.Order(func(a, b MACKey) int { return last(a) - last(b) })
}
