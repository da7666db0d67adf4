package db

import (
	"github.com/vtep/vtep/internal/ovsdb"
)

// countRefs counts the strong references that the transaction adds and
// removes. Rows that they refer to become a part of it.
func (x *txn) countRefs() error {
	return x.each(func(tt *txnTable, r *txnRow) error {
		if r.old == r.st.row {
			return nil
		}
		for i := range tt.strong {
			c := &tt.strong[i]
			if r.old != nil && r.st.row != nil && !r.changed.Has(c.Index) {
				continue
			}
			if err := x.countColumn(tt, r, c, &tt.found[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (x *txn) countColumn(tt *txnTable, r *txnRow, c *refColumn, found *target) error {
	var added, removed ovsdb.Datum
	switch {
	case r.old == nil && r.st.row == nil:
		return nil
	case r.old == nil:
		added = r.st.row.At(c.Index)
	case r.st.row == nil:
		removed = r.old.At(c.Index)
	default:
		added, removed = ovsdb.AddedRemoved(r.old.At(c.Index), r.st.row.At(c.Index), &c.Type)
	}
	if err := x.adjust(tt, r.st, c, found, removed, -1); err != nil {
		return err
	}
	return x.adjust(tt, r.st, c, found, added, +1)
}

// adjust adds delta to the reference counts of what column c of src refers to with d.
func (x *txn) adjust(tt *txnTable, src *rowState, c *refColumn, found *target, d ovsdb.Datum, delta int32) error {
	for i := range d.Len() {
		if c.key != nil {
			if err := x.adjustOne(tt, src, c, found, c.key, d.Key(i).UUID(), delta); err != nil {
				return err
			}
		}
		if c.value != nil {
			if err := x.adjustOne(tt, src, c, found, c.value, d.Value(i).UUID(), delta); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *txn) adjustOne(tt *txnTable, src *rowState, c *refColumn, found *target, t *Table, id ovsdb.UUID, delta int32) error {
	if t == tt.Table && id == *t.idOf(src) {
		return nil // a reference to itself does not keep a row
	}
	if found.table != t || found.row.id != id {
		st := t.find(id)
		if st == nil {
			return ovsdb.IntegrityError("Table %s column %s row %s references nonexistent row %s in table %s.",
				tt.schema.Name, c.Name, *tt.idOf(src), id, t.schema.Name)
		}
		*found = target{table: t, row: x.of(t).touch(st)}
	}
	found.row.refs += delta
	return nil
}

// checkDeleted refuses to delete rows that are still referred to.
func (x *txn) checkDeleted() error {
	for _, tt := range x.tables {
		for _, r := range tt.rows {
			if !r.gone && r.st.row == nil && r.refs != 0 {
				return ovsdb.IntegrityError("cannot delete %s row %s because of %d remaining reference(s)",
					tt.schema.Name, r.id, r.refs)
			}
		}
	}
	return nil
}

// collectGarbage deletes rows of non-root tables that nothing refers to, and
// what only those referred to.
func (x *txn) collectGarbage() error {
	return x.each(func(tt *txnTable, r *txnRow) error {
		if tt.schema.IsRoot || r.st.row == nil || r.refs != 0 {
			return nil
		}
		for todo := []garbage{{tt.Table, r.st}}; len(todo) > 0; {
			g := todo[len(todo)-1]
			todo = x.collect(g, todo[:len(todo)-1])
		}
		return nil
	})
}

// garbage is a row to collect.
type garbage struct {
	t  *Table
	st *rowState
}

// collect deletes g and appends to todo what becomes garbage by that.
func (x *txn) collect(g garbage, todo []garbage) []garbage {
	row := g.st.row
	x.of(g.t).touch(g.st)
	g.t.set(g.st, nil)
	release := func(t *Table, id ovsdb.UUID) {
		if t == nil || id == row.UUID && t == g.t {
			return
		}
		st := t.find(id)
		if st == nil {
			return
		}
		r := x.of(t).touch(st)
		if r.refs--; r.refs == 0 && !t.schema.IsRoot && st.row != nil {
			todo = append(todo, garbage{t, st})
		}
	}
	for _, c := range g.t.strong {
		d := row.At(c.Index)
		for i := range d.Len() {
			if c.key != nil {
				release(c.key, d.Key(i).UUID())
			}
			if c.value != nil {
				release(c.value, d.Value(i).UUID())
			}
		}
	}
	return todo
}
