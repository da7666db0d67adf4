package intent

import (
	"slices"

	"github.com/vtep/vtep/internal/trim"
)

// Edit edits a State in place and remembers how it was when the edits began, or when Close was
// last called. Entries are edited by the Set and Delete of their tables; scalars in the State.
type Edit struct {
	state   *State
	scalars Scalars
	ledgers []ledger // in the order of tables
}

// NewEdit begins to edit s.
func NewEdit(s *State) *Edit {
	e := &Edit{state: s, scalars: s.Scalars}
	for _, t := range tables {
		e.ledgers = append(e.ledgers, t.ledger(s))
	}
	return e
}

// Quiet has nothing remembered until it is called with false, for when whoever edits knows
// better how it was.
func (e *Edit) Quiet(quiet bool) {
	e.scalars = e.state.Scalars
	for _, l := range e.ledgers {
		l.setQuiet(quiet)
	}
}

// Close returns what changed, in no order, and begins anew.
func (e *Edit) Close() *Delta {
	d := &Delta{}
	d.setScalars(e.scalars, e.state.Scalars)
	e.scalars = e.state.Scalars
	for _, l := range e.ledgers {
		l.close(d)
	}
	return d
}

// Fit gives memory back after much has gone.
func (e *Edit) Fit() {
	for _, l := range e.ledgers {
		l.fit(e.state)
	}
}

// Expect makes room for so many new entries, which are about to be set.
func (t *Table[K, V]) Expect(e *Edit, n int) {
	if l := t.of(e); !l.quiet && len(l.before) == 0 {
		l.added = slices.Grow(l.added, n)
	}
}

// Set gives an entry a value, if it has not got that.
func (t *Table[K, V]) Set(e *Edit, k K, v V) {
	l := t.of(e)
	switch old, had := l.now.Swap(k, v); {
	case !had:
		l.add(k, v)
	case !t.equal(old, v):
		l.touch(k, old)
	}
}

// Delete takes an entry away, if it is there.
func (t *Table[K, V]) Delete(e *Edit, k K) {
	l := t.of(e)
	if old, had := l.now.Get(k); had {
		l.touch(k, old)
		l.now.Delete(k)
	}
}

func (t *Table[K, V]) of(e *Edit) *entries[K, V] { return e.ledgers[t.place].(*entries[K, V]) }

func (t *Table[K, V]) ledger(s *State) ledger {
	return &entries[K, V]{table: t, now: t.in(s), before: map[K]*V{}}
}

// ledger is what an Edit has for one table.
type ledger interface {
	setQuiet(quiet bool)
	close(d *Delta)
	fit(s *State)
}

// entries remembers by lists as long as there are only new keys, since each then is touched once: of a million
// of them a map would be the largest part of the work.
type entries[K comparable, V any] struct {
	table  *Table[K, V]
	now    store[K, V]
	added  []Change[K, V] // the keys that are new, while no other was touched
	values []V            // the last ones that added points to
	before map[K]*V       // else: the keys that were touched; nil: the key was not there
	quiet  bool
	room   trim.Room // of now
}

const (
	fewValues  = 4
	manyValues = 4096
)

func (l *entries[K, V]) setQuiet(quiet bool) { l.quiet = quiet }

// add remembers that a key is new.
func (l *entries[K, V]) add(k K, v V) {
	switch {
	case l.quiet:
	case len(l.before) > 0:
		if _, touched := l.before[k]; !touched {
			l.before[k] = nil
		}
	case len(l.values) > 0 && l.table.equal(l.values[len(l.values)-1], v): // often many are equal
		l.added = append(l.added, Change[K, V]{Key: k, New: &l.values[len(l.values)-1]})
	default:
		if len(l.values) == cap(l.values) { // never moved: they are pointed to
			l.values = make([]V, 0, min(max(2*cap(l.values), fewValues), manyValues))
		}
		l.values = append(l.values, v)
		l.added = append(l.added, Change[K, V]{Key: k, New: &l.values[len(l.values)-1]})
	}
}

// touch remembers how the entry was when it is touched first.
func (l *entries[K, V]) touch(k K, old V) {
	if l.quiet {
		return
	}
	for i := range l.added {
		l.before[l.added[i].Key] = nil
	}
	l.added, l.values = nil, nil
	if _, touched := l.before[k]; !touched {
		was := old
		l.before[k] = &was
	}
}

func (l *entries[K, V]) close(d *Delta) {
	if len(l.added) > 0 {
		*l.table.changes(d) = l.added
		l.added, l.values = nil, nil
		return
	}
	if len(l.before) == 0 {
		return
	}
	changes := make([]Change[K, V], 0, len(l.before))
	values := make([]V, 0, len(l.before)) // one piece of memory for all that New points to
	for k, old := range l.before {
		now, ok := l.now.Get(k)
		switch {
		case ok && (old == nil || !l.table.equal(*old, now)):
			values = append(values, now)
			changes = append(changes, Change[K, V]{Key: k, Old: old, New: &values[len(values)-1]})
		case !ok && old != nil:
			changes = append(changes, Change[K, V]{Key: k, Old: old})
		}
	}
	if len(changes) > 0 {
		*l.table.changes(d) = changes
	}
	trim.Empty(&l.before)
}

func (l *entries[K, V]) fit(s *State) {
	if l.table.store == nil { // a store does so by itself
		trim.Fit(l.table.rows(s), &l.room)
	}
}
