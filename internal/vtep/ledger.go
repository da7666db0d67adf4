package vtep

import (
	"maps"

	"github.com/vtep/vtep/internal/intent"
)

// ledger edits one map of a State and remembers how it was when the edits began.
type ledger[K comparable, V any] struct {
	now    map[K]V
	before map[K]*V // the keys that were touched; nil: the key was not there
	quiet  bool     // remember nothing: whoever edits knows better how it was
	room   room     // of now
}

// room keeps a map from having much more memory than it needs: it gives none back by itself.
type room struct{ most int }

// roomyMap is the number of keys up to which a map keeps its memory.
const roomyMap = 4096

// tooMuch says whether a map that has n keys now is to be copied into less memory.
func (r *room) tooMuch(n int) bool {
	r.most = max(r.most, n)
	if r.most <= roomyMap || n > r.most/4 {
		return false
	}
	r.most = n
	return true
}

// fit copies m if it has too much memory.
func fit[K comparable, V any](m *map[K]V, r *room) {
	if !r.tooMuch(len(*m)) {
		return
	}
	fitting := make(map[K]V, len(*m))
	maps.Copy(fitting, *m)
	*m = fitting
}

// fit does so with the map of the ledger, which is *m.
func (l *ledger[K, V]) fit(m *map[K]V) {
	fit(m, &l.room)
	l.now = *m
}

func newLedger[K comparable, V any](m map[K]V) ledger[K, V] {
	return ledger[K, V]{now: m, before: map[K]*V{}}
}

func (l *ledger[K, V]) touch(k K) {
	if l.quiet {
		return
	}
	if _, done := l.before[k]; done {
		return
	}
	if old, ok := l.now[k]; ok {
		l.before[k] = &old
	} else {
		l.before[k] = nil
	}
}

func (l *ledger[K, V]) set(k K, v V) {
	l.touch(k)
	l.now[k] = v
}

func (l *ledger[K, V]) delete(k K) {
	if _, ok := l.now[k]; ok {
		l.touch(k)
		delete(l.now, k)
	}
}

// close returns what changed, and begins anew.
func (l *ledger[K, V]) close(equal func(a, b V) bool) []intent.Change[K, V] {
	var changes []intent.Change[K, V]
	for k, old := range l.before {
		now, ok := l.now[k]
		switch {
		case ok && (old == nil || !equal(*old, now)):
			changes = append(changes, intent.Change[K, V]{Key: k, Old: old, New: &now})
		case !ok && old != nil:
			changes = append(changes, intent.Change[K, V]{Key: k, Old: old})
		}
	}
	empty(&l.before)
	return changes
}

// empty empties a map. One that is large would stay so, and be slow to empty ever after.
func empty[K comparable, V any](m *map[K]V) {
	if len(*m) > 1024 {
		*m = map[K]V{}
	} else {
		clear(*m)
	}
}

func same[V comparable](a, b V) bool { return a == b }
