// Package compact has a map for tables with a million entries: it takes little more memory than they
// need, gives it back when they go, and nothing of it is followed by the collector of garbage if neither
// keys nor values have pointers. Slots are what it finds its entries by, for those who keep their own.
package compact

import (
	"hash/maphash"
	"iter"
	"slices"
)

// Map is a map from K to V. The zero Map is empty. It belongs to one goroutine at a time, and is not to be
// changed while somebody walks over it.
//
// Entries lie behind one another, in any order. A few have no slots: they are looked at one after another.
type Map[K comparable, V any] struct {
	entries []entry[K, V]
	slots   Slots
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

const (
	fewest  = 8  // entries up to which there are no slots
	roomyAt = 64 // room for this many is never given back
)

var seed = maphash.MakeSeed()

func hash[K comparable](k K) uint64 { return maphash.Comparable(seed, k) }

// hashOf is hash, where there are slots.
func (m *Map[K, V]) hashOf(k K) uint64 {
	if m.slots.None() {
		return 0
	}
	return hash(k)
}

// Len returns the number of entries.
func (m *Map[K, V]) Len() int { return len(m.entries) }

// find returns the position of the entry of k, whose hash is h; below 0: there is none.
func (m *Map[K, V]) find(k K, h uint64) int {
	if m.slots.None() {
		for i := range m.entries {
			if m.entries[i].key == k {
				return i
			}
		}
		return -1
	}
	pos, next := m.slots.Next(h, 0)
	for pos >= 0 && m.entries[pos].key != k {
		pos, next = m.slots.Next(h, next)
	}
	return pos
}

// Get returns the value of k, and whether there is one.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	if at := m.Find(k); at != nil {
		return *at, true
	}
	return v, false
}

// Has says whether k has a value.
func (m *Map[K, V]) Has(k K) bool { return m.Find(k) != nil }

// Expect makes room for n entries in all, which are about to be set.
func (m *Map[K, V]) Expect(n int) {
	if n <= cap(m.entries) {
		return
	}
	n = max(n, m.more()) // who expects one more each time does not have all copied each time
	m.entries = append(make([]entry[K, V], 0, n), m.entries...)
	if n > fewest && !m.slots.Fits(n) {
		m.rehash(n)
	}
}

// Set gives k a value.
func (m *Map[K, V]) Set(k K, v V) { m.Swap(k, v) }

// Swap gives k a value, and returns the one that it had, and whether there was one.
func (m *Map[K, V]) Swap(k K, v V) (old V, had bool) {
	at, had := m.Place(k)
	old, *at = *at, v
	return old, had
}

// Find returns where the value of k is; nil: there is none. It is there until the map gets or loses an entry.
func (m *Map[K, V]) Find(k K) *V {
	if m == nil {
		return nil
	}
	if pos := m.find(k, m.hashOf(k)); pos >= 0 {
		return &m.entries[pos].value
	}
	return nil
}

// Place is Find for a k that gets the zero value if it has none. It says whether it had one.
func (m *Map[K, V]) Place(k K) (at *V, had bool) {
	h := m.hashOf(k)
	if pos := m.find(k, h); pos >= 0 {
		return &m.entries[pos].value, true
	}
	n := len(m.entries)
	if n == cap(m.entries) {
		m.entries = append(make([]entry[K, V], 0, m.more()), m.entries...)
	}
	m.entries = append(m.entries, entry[K, V]{key: k})
	switch {
	case n < fewest && m.slots.None():
	case !m.slots.Fits(n + 1):
		m.rehash(n + 1 + (n+1)/8 + 1)
	default:
		m.slots.Add(h, n)
	}
	return &m.entries[n].value, false
}

// more is how many entries there is to be room for when there is no more.
func (m *Map[K, V]) more() int { return len(m.entries) + max(len(m.entries)/4, 4) }

// rehash makes slots for n entries.
func (m *Map[K, V]) rehash(n int) {
	m.slots.Make(n)
	for pos := range m.entries {
		m.slots.Add(hash(m.entries[pos].key), pos)
	}
}

// Delete takes k away, and says whether it was there.
func (m *Map[K, V]) Delete(k K) bool {
	h := m.hashOf(k)
	pos := m.find(k, h)
	if pos < 0 {
		return false
	}
	end := len(m.entries) - 1
	moved := m.entries[end]
	if !m.slots.None() {
		if m.slots.Remove(h, pos); pos != end {
			m.slots.Move(hash(moved.key), end, pos)
		}
	}
	m.entries[pos], m.entries[end] = moved, entry[K, V]{}
	m.entries = m.entries[:end]
	if c := cap(m.entries); c > roomyAt && end <= c-c/3 {
		m.entries = append(make([]entry[K, V], 0, end+end/16), m.entries...)
		m.slots = Slots{}
		if end > fewest {
			m.rehash(end + end/8 + 1)
		}
	}
	return true
}

// Clear takes all away.
func (m *Map[K, V]) Clear() { *m = Map[K, V]{} }

// All yields the entries, in any order.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if m == nil {
			return
		}
		for i := range m.entries {
			if !yield(m.entries[i].key, m.entries[i].value) {
				return
			}
		}
	}
}

// Keys yields the keys of the entries, in any order.
func (m *Map[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		m.All()(func(k K, _ V) bool { return yield(k) })
	}
}

// Clone returns a copy.
func (m *Map[K, V]) Clone() *Map[K, V] {
	return &Map[K, V]{slices.Clone(m.entries), m.slots.Clone()}
}
