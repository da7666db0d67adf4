package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/metrics"
)

func metricsOption(p *string) getopt.Option {
	o := getopt.String("metrics", "HOST:PORT", "serve metrics to Prometheus, and /healthz and /readyz, at this address", p)
	o.Extra = true
	return o
}

// checkMetrics refuses an address that metrics can't be served at.
func checkMetrics(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("--metrics=%s: HOST:PORT is expected, as 127.0.0.1:9475", address)
	}
	return nil
}

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
