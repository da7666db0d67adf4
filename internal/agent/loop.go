package agent

import (
	"context"
	"fmt"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// Run runs the agent until ctx ends, and returns its cause, or what made it impossible to go
// on. Forwarding stays as it is.
func (a *Agent) Run(ctx context.Context) error {
	made, ready := false, false
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-a.opts.Replica.Updates():
			snapshot, delta := a.opts.Replica.Take()
			if snapshot == nil {
				continue
			}
			v := hwvtep.NewView(snapshot)
			if !made {
				if err := a.make(ctx, v); err != nil {
					return err
				}
				made = true
			}
			a.update(ctx, v, delta)
			if _, present := a.compiler.Present(); ready || !present && a.hasRows() {
				continue // the rows just made are on their way
			}
			ready = true
			if err := a.opts.Ready(); err != nil {
				return err
			}
		case _, ok := <-a.opts.Plane.Events():
			if !ok {
				return fmt.Errorf("dataplane closed")
			}
		}
	}
}

// hasRows says whether the command line asks for rows, so that the switch is sure to come.
func (a *Agent) hasRows() bool { return a.opts.TunnelIP != "" || len(a.opts.Ports) > 0 }

// make makes the rows of the command line.
func (a *Agent) make(ctx context.Context, v *hwvtep.View) error {
	tx := bootstrap(v, &a.opts)
	if tx.Len() == 0 {
		return nil
	}
	tx.Comment("vtep: rows of the command line")
	if _, err := a.opts.Replica.Transact(ctx, tx.Ops()); err != nil {
		return fmt.Errorf("make the rows of the command line: %w", err)
	}
	return nil
}

// update brings forwarding up to date with the rows.
func (a *Agent) update(ctx context.Context, v *hwvtep.View, delta *idl.Delta) {
	changes := hwvtep.NewChanges(v.Layout(), delta)
	d := a.compiler.Update(v, &changes)
	for _, p := range a.compiler.NewProblems() {
		a.log.Warn(p.Text, "table", p.Table, "row", p.Row)
	}
	if !a.inSync {
		d = nil
	} else if d.Empty() {
		return
	}
	report, err := a.opts.Plane.Apply(ctx, a.compiler.State(), d)
	a.inSync = err == nil
	if err != nil {
		a.log.Error("dataplane not in step", "err", err)
	}
	for port, err := range report.Ports {
		a.log.Warn("port not attached", "port", port, "err", err)
	}
}
