package vtep

import (
	"github.com/vtep/vtep/internal/intent"
)

// A new process begins with the rows alone, which do not say what came first: who had a tunnel
// that several switches want, which service node was chosen, who of several routers has a switch,
// what hosts have said of their addresses, and how an ACL was before its rows were spoilt. What is
// installed does.

// Undecided says whether the State depends on more than the rows.
func (c *Compiler) Undecided() bool {
	if len(c.claims.others) > 0 {
		return true
	}
	for _, a := range c.acls {
		if a.fault != "" && len(a.users) > 0 {
			return true
		}
	}
	for _, ls := range c.switches {
		if c.wantsNeighbours(ls) { // of them nobody may have told but the hosts
			return true
		}
		for _, e := range ls.groups {
			if e.service && len(e.members) > 1 {
				return true
			}
		}
	}
	return false
}

// Inherit decides as installed shows that an earlier process has decided, where that still can
// be. It comes after the first Update.
func (c *Compiler) Inherit(installed *intent.State) {
	c.inherited = sticky{owners: installed.Decap.Clone(), chosen: map[intent.FloodKey]intent.Tunnel{}, acls: installed.ACLs}
	for id, ls := range installed.Switches {
		if ls.OverlayUp() {
			c.inherited.owners.Set(intent.Tunnel{VNI: ls.VNI}, id)
		}
	}
	c.inherited.routers, c.unconfirmed = map[intent.SwitchID]UUID{}, map[intent.IPKey]intent.MAC{}
	for key, mac := range installed.Neighbours {
		if !c.KnownByRow(key) { // it goes with the row
			c.unconfirmed[key] = mac
		}
	}
	c.inherited.heard = c.unconfirmed
	for id, ls := range installed.Switches {
		if ls.Router != (intent.RouterID{}) {
			c.inherited.routers[id] = UUID(ls.Router)
		}
	}
	for key, set := range installed.Floods {
		if len(set) == 1 {
			c.inherited.chosen[key] = set[0]
		}
	}
	c.rebuild()
}
