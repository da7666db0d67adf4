package vtep

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestFew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f few[int]
		want := map[int]bool{}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			k := rapid.IntRange(1, 4).Draw(t, "k")
			if rapid.Bool().Draw(t, "add") {
				f.add(k)
				want[k] = true
			} else {
				f.remove(k)
				delete(want, k)
			}
			if got := slices.Sorted(f.all()); !slices.Equal(got, slices.Sorted(maps.Keys(want))) || f.len() != len(want) {
				t.Fatalf("has %v, %d; want %v", got, f.len(), want)
			}
			if f.len() == 0 && f.more != nil {
				t.Fatal("an empty set keeps memory")
			}
		}
	})
}
