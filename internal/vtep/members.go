package vtep

import (
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/trim"
)

// The private keys of other_config about groups.
const (
	keySnoopGroups       = "mcast_snooping"           // Physical_Switch, Logical_Switch: bool
	keyFloodUnregistered = "mcast_flood_unregistered" // Physical_Switch, Logical_Switch: bool
)

// SetMembers takes which bindings get frames to a group, as the table of groups says (package
// mcast); nil: it says nothing of it. The next Refresh acts on it.
func (c *Compiler) SetMembers(key intent.MACKey, set intent.MemberSet) {
	sets := c.memberSets[key.Switch]
	switch {
	case set != nil && sets == nil:
		c.memberSets[key.Switch] = map[intent.MAC]intent.MemberSet{key.MAC: set}
	case set != nil:
		sets[key.MAC] = set
	default:
		if delete(sets, key.MAC); len(sets) == 0 {
			delete(c.memberSets, key.Switch)
		}
	}
	c.dirty.members[key] = struct{}{}
}

// publishMembers writes the sets of members of the State: those that have changed, and those of
// switches whose bindings may have. The table of groups learns of a binding that has gone only
// later.
func (c *Compiler) publishMembers() {
	for id := range c.dirty.publish {
		for mac := range c.memberSets[id] {
			c.dirty.members[intent.MACKey{Switch: id, MAC: mac}] = struct{}{}
		}
	}
	for key := range c.dirty.members {
		set, ok := c.memberSets[key.Switch][key.MAC]
		if !ok || !c.snoopsGroups(key.Switch) {
			intent.MemberTable.Delete(c.edit, key)
			continue
		}
		gone := func(at intent.BindingKey) bool { return c.bound[at.Port][at.VLAN].Switch != key.Switch }
		if slices.ContainsFunc(set, gone) {
			set = slices.DeleteFunc(slices.Clone(set), gone)
		}
		intent.MemberTable.Set(c.edit, key, set)
	}
	trim.Empty(&c.dirty.members)
}
