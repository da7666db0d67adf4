package db

import (
	"encoding/binary"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/ovsdb"
)

// TestRowSet has rows come and go, of UUIDs that are random or follow one another, and compares
// with a map.
func TestRowSet(t *testing.T) {
	schema := parseSchema(t, `{"name":"d","tables":{"t":{"columns":{"n":{"type":"integer"}},"isRoot":true}}}`)
	rapid.Check(t, func(t *rapid.T) {
		table := newTable(schema.Tables["t"])
		want := map[ovsdb.UUID]*rowState{}
		var ids []ovsdb.UUID
		next := uint64(0)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			grow := rapid.Bool().Draw(t, "grow")
			for i := range rapid.IntRange(1, 600).Draw(t, "rows") {
				if grow == (i%7 == 3) {
					for id, st := range want {
						table.remove(st)
						delete(want, id)
						break
					}
					continue
				}
				id := ovsdb.NewUUID()
				if next++; next%2 == 0 {
					id = ovsdb.UUID{}
					binary.BigEndian.PutUint64(id[8:], next)
				}
				st := &rowState{row: ovsdb.NewRow(id, nil)}
				table.add(st)
				want[id], ids = st, append(ids, id)
			}
			if rapid.Bool().Draw(t, "settle") { // as at the end of a transaction
				table.rows.settle(table)
				table.shrink()
				if err := table.checkBooks(); err != nil {
					t.Fatal(err)
				}
			}
			got := map[ovsdb.UUID]*rowState{}
			for _, st := range table.rows.all {
				got[st.row.UUID] = st
			}
			if !maps.Equal(got, want) {
				t.Fatalf("%d rows, want %d", len(got), len(want))
			}
			for _, id := range ids {
				if table.find(id) != want[id] {
					t.Fatalf("row %v is not what it was", id)
				}
			}
		}
	})
}
