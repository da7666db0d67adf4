// Package compact has a map for tables with a million entries: it takes little more memory than they
// need, gives it back when they go, and nothing of it is followed by the collector of garbage if neither
// keys nor values have pointers.
package compact

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"slices"
)

// Map is a map from K to V. The zero Map is empty. It belongs to one goroutine at a time, and is not to be
// changed while somebody walks over it.
//
// Entries lie behind one another, in any order. A slot is 0, dead, or one more than the position of an
// entry in its low bits, and a part of the hash of its key in the others, so that entries of other keys
// are rarely looked at. A few entries have no slots: they are looked at one after another.
type Map[K comparable, V any] struct {
	entries []entry[K, V]
	slots   []uint32 // a power of two of them, or none
	dead    int      // slots of entries that are gone
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

const (
	dead    = 1<<32 - 1 // no position is that high
	fewest  = 8         // entries up to which there are no slots
	roomyAt = 64        // room for this many is never given back
)

var seed = maphash.MakeSeed()

func hash[K comparable](k K) uint64 { return maphash.Comparable(seed, k) }

// hashOf is hash, where there are slots.
func (m *Map[K, V]) hashOf(k K) uint64 {
	if m.slots == nil {
		return 0
	}
	return hash(k)
}

// Len returns the number of entries.
func (m *Map[K, V]) Len() int { return len(m.entries) }

// find returns the position of the entry of k, whose hash is h, and its slot; below 0: there is none.
func (m *Map[K, V]) find(k K, h uint64) (pos, slot int) {
	if m.slots == nil {
		for i := range m.entries {
			if m.entries[i].key == k {
				return i, -1
			}
		}
		return -1, -1
	}
	last := uint32(len(m.slots) - 1)
	mark := uint32(h) &^ last
	for i := uint32(h>>32) & last; ; i = (i + 1) & last {
		switch s := m.slots[i]; {
		case s == 0:
			return -1, -1
		case s == dead || s&^last != mark:
		default:
			if pos := int(s&last) - 1; m.entries[pos].key == k {
				return pos, int(i)
			}
		}
	}
}

// Get returns the value of k, and whether there is one.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	if m == nil {
		return v, false
	}
	if pos, _ := m.find(k, m.hashOf(k)); pos >= 0 {
		return m.entries[pos].value, true
	}
	return v, false
}

// Has says whether k has a value.
func (m *Map[K, V]) Has(k K) bool {
	_, ok := m.Get(k)
	return ok
}

// Set gives k a value.
func (m *Map[K, V]) Set(k K, v V) {
	h := m.hashOf(k)
	if pos, _ := m.find(k, h); pos >= 0 {
		m.entries[pos].value = v
		return
	}
	if n := len(m.entries); n == cap(m.entries) {
		m.entries = append(make([]entry[K, V], 0, n+max(n/4, 4)), m.entries...)
	}
	m.entries = append(m.entries, entry[K, V]{k, v})
	switch n := len(m.entries); {
	case n <= fewest && m.slots == nil:
	case m.slots == nil || !fits(n+m.dead, len(m.slots)):
		m.rehash()
	default:
		m.enter(n-1, h)
	}
}

// fits says whether so many slots are enough for n entries: then one is found after few looks.
func fits(n, slots int) bool { return 16*n <= 13*slots }

// rehash makes slots for what there is, and an eighth more.
func (m *Map[K, V]) rehash() {
	n := len(m.entries)
	slots := 1 << bits.Len(uint(n))
	for !fits(n+n/8+1, slots) {
		slots *= 2
	}
	m.slots, m.dead = make([]uint32, slots), 0
	for pos := range m.entries {
		m.enter(pos, hash(m.entries[pos].key))
	}
}

// enter gives the entry at pos, whose key has the hash h, a slot.
func (m *Map[K, V]) enter(pos int, h uint64) {
	last := uint32(len(m.slots) - 1)
	i := uint32(h>>32) & last
	for m.slots[i] != 0 && m.slots[i] != dead {
		i = (i + 1) & last
	}
	if m.slots[i] == dead {
		m.dead--
	}
	m.slots[i] = uint32(h)&^last | uint32(pos+1)
}

// Delete takes k away, and says whether it was there.
func (m *Map[K, V]) Delete(k K) bool {
	pos, slot := m.find(k, m.hashOf(k))
	if pos < 0 {
		return false
	}
	end := len(m.entries) - 1
	if pos != end {
		moved := m.entries[end]
		if m.slots != nil {
			_, at := m.find(moved.key, hash(moved.key))
			last := uint32(len(m.slots) - 1)
			m.slots[at] = m.slots[at]&^last | uint32(pos+1)
		}
		m.entries[pos] = moved
	}
	m.entries[end] = entry[K, V]{}
	m.entries = m.entries[:end]
	if m.slots != nil {
		if m.slots[(slot+1)&(len(m.slots)-1)] == 0 {
			m.slots[slot] = 0
		} else {
			m.slots[slot] = dead
			m.dead++
		}
	}
	if c := cap(m.entries); c > roomyAt && end <= c-c/3 {
		m.entries = append(make([]entry[K, V], 0, end+end/16), m.entries...)
		m.slots = nil
		if end > fewest {
			m.rehash()
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

// Clone returns a copy.
func (m *Map[K, V]) Clone() *Map[K, V] {
	return &Map[K, V]{slices.Clone(m.entries), slices.Clone(m.slots), m.dead}
}
