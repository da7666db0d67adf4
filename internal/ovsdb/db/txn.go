package db

import (
	"github.com/vtep/vtep/internal/ovsdb"
)

// txn is the transaction being executed. Its changes are in the tables
// already; abort takes them back.
type txn struct {
	db      *Database
	comment string
	tables  []*txnTable                                           // in the order in which they were touched
	permit  func(*Database, *ovsdb.TableSchema, *RowChange) error // see Env

	cascades []Cascade // see Env

	released bool // cleaning weak references has removed strong ones
}

// txnTable is the part of one table in a transaction. Table.spare keeps it for
// the next transaction.
type txnTable struct {
	*Table
	rows  []*txnRow // in the order in which they were touched; some may be gone
	block []txnRow  // memory for more of them
	first [4]txnRow // where block begins
	found []target  // by index in Table.strong: what the last reference was found to refer to
	seen  int       // rows that each has visited

	overlay  []map[string][]*rowState // see query.go
	overlaid int                      // rows that are in overlay
}

// txnRow is the part of one row in a transaction. The row's present content is
// st.row:
//
//	old      st.row
//	nil      set      inserted
//	set      nil      deleted
//	set      set      modified, or only touched: then both are equal
//	nil      nil      inserted and deleted again
//
// Unless it is old, st.row belongs to the transaction: as it was inserted, or a Draft, which is
// changed in place and sealed by the commit.
type txnRow struct {
	st      *rowState
	id      ovsdb.UUID
	old     *ovsdb.Row
	changed Columns // from the commit on: what differs
	refs    int32   // strong references, as they will be after the commit
	gone    bool    // no longer a part of the transaction
	recheck bool    // the target of a weak reference has been deleted
}

// target is a row that a strong reference refers to.
type target struct {
	table *Table
	row   *txnRow
}

// begin begins a transaction.
func (d *Database) begin() *txn {
	if d.txn != nil {
		panic("db: transaction within a transaction")
	}
	d.txn = &txn{db: d, tables: d.spare[:0]}
	return d.txn
}

// end takes every row out of the transaction.
func (x *txn) end() {
	for _, tt := range x.tables {
		tt.Table.rows.settle(tt.Table)
		for _, r := range tt.rows {
			if !r.gone {
				r.st.t = 0
			}
		}
		tt.reset()
	}
	x.db.arena.Reset()
	x.db.fresh.Reset()
	x.db.spare = x.tables
	x.db.txn = nil
}

// maxSpareRows is how many txnTable.rows may stay for the next transaction.
const maxSpareRows = 1024

// reset takes tt out of the transaction and leaves it empty for the next.
func (tt *txnTable) reset() {
	rows := tt.rows
	clear(rows)
	if cap(rows) > maxSpareRows {
		rows = nil
	}
	clear(tt.found)
	*tt = txnTable{Table: tt.Table, rows: rows[:0], found: tt.found}
	tt.Table.part, tt.Table.spare = nil, tt
}

// abort puts everything back.
func (x *txn) abort() {
	for _, tt := range x.tables {
		for _, r := range tt.rows {
			switch {
			case r.gone:
			case r.old == nil:
				tt.remove(r.st) // while idOf finds it
			default:
				tt.set(r.st, r.old)
			}
		}
		tt.shrink()
	}
	x.end()
}

// of returns the part of t in the transaction.
func (x *txn) of(t *Table) *txnTable {
	if t.part != nil {
		return t.part
	}
	tt := t.spare
	if tt == nil {
		tt = &txnTable{Table: t, found: make([]target, len(t.strong))}
	}
	tt.block = tt.first[:]
	t.part = tt
	x.tables = append(x.tables, tt)
	return tt
}

// touch makes st a part of the transaction, if it is none.
func (tt *txnTable) touch(st *rowState) *txnRow {
	if st.t != 0 {
		return tt.rows[st.t-1]
	}
	if len(tt.block) == 0 {
		tt.block = make([]txnRow, min(len(tt.rows), 512))
	}
	r := &tt.block[0]
	tt.block = tt.block[1:]
	r.st, r.id, r.old, r.refs = st, st.row.UUID, st.row, st.refs
	tt.rows = append(tt.rows, r)
	st.t = int32(len(tt.rows))
	return r
}

// insertRow inserts row, which becomes the transaction's.
func (x *txn) insertRow(t *Table, row *ovsdb.Row) {
	st := &rowState{row: row}
	r := x.of(t).touch(st)
	r.old = nil
	t.add(st)
}

// modifyRow returns the values of st for the transaction to change.
func (x *txn) modifyRow(t *Table, st *rowState) []ovsdb.Datum {
	x.of(t).touch(st)
	if !st.row.IsDraft() {
		st.row = x.db.arena.Edit(st.row)
	}
	return st.row.Draft()
}

// modified has to be called after the values that modifyRow returned were changed
// by an operation.
func (x *txn) modified(t *Table, st *rowState) {
	if tt := x.of(t); tt.overlay != nil {
		tt.enter(st)
	}
}

// deleteRow deletes st.
func (x *txn) deleteRow(t *Table, st *rowState) {
	r := x.of(t).touch(st)
	if r.old != nil {
		t.set(st, nil)
		return
	}
	// Nothing remains of a row that this transaction inserted; its UUID may be
	// used again.
	t.remove(st)
	r.gone = true
	st.t, st.row = 0, nil
}

// mayInsert reports whether a row with the given UUID can be inserted: there
// is none, and the transaction has deleted none.
func (t *Table) mayInsert(id ovsdb.UUID) bool { return t.find(id) == nil }
