package main

import (
	"context"
	"fmt"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/web"
)

// webSource is what the page is made from.
type webSource struct{ r *vtepRun }

// pageTrace is the control command that the page's form gives.
const pageTrace = "vtep/trace"

func (w webSource) Status(ctx context.Context) (web.Status, error) {
	s, err := w.r.status(ctx)
	if err != nil {
		return web.Status{}, err
	}
	out := web.Status{Status: s.Status, Version: s.Versions.VTEP, Kernel: s.Versions.Kernel, Plane: s.Plane, Began: w.r.began,
		Problems: w.r.problems.All()}
	switch d := s.Database; {
	case d.File != "":
		out.Database = fmt.Sprintf("%s: %s", d.File, d.contents())
	case d.Server != "" && d.Connected:
		out.Database = "at " + d.Server + ": connected"
	case d.Server != "":
		out.Database = "at " + d.Server + ": not connected"
	default:
		out.Database = "not open yet"
	}
	for _, c := range s.Controllers {
		out.Controllers = append(out.Controllers, web.Controller{Target: c.Target, State: c.State, Why: c.Why, Sessions: c.Sessions})
	}
	for _, l := range s.Listeners {
		out.Listeners = append(out.Listeners, web.Listener{Address: l.Address, For: l.For, Who: l.Who})
	}
	for _, c := range s.Captures {
		out.Captures = append(out.Captures, web.Capture{Options: c.Options, Began: c.began, Captured: c.Captured, Lost: c.Lost})
	}
	return out, nil
}

func (w webSource) Topology(ctx context.Context) (t agent.Topology, err error) {
	a, err := w.agent()
	if err != nil {
		return t, err
	}
	return a.Topology(ctx)
}

func (w webSource) DropHistory(ctx context.Context) ([]agent.DropReading, error) {
	a, err := w.agent()
	if err != nil {
		return nil, err
	}
	return a.DropHistory(ctx)
}

func (w webSource) WhereLearned(ctx context.Context, list []intent.MACKey) (map[intent.MACKey]agent.LearnedMAC, error) {
	a, err := w.agent()
	if err != nil {
		return nil, err
	}
	return a.WhereLearned(ctx, list)
}

func (w webSource) agent() (*agent.Agent, error) {
	if a := w.r.agent.Load(); a != nil {
		return a, nil
	}
	return nil, errStarting
}

func (w webSource) Rows() *idl.Snapshot {
	if c := w.r.replica.Load(); c != nil {
		return c.Snapshot()
	}
	return nil
}

func (w webSource) CanTrace() bool { return w.r.d.Reads(pageTrace) }

func (w webSource) Trace(_ context.Context, args []string) (string, error) {
	return w.r.d.Read(pageTrace, args...)
}
