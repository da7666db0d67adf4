package agent

import (
	"context"
	"maps"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// inherit lets what an earlier process has left in the dataplane decide what the rows do not.
func (a *Agent) inherit(ctx context.Context) {
	undecided := a.compiler.Undecided()
	claimed := a.claimed()
	left, err := a.opts.Plane.Adopted(ctx, undecided || len(claimed) > 0)
	if err != nil {
		return // freeze tells of it
	}
	a.arrived = arrived(claimed, left, a.compiler.State())
	if left == nil {
		return
	}
	if undecided {
		a.compiler.Inherit(left)
		a.reporter.Update(nil)
	}
	a.left = left.Bindings
}

// claimed are the MACs that an NVC has placed behind a peer, and that have a Local row of an earlier process, too.
func (a *Agent) claimed() (keys []intent.MACKey) {
	for key := range a.reporter.AdoptedMACs() {
		if a.compiler.Claimed(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// arrived are those of the MACs that the NVC has placed there while there was no process: forwarding, which that has left, does
// not say it. Of the others the process had its row beside the NVC's, since it had heard the host after that.
func arrived(claimed []intent.MACKey, left, now *intent.State) (keys []intent.MACKey) {
	for _, key := range claimed {
		if left != nil {
			was, had := left.Unicast.Get(key)
			if is, _ := now.Unicast.Get(key); had && was.Peer == is.Peer {
				continue
			}
		}
		keys = append(keys, key)
	}
	return keys
}

// reconcileInherited withdraws, after the first Apply, Local rows of an earlier process of which
// it is known already that they are wrong: of MACs that were behind a binding which has gone
// meanwhile, or that a dataplane which has gone on has not learned any more; and of those that another
// switch of the database has learned, or an NVC has placed behind a peer meanwhile.
func (a *Agent) reconcileInherited(ctx context.Context) {
	a.resolveArrived(ctx)
	if a.left == nil {
		return
	}
	settled := map[intent.SwitchID]bool{}
	for at, b := range a.left {
		var next *intent.Binding
		if is, ok := a.compiler.State().Bindings[at]; ok {
			next = &is
		}
		if b.Role != intent.Standby && b.Forgets(next) { // at one on standby nothing was learned
			settled[b.Switch] = true
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
	maps.Copy(settled, a.remembered(ctx))
	a.reporter.UnadoptIn(settled)
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

// remembered are the switches in which the dataplane has gone on with all that was learned.
func (a *Agent) remembered(ctx context.Context) map[intent.SwitchID]bool {
	p, ok := a.opts.Plane.(plane.Rememberer)
	if !ok {
		return nil
	}
	switches, err := p.Remembered(ctx)
	if err != nil { // their rows stand until they age
		a.log.Warn("it is not known whether forwarding has kept all learned MACs", "err", err)
	}
	return switches
}

// noteWhole has the next process rely on what is learned, or not while rows of an earlier one stand without that.
func (a *Agent) noteWhole(ctx context.Context) {
	p, ok := a.opts.Plane.(plane.Rememberer)
	whole := a.reporter.Adopted() == 0
	if !ok || whole && a.whole {
		return
	}
	if err := p.Remember(ctx, whole); err != nil {
		a.log.Warn("the next process may not know that all learned MACs are known", "whole", whole, "err", err)
		return
	}
	a.whole = whole
}

// resolveArrived does for the MACs that an NVC has placed while there was no process what that would have done.
func (a *Agent) resolveArrived(ctx context.Context) {
	if len(a.arrived) == 0 {
		return
	}
	now := time.Now()
	for _, key := range a.arrived {
		a.resolveMove(now, key)
	}
	a.arrived = nil
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
