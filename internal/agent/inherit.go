package agent

import (
	"context"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// inherit lets what an earlier process has left in the dataplane decide what the rows do not.
func (a *Agent) inherit(ctx context.Context) {
	undecided := a.compiler.Undecided()
	left, err := a.opts.Plane.Adopted(ctx, undecided)
	if err != nil || left == nil {
		return // freeze tells of the error
	}
	if undecided {
		a.compiler.Inherit(left)
		a.reporter.Update(nil)
	}
	a.left = left.Bindings
}

// reconcileInherited withdraws, after the first Apply, Local rows of an earlier process of which
// it is known already that they are wrong: of MACs that were behind a binding which has gone
// meanwhile, and of those that another switch of the database has learned meanwhile. The
// dataplane has remembered the others, so that they are learned now.
func (a *Agent) reconcileInherited(ctx context.Context) {
	if a.left == nil {
		return
	}
	moved := map[intent.SwitchID]bool{}
	for at, b := range a.left {
		if a.compiler.State().Bindings[at] != b {
			moved[b.Switch] = true
		}
	}
	a.left = nil
	if a.lost { // not all that is learned is known
		return
	}
	a.reporter.UnadoptIn(moved)
	a.reporter.UnadoptElsewhere()
	now := time.Now()
	var elsewhere []intent.MACKey
	for key := range a.table.All() {
		// A learned MAC without row was hidden.
		if a.compiler.Elsewhere(key) || a.compiler.Claimed(key) && !a.reporter.HasRow(key) {
			elsewhere = append(elsewhere, key)
		}
	}
	for _, key := range elsewhere {
		a.resolveMove(now, key)
	}
	a.flushForget(ctx)
	a.flushWatch(ctx)
}
