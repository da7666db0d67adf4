package neighbor

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// Place is where something came to routers of a switch: by a binding, or with the zero key by a tunnel.
type Place struct {
	Switch intent.SwitchID
	At     intent.BindingKey
}

// share is of something of which there is a bounded number, and of which no place may have more than is left for all
// others. One that takes all that it can gets half of it, two get a third each; whoever comes then finds as much as
// each of these has.
type share struct {
	most, taken int
	by          map[Place]int
}

func newShare(most int) share { return share{most: most, by: map[Place]int{}} }

// take takes n for a place, if it may have them.
func (s *share) take(p Place, n int) bool {
	if n == 0 {
		return true
	}
	if s.by[p]+n > s.most-s.taken-n {
		return false
	}
	s.by[p] += n
	s.taken += n
	return true
}

// give takes that back.
func (s *share) give(p Place, n int) {
	s.taken -= n
	if s.by[p] -= n; s.by[p] == 0 {
		delete(s.by, p)
	}
}

// Full is a place that was refused something of late: with Answers to answer for more addresses, else to have packets
// wait, and addresses asked for.
type Full struct {
	Place
	Answers bool
}

const (
	fullTime = time.Minute // how long a place is full after it was last refused something
	mostFull = 64          // that are told of
)

// refuse notes that a place has all that it may have.
func (t *Table) refuse(now time.Time, f Full) {
	_, known := t.full[f]
	if !known && len(t.full) >= mostFull {
		return
	}
	t.full[f] = now.Add(fullTime)
	t.actions.FullChanged = t.actions.FullChanged || !known
	if t.relax.IsZero() {
		t.relax = now.Add(fullTime)
	}
}

// relaxed forgets those who were refused nothing any more.
func (t *Table) relaxed(now time.Time) {
	if t.relax.IsZero() || t.relax.After(now) {
		return
	}
	t.relax = time.Time{}
	for f, until := range t.full {
		switch {
		case !until.After(now):
			delete(t.full, f)
			t.actions.FullChanged = true
		case t.relax.IsZero() || until.Before(t.relax):
			t.relax = until
		}
	}
}

// listFull lists who is full, in an order.
func (t *Table) listFull() []Full {
	return slices.SortedFunc(maps.Keys(t.full), func(a, b Full) int {
		return cmp.Or(slices.Compare(a.Switch[:], b.Switch[:]), a.At.Compare(b.At), cmp.Compare(btoi(a.Answers), btoi(b.Answers)))
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
