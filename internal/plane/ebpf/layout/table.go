package layout

import "slices"

// Table is what must be in one map. Changes are staged with Set and Del; Diff, or Tick for each entry and then
// Missing, stage what makes a map equal that is read.
type Table[K, V comparable] struct {
	Name string // of the map

	Want  Store[K, V]
	Gone  []K            // to be deleted, if still not wanted
	Short map[K]struct{} // wanted, but did not fit
	Have  map[K]V        // what was read last; nil: nothing, or it was let go

	Ordered bool // entries are to be written in the order in which they are staged

	anew   bool // what is wanted is being said anew: nothing is staged before it is compared with the map
	staged []K  // to be written, if still wanted
	values []V  // of staged, while all of that is new and nothing was taken back
	mixed  bool
	seen   []uint64 // by places in Want, a bit each: what is in the map
	ticked int      // how many bits there are
}

// stagedKept is how many places of what was staged are kept for the next time.
const stagedKept = 1 << 14

func newTable[K, V comparable](name string) *Table[K, V] {
	t := &Table[K, V]{Name: name}
	t.Reset()
	return t
}

// Reset forgets what is wanted, before all of it is said again.
func (t *Table[K, V]) Reset() {
	t.Want, t.Short = Store[K, V]{}, map[K]struct{}{}
	t.unstage()
	t.Gone, t.anew = nil, false
}

// Anew makes room for n entries, all that will be wanted, and has nothing be staged before the map is compared with them.
func (t *Table[K, V]) Anew(n int) {
	t.Want.Reserve(n)
	t.anew = true
}

// unstage forgets what is to be written.
func (t *Table[K, V]) unstage() {
	if cap(t.staged) > stagedKept {
		t.staged, t.values = nil, nil
	}
	t.staged, t.values, t.mixed = t.staged[:0], t.values[:0], false
}

// Expect makes room for so many new entries, which are about to be set.
func (t *Table[K, V]) Expect(n int) {
	if n > t.Want.Len()/4 { // else it grows as they come, by more at a time
		t.Want.Reserve(t.Want.Len() + n)
	}
	t.staged = slices.Grow(t.staged, n)
	if !t.mixed {
		t.values = slices.Grow(t.values, n)
	}
}

// Set has v be wanted at k. It gives what was wanted there before, and whether anything was.
func (t *Table[K, V]) Set(k K, v V) (old V, had bool) {
	if old, had = t.Want.Swap(k, v); !had || old != v {
		t.stage(k, v, had)
	}
	return old, had
}

// stage has v be written at k, where something else may be staged already, if again.
func (t *Table[K, V]) stage(k K, v V, again bool) {
	if t.anew {
		return
	}
	t.staged = append(t.staged, k)
	if t.mixed = t.mixed || again; !t.mixed {
		t.values = append(t.values, v)
	}
}

// Del has nothing be wanted at k. It gives what was wanted there, and whether anything was.
func (t *Table[K, V]) Del(k K) (old V, had bool) {
	if old, had = t.Want.Delete(k); had {
		delete(t.Short, k)
		t.Gone = append(t.Gone, k)
		t.mixed = t.mixed || len(t.staged) > 0 // it may be among them
	}
	return old, had
}

// Staged is how many entries are to be written, some perhaps twice.
func (t *Table[K, V]) Staged() int { return len(t.staged) }

// Order sorts what is to be written, and the other way round what is to be deleted.
func (t *Table[K, V]) Order(cmp func(a, b K) int) {
	t.mixed, t.Ordered = true, true
	slices.SortStableFunc(t.staged, cmp)
	slices.SortStableFunc(t.Gone, func(a, b K) int { return cmp(b, a) })
}

// Take gives what is to be written, which then is staged no more: with all that did not fit, as far as there may
// be room for it now. It is the caller's until something is staged again.
func (t *Table[K, V]) Take(room int) (keys []K, values []V) {
	for k := range t.Short {
		if room--; room < 0 {
			break
		}
		t.stage(k, t.Want.Get(k), true)
	}
	keys, values = t.staged, t.values
	if t.mixed {
		keys, values = keys[:0], slices.Grow(values[:0], len(keys))
		for _, k := range t.staged {
			if v, ok := t.Want.Lookup(k); ok {
				keys, values = append(keys, k), append(values, v)
			}
		}
	}
	t.values = values
	t.unstage()
	return keys, values
}

// Diff stages what makes a map that is as it was read equal to what is wanted.
func (t *Table[K, V]) Diff() {
	t.Untick()
	for k, v := range t.Have {
		t.Tick(k, v)
	}
	t.Missing()
}

// Untick begins to compare a map with what is wanted: nothing is known to be there.
func (t *Table[K, V]) Untick() {
	t.unstage()
	t.Gone, t.ticked, t.anew = nil, 0, false
	t.seen = make([]uint64, (t.Want.Places()+63)/64)
}

// Tick takes an entry of the map. One that comes once more says nothing new.
func (t *Table[K, V]) Tick(k K, have V) {
	i := t.Want.Find(k)
	if i < 0 {
		t.Gone = append(t.Gone, k)
		return
	}
	if bit := uint64(1) << (i % 64); t.seen[i/64]&bit == 0 {
		t.seen[i/64] |= bit
		t.ticked++
		if _, v, _ := t.Want.At(i); v != have {
			t.stage(k, v, false)
		}
	}
}

// Missing ends that: it stages what is wanted and was not ticked.
func (t *Table[K, V]) Missing() {
	if t.ticked < t.Want.Len() {
		for i := range t.Want.Places() {
			if k, v, ok := t.Want.At(i); ok && t.seen[i/64]>>(i%64)&1 == 0 {
				t.stage(k, v, false)
			}
		}
	}
	t.seen = nil
}

// Forget lets go of what was read.
func (t *Table[K, V]) Forget() { t.Have = nil }

// Need is how many places the map needs while what is staged is written.
func (t *Table[K, V]) Need() int { return t.Want.Len() + len(t.Gone) }
