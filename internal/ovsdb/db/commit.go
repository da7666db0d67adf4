package db

import (
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
)

// commit commits the transaction. On an error it is aborted. The ChangeSet is
// nil if nothing changed.
//
// The order of the other steps is that of ovsdb-server, which decides which of several
// errors is reported.
func (x *txn) commit() (*ChangeSet, error) {
	if x.determineChanges() == 0 {
		x.end()
		return nil, nil
	}
	return x.commitChanges()
}

// commitChanges is commit after determineChanges.
func (x *txn) commitChanges() (*ChangeSet, error) {
	for _, step := range []func() error{
		x.askPermission,  // of what the operations did, and nothing else
		x.countRefs,      // referential integrity of strong references
		x.cascade,        // rows that go with what they refer to: see Cascade
		x.checkDeleted,   // rows that were deleted but are referred to
		x.collectGarbage, // rows of non-root tables that nothing refers to
		x.checkMaxRows,   //
		x.cleanWeakRefs,  // weak references to rows that do not exist
		x.updateIndexes,  // unique indexes; the only step that changes committed state
		x.seal,           // new versions; cannot fail
	} {
		if err := step(); err != nil {
			x.abort()
			return nil, err
		}
	}
	return x.publish(), nil
}

// each calls f for each row of the transaction, also those that f adds, until
// f returns an error.
func (x *txn) each(f func(tt *txnTable, r *txnRow) error) error {
	for _, tt := range x.tables {
		tt.seen = 0
	}
	for again := true; again; {
		again = false
		for i := 0; i < len(x.tables); i++ {
			for tt := x.tables[i]; tt.seen < len(tt.rows); {
				r := tt.rows[tt.seen]
				tt.seen++
				again = true
				if r.gone {
					continue
				}
				if err := f(tt, r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// determineChanges finds out which columns differ, drops rows that did not
// change, and returns the number of those that did.
func (x *txn) determineChanges() int {
	n := 0
	for _, tt := range x.tables {
		for _, r := range tt.rows {
			if r.gone {
				continue
			}
			if tt.compare(r); r.old != nil && r.st.row != nil && r.changed.IsEmpty() {
				tt.set(r.st, r.old)
				r.gone = true
				r.st.t = 0
				continue
			}
			n++
		}
	}
	return n
}

// compare sets the columns that a modified row changes.
func (tt *txnTable) compare(r *txnRow) {
	if r.old == nil || r.st.row == nil || r.old == r.st.row {
		return
	}
	for i, c := range tt.schema.Columns {
		if !r.old.At(i).Equal(r.st.row.At(i), &c.Type) {
			r.changed.add(i)
		}
	}
}

func (x *txn) askPermission() error {
	if x.permit == nil {
		return nil
	}
	for _, tt := range x.tables {
		for _, r := range tt.rows {
			if r.gone {
				continue
			}
			if err := x.permit(x.db, tt.schema, &RowChange{Old: r.old, New: r.st.row, Columns: r.changed}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *txn) checkMaxRows() error {
	for _, tt := range x.tables {
		if tt.live > tt.schema.MaxRows {
			return ovsdb.ConstraintError(
				`transaction causes "%s" table to contain %d rows, greater than the schema-defined limit of %d row(s)`,
				tt.schema.Name, tt.live, tt.schema.MaxRows)
		}
	}
	return nil
}

// seal makes rows of drafts. Those that changed get new versions.
func (x *txn) seal() error {
	for _, tt := range x.tables {
		for _, r := range tt.rows {
			if r.gone || r.st.row == nil || r.st.row == r.old {
				continue
			}
			if r.old != nil && !r.changed.IsEmpty() {
				r.st.row.Renew()
			}
			r.st.row = r.st.row.Seal()
		}
	}
	return nil
}

// publish makes the change-set and ends the transaction.
func (x *txn) publish() *ChangeSet {
	x.db.seq++
	cs := &ChangeSet{TxnID: ovsdb.NewUUID(), Comment: strings.Clone(x.comment), seq: x.db.seq}
	for _, tt := range x.tables {
		n := 0
		for _, r := range tt.rows {
			if !r.gone && (r.old != r.st.row) {
				n++
			}
		}
		changes := TableChanges{Schema: tt.schema, table: tt.Table}
		if n > 0 {
			changes.Rows = make([]RowChange, 0, n)
		}
		for _, r := range tt.rows {
			if r.gone {
				continue
			}
			if delta := r.refs - r.st.refs; delta != 0 {
				cs.refs = append(cs.refs, refDelta{r.st, delta})
				r.st.refs = r.refs
			}
			if r.old != r.st.row {
				changes.Rows = append(changes.Rows, RowChange{Old: r.old, New: r.st.row, Columns: r.changed, st: r.st})
				if tt.copying != nil {
					tt.copying.changes(&changes.Rows[len(changes.Rows)-1])
				}
				before, after := tt.countAtoms(r.old), tt.countAtoms(r.st.row)
				cs.Atoms += before + after
				cs.atomsDelta += after - before
				if r.old == nil {
					cs.texts += after
				} else {
					cs.texts += r.changed.Len()
				}
			}
			tt.updateWeak(r.st, r.old, r.st.row)
		}
		if len(changes.Rows) > 0 {
			cs.Tables = append(cs.Tables, changes)
		}
	}
	x.removeDeleted()
	x.db.atoms += cs.atomsDelta
	x.end()
	if len(cs.Tables) == 0 {
		// What was inserted was garbage at once.
		x.db.seq--
		return nil
	}
	return cs
}

// removeDeleted takes deleted rows out of their tables.
func (x *txn) removeDeleted() {
	for _, tt := range x.tables {
		for _, r := range tt.rows {
			if !r.gone && r.st.row == nil {
				tt.remove(r.st)
			}
		}
		tt.shrink()
	}
}

func (t *Table) countAtoms(row *ovsdb.Row) int {
	if row == nil {
		return 0
	}
	n := 0
	for i, c := range t.schema.Columns {
		atoms := row.At(i).Len()
		if c.Type.IsMap() {
			atoms *= 2
		}
		n += atoms
	}
	return n
}

// Undo takes back a change-set: the last one that was committed and not taken
// back. It is for commits that could not be made durable.
func (d *Database) Undo(cs *ChangeSet) {
	if cs.seq != d.seq || d.txn != nil {
		panic("db: change-sets must be undone in reverse order")
	}
	d.seq--
	d.atoms -= cs.atomsDelta
	for _, r := range cs.refs {
		r.st.refs -= r.delta
	}
	cs.each(func(t *Table, r *RowChange) { // all rows are in their tables
		t.unindex(r.st, r.New)
		switch {
		case r.New == nil:
			r.st.row = r.Old
			t.add(r.st)
		case r.Old != nil:
			t.set(r.st, r.Old)
		}
	})
	cs.each(func(t *Table, r *RowChange) {
		t.updateWeak(r.st, r.New, r.Old)
		t.index(r.st, r.Old)
	})
	cs.each(func(t *Table, r *RowChange) {
		if r.Old == nil {
			t.remove(r.st)
			r.st.row = nil
		}
	})
	for i := range cs.Tables {
		t := cs.Tables[i].table
		t.rows.settle(t)
		t.shrink()
	}
}

func (cs *ChangeSet) each(f func(*Table, *RowChange)) {
	for i := range cs.Tables {
		for j := range cs.Tables[i].Rows {
			f(cs.Tables[i].table, &cs.Tables[i].Rows[j])
		}
	}
}
