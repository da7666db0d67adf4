package intent

import (
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Table is one kind of entries: what a State has a map of and a Delta a list. It holds all that
// those who walk over the tables have to know; which tables there are is in tables.go.
type Table[K comparable, V any] struct {
	name    string                         // in errors
	rows    func(*State) *map[K]V          // its map; nil: it has a store
	store   *storing[K, V]                 // of a table that has no map
	changes func(*Delta) *[]Change[K, V]   // its list
	equal   func(a, b V) bool              // of values
	order   func(a, b K) int               // of keys, in a Diff
	text    func(n names, k K, v V) string // the line of an entry in listings
	check   func(s *State, k K, v V) error // says what in an entry breaks a promise; nil: nothing can
	place   int                            // among tables
}

// store is what a State has of a table: a map, or what takes less memory.
type store[K comparable, V any] interface {
	Get(K) (V, bool)
	Swap(K, V) (V, bool) // the value that was there, and whether one was
	Delete(K)
	Len() int
	All() iter.Seq2[K, V]
}

// storing is what a table has to know of its store.
type storing[K comparable, V any] struct {
	of    func(*State) store[K, V]
	make  func(*State)
	clone func(to, from *State)
}

// mapStore is a map as a store.
type mapStore[K comparable, V any] struct{ rows *map[K]V }

func (m mapStore[K, V]) Get(k K) (V, bool) { v, ok := (*m.rows)[k]; return v, ok }
func (m mapStore[K, V]) Delete(k K)        { delete(*m.rows, k) }
func (m mapStore[K, V]) Len() int          { return len(*m.rows) }
func (m mapStore[K, V]) Swap(k K, v V) (V, bool) {
	old, ok := (*m.rows)[k]
	(*m.rows)[k] = v
	return old, ok
}
func (m mapStore[K, V]) All() iter.Seq2[K, V] { return maps.All(*m.rows) }

// in is what a State has of the table.
func (t *Table[K, V]) in(s *State) store[K, V] {
	if t.store != nil {
		return t.store.of(s)
	}
	return mapStore[K, V]{t.rows(s)}
}

// Change is one key's move from Old to New. A nil Old: the key is new; a nil New: it is gone.
// Both are never nil together. What they point to is not edited.
type Change[K comparable, V any] struct {
	Key      K
	Old, New *V
}

// table is a Table of whatever types.
type table interface {
	init(place int)
	make(s *State)
	clone(to, from *State)
	size(s *State) int
	checkAll(s *State) error
	lines(n names, s *State) []string

	count(d *Delta) int
	diff(before, after *State, d *Delta)
	additions(s *State, d *Delta)
	apply(s *State, d *Delta)
	divide(before, after *State, d *Delta)

	ledger(s *State) ledger
}

func same[V comparable](a, b V) bool { return a == b }

func (t *Table[K, V]) init(place int) { t.place = place }

func (t *Table[K, V]) make(s *State) {
	if t.store != nil {
		t.store.make(s)
	} else {
		*t.rows(s) = map[K]V{}
	}
}

func (t *Table[K, V]) clone(to, from *State) {
	if t.store != nil {
		t.store.clone(to, from)
	} else {
		*t.rows(to) = maps.Clone(*t.rows(from))
	}
}

func (t *Table[K, V]) size(s *State) int { return t.in(s).Len() }

func (t *Table[K, V]) checkAll(s *State) error {
	if t.check == nil {
		return nil
	}
	for k, v := range t.in(s).All() {
		if err := t.check(s, k, v); err != nil {
			return fmt.Errorf("%s %v: %w", t.name, k, err)
		}
	}
	return nil
}

// lines returns the entries as text, sorted.
func (t *Table[K, V]) lines(n names, s *State) []string {
	lines := make([]string, 0, t.size(s))
	for k, v := range t.in(s).All() {
		lines = append(lines, t.text(n, k, v))
	}
	slices.Sort(lines)
	return lines
}

func (t *Table[K, V]) count(d *Delta) int { return len(*t.changes(d)) }

// diff puts into d what changed from before to after, in the order of the keys.
func (t *Table[K, V]) diff(before, after *State, d *Delta) {
	var changes []Change[K, V]
	was, is := t.in(before), t.in(after)
	for k, v := range is.All() {
		if w, ok := was.Get(k); !ok {
			changes = append(changes, Change[K, V]{Key: k, New: &v})
		} else if !t.equal(v, w) {
			changes = append(changes, Change[K, V]{Key: k, Old: &w, New: &v})
		}
	}
	for k, w := range was.All() {
		if _, ok := is.Get(k); !ok {
			changes = append(changes, Change[K, V]{Key: k, Old: &w})
		}
	}
	slices.SortFunc(changes, func(a, b Change[K, V]) int { return t.order(a.Key, b.Key) })
	*t.changes(d) = changes
}

// Additions returns the changes that lead from an empty table to that of s, in no order.
func (t *Table[K, V]) Additions(s *State) []Change[K, V] {
	rows := t.in(s)
	if rows.Len() == 0 {
		return nil
	}
	changes := make([]Change[K, V], 0, rows.Len())
	values := make([]V, 0, rows.Len()) // one piece of memory for all that New points to
	for k, v := range rows.All() {
		values = append(values, v)
		changes = append(changes, Change[K, V]{Key: k, New: &values[len(values)-1]})
	}
	return changes
}

func (t *Table[K, V]) additions(s *State, d *Delta) { *t.changes(d) = t.Additions(s) }

func (t *Table[K, V]) apply(s *State, d *Delta) {
	rows := t.in(s)
	for _, c := range *t.changes(d) {
		if c.New != nil {
			rows.Swap(c.Key, *c.New)
		} else {
			rows.Delete(c.Key)
		}
	}
}

// divide puts what goes by d into before, what comes into after.
func (t *Table[K, V]) divide(before, after *State, d *Delta) {
	was, is := t.in(before), t.in(after)
	for _, c := range *t.changes(d) {
		if c.Old != nil {
			was.Swap(c.Key, *c.Old)
		}
		if c.New != nil {
			is.Swap(c.Key, *c.New)
		}
	}
}
