package agent

import (
	"context"
	"time"

	"github.com/vtep/vtep/internal/fdb"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/plane"
)

// compile compiles what is new in the database, and applies it.
func (a *Agent) compile(ctx context.Context) {
	snapshot, delta := a.opts.Replica.Take()
	if snapshot == nil || delta.Empty() && a.view != nil {
		return
	}
	view := hwvtep.NewView[*idl.Table](snapshot)
	var changes *hwvtep.Changes // nil: all is to be looked at
	if a.view != nil && view.Layout().Schema() == a.view.Layout().Schema() {
		c := hwvtep.NewChanges(view.Layout(), delta)
		changes = &c
	}
	a.view = view
	before, was := a.compiler.Present()
	old := a.compiler.State() // stays as it is where the row of the switch is another one then
	d := &intent.Delta{}
	if !a.ready && changes == nil {
		a.compiler.Load(view)
		a.recount()
	} else {
		d = a.compiler.Update(view, changes)
		a.tally.note(d)
	}
	if a.since.IsZero() {
		a.since = delta.Since
	}
	if delta.Reset {
		changes = nil // what the server does not keep is to be published again
	}
	a.reporter.Update(changes)
	if a.ready {
		if id, is := a.compiler.Present(); is && (!was || id != before) {
			a.log.Info("found the switch", "name", a.opts.Name, "row", id)
		}
		a.configure(d)
		a.followGroups(d)
		a.followNeighbors(d)
		if !delta.Reset || !a.freezeAgain(ctx, old) {
			a.applyState(ctx, d)
		}
		if a.known || a.frozen || !a.owner {
			a.since = time.Time{} // there is nothing that the plane has not got, or will not get for long
		}
		a.publishProblems()
		a.flushForget(ctx)
	}
	a.opts.Trim.Note(bytesPerRow * delta.Len())
}

// recount counts the State anew, after one that no delta leads to.
func (a *Agent) recount() {
	was := a.tally
	a.tally = newTally()
	a.tally.countAll(a.compiler.State())
	a.tally.follow(&was)
}

// tellStates logs what is in another state than before.
func (a *Agent) tellStates() { a.seen.observe(a.reporter.Report(), &a.tally) }

// bytesPerRow is about how much memory becomes free by compiling a changed row.
const bytesPerRow = 1 << 10

// begin is called once, when the database has what the options ask for. A switch that is made
// only then must not take down what an earlier process has left.
func (a *Agent) begin(ctx context.Context) {
	a.ready = true
	if id, ok := a.compiler.Present(); ok {
		a.log.Info("found the switch", "name", a.opts.Name, "row", id)
	}
	a.inherit(ctx)
	a.configure(&intent.Delta{Ports: intent.PortTable.Additions(a.compiler.State())})
	a.followGroups(nil)
	a.takeGroups() // so that the first Apply is of what holds while nothing is known; nobody is to be asked yet
	a.tally.note(a.compiler.Refresh())
	frozen := a.freeze(ctx)
	a.publishProblems()
	if frozen {
		return
	}
	a.applyState(ctx, nil)
	a.opts.Trim.Soon()
	a.askPorts(ctx)
	a.awaitAdopted()
}

// awaitAdopted gives rows and neighbours of an earlier process the time to be learned again.
func (a *Agent) awaitAdopted() {
	if a.reporter.Adopted() > 0 || len(a.compiler.Unconfirmed()) > 0 {
		a.adopted = time.Now()
	}
	if a.reporter.AdoptedGroups() > 0 {
		a.groups.adopted = time.Now()
	}
}

// configure hands the table what d says of limits and bindings.
func (a *Agent) configure(d *intent.Delta) {
	s := a.compiler.State()
	if aging := a.compiler.Aging(); aging != a.aging || s.MACLimit != a.macLimit {
		a.aging, a.macLimit = aging, s.MACLimit
		a.dropped(a.table.SetConfig(fdb.Config{Age: aging, Limit: int(s.MACLimit), Ignore: ignored}))
	}
	for _, c := range d.Ports {
		limit := 0
		if c.New != nil {
			limit = int(c.New.MACLimit)
		}
		a.dropped(a.table.SetPortLimit(c.Key, limit))
	}
	a.forgetIPs(d)
	a.hearIPs(d)
	for _, c := range d.Bindings {
		if c.Old == nil || !c.Old.Forgets(c.New) {
			continue
		}
		// The plane forgets these by itself, and may already have learned some of them elsewhere.
		for _, key := range a.table.RemoveBinding(c.Key) {
			a.markMAC(key)
		}
	}
	a.checkFull()
}

// mustApply says whether the plane is to be reconciled from scratch.
func (a *Agent) mustApply() bool { return a.ready && !a.known && !a.frozen && a.owner }

// applyState makes the plane's forwarding that of the State, from which d is the difference
// since the last time; nil if that is not known.
func (a *Agent) applyState(ctx context.Context, d *intent.Delta) {
	if !a.ready || !a.owner {
		return
	}
	if a.frozen {
		if d == nil || d.Empty() {
			return
		}
		a.thaw("somebody has written to the database")
	}
	if !a.known {
		if !a.apply.due(time.Now()) {
			return
		}
		d = nil
	} else if d != nil && d.Empty() {
		return
	}
	a.applyNow(ctx, d)
}

func (a *Agent) applyNow(ctx context.Context, d *intent.Delta) {
	state := a.compiler.State()
	if d == nil || !d.Empty() {
		state.Position = a.position()
	}
	report, err := a.opts.Plane.Apply(ctx, state, d)
	a.reporter.SetReport(report)
	a.forgetRefused(report)
	if ctx.Err() == nil {
		a.publishReport(report, err)
	}
	if err != nil {
		a.known = false
		a.apply.failed(time.Now())
		return
	}
	a.known = true
	a.apply.succeeded()
	if !a.since.IsZero() && (d == nil || !d.Empty()) {
		a.commitToPlane.observe(time.Since(a.since))
	}
	a.since = time.Time{}
	a.compiler.UpdateSessions(time.Now(), &report)
	moved := a.compiler.Refresh()
	a.tally.note(moved)
	if !moved.Empty() { // another service node
		if report, err = a.opts.Plane.Apply(ctx, a.compiler.State(), moved); err != nil {
			a.known = false
			a.apply.failed(time.Now())
			return
		}
		a.reporter.SetReport(report)
	}
	a.tellStates()
	if d == nil { // what the plane has learned may be news, too
		a.sweepNow(ctx)
		a.dropDown()
		a.reconcileInherited(ctx)
		a.noteWhole(ctx)
		a.flushForget(ctx)
	}
}

// forgetRefused drops what was learned at ports that are out of force: frames to these hosts
// must not be sent here. The plane forgets them by itself.
func (a *Agent) forgetRefused(r plane.Report) {
	for at := range r.Bindings {
		if r.Ports[at.Port] == nil {
			continue
		}
		for _, key := range a.table.RemoveBinding(at) {
			a.markMAC(key)
		}
	}
}

// askReport makes the plane say anew what works.
func (a *Agent) askReport(ctx context.Context) {
	if a.known && a.owner {
		a.applyNow(ctx, &intent.Delta{})
	}
}
