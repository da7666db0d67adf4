package db

import (
	"slices"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// AppendRecord appends the change-set as a record of an OVSDB file: persistent columns, of
// modified rows as differences, which ovsdb-server understands from Open vSwitch 2.15 on. It
// appends nothing if there is nothing to remember. May be called by any goroutine.
func (cs *ChangeSet) AppendRecord(dst []byte, now time.Time) []byte {
	start := len(dst)
	w := recordWriter{dst: slices.Grow(dst, cs.TextSize())}
	if w.changes(cs); w.odd {
		w = recordWriter{dst: w.dst[:start], whole: true}
		w.changes(cs)
	}
	if !w.begun {
		return dst
	}
	return w.finish(cs.Comment, now)
}

func (w *recordWriter) changes(cs *ChangeSet) {
	for i := range cs.Tables {
		tc := &cs.Tables[i]
		w.table = tc.Schema
		w.open = false
		for j := range tc.Rows {
			w.row(&tc.Rows[j])
		}
		w.closeTable()
	}
}

// recordWriter writes a record.
type recordWriter struct {
	dst   []byte
	begun bool // there is something in it
	table *ovsdb.TableSchema
	open  bool // the object of table is open
	diff  bool // something is written as a difference
	whole bool // nothing may be: all columns have their new values
	odd   bool // a difference has more elements than its column may have
}

// begin opens the record and the table as needed, and begins the member of a row.
func (w *recordWriter) begin(id ovsdb.UUID) {
	if w.open {
		w.dst = append(w.dst, ',')
	} else {
		w.beginRecord()
		w.dst = append(wire.AppendString(w.dst, w.table.Name), ":{"...)
		w.open = true
	}
	w.dst = id.AppendText(append(w.dst, '"'))
	w.dst = append(w.dst, `":`...)
}

func (w *recordWriter) beginRecord() {
	if !w.begun {
		w.dst = append(w.dst, '{')
		w.begun = true
	}
}

// closeTable ends the object of the table. A comma follows, as members of the
// record itself always come last.
func (w *recordWriter) closeTable() {
	if w.open {
		w.dst = append(w.dst, "},"...)
	}
}

func (w *recordWriter) finish(comment string, now time.Time) []byte {
	w.beginRecord()
	if w.diff {
		w.dst = append(w.dst, `"_is_diff":true,`...)
	}
	if comment != "" {
		w.dst = append(wire.AppendString(append(w.dst, `"_comment":`...), comment), ',')
	}
	w.dst = wire.AppendInt(append(w.dst, `"_date":`...), now.UnixMilli())
	return append(w.dst, '}')
}

func (w *recordWriter) row(r *RowChange) {
	switch {
	case r.Old == nil:
		w.insert(r.New)
	case r.New == nil:
		w.begin(r.Old.UUID)
		w.dst = append(w.dst, "null"...)
	default:
		w.modify(r)
	}
}

// insert writes a row without the columns that have their default value.
func (w *recordWriter) insert(row *ovsdb.Row) {
	w.begin(row.UUID)
	w.dst = append(w.dst, '{')
	first := true
	for i, c := range w.table.Columns {
		if c.Persistent && !row.At(i).IsDefault(&c.Type) {
			w.column(row.At(i), c, first)
			first = false
		}
	}
	w.dst = append(w.dst, '}')
}

// modify writes the columns that differ, if any of those is persistent. A reader adds the
// elements of a difference that it does not have, and removes those it has: so one element
// of a large set costs no more than itself.
func (w *recordWriter) modify(r *RowChange) {
	first := true
	for i, c := range w.table.Columns {
		if !c.Persistent || !r.Columns.Has(i) {
			continue
		}
		if first {
			w.begin(r.New.UUID)
			w.dst = append(w.dst, '{')
		}
		value := r.New.At(i)
		if c.Type.IsComposite() && !w.whole {
			value = ovsdb.Diff(r.Old.At(i), value, &c.Type)
			w.diff = true
			// Some versions of ovsdb-server, like 3.1, write what they then refuse to read.
			w.odd = w.odd || value.Len() > c.Type.Max
		}
		w.column(value, c, first)
		first = false
	}
	if !first {
		w.dst = append(w.dst, '}')
	}
}

func (w *recordWriter) column(value ovsdb.Datum, c *ovsdb.ColumnSchema, first bool) {
	if !first {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(wire.AppendString(w.dst, c.Name), ':')
	w.dst = ovsdb.AppendExactDatum(w.dst, value, &c.Type)
}
