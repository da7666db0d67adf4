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
		a.adoptNeighbors()
		return
	}
	a.confirmIPs()
	a.adoptNeighbors()
	a.forgetUnconfirmed(false)
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

// confirmIPs has local hosts keep all addresses that the earlier process knew of them: a sweep tells of
// the last one only. They go with the MAC.
func (a *Agent) confirmIPs() {
	for at, mac := range a.compiler.Unconfirmed() {
		key := intent.MACKey{Switch: at.Switch, MAC: mac}
		if _, ok := a.table.Get(key); !ok || !a.compiler.State().Switches[at.Switch].SnoopIPs {
			continue
		}
		last := a.table.IP(key)
		a.setIP(key, at.IP)
		if last.IsValid() {
			a.table.SetIP(key, last) // which is that of its row
		}
	}
}

// forgetUnconfirmed forgets neighbours of an earlier process of whom nothing is known since. In a switch
// without router they are local hosts, which a sweep has told of; a router may have asked others.
func (a *Agent) forgetUnconfirmed(routed bool) {
	if a.compiler.ForgetUnconfirmed(routed) {
		a.moves.refresh = true
	}
}
