package web

import (
	"context"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/problem"
)

// Source is the VTEP whose page it is. Its methods may be called by any goroutine.
type Source interface {
	Status(context.Context) (Status, error)
	Topology(context.Context) (agent.Topology, error)
	DropHistory(context.Context) ([]agent.DropReading, error)
	WhereLearned(context.Context, []intent.MACKey) (map[intent.MACKey]agent.LearnedMAC, error)
	// Rows are those of the database; nil: it has not been read yet.
	Rows() *idl.Snapshot
	// Trace says what happens to a frame, by the arguments of "vtep trace". CanTrace says whether
	// that is known at all.
	Trace(context.Context, []string) (string, error)
	CanTrace() bool
}

// Status is how the VTEP does.
type Status struct {
	agent.Status
	Version  string
	Kernel   string
	Plane    string
	Began    time.Time
	Database string // where it is, in words

	Problems    []problem.Problem // in their order
	Controllers []Controller
	Listeners   []Listener
	Captures    []Capture
}

// Controller is somebody who writes rows over the network, or may.
type Controller struct {
	Target, State, Why string
	Sessions           int
}

// Listener is a socket that the process listens on.
type Listener struct{ Address, For, Who string }

// Capture is one that runs, with its options as a shell reads them.
type Capture struct {
	Options        string
	Began          time.Time
	Captured, Lost uint64
}
