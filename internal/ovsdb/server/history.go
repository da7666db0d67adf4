package server

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
)

// history remembers the last transactions of a database, so that a client that lost its
// connection gets what it missed instead of everything (monitor_cond_since).
type history struct {
	limit int             // transactions; 0: remember none
	past  []*db.ChangeSet // the first stands for the state before the second
	atoms int             // in past
	last  ovsdb.UUID      // of the last transaction; zero without history
}

// historyAtoms bounds what a history holds on to.
const historyAtoms = 5_000_000

func newHistory(limit int) *history {
	h := &history{limit: limit}
	if limit > 0 {
		// A client that has seen the database as it is now can name that state too.
		h.last = ovsdb.NewUUID()
		h.past = []*db.ChangeSet{{TxnID: h.last}}
	}
	return h
}

// add appends a transaction and forgets the oldest beyond the limits.
func (h *history) add(cs *db.ChangeSet) {
	if h.limit == 0 {
		return
	}
	h.past = append(h.past, cs)
	h.atoms += cs.Atoms
	h.last = cs.TxnID
	drop := 0
	for len(h.past)-drop > 1 && (len(h.past)-drop > h.limit+1 || h.atoms > historyAtoms) {
		h.atoms -= h.past[drop].Atoms
		h.past[drop] = nil
		drop++
	}
	h.past = h.past[drop:]
}

// since merges what spec shows of the transactions after id; false if id is not remembered.
func (h *history) since(id ovsdb.UUID, spec *monitorSpec) (*changes, bool) {
	for i := len(h.past) - 1; i >= 0; i-- {
		if h.past[i].TxnID != id {
			continue
		}
		c := newChanges()
		for _, cs := range h.past[i+1:] {
			c.add(cs, spec)
		}
		return c, true
	}
	return nil, false
}
