package agent

import (
	"context"
	"time"

	"github.com/vtep/vtep/internal/intent"
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

	refresh bool // the State or a doubt depends on a MAC that was learned, moved or forgotten
}

const movePause = 5 * time.Second

func newMoves() moves {
	return moves{given: map[intent.MACKey]time.Time{}, due: map[intent.MACKey]struct{}{}, purge: 1024}
}

// touch notes that a MAC was learned or forgotten.
func (a *Agent) touch(key intent.MACKey) {
	a.reporter.Touch(key)
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
			a.giveUp(now, key)
		}
	}
	if !m.next.IsZero() && !now.Before(m.next) {
		m.next = time.Time{}
		for key := range m.due {
			delete(m.due, key)
			if a.compiler.Elsewhere(key) {
				a.giveUp(now, key)
			}
		}
	}
	a.flushForget(ctx)
	if m.refresh {
		m.refresh = false
		if d := a.compiler.Refresh(); a.ready {
			a.tellProblems()
			a.applyState(ctx, d)
		}
	}
}

func (a *Agent) giveUp(now time.Time, key intent.MACKey) {
	if !a.table.Remove(key) {
		return
	}
	a.dropped([]intent.MACKey{key})
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
