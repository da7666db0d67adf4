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
	released map[intent.MACKey]time.Time // when they were given up last; forgotten after movePause
	due      map[intent.MACKey]struct{}  // to be given up when next
	next     time.Time                   // zero: nothing is due
	purge    int                         // size of released at which the old ones are forgotten

	hidden map[intent.MACKey]time.Time // learned here, placed behind a peer by an NVC: since when
	watch  []intent.MACKey             // those of them that the plane is to be asked to watch

	refresh bool // the State or a doubt depends on a MAC that was learned, moved or forgotten
}

const movePause = 5 * time.Second

// hiddenPause is the most time between sweeps while there are hidden MACs, should the plane not
// tell of their frames.
const hiddenPause = 30 * time.Second

func newMoves() moves {
	return moves{released: map[intent.MACKey]time.Time{}, due: map[intent.MACKey]struct{}{}, purge: 1024, hidden: map[intent.MACKey]time.Time{}}
}

// markMAC notes that a MAC was learned or forgotten.
func (a *Agent) markMAC(key intent.MACKey) {
	a.reporter.MarkMAC(key)
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

// processMoves gives up what other switches have learned, and makes forwarding follow.
func (a *Agent) processMoves(ctx context.Context, now time.Time) {
	m := &a.moves
	for _, key := range a.compiler.TakeMoved() {
		if until := m.released[key].Add(movePause); now.Before(until) {
			m.due[key] = struct{}{}
			if m.next.IsZero() {
				m.next = until
			}
		} else {
			a.resolveMove(now, key)
		}
	}
	if !m.next.IsZero() && !now.Before(m.next) {
		m.next = time.Time{}
		for key := range m.due {
			delete(m.due, key)
			a.resolveMove(now, key)
		}
	}
	a.flushForget(ctx)
	a.flushWatch(ctx)
	if m.refresh {
		m.refresh = false
		d := a.compiler.Refresh()
		a.tally.note(d)
		if a.ready {
			a.publishProblems()
			a.followNeighbors(d)
			a.applyState(ctx, d)
			a.flushNeighbors(ctx) // those who waited for hosts at ports to say something
		}
	}
}

// resolveMove does what follows when a MAC is claimed elsewhere.
func (a *Agent) resolveMove(now time.Time, key intent.MACKey) {
	switch {
	case a.compiler.Elsewhere(key):
		a.release(now, key)
	case a.compiler.Claimed(key):
		a.hide(now, key)
	}
}

func (a *Agent) release(now time.Time, key intent.MACKey) {
	a.reporter.GiveUp(key)
	if !a.table.Remove(key) {
		return
	}
	a.dropped([]intent.MACKey{key})
	a.recordRelease(now, key)
}

// hide withdraws the row of a MAC that an NVC has placed behind a peer. That counts for
// forwarding, too, while it stands. What was learned is kept for when it does not. If the host
// is heard here again, its row comes back, and the NVC has to decide.
func (a *Agent) hide(now time.Time, key intent.MACKey) {
	a.reporter.GiveUp(key)
	if _, learned := a.table.Get(key); !learned {
		return
	}
	a.reporter.Hide(key)
	a.moves.hidden[key] = now
	a.moves.watch = append(a.moves.watch, key)
	a.recordRelease(now, key)
}

func (a *Agent) show(key intent.MACKey) {
	delete(a.moves.hidden, key)
	a.reporter.Unhide(key)
}

// refreshHidden takes note of when a frame of a MAC was seen last.
func (a *Agent) refreshHidden(seen time.Time, key intent.MACKey) {
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

func (a *Agent) recordRelease(now time.Time, key intent.MACKey) {
	m := &a.moves
	m.released[key] = now
	if len(m.released) > m.purge {
		for key, at := range m.released {
			if now.Sub(at) > movePause {
				delete(m.released, key)
			}
		}
		m.purge = max(1024, 2*len(m.released))
	}
}
