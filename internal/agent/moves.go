package agent

import (
	"context"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// A host may move from a port here to one of another switch of the same database, and back.
// Each agent publishes where it has seen the host; whoever has published it before takes that
// back, and forgets the host. So all rows and all switches soon agree, with no NVC between.
//
// An address that two hosts have would be taken to and fro with each of their frames. So each
// address is given up once in movePause: if it is claimed elsewhere again before that, then at
// its end.
type moves struct {
	given map[intent.MACKey]time.Time // when they were given up last; forgotten after movePause
	due   map[intent.MACKey]struct{}  // to be given up when next
	next  time.Time                   // zero: nothing is due
	purge int                         // size of given at which the old ones are forgotten

	hidden map[intent.MACKey]time.Time // learned here, placed behind a peer by an NVC: since when
	watch  []intent.MACKey             // those of them that the plane is to be asked to watch

	refresh bool // the State or a doubt depends on a MAC that was learned, moved or forgotten
}

const movePause = 5 * time.Second

// hiddenPause is the most time between sweeps while there are hidden MACs, should the plane not
// tell of their frames.
const hiddenPause = 30 * time.Second

func newMoves() moves {
	return moves{given: map[intent.MACKey]time.Time{}, due: map[intent.MACKey]struct{}{}, purge: 1024, hidden: map[intent.MACKey]time.Time{}}
}

// touch notes that a MAC was learned or forgotten.
func (a *Agent) touch(key intent.MACKey) {
	a.reporter.Touch(key)
	if _, learned := a.table.Get(key); !learned && a.sweep.gone != nil {
		a.sweep.gone[key] = struct{}{}
	}
	if _, hidden := a.moves.hidden[key]; hidden {
		if _, learned := a.table.Get(key); !learned {
			a.show(key)
		}
	}
	if a.compiler.LearnedChanged(key) {
		a.moves.refresh = true
	}
}

// settleMoves gives up what other switches have learned, and makes forwarding follow.
func (a *Agent) settleMoves(ctx context.Context, now time.Time) {
	m := &a.moves
	for _, key := range a.compiler.TakeMoved() {
		if until := m.given[key].Add(movePause); now.Before(until) {
			m.due[key] = struct{}{}
			if m.next.IsZero() {
				m.next = until
			}
		} else {
			a.yield(now, key)
		}
	}
	if !m.next.IsZero() && !now.Before(m.next) {
		m.next = time.Time{}
		for key := range m.due {
			delete(m.due, key)
			a.yield(now, key)
		}
	}
	a.flushForget(ctx)
	a.flushWatch(ctx)
	if m.refresh {
		m.refresh = false
		if d := a.compiler.Refresh(); a.ready {
			a.tellProblems()
			a.applyState(ctx, d)
		}
	}
}

// yield does what follows when a MAC is claimed elsewhere.
func (a *Agent) yield(now time.Time, key intent.MACKey) {
	switch {
	case a.compiler.Elsewhere(key):
		a.giveUp(now, key)
	case a.compiler.Claimed(key):
		a.hide(now, key)
	}
}

func (a *Agent) giveUp(now time.Time, key intent.MACKey) {
	a.reporter.UnadoptMAC(key)
	if !a.table.Remove(key) {
		return
	}
	a.dropped([]intent.MACKey{key})
	a.noteGiven(now, key)
}

// hide withdraws the row of a MAC that an NVC has placed behind a peer. That counts for
// forwarding, too, while it stands. What was learned is kept for when it does not. If the host
// is heard here again, its row comes back, and the NVC has to decide.
func (a *Agent) hide(now time.Time, key intent.MACKey) {
	a.reporter.UnadoptMAC(key)
	if _, learned := a.table.Get(key); !learned {
		return
	}
	a.reporter.Hide(key)
	a.moves.hidden[key] = now
	a.moves.watch = append(a.moves.watch, key)
	a.noteGiven(now, key)
}

func (a *Agent) show(key intent.MACKey) {
	delete(a.moves.hidden, key)
	a.reporter.Unhide(key)
}

// heard takes note of when a frame of a MAC was seen last.
func (a *Agent) heard(seen time.Time, key intent.MACKey) {
	if since, hidden := a.moves.hidden[key]; hidden && seen.After(since) {
		a.show(key)
	}
}

// flushWatch asks the plane to tell of the next frames of hidden MACs. One that can't, or can't
// now, is swept every so often: see nextTimer.
func (a *Agent) flushWatch(ctx context.Context) {
	keys := a.moves.watch
	if a.moves.watch = nil; len(keys) == 0 {
		return
	}
	if w, ok := a.opts.Plane.(plane.Watcher); ok {
		if err := w.Watch(ctx, keys); err != nil {
			a.log.Debug("MACs not watched", "err", err)
		}
	}
}

func (a *Agent) noteGiven(now time.Time, key intent.MACKey) {
	m := &a.moves
	m.given[key] = now
	if len(m.given) > m.purge {
		for key, at := range m.given {
			if now.Sub(at) > movePause {
				delete(m.given, key)
			}
		}
		m.purge = max(1024, 2*len(m.given))
	}
}
