package db

import (
	"math/bits"

	"github.com/vtep/vtep/internal/ovsdb"
)

// ChangeSet is what a committed transaction changed. It does not change, and
// may be read by other goroutines.
type ChangeSet struct {
	TxnID   ovsdb.UUID
	Comment string
	Tables  []TableChanges // those with changes, each once
	Atoms   int            // in all old and new rows: a measure of size

	texts      int        // atoms of inserted rows, and modified columns: what text shows
	seq        uint64     // Database.seq after the commit
	atomsDelta int        // what the commit added to Database.atoms
	refs       []refDelta // changes of reference counts
}

// TableChanges is what changed in one table.
type TableChanges struct {
	Schema *ovsdb.TableSchema
	Rows   []RowChange // each row once

	table *Table
}

// RowChange is what happened to one row: it was inserted (Old is nil), deleted
// (New is nil) or modified.
type RowChange struct {
	Old, New *ovsdb.Row
	Columns  Columns // of a modified row: those that differ. Otherwise empty

	st *rowState
}

// refDelta is a change of the number of strong references to a row.
type refDelta struct {
	st    *rowState
	delta int32
}

// Changed reports whether column c differs: always, for an inserted or deleted
// row; _version always, _uuid never for a modified one.
func (r *RowChange) Changed(c *ovsdb.ColumnSchema) bool {
	if r.Old == nil || r.New == nil {
		return true
	}
	if c.Index < 0 {
		return c.Index == ovsdb.VersionColumn.Index
	}
	return r.Columns.Has(c.Index)
}

// UUID returns the UUID of the row.
func (r *RowChange) UUID() ovsdb.UUID {
	if r.New != nil {
		return r.New.UUID
	}
	return r.Old.UUID
}

// TextSize is about how many bytes the change-set has as JSON: room for that
// saves growing a buffer step by step.
func (cs *ChangeSet) TextSize() int {
	const perRow, perAtom = 64, 48 // UUIDs, names and punctuation prevail
	n := perAtom * cs.texts
	for i := range cs.Tables {
		n += perRow * len(cs.Tables[i].Rows)
	}
	return n
}

// RowSize is about how many bytes remembering one row of the change-set takes, before and
// after: on average, as telling the large ones from the small ones is not worth the time.
func (cs *ChangeSet) RowSize() int {
	const perRow, perAtom = 192, 40
	rows := 0
	for i := range cs.Tables {
		rows += len(cs.Tables[i].Rows)
	}
	return perRow + perAtom*cs.Atoms/max(rows, 1)
}

// Columns is a set of columns of one table, by their index.
type Columns struct {
	low  uint64
	high *[]uint64 // columns from 64 on; nil: none
}

// Has reports whether the column with index i is in the set.
func (c *Columns) Has(i int) bool {
	if i < 64 {
		return c.low>>i&1 != 0
	}
	w := i/64 - 1
	return c.high != nil && w < len(*c.high) && (*c.high)[w]>>(i%64)&1 != 0
}

// IsEmpty reports whether the set is empty.
func (c *Columns) IsEmpty() bool { return c.Len() == 0 }

// Len returns the number of columns in the set.
func (c *Columns) Len() int {
	n := bits.OnesCount64(c.low)
	if c.high != nil {
		for _, w := range *c.high {
			n += bits.OnesCount64(w)
		}
	}
	return n
}

func (c *Columns) add(i int) {
	if i < 64 {
		c.low |= 1 << i
		return
	}
	if c.high == nil {
		c.high = new([]uint64)
	}
	w := i/64 - 1
	for len(*c.high) <= w {
		*c.high = append(*c.high, 0)
	}
	(*c.high)[w] |= 1 << (i % 64)
}

func (c *Columns) remove(i int) {
	if i < 64 {
		c.low &^= 1 << i
	} else if c.Has(i) {
		(*c.high)[i/64-1] &^= 1 << (i % 64)
	}
}

// EachRow implements ovsdb.Changes.
func (cs *ChangeSet) EachRow(visit func(t *ovsdb.TableSchema, before, after *ovsdb.Row)) {
	for i := range cs.Tables {
		tc := &cs.Tables[i]
		for j := range tc.Rows {
			visit(tc.Schema, tc.Rows[j].Old, tc.Rows[j].New)
		}
	}
}
