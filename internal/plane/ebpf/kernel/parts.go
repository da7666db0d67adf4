package kernel

import (
	"runtime"
	"sync"
)

// partSize is how many entries are worth a thread of their own: more than a millisecond.
var partSize = 1 << 11

// writeParts writes entries from as many threads as there are processors: what takes time is that the kernel waits for
// the memory of each place. It gives those that were not written, in order; write then finds out why.
func (t *Table[K, V]) writeParts(keys []K, values []V) ([]K, []V) {
	parts := min(runtime.GOMAXPROCS(0), len(keys)/partSize)
	first := func(part int) int { return part * len(keys) / parts }
	written := make([]int, parts)
	var all sync.WaitGroup
	for i := range parts {
		all.Go(func() {
			keys, values := keys[first(i):first(i+1)], values[first(i):first(i+1)]
			n, err := t.M.BatchUpdate(keys, values, nil)
			switch {
			case err == nil:
				written[i] = len(keys)
			case n < len(keys): // else the kernel did not get as far as to say how many
				written[i] = n
			}
		})
	}
	all.Wait()
	var left []K
	var of []V
	for i, n := range written {
		n += first(i)
		t.fitted(keys[first(i):n])
		left, of = append(left, keys[n:first(i+1)]...), append(of, values[n:first(i+1)]...)
	}
	return left, of
}

// fitted is told of entries that were written.
func (t *Table[K, V]) fitted(keys []K) {
	if len(t.Short) > 0 {
		for _, k := range keys {
			delete(t.Short, k)
		}
	}
}
