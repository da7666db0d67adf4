package vtep

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
)

// stray is a row of a Local table that says of us what we don't: somebody has made it, or has
// changed the MAC of one of ours. It would keep its logical switch from being deleted.
type stray struct {
	group bool // of Mcast_Macs_Local, where others' locators may be in the set
	set   UUID
}

func (r *Reporter) stray(id UUID, s stray) {
	r.strays[id] = s
	r.todo.strays = true
}

// buildStrays has stray rows go, and our locators from their sets.
func (r *Reporter) buildStrays(tx *hwvtep.Txn) {
	if !r.todo.strays {
		return
	}
	r.todo.strays = false
	if r.mine.shared {
		return
	}
	before := tx.Len()
	for id, s := range r.strays {
		if tx.Len()-before >= maxPart {
			r.todo.strays = true
			break
		}
		if !s.group {
			tx.DeleteUcastMACLocal(id)
		} else if others := slices.DeleteFunc(slices.Clone(r.f.sets[s.set]), r.ours); len(others) < len(r.f.sets[s.set]) {
			r.replaceSet(tx, id, s.set, others)
		}
	}
	r.pending.strays = tx.Len() > before
}
