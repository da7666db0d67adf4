package ovs

import (
	"time"

	"github.com/vtep/vtep/internal/openflow"
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

// lose notes that the bridge can't be controlled any more, or not yet. One that goes as soon as it is back was not back.
func (b *bridge) lose(err error) {
	if now := time.Now(); b.gone.IsZero() || b.conn != nil && now.Sub(b.back) >= grace {
		b.gone = now
	}
	b.conn, b.lastErr = nil, err
}

// found notes that the bridge can be controlled.
func (b *bridge) found(conn *openflow.Conn) {
	if !b.served {
		b.gone = time.Time{}
	}
	b.conn, b.lastErr, b.served, b.back = conn, nil, true, time.Now()
}

// settled notes that all is in force.
func (b *bridge) settled() { b.gone, b.goneTold = time.Time{}, false }

// tellWhy tells that what has failed has another reason now. It has failed until all is in force, also while ovs-vswitchd comes and goes.
func (e *engine) tellWhy(b *bridge) {
	if b.goneTold {
		e.emit(plane.ReportChanged{})
	}
}

// away says whether ovs-vswitchd can't be talked to, as when it does not run.
func (e *engine) away() bool {
	b := e.bridges[e.names.ps]
	return b != nil && b.conn == nil && b.lastErr != nil
}

// goneAt is when it is to be told that it does not come back at once, or that not all is in force again; zero: never, or it is told already.
func (e *engine) goneAt() time.Time {
	if b := e.bridges[e.names.ps]; !e.begun || e.stalled.IsZero() || b == nil || b.gone.IsZero() || b.goneTold {
		return time.Time{}
	}
	return e.failsAt()
}

// tellGone tells, once, that no port works any more. Nothing else need change then: not in the database, when ovs-vswitchd ends.
func (e *engine) tellGone() {
	if at := e.goneAt(); !at.IsZero() && !time.Now().Before(at) {
		e.bridges[e.names.ps].goneTold = true
		e.emit(plane.ReportChanged{})
	}
}

// onItsWay says whether what is not done yet was asked for a moment ago, or waits for an ovs-vswitchd that may be back soon.
func (e *engine) onItsWay() bool {
	if e.stalled.IsZero() {
		return true
	}
	b := e.bridges[e.names.ps]
	return (b == nil || !b.goneTold) && time.Now().Before(e.failsAt())
}

// failsAt is when what is pending counts as a failure. What is to be made anew takes a while from when ovs-vswitchd is back.
func (e *engine) failsAt() time.Time {
	at := e.stalled.Add(grace)
	b := e.bridges[e.names.ps]
	if b == nil {
		return at
	}
	held := b.gone.Add(e.patience())
	if e.away() {
		return held
	}
	for _, t := range []time.Time{b.back.Add(grace), held} {
		if t.After(at) {
			at = t
		}
	}
	return at
}

// patience is for how long what is pending does not count as a failure. The kernel's datapath goes on with the flows that it has while
// ovs-vswitchd is upgraded, which takes seconds with many bridges, as does making all their flows then: others are not to give up
// the hosts here for that.
func (e *engine) patience() time.Duration {
	if b := e.bridges[e.names.ps]; b != nil && b.served && !b.gone.IsZero() && e.vs != nil && e.vs.bridges[b.name].inKernel() {
		return restarts
	}
	return grace
}
