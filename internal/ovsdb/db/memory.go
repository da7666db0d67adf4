package db

import (
	"maps"
	"unsafe"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Held is about how many bytes of memory the change-set keeps from being freed: itself, rows
// that were deleted, and old values.
func (cs *ChangeSet) Held() int {
	n := 0
	for i := range cs.Tables {
		tc := &cs.Tables[i]
		n += cap(tc.Rows) * int(unsafe.Sizeof(RowChange{}))
		for j := range tc.Rows {
			n += tc.Rows[j].held(tc.Schema)
		}
	}
	return n
}

// held is about how many bytes the old row has to itself.
func (r *RowChange) held(ts *ovsdb.TableSchema) int {
	if r.Old == nil {
		return 0
	}
	n := r.Old.Bytes(ts.Columns, func(i int) bool { return r.New == nil || r.Columns.Has(i) })
	if r.New == nil {
		n += int(unsafe.Sizeof(rowState{}))
	}
	return n
}

// roomyTable is the number of rows up to which a table keeps the memory for them.
const roomyTable = 1024

// shrink gives back memory that the table had for many more rows than it has now: its rows and
// the maps of its indexes would keep it for ever.
func (t *Table) shrink() {
	if t.rows.room <= roomyTable || len(t.rows.all) > t.rows.room/4 {
		return
	}
	t.rows.shrink(t)
	for i := range t.indexes {
		t.indexes[i] = copyMap(t.indexes[i])
	}
}

// copyMap copies m into as much memory as it needs, which maps.Clone does not.
func copyMap[K comparable, V any](m map[K]V) map[K]V {
	copied := make(map[K]V, len(m))
	maps.Copy(copied, m)
	return copied
}
