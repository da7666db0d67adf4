// Package metrics serves how a VTEP does to Prometheus, and to those who ask whether it lives and
// whether it is ready. docs/metrics.md lists the metrics.
//
//	snapshot.go   what they are made from
//	family.go     which there are
//	collector.go  a snapshot as metrics
//	evpn.go       those of "vtep evpn"
//	server.go     /metrics, /healthz, /readyz
//
// Nothing is gathered before somebody asks. How many series there can be is bounded: see mostSeries.
package metrics

import (
	"context"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/problem"
)

// Source gives a Snapshot. It is called once for each request, and by any goroutine.
type Source func(context.Context) (Snapshot, error)

// Snapshot is how a VTEP does.
type Snapshot struct {
	Version string // of the program
	Kernel  string // release of the kernel
	Plane   string // name of the dataplane
	Agent   agent.Status
	ACLs    agent.ACLs // with what they have counted

	Connected   bool          // to the database, be it embedded or another server's
	Database    *server.Usage // nil: another server has it
	Controllers []Controller
	Problems    []problem.Problem
}

// Controller is a target that the database server connects to, or listens on, for those who write rows.
type Controller struct {
	Target    string
	Connected bool // at least one session
	Sessions  int
}
