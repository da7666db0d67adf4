// Package agent is the one loop of a VTEP: database rows go in, forwarding comes out; what the
// dataplane sees goes in, rows come out.
//
//	replica ──> vtep.Compiler ──> plane.Apply                         rows.go
//	plane.Events, Sweep ──> fdb.Table ──> vtep.Reporter ──> replica   learn.go, moves.go, report.go
//	plane.Punted ──> mcast.Table ──> vtep.Compiler, vtep.Reporter      groups.go
//	plane.Punted ──> neighbor.Table ──> vtep.Compiler, plane.Sender    neighbors.go
//	fdb.Table, before a host ages ──> plane.Sender                     probing.go
//
// Everything here belongs to the goroutine that calls Run. The only others are those of the
// replica and the plane, one that waits for a transaction, one that reads what is learned
// (sweep.go), one that reads counters, and those that ask (inspect.go).
//
// The loop sleeps until something happens. It sets a timer only for what is pending: the next
// MAC to age, counters while there are bindings, the retry of what has failed.
package agent

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/fdb"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/neighbor"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/trim"
	"github.com/vtep/vtep/internal/vtep"
)

// Replica is what the agent needs of the database; an *idl.Client is one.
type Replica interface {
	Updates() <-chan struct{}
	Take() (*idl.Snapshot, *idl.Delta)
	Transact(ctx context.Context, ops []byte) ([]idl.OpResult, error)
	Connected() bool
	Lock(name string)
	LockState(name string) (owned, known bool)
	LockAsserts() bool
}

// Options are what an Agent is made of.
type Options struct {
	Name     string   // of the Physical_Switch
	TunnelIP string   // is set at the start if the switch has none; "": nothing is set
	Ports    []string // are added at the start if the switch has not got them

	// Suspect says what is wrong with the database itself: it was made just now, or was cut;
	// "": nothing is known. Forwarding that an earlier process has left is then not taken
	// down for want of rows, unless Accept is set: see freeze.
	Suspect string
	Accept  bool

	// Position says how far the file of the database is written; nil: another process has it.
	// Opened is what that was before anybody could write to it. An older file than the one that
	// forwarding was made from is as suspect as one that was cut.
	Position func() ovsdb.Position
	Opened   ovsdb.Position

	// Lock is of the database, and keeps other processes from running the same switch; "": there
	// is nobody who could. See LockName.
	Lock string

	Replica Replica
	Plane   plane.Plane // Run does not close it
	// Ready is called once, when the rows are made and forwarding was made to follow them. An
	// error ends Run. Nil: nobody waits.
	Ready  func() error
	Logger *slog.Logger // nil: discard
	// Problems gets what is wrong with rows and in the dataplane. Nil: one of the agent's own.
	Problems *problem.Set
	// Trim is told when a lot of memory became free. Nil: nobody is.
	Trim *trim.Trimmer
}

// Agent runs one VTEP.
type Agent struct {
	opts     Options
	log      *slog.Logger
	compiler *vtep.Compiler
	table    *fdb.Table
	reporter *vtep.Reporter

	view  *hwvtep.View // nil: none was taken yet
	ready bool         // the database has what the options ask for
	told  bool         // Options.Ready was called

	owner    bool // the switch is this process's to run
	lockSeen bool // the server has said once whether the lock is held

	known     bool                    // the plane has the compiler's State
	frozen    bool                    // forwarding is left as an earlier process had it
	keptBack  map[problem.Problem]int // of rows, while it is: 1 came, -1 went
	apply     retry
	aging     time.Duration
	macLimit  uint32
	full      bool
	fullPorts map[string]bool // those at a limit of their own
	forget    []intent.MACKey // to be forgotten by the plane
	taken     []takenIP       // likewise

	unsent    map[intent.BindingKey]uint32 // packets that routers could not hand on, by where they came in: to be counted by the plane
	sweep     sweep
	lost      bool                                 // events were lost since the last sweep began
	left      map[intent.BindingKey]intent.Binding // that an earlier process had, until the first Apply
	arrived   []intent.MACKey                      // with a Local row of that, placed behind peers since; until the first Apply
	whole     bool                                 // the plane was told that nothing is missing in what is learned
	adopted   time.Time                            // when rows of an earlier process were adopted; zero: they weren't, or are settled
	stats     time.Time                            // when the counters were last read
	counted   chan counted                         // what was read of them; cap 1
	counting  bool                                 // counted will have something
	outcome   chan error                           // of the transaction under way; cap 1
	inFlight  bool
	transact  retry
	refusals  int // by the database, in a row
	moves     moves
	groups    groups
	neighbors *neighbor.Table                    // whom routers hand packets to, and no row tells of
	gateways  map[intent.SwitchID][]netip.Prefix // the addresses of routers; nil: to be made of the State
	probing   probing

	tally         tally // of the compiler's State
	totals        totals
	recent        readings // of the counters
	history       dropHistory
	seen          seen
	since         time.Time // when the oldest change of rows came that the plane has not got; zero: it has all
	commitToPlane latency
	frameToRow    latency
	unreported    time.Time // when the first MAC was told of that no transaction is about; zero: there is none
	reported      time.Time // likewise of the transaction under way

	asks  chan func(context.Context) // run by the loop; see ask
	ended chan struct{}              // closed: Run has returned
}

// New returns an agent. It does nothing until Run.
func New(opts Options) *Agent {
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if opts.Problems == nil {
		opts.Problems = problem.NewSet(log)
	}
	a := &Agent{
		opts:      opts,
		owner:     opts.Lock == "",
		log:       log,
		compiler:  vtep.NewCompiler(opts.Name, opts.Plane.Features()),
		table:     fdb.NewTable(time.Now(), fdb.Config{}),
		outcome:   make(chan error, 1),
		counted:   make(chan counted, 1),
		sweep:     sweep{results: make(chan swept, 1)},
		apply:     retry{first: 100 * time.Millisecond, most: 10 * time.Second},
		transact:  retry{first: 10 * time.Millisecond, most: 5 * time.Second},
		moves:     newMoves(),
		groups:    newGroups(opts.Plane),
		neighbors: neighbor.New(),
		probing:   probing{probes: map[intent.MACKey]*probe{}},
		tally:     newTally(),
		seen:      newSeen(log),
		asks:      make(chan func(context.Context)),
		ended:     make(chan struct{}),
	}
	a.compiler.SetLearned(a.table)
	a.table.Lost = a.lostIP
	a.reporter = vtep.NewReporter(a.compiler, a.table)
	a.table.Dropped = func(key intent.MACKey, at intent.BindingKey) { a.reporter.MarkForgotten(key, at.Port) }
	a.reporter.SetGroups(a.groups.table)
	return a
}
