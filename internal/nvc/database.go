package nvc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
)

// The keys of Logical_Switch.other_config by which the controller knows, after a restart, what it
// has set, and who was a member.
const (
	keyVNI     = "nvc_vni"     // the tunnel key
	keyMode    = "nvc_mode"    // the replication mode
	keyMembers = "nvc_members" // IP addresses, with blanks between them
)

func number(n int64) string { return strconv.FormatInt(n, 10) }

// mark is what has to be looked at in a database: a MAC, a group, or without a MAC the switch itself.
type mark struct {
	network string
	mac     string
	mcast   bool
}

// rowKey is the key of the tables of MACs.
type rowKey struct {
	ls  hwvtep.UUID
	mac string
}

// database is what one has, by what is asked for.
type database struct {
	mesh  *mesh
	owner *target // nil: a test has made it
	view  *hwvtep.View
	names map[hwvtep.UUID]string // of logical switches, as the mesh has them
	ends  map[end]hwvtep.UUID    // locators
	ucast map[rowKey][]hwvtep.UcastMACRemote
	mcast map[rowKey][]hwvtep.McastMACRemote
	heard map[rowKey]struct{} // MACs of which a Local row came where the controller had a remote one, which stands since
	read  bool

	touched bool // it is among mesh.touched

	// What has to be looked at, of MACs and groups, and of switches.
	marked, switches map[mark]struct{}
}

func newDatabase(m *mesh) *database {
	db := &database{mesh: m}
	db.clear()
	return db
}

func (db *database) clear() {
	db.names, db.ends = map[hwvtep.UUID]string{}, map[end]hwvtep.UUID{}
	db.ucast, db.mcast = map[rowKey][]hwvtep.UcastMACRemote{}, map[rowKey][]hwvtep.McastMACRemote{}
	db.marked, db.switches = map[mark]struct{}{}, map[mark]struct{}{}
	db.heard = map[rowKey]struct{}{}
}

func (db *database) mark(m mark) {
	db.touch()
	if m.mac == "" {
		db.switches[m] = struct{}{}
		return
	}
	db.marked[m] = struct{}{}
}

// touch has somebody look whether there is anything to write.
func (db *database) touch() {
	if !db.touched {
		db.touched = true
		db.mesh.touched = append(db.mesh.touched, db)
	}
}

// end returns that of a locator.
func (db *database) end(id hwvtep.UUID) end {
	l, _ := db.view.PhysicalLocator(id)
	return end{l.DstIP, l.TunnelKey}
}

// endsOf returns those of a set.
func (db *database) endsOf(id hwvtep.UUID) []end {
	set, _ := db.view.PhysicalLocatorSet(id)
	var ends []end
	for _, l := range set.Locators {
		ends = append(ends, db.end(l))
	}
	slices.SortFunc(ends, end.compare)
	return ends
}

// network returns the one that a logical switch is of, nil if that is not there.
func (db *database) network(ls hwvtep.UUID) *network { return db.mesh.networks[db.names[ls]] }

// take takes over what has changed. Whatever refers to rows is looked up in the newest view: a row
// goes with what it refers to.
func (db *database) take(view *hwvtep.View, changes hwvtep.Changes) {
	first := !db.read
	db.view, db.read = view, true
	rekeyed := map[hwvtep.UUID]bool{}
	for before, after := range changes.PhysicalLocators() {
		if before != nil && after != nil { // only the key can change
			rekeyed[after.UUID] = true
		}
		if before != nil {
			if e := (end{before.DstIP, before.TunnelKey}); db.ends[e] == before.UUID { // else another one has come already
				delete(db.ends, e)
			}
		}
		if after != nil {
			db.ends[end{after.DstIP, after.TunnelKey}] = after.UUID
		}
	}
	// Switches that come are there before their rows, and those that go after them.
	var gone []*hwvtep.LogicalSwitch
	settle := map[*network]bool{}
	for before, after := range changes.LogicalSwitches() {
		switch {
		case after == nil:
			gone = append(gone, before)
			continue
		case before != nil && before.Name != after.Name:
			db.reload()
			return
		}
		settle[db.join(*after)] = true
	}
	for before, after := range changes.UcastMACsRemote() {
		db.ucastRemote(before, after)
	}
	for before, after := range changes.McastMACsRemote() {
		db.mcastRemote(before, after)
	}
	for before, after := range changes.UcastMACsLocal() {
		db.ucastLocal(before, after, first)
	}
	for before, after := range changes.McastMACsLocal() {
		db.mcastLocal(before, after)
	}
	db.takeEnds(rekeyed)
	for _, ls := range gone {
		n := db.mesh.networks[ls.Name]
		if p := n.in[db]; p.row.UUID == ls.UUID { // not another one that has the name now
			delete(n.in, db)
		}
		delete(db.names, ls.UUID)
		settle[n] = true
	}
	for n := range settle {
		if db.mesh.settle(n); len(n.in)+len(n.stations) == 0 {
			db.mesh.retire(n)
			delete(db.mesh.networks, n.name)
		}
	}
}

// takeEnds looks again at all rows that name any of these locators.
func (db *database) takeEnds(locators map[hwvtep.UUID]bool) {
	if len(locators) == 0 {
		return // as is usual: costs nothing
	}
	in := func(set hwvtep.UUID) bool {
		row, _ := db.view.PhysicalLocatorSet(set)
		return slices.ContainsFunc(row.Locators, func(id hwvtep.UUID) bool { return locators[id] })
	}
	for key, rows := range db.ucast {
		if slices.ContainsFunc(rows, func(r hwvtep.UcastMACRemote) bool { return locators[r.Locator] }) {
			db.mark(mark{db.names[key.ls], key.mac, false})
		}
	}
	for key, rows := range db.mcast {
		if slices.ContainsFunc(rows, func(r hwvtep.McastMACRemote) bool { return in(r.LocatorSet) }) {
			db.mark(mark{db.names[key.ls], key.mac, true})
		}
	}
	for row := range db.view.UcastMACsLocal() {
		if locators[row.Locator] {
			db.ucastLocal(&row, &row, false)
		}
	}
	for row := range db.view.McastMACsLocal() {
		if in(row.LocatorSet) {
			db.mcastLocal(&row, &row)
		}
	}
}

// reload reads the view from scratch, after what is too rare to be followed.
func (db *database) reload() {
	db.withdraw()
	view := db.view
	db.clear()
	for row := range view.PhysicalLocators() {
		db.ends[end{row.DstIP, row.TunnelKey}] = row.UUID
	}
	for row := range view.LogicalSwitches() {
		db.join(row)
	}
	for row := range view.UcastMACsRemote() {
		db.ucastRemote(nil, &row)
	}
	for row := range view.McastMACsRemote() {
		db.mcastRemote(nil, &row)
	}
	for row := range view.UcastMACsLocal() {
		db.ucastLocal(nil, &row, true)
	}
	for row := range view.McastMACsLocal() {
		db.mcastLocal(nil, &row)
	}
	for _, name := range db.names {
		db.mesh.settle(db.mesh.networks[name])
	}
}

// join notes a logical switch as it is now.
func (db *database) join(ls hwvtep.LogicalSwitch) *network {
	n := db.mesh.network(ls.Name)
	p := n.in[db]
	fresh := p == nil || p.row.UUID != ls.UUID
	if fresh {
		p = &presence{}
		n.in[db] = p
	}
	snooped := p.snoops()
	p.row = ls
	db.names[ls.UUID] = ls.Name
	switch {
	case fresh:
		n.touchIn(db)
	case snooped != p.snoops():
		n.touchGroup(unknownDst)
	}
	db.mark(mark{network: ls.Name})
	return n
}

func (db *database) ucastRemote(before, after *hwvtep.UcastMACRemote) {
	if before != nil {
		key := rowKey{before.LogicalSwitch, canonical(before.MAC)}
		db.ucast[key] = slices.DeleteFunc(db.ucast[key], func(r hwvtep.UcastMACRemote) bool { return r.UUID == before.UUID })
		if len(db.ucast[key]) == 0 {
			delete(db.ucast, key)
		}
		delete(db.heard, key)
		db.mark(mark{db.names[key.ls], key.mac, false})
		db.recall(key.ls)
	}
	if after != nil {
		key := rowKey{after.LogicalSwitch, canonical(after.MAC)}
		db.ucast[key] = append(db.ucast[key], *after)
		delete(db.heard, key)
		db.mark(mark{db.names[key.ls], key.mac, false})
	}
}

func (db *database) mcastRemote(before, after *hwvtep.McastMACRemote) {
	if before != nil {
		key := rowKey{before.LogicalSwitch, canonical(before.MAC)}
		db.mcast[key] = slices.DeleteFunc(db.mcast[key], func(r hwvtep.McastMACRemote) bool { return r.UUID == before.UUID })
		if len(db.mcast[key]) == 0 {
			delete(db.mcast, key)
		}
		db.mark(mark{db.names[key.ls], key.mac, true})
		db.recall(key.ls)
	}
	if after != nil {
		key := rowKey{after.LogicalSwitch, canonical(after.MAC)}
		db.mcast[key] = append(db.mcast[key], *after)
		db.mark(mark{db.names[key.ls], key.mac, true})
	}
}

func (db *database) ucastLocal(before, after *hwvtep.UcastMACLocal, first bool) {
	var came uint64
	if before != nil {
		mac, from := canonical(before.MAC), source{db, before.UUID}
		if n := db.network(before.LogicalSwitch); n != nil {
			came = n.stations[mac][from].came // of an address that is known now the host has not moved
			n.removeStation(mac, from)
			if !n.reportedBy(db, mac) {
				delete(db.heard, rowKey{before.LogicalSwitch, mac})
			}
		}
	} else if !first {
		db.mesh.clock++
		came = db.mesh.clock
	}
	if after == nil {
		return
	}
	if key := (rowKey{after.LogicalSwitch, canonical(after.MAC)}); before == nil && !first && len(db.ucast[key]) > 0 {
		db.heard[key] = struct{}{}
	}
	if n := db.network(after.LogicalSwitch); n != nil {
		n.addStation(canonical(after.MAC), source{db, after.UUID}, station{db.end(after.Locator), after.IPAddr, came})
	}
}

func (db *database) mcastLocal(before, after *hwvtep.McastMACLocal) {
	if before != nil {
		if n := db.network(before.LogicalSwitch); n != nil {
			n.removeGroup(canonical(before.MAC), source{db, before.UUID})
		}
	}
	if after == nil {
		return
	}
	if n := db.network(after.LogicalSwitch); n != nil {
		n.addGroup(canonical(after.MAC), source{db, after.UUID}, group{db.endsOf(after.LocatorSet)})
	}
}

// recall looks at the members that a switch remembers, if it remembers any that is none any more: the row of
// one has changed.
func (db *database) recall(ls hwvtep.UUID) {
	n := db.network(ls)
	if n == nil || n.in[db] == nil || n.in[db].row.OtherConfig[keyMembers] == n.memberText() {
		return
	}
	for _, ip := range n.in[db].remembered() {
		if n.members[ip] == 0 {
			db.mark(mark{network: n.name})
			return
		}
	}
}

// withdraw takes what the database reports out of the mesh.
func (db *database) withdraw() {
	for _, n := range db.mesh.networks {
		if n.in[db] == nil {
			continue
		}
		for mac, all := range n.stations {
			for from := range all {
				if from.db == db {
					n.removeStation(mac, from)
				}
			}
		}
		for mac, all := range n.groups {
			for from := range all {
				if from.db == db {
					n.removeGroup(mac, from)
				}
			}
		}
		delete(n.in, db)
		db.mesh.settle(n)
	}
}

// canonical is how MACs are compared.
func canonical(mac string) string { return strings.ToLower(mac) }
