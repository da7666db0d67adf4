package intent

import "github.com/vtep/vtep/internal/trim"

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

// Set gives an entry a value, if it has not got that.
func (t *Table[K, V]) Set(e *Edit, k K, v V) {
	l := t.of(e)
	old, had := l.now.Get(k)
	if had && t.equal(old, v) {
		return
	}
	l.touch(k, old, had)
	l.now.Set(k, v)
}

// Delete takes an entry away, if it is there.
func (t *Table[K, V]) Delete(e *Edit, k K) {
	l := t.of(e)
	if old, had := l.now.Get(k); had {
		l.touch(k, old, had)
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

type entries[K comparable, V any] struct {
	table  *Table[K, V]
	now    store[K, V]
	before map[K]*V // the keys that were touched; nil: the key was not there
	quiet  bool
	room   trim.Room // of now
}

func (l *entries[K, V]) setQuiet(quiet bool) { l.quiet = quiet }

// touch remembers how the entry was when it is touched first.
func (l *entries[K, V]) touch(k K, old V, had bool) {
	if l.quiet {
		return
	}
	if _, done := l.before[k]; done {
		return
	}
	var was *V
	if had {
		was = new(V)
		*was = old
	}
	l.before[k] = was
}

func (l *entries[K, V]) close(d *Delta) {
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
