package vtep

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/trim"
)

// acl is an access control list: a row of ACL, or one that somebody names. All rows are judged,
// whether they are used here or not.
type acl struct {
	id      UUID
	row     bool // it exists
	name    string
	entries []UUID
	users   map[aclUser]struct{} // who is to have it, here

	fault string // as of the last settling; "": it is as its row says
}

// aclEntry is a row of ACL_entry.
type aclEntry struct {
	entry     intent.ACLEntry
	direction intent.Direction
	bad       bool
	row       bool
	acls      map[UUID]struct{} // that have it
}

// aclUser is who has an ACL: a binding, or an interface of a router, which has an IP in a switch.
type aclUser struct {
	binding intent.BindingKey
	at      intent.IPKey
}

func (c *Compiler) acl(id UUID) *acl {
	a := c.acls[id]
	if a == nil {
		a = &acl{id: id, users: map[aclUser]struct{}{}}
		c.acls[id] = a
	}
	return a
}

func (c *Compiler) aclEntry(id UUID) *aclEntry {
	e := c.aclEntries[id]
	if e == nil {
		e = &aclEntry{acls: map[UUID]struct{}{}}
		c.aclEntries[id] = e
	}
	return e
}

func (c *Compiler) aclChanged(before, after *hwvtep.ACL) {
	if !c.features.ACLs {
		return
	}
	row := after
	if row == nil {
		row = &hwvtep.ACL{UUID: before.UUID}
	}
	a := c.acl(row.UUID)
	for _, id := range a.entries {
		e := c.aclEntries[id]
		delete(e.acls, a.id)
		c.forgetACLEntry(id)
	}
	c.problems.clear(rowOf(hwvtep.TableACL, a.id)) // it may have another name
	a.row, a.name, a.entries = after != nil, row.Name, row.Entries
	for _, id := range a.entries {
		c.aclEntry(id).acls[a.id] = struct{}{}
	}
	c.dirty.acls[a.id] = struct{}{}
}

func (c *Compiler) aclEntryChanged(before, after *hwvtep.ACLEntry) {
	if !c.features.ACLs {
		return
	}
	id := UUID{}
	if after == nil {
		id = before.UUID
		c.aclEntry(id).row = false
		c.problems.clear(rowOf(hwvtep.TableACLEntry, id))
	} else {
		id = after.UUID
		e := c.aclEntry(id)
		was := e.bad
		var err error
		e.row = true
		e.entry, e.direction, err = parseACLEntry(after)
		e.bad = err != nil
		what := complaint{}
		if e.bad {
			what = complaint{kind: problem.BadACLEntry, text: err.Error() + ": ACLs that have it stay as they were", remedy: "correct it"}
		}
		c.problems.clear(rowOf(hwvtep.TableACLEntry, id)) // it may have another sequence
		c.problems.set(rowOf(hwvtep.TableACLEntry, id), what)
		if e.bad || was {
			c.news.aclEntries[id] = struct{}{}
		}
	}
	for acl := range c.aclEntry(id).acls {
		c.dirty.acls[acl] = struct{}{}
	}
	c.forgetACLEntry(id)
}

func (c *Compiler) forgetACLEntry(id UUID) {
	if e := c.aclEntries[id]; e != nil && !e.row && len(e.acls) == 0 {
		delete(c.aclEntries, id)
	}
}

// guard notes that the user is to have an ACL, unguard that he is not. What he has then is in
// force with the next resolveACLs, if the ACL is: see protect.
func (c *Compiler) guard(u aclUser, id UUID) {
	c.acl(id).users[u] = struct{}{}
	c.dirty.acls[id] = struct{}{}
}

func (c *Compiler) unguard(u aclUser, id UUID) {
	delete(c.acl(id).users, u)
	c.dirty.acls[id] = struct{}{}
}

// resolveACLs settles which ACLs are in force here, and in which version: that of the rows, if all
// entries are good; otherwise the version that was in force before stays, if there is one.
func (c *Compiler) resolveACLs() {
	for id := range c.dirty.acls {
		a := c.acls[id]
		if a == nil {
			continue
		}
		key := intent.ACLID(id)
		was := a.fault
		now, why := c.judge(a)
		_, had := c.state.ACLs[key]
		last, known := c.sticky.acls[key]
		switch {
		case len(a.users) == 0 || !a.row:
			intent.ACLTable.Delete(c.edit, key)
		case a.fault == "":
			intent.ACLTable.Set(c.edit, key, now)
		case !had && known:
			intent.ACLTable.Set(c.edit, key, last)
		}
		_, in := c.state.ACLs[key]
		what := complaint{}
		if a.fault != "" && a.row {
			what = complaint{kind: problem.BadACL, text: why + ": " + a.consequence(in), remedy: "correct them"}
			if a.fault == hwvtep.FaultResourceShortage {
				what.remedy = "use fewer, or several ACLs"
			}
		}
		c.problems.set(rowOf(hwvtep.TableACL, id), what)
		for u := range a.users {
			c.protect(u, key, in)
		}
		if a.fault != was {
			c.news.acls[id] = struct{}{}
			c.news.ports, c.news.routers = true, true
		}
		if !a.row && len(a.users) == 0 {
			delete(c.acls, id)
		}
	}
	trim.Empty(&c.dirty.acls)
}

func (a *acl) consequence(inForce bool) string {
	switch {
	case inForce:
		return "the version before stays in force"
	case len(a.users) == 0:
		return "it can't be used"
	}
	return "it is not in force, and what it is to guard is open"
}

// judge sets the fault of an ACL and says why; without a fault it returns its version.
func (c *Compiler) judge(a *acl) (version intent.ACL, why string) {
	a.fault = ""
	if !a.row {
		a.fault = hwvtep.FaultInvalidACL
		return version, ""
	}
	bad := 0
	version.Name = a.name
	for _, id := range a.entries {
		e := c.aclEntries[id]
		switch {
		case e.bad || !e.row:
			bad++
		case e.direction == intent.Egress:
			version.Egress = append(version.Egress, e.entry)
		default:
			version.Ingress = append(version.Ingress, e.entry)
		}
	}
	for _, d := range []intent.Direction{intent.Ingress, intent.Egress} {
		list := version.Entries(d)
		if n := len(list); bad == 0 && n > intent.MaxACLEntries {
			a.fault = hwvtep.FaultResourceShortage
			return version, fmt.Sprintf("it has %d entries of direction %v, and %d is the most", n, d, intent.MaxACLEntries)
		}
		slices.SortFunc(list, func(x, y intent.ACLEntry) int {
			return cmp.Or(cmp.Compare(x.Sequence, y.Sequence), x.ID.Compare(y.ID))
		})
	}
	if bad > 0 {
		a.fault = hwvtep.FaultInvalidACL
		return version, fmt.Sprintf("%d of its %d entries can't be used", bad, len(a.entries))
	}
	return version, ""
}

// protect gives a user his ACL, or takes it away if that is not in force.
func (c *Compiler) protect(u aclUser, id intent.ACLID, inForce bool) {
	switch {
	case u.at != (intent.IPKey{}):
		is := c.state.Interfaces[u.at]
		if is.ACL = id; !inForce {
			is.ACL = intent.ACLID{}
		}
		intent.InterfaceTable.Set(c.edit, u.at, is)
	case inForce:
		intent.PolicyTable.Set(c.edit, u.binding, intent.Policy{ACL: id})
	default:
		intent.PolicyTable.Delete(c.edit, u.binding)
	}
}

// guardInterface has an interface of a router have an ACL; the zero UUID: none.
func (c *Compiler) guardInterface(r *router, key intent.IPKey, id UUID) {
	was := r.guarded[key]
	if was == id {
		return
	}
	if was != (UUID{}) {
		c.unguard(aclUser{at: key}, was)
		delete(r.guarded, key)
	}
	if id != (UUID{}) {
		c.guard(aclUser{at: key}, id)
		r.guarded[key] = id
	}
}

// guardBindings brings up to date which ACL each binding of a port is to have: that of its
// VLAN, or else the port's own, which key 0 names. bound and wanted are nil for a port that is not.
func (c *Compiler) guardBindings(name string, bound map[uint16]intent.Binding, wanted map[uint16]UUID) {
	now := map[uint16]UUID{}
	for vlan := range bound {
		id, ok := wanted[vlan]
		if !ok {
			id, ok = wanted[0]
		}
		if ok {
			now[vlan] = id
		}
	}
	was := c.guarded[name]
	for vlan, id := range was {
		if now[vlan] != id {
			key := intent.BindingKey{Port: name, VLAN: vlan}
			c.unguard(aclUser{binding: key}, id)
			intent.PolicyTable.Delete(c.edit, key)
		}
	}
	for vlan, id := range now {
		if was[vlan] != id {
			c.guard(aclUser{binding: intent.BindingKey{Port: name, VLAN: vlan}}, id)
		}
	}
	if c.guarded[name] = now; len(now) == 0 {
		delete(c.guarded, name)
	}
}

// readACLBindings returns the ACLs of a port by VLAN, 0 for all that have none of their own, and
// what is wrong.
func readACLBindings(row *hwvtep.PhysicalPort) (acls map[uint16]UUID, wrong []complaint) {
	acls = make(map[uint16]UUID, len(row.ACLBindings))
	for _, vlan := range slices.Sorted(maps.Keys(row.ACLBindings)) {
		if vlan < 0 || vlan > 4094 {
			wrong = append(wrong, complaint{
				kind: problem.BadVLAN, text: fmt.Sprintf("acl_bindings has VLAN %d, which does not exist: it is ignored", vlan),
				remedy: fmt.Sprintf("vtep-ctl remove Physical_Port %s acl_bindings %d", problem.Argument(row.Name), vlan)})
			continue
		}
		acls[uint16(vlan)] = row.ACLBindings[vlan]
	}
	return acls, wrong
}

// badACL says whether an ACL that somebody of us names is not as its row says.
func (f *facts) badACL(id UUID) bool {
	a := f.acls[id]
	return a == nil || a.fault != ""
}

// aclFault returns the element that acl_fault_status must have by the rows alone; "": none.
func (f *facts) aclFault(id UUID) string {
	switch {
	case !f.features.ACLs && f.unserved[id] > 0:
		return hwvtep.FaultUnspecified
	case f.acls[id] != nil:
		return f.acls[id].fault
	}
	return ""
}

// badACLEntry says whether an entry is to have a fault.
func (f *facts) badACLEntry(id UUID) bool {
	e := f.aclEntries[id]
	return e != nil && e.row && e.bad
}
