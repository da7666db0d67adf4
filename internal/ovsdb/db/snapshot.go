package db

import (
	"iter"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Snapshot is the content of a database at one time. It does not change, and
// may be used by any goroutine.
type Snapshot struct {
	Schema *ovsdb.DatabaseSchema
	tables []snapshotTable // by name
}

// snapshotTable is the content of a table in a Snapshot: those rows of parts that are not in
// before, and those of changed.
type snapshotTable struct {
	schema  *ovsdb.TableSchema
	parts   [][]*ovsdb.Row
	before  map[ovsdb.UUID]*ovsdb.Row
	changed []*ovsdb.Row
}

func (t *snapshotTable) rows(yield func(*ovsdb.Row) bool) {
	for _, part := range t.parts {
		for _, row := range part {
			if len(t.before) > 0 {
				if _, ok := t.before[row.UUID]; ok {
					continue
				}
			}
			if !yield(row) {
				return
			}
		}
	}
	for _, row := range t.changed {
		if !yield(row) {
			return
		}
	}
}

// Snapshot returns the content of the database.
func (d *Database) Snapshot() *Snapshot {
	c := d.StartSnapshot()
	for !c.Step(snapshotPart) {
	}
	return c.Snapshot()
}

// Copying is the taking of a Snapshot, step by step, so that a large database need not stand
// still. The snapshot shows the time of StartSnapshot: of rows that change before they are
// copied, or after, it has what they were.
type Copying struct {
	db     *Database
	tables []*tableCopy // by name
	next   int          // of these, the one to go on with
}

// tableCopy is what has been copied of a table: from the end of its rows to the front, as a row
// that is deleted has its place taken by the last.
type tableCopy struct {
	snapshotTable
	table *Table
	left  int                     // rows that are not copied: those before this position
	twice map[ovsdb.UUID]struct{} // copied rows that took the place of one that was not
}

// snapshotPart is how many rows a part of a snapshot has.
const snapshotPart = 4096

// StartSnapshot begins to take a snapshot. Nothing else may until it is done, or stopped.
func (d *Database) StartSnapshot() *Copying {
	c := &Copying{db: d}
	for _, t := range d.sorted {
		tc := &tableCopy{
			snapshotTable: snapshotTable{schema: t.schema, before: map[ovsdb.UUID]*ovsdb.Row{}},
			table:         t,
			left:          len(t.rows.all),
			twice:         map[ovsdb.UUID]struct{}{},
		}
		if t.copying != nil || d.txn != nil {
			panic("db: a snapshot within another, or a transaction")
		}
		t.copying = tc
		c.tables = append(c.tables, tc)
	}
	return c
}

// Step copies about n rows, and reports whether that were the last.
func (c *Copying) Step(n int) bool {
	for ; c.next < len(c.tables); c.next++ {
		t := c.tables[c.next]
		for t.left = min(t.left, len(t.table.rows.all)); t.left > 0; n -= snapshotPart {
			if n <= 0 {
				return false
			}
			t.copyPart()
		}
	}
	c.Stop()
	return true
}

func (t *tableCopy) copyPart() {
	part := make([]*ovsdb.Row, 0, min(t.left, snapshotPart))
	for range cap(part) {
		t.left--
		row := t.table.rows.all[t.left].row
		if len(t.twice) > 0 {
			if _, ok := t.twice[row.UUID]; ok {
				delete(t.twice, row.UUID)
				continue
			}
		}
		part = append(part, row)
	}
	t.parts = append(t.parts, part)
}

// changes notes what a row was that changes while the table is copied.
func (t *tableCopy) changes(r *RowChange) {
	id := r.UUID()
	if _, ok := t.before[id]; !ok {
		t.before[id] = r.Old
	}
}

// moves notes that a row goes from one position to another.
func (t *tableCopy) moves(row *ovsdb.Row, from, to int) {
	if row != nil && from >= t.left && to < t.left {
		t.twice[row.UUID] = struct{}{}
	}
}

// Stop ends the taking of the snapshot.
func (c *Copying) Stop() {
	for _, t := range c.tables {
		t.table.copying = nil
	}
}

// Snapshot returns the snapshot, after the last Step.
func (c *Copying) Snapshot() *Snapshot {
	s := &Snapshot{Schema: c.db.schema}
	for _, t := range c.tables {
		for _, row := range t.before {
			if row != nil {
				t.changed = append(t.changed, row)
			}
		}
		s.tables = append(s.tables, t.snapshotTable)
	}
	return s
}

// Records are those of an OVSDB file that has the snapshot alone, each as storage.Record: the schema, then all rows.
func (s *Snapshot) Records(comment string, now time.Time) []iter.Seq[[]byte] {
	schema := slices.Values([][]byte{s.Schema.AppendJSON(nil)})
	return []iter.Seq[[]byte]{schema, s.record(comment, now)}
}

// recordPart is about how many bytes a part of a record has.
const recordPart = 256 << 10

// record yields the record of all rows in parts.
func (s *Snapshot) record(comment string, now time.Time) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		w := recordWriter{dst: make([]byte, 0, recordPart+recordPart/8)}
		for i := range s.tables {
			t := &s.tables[i]
			w.table, w.open = t.schema, false
			for row := range t.rows {
				w.insert(row)
				if len(w.dst) >= recordPart {
					if !yield(w.dst) {
						return
					}
					w.dst = w.dst[:0]
				}
			}
			w.closeTable()
		}
		yield(w.finish(comment, now))
	}
}
