package db

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
)

// match returns the rows of t that meet cond, in any order. A condition that
// names a row, or gives the whole key of a unique index, needs no scan.
func (x *txn) match(t *Table, cond ovsdb.Condition) []*rowState {
	for i := range cond {
		c := &cond[i]
		switch {
		case c.Function == ovsdb.FuncFalse:
			return nil
		case c.Column == ovsdb.UUIDColumn && c.Function == ovsdb.FuncEqual:
			st := t.find(c.Arg.Key(0).UUID())
			if st == nil || st.row == nil || !cond.Matches(st.row) {
				return nil
			}
			return []*rowState{st}
		}
	}
	if rows, ok := x.matchIndex(t, cond); ok {
		return rows
	}
	var rows []*rowState
	if len(cond) == 0 {
		rows = make([]*rowState, 0, t.live)
	}
	for _, st := range t.rows.all {
		if st.row != nil && cond.Matches(st.row) {
			rows = append(rows, st)
		}
	}
	return rows
}

// matchIndex is match by a unique index, if cond gives the key of one.
func (x *txn) matchIndex(t *Table, cond ovsdb.Condition) ([]*rowState, bool) {
	for i, index := range t.schema.Indexes {
		key, ok := condKey(cond, index)
		if !ok {
			continue
		}
		// The index tells of committed rows only, and their old keys.
		candidates := x.lookup(t, i, key)
		if st := t.indexes[i][string(key)]; st != nil && !slices.Contains(candidates, st) {
			candidates = append(candidates, st)
		}
		rows := candidates[:0]
		for _, st := range candidates {
			if st.row != nil && cond.Matches(st.row) {
				rows = append(rows, st)
			}
		}
		return rows, true
	}
	return nil, false
}

// condKey returns the key that cond gives for index, if it does.
func condKey(cond ovsdb.Condition, index ovsdb.ColumnSet) ([]byte, bool) {
	var key []byte
	for _, c := range index {
		i := slices.IndexFunc(cond, func(cl ovsdb.Clause) bool {
			return cl.Column == c && cl.Function == ovsdb.FuncEqual
		})
		if i < 0 || c.Index < 0 {
			return nil, false
		}
		key = cond[i].Arg.AppendKey(key, &c.Type)
	}
	return key, true
}

// lookup returns the rows of the transaction that have, or had since it began,
// the given key in index i.
//
// They are found in the overlay: the keys of all rows that the transaction has
// touched. It is made at the first lookup, and only grows: rows in it may have
// got other keys since.
func (x *txn) lookup(t *Table, i int, key []byte) []*rowState {
	tt := t.part
	if tt == nil {
		return nil
	}
	if tt.overlay == nil {
		tt.overlay = make([]map[string][]*rowState, len(t.schema.Indexes))
		for j := range tt.overlay {
			tt.overlay[j] = make(map[string][]*rowState)
		}
	}
	for ; tt.overlaid < len(tt.rows); tt.overlaid++ {
		if r := tt.rows[tt.overlaid]; !r.gone {
			tt.enter(r.st)
		}
	}
	return slices.Clone(tt.overlay[i][string(key)])
}

// enter enters the present keys of st into the overlay.
func (tt *txnTable) enter(st *rowState) {
	if st.row == nil {
		return
	}
	for i, index := range tt.schema.Indexes {
		key := appendKey(nil, st.row, index)
		if rows := tt.overlay[i][string(key)]; !slices.Contains(rows, st) {
			tt.overlay[i][string(key)] = append(rows, st)
		}
	}
}
