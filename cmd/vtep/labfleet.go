package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/nvc"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
)

// maxFleet is how many VTEPs a fleet may have: each knows a MAC of each other.
const maxFleet = 1000

// fleetMoves is how many MACs move, one after another.
const fleetMoves = 20

// fleet is many VTEPs in this process: a database server, an agent and a plane in memory each, with real
// sessions over unix sockets between them and one controller. It measures how fast a change is in force on all.
type fleet struct {
	dir   string
	vteps []*fleetVTEP
	log   io.Writer
	ended sync.WaitGroup
	errs  chan error

	mu   sync.Mutex // guards what follows
	want func(v *fleetVTEP, s *intent.State) bool
	left int           // VTEPs for which it does not hold yet
	all  chan struct{} // closed when there is none
}

type fleetVTEP struct {
	name    string
	ip      netip.Addr
	host    intent.MAC // behind its port p0
	server  *server.Server
	replica *idl.Client
	fabric  *memory.Fabric
	there   bool // fleet.want holds; guarded by fleet.mu
}

// fleetPlane tells the fleet what is in force.
type fleetPlane struct {
	*memory.Plane
	fleet *fleet
	vtep  *fleetVTEP
}

// Apply implements plane.Plane.
func (p fleetPlane) Apply(ctx context.Context, next *intent.State, d *intent.Delta) (plane.Report, error) {
	r, err := p.Plane.Apply(ctx, next, d)
	if err == nil {
		p.fleet.applied(p.vtep, next)
	}
	return r, err
}

func (f *fleet) applied(v *fleetVTEP, s *intent.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.want == nil || v.there || !f.want(v, s) {
		return
	}
	v.there = true
	if f.left--; f.left == 0 {
		f.want = nil
		close(f.all)
	}
}

// until does something and waits until what it brings about is in force on all VTEPs, on which it must not be yet. It
// returns how long that took.
func (f *fleet) until(ctx context.Context, want func(*fleetVTEP, *intent.State) bool, do func() error) (time.Duration, error) {
	f.mu.Lock()
	f.want, f.left, f.all = want, len(f.vteps), make(chan struct{})
	for _, v := range f.vteps {
		v.there = false
	}
	all := f.all
	f.mu.Unlock()
	start := time.Now()
	if err := do(); err != nil {
		return 0, err
	}
	select {
	case <-all:
		return time.Since(start), nil
	case err := <-f.errs:
		return 0, err
	case <-ctx.Done():
		return 0, errors.New("interrupted")
	}
}

// runFleet builds a fleet of n VTEPs, measures it, and takes it down.
func runFleet(ctx context.Context, n int, out io.Writer) (err error) {
	if n < 2 || n > maxFleet {
		return fmt.Errorf("--vteps=%d: not 2 to %d", n, maxFleet)
	}
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return fmt.Errorf("make a place for databases: %w", err)
	}
	f := &fleet{dir: dir, log: out, errs: make(chan error, 3*n+1)}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		f.ended.Wait()
		for _, v := range f.vteps {
			err = errors.Join(err, v.server.Close())
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	before := heap()
	fmt.Fprintf(out, "%d VTEPs in one process, each with a database and a host; one logical switch, one controller\n", n)
	took, err := f.start(ctx, n)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%-24s %v\n", "start", took.Round(time.Millisecond))
	// From cold: every VTEP hears of every host, and every VTEP has a row of each other.
	took, err = f.until(ctx, func(_ *fleetVTEP, s *intent.State) bool { return len(s.Unicast) == n-1 }, func() error {
		f.control(ctx)
		for i := range f.vteps {
			f.speak(i, i)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%-24s %v (%d rows)\n", "full mesh from cold", took.Round(time.Millisecond), n*(n-1))
	fmt.Fprintf(out, "%-24s %.2f MiB\n", "memory per VTEP", float64(heap()-before)/float64(n)/(1<<20))
	return f.moves(ctx)
}

// moves has hosts move by one VTEP each, one after another, and tells how long that took to be in force on all others.
func (f *fleet) moves(ctx context.Context) error {
	var times []time.Duration
	for i := range min(fleetMoves, len(f.vteps)) {
		at := (i + 1) % len(f.vteps)
		key := f.vteps[i].host
		took, err := f.until(ctx, func(v *fleetVTEP, s *intent.State) bool {
			for ls := range s.Switches {
				to, ok := s.Unicast[intent.MACKey{Switch: ls, MAC: key}]
				return v == f.vteps[at] && !ok || ok && to.Peer == f.vteps[at].ip
			}
			return false
		}, func() error { f.speak(at, i); return nil })
		if err != nil {
			return err
		}
		times = append(times, took)
	}
	slices.Sort(times)
	fmt.Fprintf(f.log, "%-24s median %v, slowest of %d %v\n", "a MAC move, on all",
		times[len(times)/2].Round(10*time.Microsecond), len(times), times[len(times)-1].Round(10*time.Microsecond))
	return nil
}

// heap is what is in use, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// speak has the host of one VTEP send a broadcast, where it is now.
func (f *fleet) speak(at, host int) {
	frame := slices.Concat([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, f.vteps[host].host[:], []byte{0x88, 0xb5}, make([]byte, 46))
	f.vteps[at].fabric.FromPort("p0", frame)
}

// background runs f until ctx ends. If it ends before, the fleet does.
func (f *fleet) background(ctx context.Context, run func(context.Context) error) {
	f.ended.Go(func() {
		if err := run(ctx); err != nil && ctx.Err() == nil {
			f.errs <- err
		}
	})
}

func (v *fleetVTEP) socket(dir string) string { return filepath.Join(dir, v.name+".sock") }

// start starts all VTEPs, and returns when each has its port in the logical switch.
func (f *fleet) start(ctx context.Context, n int) (time.Duration, error) {
	for i := range n {
		id := i + 1
		f.vteps = append(f.vteps, &fleetVTEP{name: fmt.Sprintf("v%d", id), ip: netip.AddrFrom4([4]byte{10, 2, byte(id >> 8), byte(id)}),
			host: intent.MAC{0x02, 0x4c, 0x41, 0x42, byte(id >> 8), byte(id)}})
	}
	return f.until(ctx, func(_ *fleetVTEP, s *intent.State) bool { return len(s.Bindings) == 1 }, func() error {
		started := f.vteps
		f.vteps = nil // those that have a server to be closed
		defer func() { f.vteps = started }()
		for i, v := range started {
			if err := f.serve(v); err != nil {
				started = started[:i]
				return err
			}
			f.run(ctx, v)
		}
		return nil
	})
}

// serve makes the database of a VTEP.
func (f *fleet) serve(v *fleetVTEP) error {
	path := filepath.Join(f.dir, v.name+".db")
	if _, err := createDatabase(path); err != nil {
		return err
	}
	s, err := server.New(server.Options{RunDir: f.dir, Durability: server.DurableOff})
	if err != nil {
		return err
	}
	v.server = s
	if _, err = s.AddDatabase(path); err == nil {
		err = s.AddRemote("punix:" + v.socket(f.dir))
	}
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// run starts the agent of a VTEP, and binds its port as an operator does.
func (f *fleet) run(ctx context.Context, v *fleetVTEP) {
	v.fabric = memory.New(memory.Options{})
	v.fabric.AddDevice("p0")
	v.replica = idl.New(idl.Options{Database: hwvtep.Schema().Name, Dial: idl.DialTarget("unix:"+v.socket(f.dir), nil)})
	ready := make(chan struct{})
	a := agent.New(agent.Options{Name: v.name, TunnelIP: v.ip.String(), Ports: []string{"p0"}, Replica: v.replica,
		Plane: fleetPlane{v.fabric.Open(), f, v}, Ready: func() error { close(ready); return nil }})
	f.background(ctx, v.replica.Run)
	f.background(ctx, a.Run)
	f.background(ctx, func(ctx context.Context) error {
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
		view := hwvtep.NewView[*idl.Table](v.replica.Snapshot())
		tx := hwvtep.NewTxn(view.Layout())
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls1"})
		for port := range view.PhysicalPorts() {
			tx.UpdatePhysicalPort(port.UUID, hwvtep.PhysicalPort{VLANBindings: map[int64]hwvtep.UUID{0: ls}}, hwvtep.PhysicalPortVLANBindings)
		}
		_, err := v.replica.Transact(ctx, tx.Ops())
		return err
	})
}

// control starts the controller.
func (f *fleet) control(ctx context.Context) {
	var targets []string
	for _, v := range f.vteps {
		targets = append(targets, "unix:"+v.socket(f.dir))
	}
	f.background(ctx, func(ctx context.Context) error { return nvc.New(nvc.Options{}).Run(ctx, targets) })
}
