// Package ovs is the plane that has Open vSwitch forward, as its VTEP emulator does, by the
// same bridges, ports and tables, driven by OVSDB and OpenFlow without a subprocess.
//
//	Apply ─> site ─> layout ─> edit ──────────────> database Open_vSwitch
//	          site.go  layout.go                        │ vswitch.go: what is there
//	            └──────────────> flows ─> bridge ──> flow tables
//	                             flows.go  bridge.go    │ packets, changes by others
//	Events <──────────────────────────── learn.go <─────┘
//
// One goroutine owns all state; it sleeps until the database, a bridge or the agent has
// something to say, and then makes what is there equal to what is wanted: flows that restrict
// first, then those that forward, then the database, until nothing is left to do. It does so
// however the difference came about: by a State, by a restart of either side, by somebody's
// ovs-ofctl.
package ovs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/plane"
)

// Options are what a Plane needs.
type Options struct {
	Name   string // of the physical switch, which is the name of its bridge
	RunDir string // where Open vSwitch's sockets are
	Port   uint16 // of VXLAN (UDP); 0: 4789
	// Dial connects to the database Open_vSwitch.
	Dial func(context.Context) (net.Conn, error)
	// Control gives the process whose control socket is at path a command, and returns its answer;
	// an error has the text that the process answers. nil: routes of tunnels are not looked at.
	Control func(ctx context.Context, path, command string, args ...string) (string, error)
	// Routes follows the kernel's routes in the network namespace that a file stands for, and calls
	// changed when they may be others. nil: they are not followed.
	Routes func(namespace string, changed func()) (KernelRoutes, error)
	Logger *slog.Logger // nil: discard
}

// Plane is a plane.Plane on Open vSwitch. Close and Destroy leave Open vSwitch running.
type Plane struct {
	opts   Options
	log    *slog.Logger
	events chan plane.Event

	calls  chan func()
	stop   context.CancelFunc
	ctx    context.Context
	wait   sync.WaitGroup
	closed sync.Once

	reading sync.Mutex // held by whoever reads counters: readings are taken in their order

	asked   *intent.State // of the last Apply; belongs to its caller
	applied bool
	engine  *engine
}

var (
	errClosed    = errors.New("the plane is closed")
	errNeedsFull = errors.New("the first Apply of a plane needs a nil delta")
)

const (
	eventQueue = 8192
	// patience is how long Apply waits for Open vSwitch to do what it is told. What is not done
	// by then follows when it can be.
	patience = 10 * time.Second
)

// New returns a plane that connects, and looks at what is there; it changes nothing before the
// first Apply.
func New(opts Options) *Plane {
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Plane{
		opts: opts, log: log, events: make(chan plane.Event, eventQueue), calls: make(chan func()),
		ctx: ctx, stop: stop, asked: intent.NewState(),
	}
	p.engine = newEngine(p, idl.New(idl.Options{Database: "Open_vSwitch", Dial: opts.Dial, Tables: columns,
		Logger: log, MaxBackoff: time.Second}))
	p.wait.Go(func() { _ = p.engine.db.Run(ctx) })
	p.wait.Go(func() { p.engine.run(ctx) })
	return p
}

// do runs f in the plane's goroutine.
func (p *Plane) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case p.calls <- func() { f(); close(done) }:
	case <-p.ctx.Done():
		return errClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-done:
		return nil
	case <-p.ctx.Done():
		return errClosed
	}
}

// Features implements plane.Plane.
func (p *Plane) Features() plane.Features {
	return plane.Features{BFD: true, Segments: true, TunnelDSCP: plane.FixedPriority | plane.InnerPriority, TagPCP: plane.FixedPriority, ACLs: true, Routers: true, RouterACLs: true}
}

// Apply implements plane.Plane.
func (p *Plane) Apply(ctx context.Context, next *intent.State, d *intent.Delta) (plane.Report, error) {
	if d == nil {
		d = intent.Diff(p.asked, next)
	} else if !p.applied {
		return plane.Report{}, fmt.Errorf("apply: %w", errNeedsFull)
	}
	var settled chan struct{}
	if err := p.do(ctx, func() { settled = p.engine.apply(d) }); err != nil {
		return plane.Report{}, fmt.Errorf("apply: %w", err)
	}
	p.asked.Apply(d)
	p.applied = true
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-settled:
	case <-timer.C:
	case <-ctx.Done():
	case <-p.ctx.Done():
		return plane.Report{}, fmt.Errorf("apply: %w", errClosed)
	}
	var report plane.Report
	if err := p.do(context.WithoutCancel(ctx), func() { report = p.engine.outcome(settled) }); err != nil {
		return plane.Report{}, fmt.Errorf("apply: %w", err)
	}
	return report, nil
}

// Events implements plane.Plane.
func (p *Plane) Events() <-chan plane.Event { return p.events }

// Forget implements plane.Plane.
func (p *Plane) Forget(ctx context.Context, keys []intent.MACKey) error {
	if err := p.do(ctx, func() { p.engine.forget(keys) }); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	return nil
}

// Watch implements plane.Watcher.
func (p *Plane) Watch(ctx context.Context, keys []intent.MACKey) error {
	if err := p.do(ctx, func() { p.engine.watch(keys) }); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return nil
}

// Audit implements plane.Plane.
func (p *Plane) Audit(ctx context.Context) (drift []plane.Drift, err error) {
	if e := p.do(ctx, func() { drift, err = p.engine.audit(ctx) }); e != nil {
		err = e
	}
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return drift, nil
}

// ManagedPorts returns the names of the bridge's ports that the operator has put there. It
// returns false while that is not known.
func (p *Plane) ManagedPorts(ctx context.Context) (ports []string, ok bool) {
	if err := p.do(ctx, func() { ports, ok = p.engine.managedPorts() }); err != nil {
		return nil, false
	}
	return ports, ok
}

// Close implements plane.Plane.
func (p *Plane) Close() error {
	p.closed.Do(func() {
		p.stop()
		p.wait.Wait()
		p.engine.closeBridges()
		p.engine.routes.watch.close()
		close(p.events)
	})
	return nil
}

// Destroy implements plane.Plane.
func (p *Plane) Destroy(ctx context.Context) error {
	// It may have been made a moment ago, to take down what another process has left.
	_, err := p.database(ctx)
	if err == nil {
		if e := p.do(ctx, func() { err = p.engine.destroy(ctx) }); e != nil {
			err = e
		}
	}
	if errors.Is(err, errClosed) {
		err = nil
	}
	return errors.Join(err, p.Close())
}

func (p *Plane) socket(bridge string) string { return filepath.Join(p.opts.RunDir, bridge+".mgmt") }
