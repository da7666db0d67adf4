package agent

import (
	"context"
	"errors"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

const (
	// statsPeriod is how often counters are read while there are bindings, and the least
	// time between two transactions for them.
	statsPeriod = 5 * time.Second
	// burst is how many events are taken before the rest of the loop has its turn.
	burst = 4096
)

var errPlaneClosed = errors.New("the plane was closed under the agent")

// Run runs the VTEP until ctx ends, and returns why it ended. Forwarding stays as it is. It is
// called once.
func (a *Agent) Run(ctx context.Context) error {
	defer close(a.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	if a.opts.Lock != "" {
		a.opts.Replica.Lock(a.opts.Lock)
	}
	for {
		now := time.Now()
		a.checkLock(ctx)
		a.flushGroups(ctx)
		a.flushNeighbors(ctx)
		a.processMoves(ctx, now)
		if a.reporter.Busy(now) || !a.ready {
			a.report(ctx, now)
		}
		if a.ready && !a.told {
			a.told = true
			if a.opts.Ready != nil {
				if err := a.opts.Ready(); err != nil {
					a.awaitOutcome()
					a.awaitReaders()
					return err
				}
			}
		}
		if at := a.nextTimer(); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(0, time.Until(at)))
		}
		select {
		case <-ctx.Done():
			a.awaitOutcome()
			a.awaitReaders()
			return context.Cause(ctx)
		case <-a.opts.Replica.Updates():
			a.compile(ctx)
		case e, ok := <-a.opts.Plane.Events():
			if !ok {
				a.awaitReaders()
				return errPlaneClosed
			}
			a.events(ctx, e)
		case err := <-a.outcome:
			// The update with the transaction's effects came before its outcome.
			a.compile(ctx)
			a.finished(err)
		case got := <-a.sweep.results:
			a.handleSweep(got)
			a.swept(ctx)
		case <-a.sweep.next:
			a.takeSightings()
			a.swept(ctx)
		case got := <-a.counted:
			a.handleStats(got)
		case f := <-a.asks:
			f(ctx)
		case <-timer.C:
			a.timers(ctx)
		}
	}
}

// awaitOutcome waits for the transaction under way, whose context has ended.
func (a *Agent) awaitOutcome() {
	if a.inFlight {
		a.finished(<-a.outcome)
	}
}

// awaitReaders waits for those who read from the plane, before somebody closes it.
func (a *Agent) awaitReaders() {
	if a.sweep.reading {
		<-a.sweep.results
	}
	if a.counting {
		<-a.counted
	}
}

// nextTimer returns when there is something to do if nothing happens; zero: never.
func (a *Agent) nextTimer() time.Time {
	var next time.Time
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if a.mustApply() {
		sooner(a.apply.at)
	}
	if !a.inFlight && a.owner && a.opts.Replica.Connected() {
		if a.reporter.Busy(time.Now()) || !a.ready {
			sooner(a.transact.at)
		} else if due := a.reporter.Due(); !due.IsZero() {
			sooner(later(due, a.transact.at))
		}
	}
	if a.known && len(a.compiler.State().Bindings) > 0 && !a.counting {
		sooner(a.stats.Add(statsPeriod))
	}
	sooner(a.moves.next)
	sooner(a.nextGroups())
	sooner(a.neighbors.Next())
	sooner(a.nextProbe())
	sooner(a.compiler.Recovery())
	if a.sweeping() { // what is due then waits for its end
		return next
	}
	if at, ok := a.table.NextExpiry(); ok {
		sooner(later(at, a.sweep.began.Add(a.sweepPeriod())))
	}
	if !a.adopted.IsZero() {
		sooner(a.adopted.Add(a.agingOrDefault()))
	}
	if len(a.moves.hidden) > 0 && a.known {
		sooner(a.sweep.began.Add(hiddenPause))
	}
	if a.lost {
		sooner(a.sweep.began.Add(lostPause))
	}
	return next
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// timers does what is due.
func (a *Agent) timers(ctx context.Context) {
	now := time.Now()
	if a.mustApply() && a.apply.due(now) {
		a.applyState(ctx, nil)
	}
	if a.known && len(a.compiler.State().Bindings) > 0 && !a.counting && !now.Before(a.stats.Add(statsPeriod)) {
		a.readStats(ctx, now)
	}
	if at := a.compiler.Recovery(); !at.IsZero() && !now.Before(at) {
		a.compiler.Recover(now)
		a.moves.refresh = true // they may be chosen as service nodes again
	}
	a.expireGroups(now)
	a.neighbors.Advance(now, a.usedNeighbors(ctx))
	a.probeHosts(ctx, now)
	if !a.sweeping() {
		a.sweepIfDue(ctx, now)
	}
	a.flushForget(ctx)
}

func (a *Agent) sweepIfDue(ctx context.Context, now time.Time) {
	due := a.lost && !now.Before(a.sweep.began.Add(lostPause)) || len(a.moves.hidden) > 0 && !now.Before(a.sweep.began.Add(hiddenPause))
	if at, ok := a.table.NextExpiry(); ok && !now.Before(later(at, a.sweep.began.Add(a.sweepPeriod()))) {
		a.sweep.age, due = true, true
	}
	if !a.adopted.IsZero() && !now.Before(a.adopted.Add(a.agingOrDefault())) {
		a.sweep.unadopt, due = true, true
	}
	if due {
		a.startSweep(ctx, now)
	}
}

// swept does what a part of a sweep has brought about.
func (a *Agent) swept(ctx context.Context) {
	a.flushForget(ctx)
	if !a.whole && a.reporter.Adopted() == 0 {
		a.noteWhole(ctx)
	}
}

// flushForget makes the plane forget what the table dropped.
func (a *Agent) flushForget(ctx context.Context) {
	a.flushTaken(ctx)
	if len(a.forget) == 0 {
		return
	}
	if err := a.opts.Plane.Forget(ctx, a.forget); err != nil {
		a.log.Warn("MACs not forgotten", "count", len(a.forget), "err", err)
	}
	a.forget = nil
}

// dropped takes MACs that the table has dropped.
func (a *Agent) dropped(keys []intent.MACKey) {
	for _, key := range keys {
		a.markMAC(key)
	}
	if len(keys) > 0 {
		a.checkFull()
	}
	a.forget = append(a.forget, keys...)
}
