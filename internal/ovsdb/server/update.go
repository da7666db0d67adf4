package server

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// updateWriter renders a <table-updates> object. Rows of one table are added one after
// another. What would be empty is left out, down to the whole.
type updateWriter struct {
	buf   []byte
	table *ovsdb.TableSchema // whose object is open; nil: none yet
}

// row renders the change of one row of t from old (nil: inserted) to new (nil: deleted), if
// the monitor shows it. initial renders new as part of the first answer to a monitor.
func (w *updateWriter) row(proto protocol, t *monitorTable, old, new *ovsdb.Row, initial bool) {
	kind := changeKind(old, new, initial)
	if proto != protoMonitor {
		kind = t.conditionKind(kind, old, new)
	}
	if kind&t.sel == 0 {
		return
	}
	if kind == selModify && !t.changed(old, new) {
		return // changed and changed back, or in columns that are not shown
	}
	w.open(t.schema)
	id := new
	if id == nil {
		id = old
	}
	w.buf = append(w.buf, '"')
	w.buf = id.UUID.AppendText(w.buf)
	w.buf = append(w.buf, `":`...)
	if proto == protoMonitor {
		w.buf = t.appendRowUpdate(w.buf, kind, old, new)
	} else {
		w.buf = t.appendRowUpdate2(w.buf, kind, old, new)
	}
}

// open opens the object of table ts, or a gap for one more row in it.
func (w *updateWriter) open(ts *ovsdb.TableSchema) {
	switch w.table {
	case ts:
		w.buf = append(w.buf, ',')
		return
	case nil:
		w.buf = append(w.buf, '{')
	default:
		w.buf = append(w.buf, `},`...)
	}
	w.table = ts
	w.buf = wire.AppendString(w.buf, ts.Name)
	w.buf = append(w.buf, `:{`...)
}

// finish returns the object, nil if nothing was added.
func (w *updateWriter) finish() []byte {
	if w.table == nil {
		return nil
	}
	return append(w.buf, `}}`...)
}

func changeKind(old, new *ovsdb.Row, initial bool) selection {
	switch {
	case initial:
		return selInitial
	case old == nil:
		return selInsert
	case new == nil:
		return selDelete
	}
	return selModify
}

// conditionKind turns a change of a row into what a monitor sees that only shows the rows
// that meet its condition; 0: nothing.
func (t *monitorTable) conditionKind(kind selection, old, new *ovsdb.Row) selection {
	if t.cond.IsTrue() {
		return kind
	}
	before := old != nil && t.cond.MatchesAny(old)
	after := new != nil && t.cond.MatchesAny(new)
	switch {
	case kind == selInitial && after:
		return selInitial
	case before && after:
		return selModify
	case before:
		return selDelete
	case after:
		return selInsert
	}
	return 0
}

// changed says whether a column differs that is shown or that the condition looks at.
func (t *monitorTable) changed(old, new *ovsdb.Row) bool {
	for _, c := range t.columns {
		if fieldChanged(c.ColumnSchema, old, new) {
			return true
		}
	}
	for i := range t.cond {
		if fieldChanged(t.cond[i].Column, old, new) {
			return true
		}
	}
	return false
}

func fieldChanged(c *ovsdb.ColumnSchema, old, new *ovsdb.Row) bool {
	switch c {
	case ovsdb.UUIDColumn:
		return false
	case ovsdb.VersionColumn:
		return !old.SameVersion(new)
	}
	return !old.At(c.Index).Equal(new.At(c.Index), &c.Type)
}

// appendRowUpdate appends a <row-update> of RFC 7047: all of the new row, and of the old one
// what has changed or, of a deleted row, all.
func (t *monitorTable) appendRowUpdate(dst []byte, kind selection, old, new *ovsdb.Row) []byte {
	dst = append(dst, '{')
	if kind&(selInitial|selInsert|selModify) != 0 {
		dst = append(dst, `"new":`...)
		dst = t.appendFields(dst, kind, new, func(*ovsdb.ColumnSchema) bool { return true })
	}
	if kind == selModify {
		dst = append(dst, ',')
	}
	if kind&(selDelete|selModify) != 0 {
		dst = append(dst, `"old":`...)
		dst = t.appendFields(dst, kind, old, func(c *ovsdb.ColumnSchema) bool {
			return kind == selDelete || fieldChanged(c, old, new)
		})
	}
	return append(dst, '}')
}

// appendRowUpdate2 appends a <row-update2>: of a new row what is not default, of a modified
// one the differences. The difference of a column that holds one value at most is its new
// value.
func (t *monitorTable) appendRowUpdate2(dst []byte, kind selection, old, new *ovsdb.Row) []byte {
	switch kind {
	case selDelete:
		return append(dst, `{"delete":null}`...)
	case selModify:
		dst = append(dst, `{"modify":{`...)
		first := true
		for _, c := range t.columns {
			if c.sel&kind == 0 || !fieldChanged(c.ColumnSchema, old, new) {
				continue
			}
			dst, first = appendName(dst, c.Name, first), false
			if c.Index < 0 {
				dst = new.AppendField(dst, c.ColumnSchema)
				continue
			}
			diff := ovsdb.Diff(old.At(c.Index), new.At(c.Index), &c.Type)
			dst = ovsdb.AppendDatum(dst, diff, &c.Type)
		}
		return append(dst, `}}`...)
	case selInitial:
		dst = append(dst, `{"initial":`...)
	default:
		dst = append(dst, `{"insert":`...)
	}
	dst = t.appendFields(dst, kind, new, func(c *ovsdb.ColumnSchema) bool {
		return c.Index < 0 || !new.At(c.Index).IsDefault(&c.Type)
	})
	return append(dst, '}')
}

// appendFields appends an object of those columns of r that are shown for this kind of
// change and that want lets pass.
func (t *monitorTable) appendFields(dst []byte, kind selection, r *ovsdb.Row, want func(*ovsdb.ColumnSchema) bool) []byte {
	dst = append(dst, '{')
	first := true
	for _, c := range t.columns {
		if c.sel&kind == 0 || !want(c.ColumnSchema) {
			continue
		}
		dst, first = appendName(dst, c.Name, first), false
		dst = r.AppendField(dst, c.ColumnSchema)
	}
	return append(dst, '}')
}

// appendName appends the name of a member and its colon, and a comma before if need be.
func appendName(dst []byte, name string, first bool) []byte {
	if !first {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...) // an <id>: nothing to escape
	return append(dst, `":`...)
}
