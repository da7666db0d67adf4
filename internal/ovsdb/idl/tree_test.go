package idl

import (
	"maps"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"pgregory.net/rapid"
)

// drawID draws from few UUIDs, many of which have long prefixes in common: so trees
// get deep, and rows are met again.
func drawID(t *rapid.T) ovsdb.UUID {
	var id ovsdb.UUID
	at := rapid.SampledFrom([]int{0, 1, 7, 15}).Draw(t, "byte")
	id[at] = rapid.Byte().Draw(t, "value")
	if rapid.Bool().Draw(t, "last") {
		id[15] ^= rapid.Byte().Draw(t, "last value")
	}
	return id
}

type model map[ovsdb.UUID]*ovsdb.Row

func checkTree(t *rapid.T, root *node, want model) {
	got := model{}
	var last *ovsdb.UUID
	root.each(func(row *ovsdb.Row) bool {
		if last != nil && last.Compare(row.UUID) >= 0 {
			t.Fatalf("rows out of order: %v, %v", last, row.UUID)
		}
		last = &row.UUID
		got[row.UUID] = row
		return true
	})
	if !maps.Equal(got, want) {
		t.Fatalf("tree has %d rows, want %d", len(got), len(want))
	}
	for id, row := range want {
		if root.get(id) != row {
			t.Fatalf("get(%v) is not what each yields", id)
		}
	}
	if len(want) == 0 && root != nil {
		t.Fatal("an empty tree is not nil")
	}
}

func checkCompare(t *rapid.T, a, b *node, before, after model) {
	got := maps.Clone(before)
	compare(a, b, 0, func(old, now *ovsdb.Row) {
		switch {
		case old == now:
			t.Fatalf("told that nothing changed")
		case now == nil:
			if got[old.UUID] != old {
				t.Fatalf("told twice, or wrongly, that %v is gone", old.UUID)
			}
			delete(got, old.UUID)
		case old != got[now.UUID]:
			t.Fatalf("told twice, or wrongly, that %v changed", now.UUID)
		default:
			got[now.UUID] = now
		}
	})
	if !maps.Equal(got, after) {
		t.Fatalf("the differences lead to %d rows, want %d", len(got), len(after))
	}
}

// checkMerge merges rows into root, and into now.
func checkMerge(t *rapid.T, e *edit, root *node, rows []*ovsdb.Row, now model) *node {
	was, told := maps.Clone(now), 0
	for _, row := range rows { // of some with the same UUID, the last counts
		now[row.UUID] = row
	}
	m := merge{edit: e, rows: rows, tell: func(before, after *ovsdb.Row) {
		told++
		if before != was[after.UUID] || after != now[after.UUID] {
			t.Fatalf("told that %v became %v", before, after)
		}
	}}
	distinct := model{}
	for _, row := range rows {
		distinct[row.UUID] = row
	}
	root = m.into(root, 0, m.entries())
	if m.added != len(now)-len(was) || told != len(distinct) {
		t.Fatalf("%d of %d rows were added, and %d told of", m.added, len(rows), told)
	}
	return root
}

// A tree is what a map is, published trees do not change, and the differences of any
// two lead from one to the other.
func TestTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var root *node
		now := model{}
		trees, models := []*node{nil}, []model{{}}
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			e := new(edit)
			for range rapid.IntRange(0, 60).Draw(t, "changes") {
				id := drawID(t)
				if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
					next, removed := root.remove(e, 0, id)
					if root = next; removed != now[id] {
						t.Fatalf("remove(%v) = %v", id, removed)
					}
					delete(now, id)
					continue
				}
				rows := []*ovsdb.Row{{UUID: id}}
				for range rapid.SampledFrom([]int{0, 1, 10, 100}).Draw(t, "more") {
					rows = append(rows, &ovsdb.Row{UUID: drawID(t)})
				}
				root = checkMerge(t, e, root, rows, now)
			}
			trees, models = append(trees, root), append(models, maps.Clone(now))
		}
		for i, a := range trees {
			checkTree(t, a, models[i])
			for j, b := range trees {
				checkCompare(t, a, b, models[i], models[j])
			}
		}
	})
}

// A full leaf splits, and a tree that shrinks to nothing is nil.
func TestTreeGrowsAndShrinks(t *testing.T) {
	var root *node
	e := new(edit)
	ids := make([]ovsdb.UUID, 5000)
	for i := range ids {
		ids[i] = ovsdb.NewUUID()
		m := merge{edit: e, rows: []*ovsdb.Row{{UUID: ids[i]}}}
		root = m.into(root, 0, m.entries())
	}
	n := 0
	root.each(func(row *ovsdb.Row) bool { n++; return n < 10 })
	if n != 10 {
		t.Errorf("each did not stop: %d", n)
	}
	for _, id := range slices.Backward(ids) {
		if root.get(id) == nil {
			t.Fatalf("%v is not there", id)
		}
		root, _ = root.remove(new(edit), 0, id)
	}
	if root != nil {
		t.Error("an empty tree is not nil")
	}
}

// BenchmarkMerge puts 10,000 rows into a tree of a million.
func BenchmarkMerge(b *testing.B) {
	rows := func(n int) []*ovsdb.Row {
		all := make([]*ovsdb.Row, n)
		for i := range all {
			all[i] = &ovsdb.Row{UUID: ovsdb.NewUUID()}
		}
		return all
	}
	m := merge{edit: new(edit), rows: rows(1_000_000)}
	root := m.into(nil, 0, m.entries())
	more := rows(10_000)
	b.ReportAllocs()
	for b.Loop() {
		m := merge{edit: new(edit), rows: more, tell: func(_, _ *ovsdb.Row) {}}
		if m.into(root, 0, m.entries()); m.added != len(more) {
			b.Fatalf("%d rows were added", m.added)
		}
	}
}
