package db

import (
	"github.com/vtep/vtep/internal/ovsdb"
)

// cleanWeakRefs removes weak references to rows that do not exist: new ones,
// and those to rows that the transaction deletes. A column may become too
// small by that.
//
// A map may hold a strong and a weak reference in one pair, which goes as a
// whole: then what the strong one referred to may be garbage, and to that there
// may be weak references again.
func (x *txn) cleanWeakRefs() error {
	for {
		x.released = false
		if err := x.cleanOnce(); err != nil || !x.released {
			return err
		}
		if err := x.collectGarbage(); err != nil {
			return err
		}
	}
}

func (x *txn) cleanOnce() error {
	x.each(func(tt *txnTable, r *txnRow) error {
		if r.st.row == nil {
			x.recheckReferrers(tt.Table, r.st)
		}
		return nil
	})
	return x.each(func(tt *txnTable, r *txnRow) error {
		if r.st.row == nil {
			return nil
		}
		for i := range tt.weak {
			c := &tt.weak[i]
			if r.recheck || r.old == nil || r.changed.Has(c.Index) {
				if err := x.cleanColumn(tt, r, c); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// recheckReferrers marks the rows that refer to the deleted row st weakly, and
// makes them a part of the transaction.
func (x *txn) recheckReferrers(t *Table, st *rowState) {
	for src, ref := range t.referrers[st] {
		if src.row != nil {
			x.of(ref.table).touch(src).recheck = true
		}
	}
}

// cleanColumn cleans weak column c of r.
func (x *txn) cleanColumn(tt *txnTable, r *txnRow, c *refColumn) error {
	before := r.st.row.At(c.Index)
	zero := false
	missing := func(t *Table, a ovsdb.Atom) bool {
		if t == nil {
			return false
		}
		id := a.UUID()
		if t.Get(id) != nil {
			return false
		}
		zero = zero || id.IsZero()
		return true
	}
	after := before.Filter(func(key, value ovsdb.Atom) bool {
		return !missing(c.key, key) && !missing(c.value, value)
	})
	if after.Len() == before.Len() {
		return nil
	}
	x.modifyRow(tt.Table, r.st)[c.Index] = after
	if c.strong != nil {
		x.released = true
		_, removed := ovsdb.AddedRemoved(before, after, &c.Type)
		if err := x.adjust(tt, r.st, c.strong, &target{}, removed, -1); err != nil {
			return err
		}
	}
	if r.old != nil {
		if after.Equal(r.old.At(c.Index), &c.Type) {
			r.changed.remove(c.Index)
		} else {
			r.changed.add(c.Index)
		}
		if r.changed.IsEmpty() {
			r.st.row = r.old
		}
	}
	if after.Len() >= c.Type.Min {
		return nil
	}
	return weakError(tt, r, c, before.Len()-after.Len(), zero)
}

func weakError(tt *txnTable, r *txnRow, c *refColumn, n int, zero bool) error {
	if zero && r.old == nil {
		return ovsdb.ConstraintError(`Weak reference column "%s" in "%s" row %s (inserted within this transaction) `+
			`contained all-zeros UUID (probably as the default value for this column) but deleting this value `+
			`caused a constraint volation because this column is not allowed to be empty.`,
			c.Name, tt.schema.Name, r.id)
	}
	inserted := ""
	if r.old == nil {
		inserted = "(inserted within this transaction) "
	}
	return ovsdb.ConstraintError(`Deletion of %d weak reference(s) to deleted (or never-existing) rows from column "%s" `+
		`in "%s" row %s %scaused this column to become empty, but constraints on this column disallow an empty column.`,
		n, c.Name, tt.schema.Name, r.id, inserted)
}

// updateWeak replaces the weak references of st as it was in old by those of
// new; either may be nil. The rows that are deleted must still be in their tables.
func (t *Table) updateWeak(st *rowState, old, new *ovsdb.Row) {
	if old == new {
		return
	}
	for i := range t.weak {
		c := &t.weak[i]
		if old != nil && new != nil && old.At(c.Index).Equal(new.At(c.Index), &c.Type) {
			continue
		}
		if old != nil {
			t.refer(c, st, old.At(c.Index), -1)
		}
		if new != nil {
			t.refer(c, st, new.At(c.Index), +1)
		}
	}
}

// refer adds delta to the weak references from src, a row of t, to what it
// refers to with d in column c.
func (t *Table) refer(c *refColumn, src *rowState, d ovsdb.Datum, delta int32) {
	for i := range d.Len() {
		if c.key != nil {
			c.key.referred(d.Key(i).UUID(), t, src, delta)
		}
		if c.value != nil {
			c.value.referred(d.Value(i).UUID(), t, src, delta)
		}
	}
}

// referred adds delta to the weak references to the row id of t.
func (t *Table) referred(id ovsdb.UUID, from *Table, src *rowState, delta int32) {
	st := t.find(id)
	if st == nil || st == src {
		return
	}
	refs := t.referrers[st]
	ref := referrer{from, refs[src].n + delta}
	if ref.n != 0 {
		if refs == nil {
			refs = make(map[*rowState]referrer)
			if t.referrers == nil {
				t.referrers = make(map[*rowState]map[*rowState]referrer)
			}
			t.referrers[st] = refs
		}
		refs[src] = ref
		return
	}
	if delete(refs, src); len(refs) == 0 {
		delete(t.referrers, st)
	}
}
