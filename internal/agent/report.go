package agent

import (
	"context"
	"errors"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/vtep"
)

// report starts the transaction that makes the rows right, if one is needed and none is under
// way.
func (a *Agent) report(ctx context.Context, now time.Time) {
	if a.inFlight || a.view == nil || !a.opts.Replica.Connected() || !a.owner || !a.transact.due(now) {
		return
	}
	var tx *hwvtep.Txn
	if !a.ready {
		wanted := vtep.Wanted{Name: a.opts.Name, TunnelIP: a.opts.TunnelIP, Ports: a.opts.Ports}
		tx = vtep.Bootstrap(a.view, wanted)
		if _, present := a.compiler.Present(); present && a.refusals >= lastingRefusals {
			a.log.Warn("the database does not take what the command line asks for: going on without")
			tx = nil
		}
		if tx == nil {
			for _, line := range vtep.Overruled(a.view, wanted) {
				a.log.Warn(line)
			}
			a.begin(ctx)
		}
	}
	if tx == nil {
		tx = a.reporter.Build(now)
	}
	if tx == nil {
		a.unreported = time.Time{} // the rows are there already
		a.opts.Problems.Replace("writes")
		return
	}
	a.inFlight = true
	a.reported, a.unreported = a.unreported, time.Time{}
	go func() {
		a.outcome <- a.execute(ctx, tx)
	}()
}

// lastingRefusals is how many in a row are more than that another client was faster.
const lastingRefusals = 3

var errUndone = errors.New("another client has undone it")

// finished takes the outcome of the transaction that was under way.
func (a *Agent) finished(err error) {
	a.inFlight = false
	if a.ready && a.reporter.Done(err) {
		// Somebody who does so again and again gets ever slower answers.
		err = errUndone
	}
	if err == nil {
		if !a.reported.IsZero() {
			a.frameToRow.observe(time.Since(a.reported))
		}
		a.refusals = 0
		a.transact.succeeded()
		a.opts.Problems.Replace("writes")
		return
	}
	if !a.reported.IsZero() { // it is still to be done
		a.unreported = a.reported
	}
	a.transact.failed(time.Now())
	var refused *idl.TransactError
	if errors.As(err, &refused) && refused.Err.Tag != "not owner" {
		a.refusals++
		own := a.opts.Position != nil && refused.Err.Tag == "I/O error" // then who has the file tells why
		switch {
		case refused.ReadOnly():
			a.opts.Problems.Replace("writes", problem.Problem{
				Kind: problem.ReadOnly, Object: problem.PhysicalSwitch(a.opts.Name),
				Text:   "the database server takes no changes (" + refused.Err.Details + "): forwarding follows its rows, but what is learned, counted and wrong here is not told",
				Remedy: "make it the active server (ovs-appctl -t FILE.ctl ovsdb-server/disconnect-active-ovsdb-server), or connect to that by a remote for writing, too"})
		case a.refusals >= lastingRefusals && !own:
			a.opts.Problems.Replace("writes", problem.Problem{
				Kind: problem.ReportRefused, Object: problem.PhysicalSwitch(a.opts.Name),
				Text:   "the database refuses what this VTEP reports (" + refused.Err.Error() + "): forwarding follows its rows, but what is learned, counted and wrong here is not told",
				Remedy: "see what keeps its server from it, such as a full disk, or a schema or a role that forbids it; it is tried again"})
		}
	}
	switch {
	case a.transact.failures == 1:
		// Most often another client was faster. The rows tell what is left to do.
		a.log.Debug("transaction failed", "err", err)
	case a.transact.failures&(a.transact.failures-1) != 0:
		// Ever rarer, while it goes on.
	case errors.Is(err, errUndone):
		a.log.Warn("another client of the database undoes what this VTEP reports, again and again: trying again")
	case errors.As(err, &refused):
		a.log.Warn("the database refuses what this VTEP reports: trying again", "err", err)
	default:
		a.log.Info("nothing can be reported now", "err", err)
	}
}

// counted is a reading of the counters.
type counted struct {
	stats  plane.Stats
	recent reading // the same, summed up
	err    error
}

// readStats has the counters read by another goroutine: there may be many.
func (a *Agent) readStats(ctx context.Context, now time.Time) {
	a.stats, a.counting = now, true
	go func() {
		stats, recent, err := a.totals.read(ctx, a.opts.Plane)
		a.counted <- counted{stats, recent, err}
	}()
}

// handleStats takes a reading. Counters that moved become rows.
func (a *Agent) handleStats(got counted) {
	a.counting = false
	if got.err != nil {
		a.log.Warn("nothing is told of traffic now", "err", got.err)
		return
	}
	a.reporter.SetStats(got.stats)
	a.remember(got.recent)
}
