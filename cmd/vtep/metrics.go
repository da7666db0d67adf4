package main

import (
	"context"
	"errors"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/metrics"
)

// snapshot is what metrics are made from.
func (r *vtepRun) snapshot(ctx context.Context) (metrics.Snapshot, error) {
	s := metrics.Snapshot{Version: version, Kernel: kernelRelease(), Plane: r.plane, Problems: r.problems.All(),
		Agent: agent.Status{Switch: r.name, State: agent.Starting}}
	if a := r.agent.Load(); a != nil {
		of, err := a.Status(ctx)
		if err != nil {
			return s, err
		}
		s.Agent = of
		if s.ACLs, err = a.ACLs(ctx, ""); err != nil && !errors.Is(err, agent.ErrNoACLs) {
			return s, err
		}
	}
	s.Connected = r.connect != "" && r.answered.Load() && !r.unanswered.Load()
	if db := r.server.Load(); db != nil {
		u := db.Usage()
		s.Connected, s.Database = true, &u
		for _, rem := range db.RemoteStates() {
			if !rem.Local {
				s.Controllers = append(s.Controllers, metrics.Controller{Target: rem.Target, Connected: rem.Sessions > 0, Sessions: rem.Sessions})
			}
		}
	}
	return s, nil
}
