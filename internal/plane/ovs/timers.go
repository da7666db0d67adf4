package ovs

import (
	"time"

	"github.com/vtep/vtep/internal/plane"
)

func (e *engine) nextTimer() (next time.Time) {
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	sooner(e.dbRetry.at)
	sooner(e.access.retry.at)
	sooner(e.goneAt())
	if e.begun && e.vs != nil && !e.routes.asking {
		sooner(e.routes.due)
	}
	for _, b := range e.bridges {
		if b.conn != nil {
			sooner(b.retryAt)
		}
	}
	return next
}

func (e *engine) retryFlows() {
	now := time.Now()
	if at := e.dbRetry.at; !at.IsZero() && !now.Before(at) {
		e.dbRetry.at = time.Time{}
	}
	if at := e.access.retry.at; !at.IsZero() && !now.Before(at) {
		e.access.tryAgain()
		e.built = false
	}
	for _, b := range e.bridges {
		if !b.retryAt.IsZero() && !now.Before(b.retryAt) {
			b.retry()
		}
	}
}

// away says whether ovs-vswitchd can't be talked to, as when it does not run.
func (e *engine) away() bool {
	b := e.bridges[e.names.ps]
	return b != nil && b.conn == nil && b.lastErr != nil
}

// goneAt is when it is to be told that it does not come back at once; zero: never, or it is told already.
func (e *engine) goneAt() time.Time {
	if !e.begun || !e.away() || e.stalled.IsZero() || e.goneTold == e.stalled {
		return time.Time{}
	}
	return e.stalled.Add(e.patience())
}

// tellGone tells, once, that no port works any more. Nothing else of the database changes when ovs-vswitchd ends.
func (e *engine) tellGone() {
	if at := e.goneAt(); !at.IsZero() && !time.Now().Before(at) {
		e.goneTold = e.stalled
		e.emit(plane.ReportChanged{})
	}
}
