package idl

import (
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Delta is the difference between two snapshots. All its rows are of the schema of
// the later one. Tables without a difference are not in it.
type Delta struct {
	// Reset tells that the replica was synchronized anew in between: what the server
	// does not store may have been lost.
	Reset bool
	// Since is when the first of the updates came that are in the difference; zero: none did.
	Since  time.Time
	Tables map[string][]ovsdb.RowDelta
}

// Empty reports whether there is neither a difference nor a Reset.
func (d *Delta) Empty() bool { return !d.Reset && len(d.Tables) == 0 }

// Len returns the number of rows that differ.
func (d *Delta) Len() int {
	n := 0
	for _, rows := range d.Tables {
		n += len(rows)
	}
	return n
}

// Rows returns the rows of a table that differ.
func (d *Delta) Rows(table string) []ovsdb.RowDelta { return d.Tables[table] }

// difference returns what leads from before, which may be nil, to after.
func difference(before, after *Snapshot) map[string][]ovsdb.RowDelta {
	if before == nil {
		before = newSnapshot(after.plan)
	}
	if before.plan != after.plan {
		before = before.translate(after.plan)
	}
	tables := map[string][]ovsdb.RowDelta{}
	for i, t := range after.plan.tables {
		var rows []ovsdb.RowDelta
		compare(before.tables[i].root, after.tables[i].root, 0, func(b, a *ovsdb.Row) {
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
