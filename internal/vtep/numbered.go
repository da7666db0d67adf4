package vtep

// ordinal stands for something that is numbered; 0: nothing.
type ordinal uint32

// numbered gives numbers to what it has, for tables with a million entries that name it: in a table
// without pointers there is nothing that the collector of garbage has to follow.
type numbered[T any] struct {
	all  []*T // by number; the first is never used
	free []ordinal
}

func (n *numbered[T]) add(t *T) ordinal {
	if last := len(n.free) - 1; last >= 0 {
		at := n.free[last]
		n.free = n.free[:last]
		n.all[at] = t
		return at
	}
	if len(n.all) == 0 {
		n.all = append(n.all, nil)
	}
	n.all = append(n.all, t)
	return ordinal(len(n.all) - 1)
}

// remove frees a number, which nothing may use any more.
func (n *numbered[T]) remove(at ordinal) {
	n.all[at] = nil
	n.free = append(n.free, at)
}

// at returns what has the number, which is in use.
func (n *numbered[T]) at(at ordinal) *T { return n.all[at] }
