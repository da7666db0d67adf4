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
	w := recordWriter{dst: slices.Grow(dst, cs.TextSize()), start: len(dst)}
	if w.changes(cs); w.odd {
		w = recordWriter{dst: w.dst[:w.start], start: w.start, whole: true}
		w.changes(cs)
	}
	if len(w.dst) == w.start {
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

// Snapshot is the content of a database at one time. It does not change, and
// may be used by any goroutine.
type Snapshot struct {
	Schema *ovsdb.DatabaseSchema
	Tables []SnapshotTable // by name
}

// SnapshotTable is the content of a table in a Snapshot.
type SnapshotTable struct {
	Schema *ovsdb.TableSchema
	Rows   []*ovsdb.Row
}

// Snapshot returns the content of the database.
func (d *Database) Snapshot() *Snapshot {
	s := &Snapshot{Schema: d.schema}
	for _, t := range d.sorted {
		rows := make([]*ovsdb.Row, 0, t.live)
		for row := range t.All() {
			rows = append(rows, row)
		}
		s.Tables = append(s.Tables, SnapshotTable{t.schema, rows})
	}
	return s
}

// AppendRecord appends the snapshot as one record, which follows that of the
// schema in an OVSDB file.
func (s *Snapshot) AppendRecord(dst []byte, comment string, now time.Time) []byte {
	w := recordWriter{dst: slices.Grow(dst, s.textSize()), start: len(dst)}
	for _, t := range s.Tables {
		w.insertAll(t.Schema, t.Rows)
	}
	return w.finish(comment, now)
}

// textSize is about how many bytes the record has, rather too many than too few: to grow
// step by step would take three times as much memory.
func (s *Snapshot) textSize() int {
	const sample = 100 // rows of each table
	size := 256
	for _, t := range s.Tables {
		if n := min(sample, len(t.Rows)); n > 0 {
			var w recordWriter
			w.insertAll(t.Schema, t.Rows[:n])
			size += len(w.dst) * len(t.Rows) / n
		}
	}
	return size + size/16
}

func (w *recordWriter) insertAll(ts *ovsdb.TableSchema, rows []*ovsdb.Row) {
	w.table = ts
	w.open = false
	for _, row := range rows {
		w.insert(row)
	}
	w.closeTable()
}

// recordWriter writes a record.
type recordWriter struct {
	dst   []byte
	start int
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
		if len(w.dst) == w.start {
			w.dst = append(w.dst, '{')
		}
		w.dst = append(wire.AppendString(w.dst, w.table.Name), ":{"...)
		w.open = true
	}
	w.dst = id.AppendText(append(w.dst, '"'))
	w.dst = append(w.dst, `":`...)
}

// closeTable ends the object of the table. A comma follows, as members of the
// record itself always come last.
func (w *recordWriter) closeTable() {
	if w.open {
		w.dst = append(w.dst, "},"...)
	}
}

func (w *recordWriter) finish(comment string, now time.Time) []byte {
	if len(w.dst) == w.start {
		w.dst = append(w.dst, '{')
	}
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
