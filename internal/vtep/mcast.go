package vtep

import (
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/trim"
)

// Groups says of which group addresses there are members behind our ports.
type Groups interface {
	Has(intent.MACKey) bool
	All(yield func(intent.MACKey) bool)
}

// SetGroups says where to ask.
func (r *Reporter) SetGroups(g Groups) { r.groups = g }

// MarkGroup notes that a group address has members, or has none any more.
func (r *Reporter) MarkGroup(key intent.MACKey) { r.todo.groups[key] = struct{}{} }

func (r *Reporter) markGroups() {
	if r.groups != nil {
		for key := range r.groups.All {
			r.todo.groups[key] = struct{}{}
		}
	}
	for id, rows := range r.mcasts {
		for mac := range rows {
			r.todo.groups[intent.MACKey{Switch: id, MAC: mac}] = struct{}{}
		}
	}
}

func (r *Reporter) mcastRowChanged(before, after *hwvtep.McastMACLocal) {
	if before != nil {
		delete(r.strays, before.UUID)
		if mac, ok := parseGroup(before.MAC); ok {
			key := intent.MACKey{Switch: switchID(before.LogicalSwitch), MAC: mac}
			rows := r.mcasts[key.Switch]
			if delete(rows[mac], before.UUID); len(rows[mac]) == 0 {
				if delete(rows, mac); len(rows) == 0 {
					delete(r.mcasts, key.Switch)
				}
			}
			r.todo.groups[key] = struct{}{}
		}
	}
	if after == nil {
		return
	}
	mac, ok := parseGroup(after.MAC)
	if !ok {
		if slices.ContainsFunc(r.f.sets[after.LocatorSet], r.ours) {
			r.stray(after.UUID, stray{group: true, set: after.LocatorSet})
		}
		return
	}
	key := intent.MACKey{Switch: switchID(after.LogicalSwitch), MAC: mac}
	rows := r.mcasts[key.Switch]
	if rows == nil {
		rows = map[intent.MAC]map[UUID]UUID{}
		r.mcasts[key.Switch] = rows
	}
	if rows[mac] == nil {
		rows[mac] = map[UUID]UUID{}
	}
	rows[mac][after.UUID] = after.LocatorSet
	r.todo.groups[key] = struct{}{}
}

// adoptGroups takes the rows that an earlier process left as if their groups had members. Those
// that have none until UnadoptGroups are withdrawn then.
func (r *Reporter) adoptGroups() {
	for id, rows := range r.mcasts {
		for mac, sets := range rows {
			for _, set := range sets {
				if mac != intent.UnknownDst && slices.ContainsFunc(r.f.sets[set], r.ours) {
					r.adopted[intent.MACKey{Switch: id, MAC: mac}] = struct{}{}
				}
			}
		}
	}
}

// AdoptedGroups returns how many rows of groups stand only by adoption, or did.
func (r *Reporter) AdoptedGroups() int { return len(r.adopted) }

// UnadoptGroups withdraws the rows of an earlier process whose groups have no members by now.
func (r *Reporter) UnadoptGroups() {
	for key := range r.adopted {
		r.todo.groups[key] = struct{}{}
	}
	clear(r.adopted)
}

// wants says whether there has to be a row with our locator for a group address, or unknown-dst.
func (r *Reporter) wants(key intent.MACKey) bool {
	if r.withdrawn || !r.f.scope.Any() || !r.f.Active(key.Switch) {
		return false
	}
	if key.MAC == intent.UnknownDst {
		return true
	}
	_, adopted := r.adopted[key]
	return r.f.snoopsGroups(key.Switch) && (adopted || r.groups != nil && r.groups.Has(key))
}

// buildMcasts sees to it that every active switch has an unknown-dst row with our locator in
// its set, and likewise one for every group that has members here. The switches of a database share
// one row for a logical switch and address; of several the one with the lowest UUID is it, so that
// all agree. Others' locators are left as they are.
//
// Hosts that join and leave without end must not keep the database busy: rows of groups are changed
// no faster than pace allows, and the others later. Those that have to go, because their switch is not
// here or does not snoop any more, go at once.
func (r *Reporter) buildMcasts(tx *hwvtep.Txn) {
	begin := tx.Len()
	for key := range r.todo.groups {
		if tx.Len()-begin >= maxPart {
			return
		}
		delete(r.todo.groups, key)
		paced := key.MAC != intent.UnknownDst && !r.withdrawn && r.f.snoopsGroups(key.Switch)
		if paced && !r.pace.allows(r.now) {
			r.pace.wait(r.now, key)
			continue
		}
		before := tx.Len()
		r.buildMcast(tx, key)
		if tx.Len() > before {
			r.pending.groups[key] = struct{}{}
			if paced {
				r.pace.take()
			}
		}
	}
	trim.Empty(&r.todo.groups)
}

func (r *Reporter) buildMcast(tx *hwvtep.Txn, key intent.MACKey) {
	want := r.wants(key)
	sets := r.mcasts[key.Switch][key.MAC]
	rows := slices.SortedFunc(maps.Keys(sets), compareUUIDs)
	if r.mine.shared && !note(r.mine.floods, key, want, len(rows) > 0) {
		return
	}
	if want && len(rows) == 0 {
		name := hwvtep.UnknownDst
		if key.MAC != intent.UnknownDst {
			name = key.MAC.String()
		}
		set := tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: []UUID{r.localLocator(tx)}})
		tx.InsertMcastMACLocal(hwvtep.McastMACLocal{MAC: name, LogicalSwitch: UUID(key.Switch), LocatorSet: set})
	}
	for i, row := range rows {
		set := sets[row]
		var others, own []UUID
		current := false // our locator is in it
		for _, l := range r.f.sets[set] {
			if !r.ours(l) {
				others = append(others, l)
				continue
			}
			own = append(own, l)
			current = current || r.isLocal(l)
		}
		in := want && i == 0
		if in == (len(own) > 0) && (!in || current && len(own) == 1) {
			continue
		}
		if in {
			others = append(others, r.localLocator(tx))
		}
		r.replaceSet(tx, row, set, others)
	}
}

// replaceSet gives the row of Mcast_Macs_Local other locators. One without any goes.
func (r *Reporter) replaceSet(tx *hwvtep.Txn, row, set UUID, locators []UUID) {
	// Another agent may be at the same row.
	tx.WaitMcastMACLocal(row, hwvtep.McastMACLocal{LocatorSet: set}, hwvtep.McastMACLocalLocatorSet)
	if len(locators) == 0 {
		tx.DeleteMcastMACLocal(row)
		return
	}
	slices.SortFunc(locators, compareUUIDs)
	now := tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: locators})
	tx.UpdateMcastMACLocal(row, hwvtep.McastMACLocal{LocatorSet: now}, hwvtep.McastMACLocalLocatorSet)
}
