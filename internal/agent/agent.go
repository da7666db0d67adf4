// Package agent is the one loop of a VTEP: what the database says becomes forwarding, and what
// the dataplane sees becomes rows.
//
//	replica ──> vtep.Compiler ──> plane.Apply        rows to forwarding
//	plane.Events ──> fdb ──> rows, by the replica    observations to rows
//
// One goroutine, Run, owns all state of the agent and makes every call of the plane.
package agent

import (
	"context"
	"log/slog"

	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/vtep"
)

// Replica is what the agent needs of a replica of the database: an idl.Client.
type Replica interface {
	Updates() <-chan struct{}
	Take() (*idl.Snapshot, *idl.Delta)
	Transact(ctx context.Context, ops []byte) ([]idl.OpResult, error)
}

// Options configure an Agent.
type Options struct {
	Name     string   // of the Physical_Switch
	TunnelIP string   // set on a switch that has none; empty: leave it so
	Ports    []string // rows made for the ports that the switch has not got
	Replica  Replica
	Plane    plane.Plane
	// Ready is called once, after the rows are made and forwarding is what they say.
	Ready  func() error
	Logger *slog.Logger // nil: discard
}

// Agent is the agent of one Physical_Switch.
type Agent struct {
	opts     Options        // constant after New
	log      *slog.Logger   // constant after New
	compiler *vtep.Compiler // Run's goroutine only, as all that follows
	inSync   bool           // the plane has what the compiler's last State says
}

// New returns an agent that does nothing until Run.
func New(opts Options) *Agent {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Ready == nil {
		opts.Ready = func() error { return nil }
	}
	return &Agent{opts: opts, log: opts.Logger, compiler: vtep.NewCompiler(opts.Name)}
}
