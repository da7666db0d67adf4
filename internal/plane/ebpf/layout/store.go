package layout

import (
	"hash/maphash"
	"iter"
	"math/bits"
)

// Store is what is wanted in one map, by key: a hash table with open addressing. To Go's maps it adds what a table of
// a million MACs is built on: a value is replaced by one look-up (Swap), each entry has a place, by which those that
// were seen can be ticked off in a bit each (Find, At), and what is deleted gives its memory back.
// The zero Store is empty.
type Store[K, V comparable] struct {
	seed  maphash.Seed
	tags  []uint8 // of each place: free, or storeUsed and some bits of the key's hash
	slots []storeSlot[K, V]
	n     int
}

type storeSlot[K, V comparable] struct {
	key   K
	value V
}

const (
	storeUsed  = 0x80
	storeLeast = 8 // places
)

// Len is how many entries there are.
func (s *Store[K, V]) Len() int { return s.n }

// Places is how many places there are. It changes when an entry is new, or is deleted.
func (s *Store[K, V]) Places() int { return len(s.tags) }

// Get gives the value at k, or zero.
func (s *Store[K, V]) Get(k K) V {
	v, _ := s.Lookup(k)
	return v
}

// Lookup gives the value at k, and whether there is one.
func (s *Store[K, V]) Lookup(k K) (v V, ok bool) {
	if i := s.Find(k); i >= 0 {
		return s.slots[i].value, true
	}
	return v, false
}

// Find gives the place of k; -1: it has none.
func (s *Store[K, V]) Find(k K) int {
	if s.n == 0 {
		return -1
	}
	i, tag := s.home(k)
	for s.tags[i] != 0 {
		if s.tags[i] == tag && s.slots[i].key == k {
			return i
		}
		i = s.next(i)
	}
	return -1
}

// At gives what is at a place, and whether anything is.
func (s *Store[K, V]) At(i int) (k K, v V, ok bool) {
	if s.tags[i] == 0 {
		return k, v, false
	}
	return s.slots[i].key, s.slots[i].value, true
}

// All gives the entries, in no order. Meanwhile values may be replaced, but no entry may come or go.
func (s *Store[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for i, tag := range s.tags {
			if tag != 0 && !yield(s.slots[i].key, s.slots[i].value) {
				return
			}
		}
	}
}

// Swap puts v at k. It gives what was there before, and whether there was anything.
func (s *Store[K, V]) Swap(k K, v V) (old V, had bool) {
	if len(s.tags) == 0 {
		s.resize(storeLeast)
	}
	i, tag := s.home(k)
	for s.tags[i] != 0 {
		if s.tags[i] == tag && s.slots[i].key == k {
			old, s.slots[i].value = s.slots[i].value, v
			return old, true
		}
		i = s.next(i)
	}
	if s.n++; s.n > len(s.tags)/4*3 {
		s.n--
		s.resize(len(s.tags) + len(s.tags)/2)
		return s.Swap(k, v)
	}
	s.tags[i], s.slots[i] = tag, storeSlot[K, V]{k, v}
	return old, false
}

// Reserve makes places for n entries in all, so that none has to move as they come.
func (s *Store[K, V]) Reserve(n int) {
	if places := n + n/2; places > len(s.tags) {
		s.resize(places)
	}
}

// Delete takes k out. It gives what was there, and whether there was anything.
func (s *Store[K, V]) Delete(k K) (old V, had bool) {
	i := s.Find(k)
	if i < 0 {
		return old, false
	}
	old = s.slots[i].value
	s.n--
	// Those behind it move up, as far as their homes let them: there are no gaps on the way to any.
	for j := s.next(i); s.tags[j] != 0; j = s.next(j) {
		if home, _ := s.home(s.slots[j].key); s.between(home, i, j) {
			s.tags[i], s.slots[i] = s.tags[j], s.slots[j]
			i = j
		}
	}
	s.tags[i], s.slots[i] = 0, storeSlot[K, V]{}
	if len(s.tags) > storeLeast && s.n < len(s.tags)/3 {
		s.resize(s.n * 5 / 3)
	}
	return old, true
}

// between says whether one who is at j, and whose home is given, may be at i, which is before j on the way.
func (s *Store[K, V]) between(home, i, j int) bool {
	if i <= j {
		return home <= i || home > j
	}
	return home <= i && home > j
}

// home is where the search for k begins, and what marks its place.
func (s *Store[K, V]) home(k K) (int, uint8) {
	h := maphash.Comparable(s.seed, k)
	i, _ := bits.Mul64(h, uint64(len(s.tags)))
	return int(i), uint8(h) | storeUsed
}

func (s *Store[K, V]) next(i int) int {
	if i++; i < len(s.tags) {
		return i
	}
	return 0
}

func (s *Store[K, V]) resize(places int) {
	was := *s
	places = max(places, storeLeast)
	s.tags, s.slots, s.n = make([]uint8, places), make([]storeSlot[K, V], places), 0
	if was.n == 0 {
		s.seed = maphash.MakeSeed()
	}
	for k, v := range was.All() {
		s.Swap(k, v)
	}
}
