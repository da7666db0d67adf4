package db

import "github.com/vtep/vtep/internal/ovsdb"

// Cascade deletes rows together with those they refer to: where a strong reference would keep
// a transaction from deleting a row, the row that holds the reference goes in the same
// transaction. A schema cannot ask for it: it is for rows of which the server knows that
// nobody wants to keep them.
type Cascade struct {
	Table, Column string // that refers; a database that has not got it has no such rows
	// Begin is called once in a transaction that has something to ask, with the database as the
	// operations leave it. It returns what says whether a row of the table goes.
	Begin func(d *Database) func(row *ovsdb.Row) bool
}

// cascade deletes the rows that the rules of the transaction let go. References have been
// counted, and those of the rows deleted here are taken off.
func (x *txn) cascade() error {
	for i := range x.cascades {
		rule := &x.cascades[i]
		t := x.db.tables[rule.Table]
		if t == nil {
			continue
		}
		for j := range t.strong {
			if c := &t.strong[j]; c.Name == rule.Column && c.key != nil {
				if err := x.cascadeColumn(rule, t, c); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (x *txn) cascadeColumn(rule *Cascade, t *Table, c *refColumn) error {
	held := c.key.heldBack()
	var goes func(*ovsdb.Row) bool
	for _, st := range t.rows.all {
		if len(held) == 0 {
			return nil
		}
		if st.row == nil || st.t != 0 && t.touched(st).old == nil {
			continue
		}
		target := firstOf(st.row.At(c.Index), held)
		if target == nil {
			continue
		}
		if goes == nil {
			goes = rule.Begin(x.db)
		}
		if !goes(st.row) {
			continue
		}
		tt := x.of(t)
		tt.touch(st)
		for k := range tt.strong {
			s := &tt.strong[k]
			if err := x.adjust(tt, st, s, &tt.found[k], st.row.At(s.Index), -1); err != nil {
				return err
			}
		}
		x.deleteRow(t, st)
		if target.refs == 0 {
			delete(held, target.id)
		}
	}
	return nil
}

// heldBack gives the rows of t that the transaction deletes though references to them remain.
func (t *Table) heldBack() map[ovsdb.UUID]*txnRow {
	held := map[ovsdb.UUID]*txnRow{}
	if t.part == nil {
		return held
	}
	for _, r := range t.part.rows {
		if !r.gone && r.st.row == nil && r.refs != 0 {
			held[r.id] = r
		}
	}
	return held
}

// firstOf finds the first of what d refers to that is among rows; nil: none is.
func firstOf(d ovsdb.Datum, rows map[ovsdb.UUID]*txnRow) *txnRow {
	for a := range d.Keys() {
		if r := rows[a.UUID()]; r != nil {
			return r
		}
	}
	return nil
}
