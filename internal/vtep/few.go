package vtep

import (
	"iter"
	"maps"
)

// few is a set that mostly has no or one element, for which it needs no memory of its own: of a thousand
// peers with a MAC each, as many maps would be the largest part.
type few[K comparable] struct {
	one  K
	has  bool           // one is in it
	more map[K]struct{} // the others; nil: there are none
}

func (f *few[K]) add(k K) {
	switch {
	case f.has && f.one == k:
	case !f.has && len(f.more) == 0:
		f.one, f.has = k, true
	default:
		if f.more == nil {
			f.more = map[K]struct{}{}
		}
		f.more[k] = struct{}{}
	}
}

func (f *few[K]) remove(k K) {
	if f.has && f.one == k {
		var none K
		f.one, f.has = none, false
		return
	}
	if delete(f.more, k); len(f.more) == 0 {
		f.more = nil
	}
}

func (f *few[K]) len() int {
	if f.has {
		return 1 + len(f.more)
	}
	return len(f.more)
}

func (f *few[K]) all() iter.Seq[K] {
	return func(yield func(K) bool) {
		if f.has && !yield(f.one) {
			return
		}
		maps.Keys(f.more)(yield)
	}
}
