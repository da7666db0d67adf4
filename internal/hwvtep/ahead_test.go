package hwvtep

import (
	"slices"
	"testing"
)

// What is read ahead is what there is, in its order, and a loop that ends early leaves nobody behind.
func TestAhead(t *testing.T) {
	for _, n := range []int{0, 1, manyRows, 3*manyRows + 7} {
		ended := false
		rows := func(yield func(int) bool) {
			defer func() { ended = true }()
			for i := range n {
				if !yield(i) {
					return
				}
			}
		}
		got := slices.Collect(Ahead(n, rows))
		if len(got) != n || !slices.IsSorted(got) || !ended {
			t.Errorf("of %d rows %d were yielded", n, len(got))
		}
		for _, stop := range []int{0, 1, aheadPart, manyRows / 2} {
			ended = false
			seen := 0
			for range Ahead(n, rows) {
				if seen++; seen > stop {
					break
				}
			}
			if seen != min(stop+1, n) || !ended {
				t.Errorf("of %d rows %d were yielded until the loop was left, and the reader has ended: %v", n, seen, ended)
			}
		}
	}
}
