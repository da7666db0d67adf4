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

// A tree is what a map is, published trees do not change, and the differences of any
// two lead from one to the other.
func TestTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var root *node
		now := model{}
		trees, models := []*node{nil}, []model{{}}
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			e := new(edit)
			for range rapid.IntRange(0, 120).Draw(t, "changes") {
				id := drawID(t)
				if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
					_, was := now[id]
					next, removed := root.remove(e, 0, id)
					if root = next; removed != was {
						t.Fatalf("remove(%v) = %v", id, removed)
					}
					delete(now, id)
					continue
				}
				row := &ovsdb.Row{UUID: id}
				_, was := now[id]
				next, added := root.set(e, 0, row)
				if root = next; added == was {
					t.Fatalf("set(%v) = %v", id, added)
				}
				now[id] = row
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
		root, _ = root.set(e, 0, &ovsdb.Row{UUID: ids[i]})
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
