package db

import (
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Check examines whether the database is consistent: values against their
// types, counts of references, garbage, weak references, indexes, and the
// tables' own books. It looks at everything, so it takes its time.
func (d *Database) Check() error {
	refs := make(map[*rowState]int32)
	weak := make(map[*rowState]map[*rowState]int32)
	atoms := 0
	for _, t := range d.sorted {
		if err := t.checkBooks(); err != nil {
			return fmt.Errorf("table %s: %w", t.schema.Name, err)
		}
		for _, st := range t.rows.all {
			if err := t.checkRow(st, refs, weak); err != nil {
				return fmt.Errorf("table %s row %s: %w", t.schema.Name, *t.idOf(st), err)
			}
			atoms += t.countAtoms(st.row)
		}
	}
	if atoms != d.atoms {
		return fmt.Errorf("%d atoms are counted as %d", atoms, d.atoms)
	}
	for _, t := range d.sorted {
		for _, st := range t.rows.all {
			if err := t.checkRefs(st, refs[st], weak[st]); err != nil {
				return fmt.Errorf("table %s row %s: %w", t.schema.Name, *t.idOf(st), err)
			}
		}
	}
	return nil
}

// checkBooks checks the bookkeeping of t itself.
func (t *Table) checkBooks() error {
	used := t.rows.slots.Used()
	switch n := len(t.rows.all); {
	case n != used || n != t.live:
		return fmt.Errorf("%d rows in the list, %d in slots, %d counted", n, used, t.live)
	case !t.rows.slots.Fits(n):
		return fmt.Errorf("there are too few slots for %d rows", n)
	case n > t.schema.MaxRows:
		return fmt.Errorf("%d rows, but at most %d are allowed", n, t.schema.MaxRows)
	}
	for i, index := range t.schema.Indexes {
		if len(t.indexes[i]) != len(t.rows.all) {
			return fmt.Errorf("index on %s has %d keys for %d rows", index.English(), len(t.indexes[i]), len(t.rows.all))
		}
	}
	return nil
}

// checkRow checks the content of st, and counts what it refers to.
func (t *Table) checkRow(st *rowState, refs map[*rowState]int32, weak map[*rowState]map[*rowState]int32) error {
	switch {
	case st.row == nil || t.find(st.row.UUID) != st:
		return fmt.Errorf("it is not in its place")
	case st.t != 0:
		return fmt.Errorf("it is part of a transaction")
	case st.row.Version().IsZero():
		return fmt.Errorf("it has no version")
	case st.row.IsDraft():
		return fmt.Errorf("it is not sealed")
	}
	for i, c := range t.schema.Columns {
		if err := st.row.At(i).Check(&c.Type); err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	for i, index := range t.schema.Indexes {
		if t.indexes[i][string(appendKey(nil, st.row, index))] != st {
			return fmt.Errorf("it is not in the index on %s", index.English())
		}
	}
	for i := range t.strong {
		err := t.strong[i].eachTarget(st.row, func(to *rowState) {
			if to != st {
				refs[to]++
			}
		})
		if err != nil {
			return err
		}
	}
	for i := range t.weak {
		err := t.weak[i].eachTarget(st.row, func(to *rowState) {
			if to == st {
				return
			}
			if weak[to] == nil {
				weak[to] = make(map[*rowState]int32)
			}
			weak[to][st]++
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachTarget calls f for every row that column c of row refers to.
func (c *refColumn) eachTarget(row *ovsdb.Row, f func(*rowState)) error {
	d := row.At(c.Index)
	visit := func(t *Table, a ovsdb.Atom) error {
		if t == nil {
			return nil // nor is it a UUID
		}
		id := a.UUID()
		st := t.find(id)
		if st == nil {
			return fmt.Errorf("column %s refers to row %s, which does not exist", c.Name, id)
		}
		f(st)
		return nil
	}
	for i := range d.Len() {
		if err := visit(c.key, d.Key(i)); err != nil {
			return err
		}
		if err := visit(c.value, d.Value(i)); err != nil {
			return err
		}
	}
	return nil
}

// checkRefs compares what is noted of the references to st with those there are.
func (t *Table) checkRefs(st *rowState, refs int32, weak map[*rowState]int32) error {
	switch {
	case st.refs != refs:
		return fmt.Errorf("%d strong references are counted as %d", refs, st.refs)
	case refs == 0 && !t.schema.IsRoot:
		return fmt.Errorf("it is garbage")
	case len(t.referrers[st]) != len(weak):
		return fmt.Errorf("%d rows with weak references are counted as %d", len(weak), len(t.referrers[st]))
	}
	for src, n := range weak {
		if t.referrers[st][src].n != n {
			return fmt.Errorf("%d weak references from row %s are counted as %d", n, src.row.UUID, t.referrers[st][src].n)
		}
	}
	return nil
}
