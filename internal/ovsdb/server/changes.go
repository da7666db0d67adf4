package server

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
)

// changes are any number of transactions merged, row by row: what the first of them found
// and what the last of them left. A row that appeared and went, or that ends as it began,
// shows no trace or an empty change.
type changes struct {
	tables map[*ovsdb.TableSchema]map[ovsdb.UUID]*merged
	rows   int
	bytes  int // about what all this keeps in memory
}

type merged struct{ old, new *ovsdb.Row }

func newChanges() *changes {
	return &changes{tables: map[*ovsdb.TableSchema]map[ovsdb.UUID]*merged{}}
}

// add merges the part of a later change set that spec shows.
func (c *changes) add(cs *db.ChangeSet, spec *monitorSpec) {
	perRow := cs.RowSize()
	for i := range cs.Tables {
		tc := &cs.Tables[i]
		if spec.tables[tc.Schema] == nil {
			continue
		}
		rows := c.tables[tc.Schema]
		if rows == nil {
			rows = map[ovsdb.UUID]*merged{}
			c.tables[tc.Schema] = rows
		}
		for j := range tc.Rows {
			r := &tc.Rows[j]
			c.addRow(rows, r.Old, r.New, perRow)
		}
	}
}

func (c *changes) addRow(rows map[ovsdb.UUID]*merged, old, new *ovsdb.Row, size int) {
	id := new
	if id == nil {
		id = old
	}
	m := rows[id.UUID]
	switch {
	case m == nil:
		rows[id.UUID] = &merged{old, new}
		c.rows++
		c.bytes += size
	case m.old == nil && new == nil:
		delete(rows, id.UUID)
		c.bytes -= c.bytes / c.rows
		c.rows--
	default:
		m.new = new
	}
}

// render gives the <table-updates> of the merged changes, nil if they show nothing.
func (c *changes) render(spec *monitorSpec) []byte {
	var w updateWriter
	for ts, rows := range c.tables {
		t := spec.tables[ts]
		for _, m := range rows {
			w.row(spec.proto, t, m.old, m.new, false)
		}
	}
	return w.finish()
}

// renderChangeSet gives the <table-updates> of one transaction, nil if spec shows none of it.
func renderChangeSet(cs *db.ChangeSet, spec *monitorSpec) []byte {
	w := updateWriter{buf: make([]byte, 0, cs.TextSize())}
	for i := range cs.Tables {
		tc := &cs.Tables[i]
		t := spec.tables[tc.Schema]
		if t == nil {
			continue
		}
		for j := range tc.Rows {
			w.row(spec.proto, t, tc.Rows[j].Old, tc.Rows[j].New, false)
		}
	}
	return w.finish()
}

// renderInitial gives the <table-updates> of a whole database, nil if spec shows none of it.
func renderInitial(d *db.Database, spec *monitorSpec) []byte {
	var w updateWriter
	if !spec.conditional() { // room for all at once: to grow step by step would take three times as much
		w.buf = make([]byte, 0, initialSize(d, spec))
	}
	for ts, t := range spec.tables {
		if t.sel&selInitial == 0 || t.cond.IsFalse() {
			continue
		}
		for row := range d.Table(ts.Name).All() {
			w.row(spec.proto, t, nil, row, true)
		}
	}
	return w.finish()
}

// initialSize is about how many bytes renderInitial gives without conditions, rather too many
// than too few.
func initialSize(d *db.Database, spec *monitorSpec) int {
	const sample = 100 // rows of each table
	size := 64
	for ts, t := range spec.tables {
		var w updateWriter
		n := 0
		for row := range d.Table(ts.Name).All() {
			if w.row(spec.proto, t, nil, row, true); n == sample {
				break
			}
			n++
		}
		if n > 0 {
			size += len(w.buf) * d.Table(ts.Name).Len() / n
		}
	}
	return size + size/16
}
