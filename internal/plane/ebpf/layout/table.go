package layout

// Table is what must be in one map. Changes are staged with set and del; diff stages what makes a map
// equal that was read.
type Table[K, V comparable] struct {
	Name string // of the map

	Want   map[K]V
	Staged []K            // to be written, if still wanted
	Gone   []K            // to be deleted, if still not wanted
	Short  map[K]struct{} // wanted, but did not fit
	Have   map[K]V        // what was read last; nil: nothing, or it was let go
}

func newTable[K, V comparable](name string) *Table[K, V] {
	t := &Table[K, V]{Name: name}
	t.Reset()
	return t
}

// Reset forgets what is wanted, before all of it is said again.
func (t *Table[K, V]) Reset() {
	t.Want, t.Short = map[K]V{}, map[K]struct{}{}
	t.Staged, t.Gone = nil, nil
}

// Set has v be wanted at k.
func (t *Table[K, V]) Set(k K, v V) {
	if old, ok := t.Want[k]; ok && old == v {
		return
	}
	t.Want[k] = v
	t.Staged = append(t.Staged, k)
}

// Del has nothing be wanted at k.
func (t *Table[K, V]) Del(k K) {
	if _, ok := t.Want[k]; !ok {
		return
	}
	delete(t.Want, k)
	delete(t.Short, k)
	t.Gone = append(t.Gone, k)
}

// Diff stages what makes a map that is as it was read equal to what is wanted.
func (t *Table[K, V]) Diff() {
	t.Staged, t.Gone = nil, nil
	for k, v := range t.Want {
		if h, ok := t.Have[k]; !ok || h != v {
			t.Staged = append(t.Staged, k)
		}
	}
	for k := range t.Have {
		if _, ok := t.Want[k]; !ok {
			t.Gone = append(t.Gone, k)
		}
	}
}

// Forget lets go of what was read.
func (t *Table[K, V]) Forget() { t.Have = nil }

// Need is how many places the map needs while what is staged is written.
func (t *Table[K, V]) Need() int { return len(t.Want) + len(t.Gone) }
