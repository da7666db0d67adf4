package vtep

import (
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/trim"
)

func (r *Reporter) mcastRowChanged(before, after *hwvtep.McastMACLocal) {
	if before != nil && before.MAC == hwvtep.UnknownDst {
		id := switchID(before.LogicalSwitch)
		if delete(r.mcasts[id], before.UUID); len(r.mcasts[id]) == 0 {
			delete(r.mcasts, id)
		}
		r.todo.switches[id] = struct{}{}
	}
	if before != nil {
		delete(r.strays, before.UUID)
	}
	if after != nil && after.MAC != hwvtep.UnknownDst && slices.ContainsFunc(r.f.sets[after.LocatorSet], r.ours) {
		r.stray(after.UUID, stray{group: true, set: after.LocatorSet})
	}
	if after != nil && after.MAC == hwvtep.UnknownDst {
		id := switchID(after.LogicalSwitch)
		if r.mcasts[id] == nil {
			r.mcasts[id] = map[UUID]UUID{}
		}
		r.mcasts[id][after.UUID] = after.LocatorSet
		r.todo.switches[id] = struct{}{}
	}
}

// buildMcasts sees to it that every active switch has an unknown-dst row with our locator in
// its set. The switches of a database share one row for a logical switch; of several the one
// with the lowest UUID is it, so that all agree. Others' locators are left as they are.
func (r *Reporter) buildMcasts(tx *hwvtep.Txn) {
	begin := tx.Len()
	for id := range r.todo.switches {
		if tx.Len()-begin >= maxPart {
			return
		}
		delete(r.todo.switches, id)
		before := tx.Len()
		r.buildMcast(tx, id)
		if tx.Len() > before {
			r.pending.switches[id] = struct{}{}
		}
	}
	trim.Empty(&r.todo.switches)
}

func (r *Reporter) buildMcast(tx *hwvtep.Txn, id intent.SwitchID) {
	want := !r.withdrawn && r.f.scope.Any() && r.f.Active(id)
	rows := slices.SortedFunc(maps.Keys(r.mcasts[id]), compareUUIDs)
	if r.mine.shared && !note(r.mine.floods, id, want, len(rows) > 0) {
		return
	}
	if want && len(rows) == 0 {
		set := tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: []UUID{r.localLocator(tx)}})
		tx.InsertMcastMACLocal(hwvtep.McastMACLocal{MAC: hwvtep.UnknownDst, LogicalSwitch: UUID(id), LocatorSet: set})
	}
	for i, row := range rows {
		set := r.mcasts[id][row]
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
