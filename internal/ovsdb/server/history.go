package server

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
)

// history remembers the last transactions of a database, so that a client that lost its
// connection gets what it missed instead of everything (monitor_cond_since).
type history struct {
	limit int             // transactions; 0: remember none
	past  []*db.ChangeSet // the first is empty: the state before the second
	atoms int             // in past
	held  []int           // bytes of memory that each of past holds
	bytes int             // the sum of held
	last  ovsdb.UUID      // of the last transaction; zero without history
}

func newHistory(limit int) *history { return newHistoryFrom(limit, ovsdb.NewUUID()) }

// newHistoryFrom begins with the state that the transaction last has left.
func newHistoryFrom(limit int, last ovsdb.UUID) *history {
	h := &history{limit: limit}
	if limit > 0 {
		// A client that has seen the database as it is now can name that state too.
		h.last = last
		h.past = []*db.ChangeSet{{TxnID: h.last}}
		h.held = []int{0}
	}
	return h
}

// add appends a transaction and forgets the oldest beyond the limits. A history larger than
// the database, which has the given number of atoms, would cost more to merge and send than
// the database itself; only the last transaction may be larger. What the history holds of
// memory, of which the transaction needs held bytes, has a limit that nothing exceeds.
func (h *history) add(cs *db.ChangeSet, held, atoms int) {
	if h.limit == 0 {
		return
	}
	h.past = append(h.past, cs)
	h.held = append(h.held, held)
	h.atoms += cs.Atoms
	h.bytes += held
	h.last = cs.TxnID
	for h.len() > 1 && (h.len() > h.limit || h.atoms > atoms) || h.len() > 0 && h.bytes > historyBytes(atoms) {
		// What led to the oldest state that can be named is of no use.
		oldest := h.past[1]
		h.atoms -= oldest.Atoms
		h.bytes -= h.held[1]
		h.past[0], h.past[1] = nil, &db.ChangeSet{TxnID: oldest.TxnID}
		h.past = h.past[1:]
		h.held = h.held[1:]
		h.held[0] = 0
	}
}

// historyBytes is how many bytes of memory the history of a database with so many atoms may
// hold: a fraction of what those need.
func historyBytes(atoms int) int { return 1<<20 + 4*atoms }

// len returns how many transactions are remembered.
func (h *history) len() int { return max(len(h.past)-1, 0) }

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
