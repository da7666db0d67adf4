package vtep

import (
	"fmt"
	"slices"
)

// check says what is wrong with numbers: each is of one thing, which has it, or free once.
func (n *numbered[T]) check(all []*T, number func(*T) ordinal) error {
	used := map[ordinal]bool{}
	for _, t := range all {
		at := number(t)
		if used[at] || n.at(at) != t {
			return fmt.Errorf("%d is the number of several", at)
		}
		used[at] = true
	}
	free := slices.Sorted(slices.Values(n.free))
	for i, at := range free {
		if used[at] || i > 0 && free[i-1] == at {
			return fmt.Errorf("%d is free twice, or used", at)
		}
	}
	return nil
}
