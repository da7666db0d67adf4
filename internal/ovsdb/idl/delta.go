package idl

import (
	"slices"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Delta is the difference between two snapshots. All its rows are of the schema of
// the later one.
type Delta struct {
	// Reset tells that the replica was synchronized anew in between: what the server
	// does not store may have been lost.
	Reset bool
	// Since is when the first of the updates came that are in the difference; zero: none did.
	Since time.Time

	tables map[string][]ovsdb.RowDelta // those with a difference
	whole  *Snapshot                   // instead: the later one, before which there was nothing
}

// Empty reports whether there is neither a difference nor a Reset.
func (d *Delta) Empty() bool { return !d.Reset && d.Len() == 0 }

// Len returns the number of rows that differ.
func (d *Delta) Len() int {
	n := 0
	for _, rows := range d.tables {
		n += len(rows)
	}
	if d.whole != nil {
		for _, t := range d.whole.tables {
			n += t.n
		}
	}
	return n
}

// Rows returns the rows of a table that differ. They are not to be changed. Of a first snapshot, whose rows are all new,
// they are made when they are asked for: who begins with all that there is does not need them.
func (d *Delta) Rows(table string) []ovsdb.RowDelta {
	if d.whole == nil {
		return d.tables[table]
	}
	t := d.whole.Table(table)
	if t.Len() == 0 {
		return nil
	}
	rows := make([]ovsdb.RowDelta, 0, t.Len())
	for row := range t.All() {
		rows = append(rows, ovsdb.RowDelta{UUID: row.UUID, New: row})
	}
	return rows
}

// step is what leads from one snapshot to another, as it was found when the latter was made: to compare them takes longer
// where the changes are all over the tree.
type step struct {
	tables  [][]ovsdb.RowDelta // by table; nil: of this one nothing is noted yet
	rows    int
	inserts bool // no row was there before
}

// mostNoted is how many rows are noted at most.
const mostNoted = 1 << 17

func newStep(p *plan) *step {
	return &step{tables: make([][]ovsdb.RowDelta, len(p.tables)), inserts: true}
}

// expect makes room for so many rows of a table.
func (s *step) expect(table, rows int) {
	if rows <= mostNoted {
		s.tables[table] = slices.Grow(s.tables[table], rows)
	}
}

// note notes what has become of a row of a table, of which before is nil for a new one, after for one that is gone.
func (s *step) note(p *plan, table int, before, after *ovsdb.Row) {
	if before != nil && after != nil && (before == after || p.tables[table].equalRows(before, after)) {
		return
	}
	s.rows++
	s.inserts = s.inserts && before == nil
	if s.rows > mostNoted {
		return
	}
	id := before
	if id == nil {
		id = after
	}
	s.tables[table] = append(s.tables[table], ovsdb.RowDelta{UUID: id.UUID, Old: before, New: after})
}

// add adds a step that follows. It is false if it can't be told whether both are about different rows, or if they are
// too many.
func (s *step) add(next *step) bool {
	if !s.inserts || !next.inserts || s.rows+next.rows > mostNoted || len(s.tables) != len(next.tables) {
		return false
	}
	for i, rows := range next.tables {
		s.tables[i] = append(s.tables[i], rows...)
	}
	s.rows += next.rows
	return true
}

// difference returns the step by tables.
func (s *step) difference(p *plan) map[string][]ovsdb.RowDelta {
	tables := map[string][]ovsdb.RowDelta{}
	for i, rows := range s.tables {
		if rows != nil {
			tables[p.tables[i].schema.Name] = rows
		}
	}
	return tables
}

// difference returns what leads from before to after.
func difference(before, after *Snapshot) map[string][]ovsdb.RowDelta {
	if before.plan != after.plan {
		before = before.translate(after.plan)
	}
	tables := map[string][]ovsdb.RowDelta{}
	for i, t := range after.plan.tables {
		var rows []ovsdb.RowDelta
		compare(before.tables[i].tree(), after.tables[i].tree(), 0, func(b, a *ovsdb.Row) {
			switch {
			case b == nil:
				rows = append(rows, ovsdb.RowDelta{UUID: a.UUID, New: a})
			case a == nil:
				rows = append(rows, ovsdb.RowDelta{UUID: b.UUID, Old: b})
			case !t.equalRows(b, a):
				rows = append(rows, ovsdb.RowDelta{UUID: a.UUID, Old: b, New: a})
			}
		})
		if rows != nil {
			tables[t.schema.Name] = rows
		}
	}
	return tables
}
