package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/evpn"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/nvc"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
)

// maxFleet is how many VTEPs a fleet may have: each knows a MAC of each other.
const maxFleet = 1000

// hostsSpeak is how often hosts speak while something is waited for, so that they do not age.
const hostsSpeak = 2 * time.Minute

// fleet is many VTEPs in this process: a database server, an agent and a plane in memory each, put together as vtep run does, with
// real sessions over unix sockets between them and one controller, or EVPN in its place. It measures how fast a change is in force
// on all.
type fleet struct {
	dir    string
	vteps  []*fleetVTEP
	at     []int        // where the host of each VTEP is, by their places in vteps
	fabric *fleetFabric // nil: there is a controller
	nvc    *nvc.NVC
	ended  sync.WaitGroup
	errs   chan error // cap 1

	mu    sync.Mutex // guards what follows
	want  func(v *fleetVTEP, s *intent.State) bool
	since time.Time
	times []time.Duration // after which it held, of each VTEP for which it does
	left  int             // VTEPs for which it does not yet
	all   chan struct{}   // closed when there is none
}

type fleetVTEP struct {
	place   int // in fleet.vteps
	name    string
	ip      netip.Addr
	host    intent.MAC // behind its port p0, at first
	fabric  *memory.Fabric
	server  *server.Server
	replica *idl.Client
	bridge  *evpn.Bridge       // nil: none, or not yet
	leave   context.CancelFunc // ends the bridge
	joined  sync.WaitGroup     // it
	cancel  context.CancelFunc // ends the agent and its replica
	ended   sync.WaitGroup     // these
	there   bool               // fleet.want holds; guarded by fleet.mu
	wrong   int                // a host that right found elsewhere; guarded by fleet.mu
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
	f.times = append(f.times, time.Since(f.since))
	if f.left--; f.left == 0 {
		f.want = nil
		close(f.all)
	}
}

// until does something and waits until what it brings about is in force on all VTEPs, on which it must not be yet: each
// has to apply something after. It returns how long that took on each, sorted.
func (f *fleet) until(ctx context.Context, want func(*fleetVTEP, *intent.State) bool, do func() error) ([]time.Duration, error) {
	f.mu.Lock()
	f.want, f.left, f.all, f.times, f.since = want, len(f.at), make(chan struct{}), nil, time.Now()
	for _, v := range f.vteps {
		v.there = false
	}
	all := f.all
	f.mu.Unlock()
	if err := do(); err != nil {
		return nil, err
	}
	again := time.NewTicker(hostsSpeak)
	defer again.Stop()
	for {
		select {
		case <-all:
			slices.Sort(f.times)
			return f.times, nil
		case err := <-f.errs:
			return nil, err
		case <-again.C:
			for host := range f.at {
				f.speak(host)
			}
		case <-ctx.Done():
			return nil, errors.New("interrupted")
		}
	}
}

// placed says that a VTEP has the host where it is.
func (f *fleet) placed(v *fleetVTEP, s *intent.State, host int) bool {
	for ls := range s.Switches {
		to, remote := s.Unicast.Get(intent.MACKey{Switch: ls, MAC: f.vteps[host].host})
		at := f.at[host]
		return at == v.place && !remote || at != v.place && remote && to.Peer == f.vteps[at].ip
	}
	return false
}

// right says that a VTEP has all hosts where they are.
func (f *fleet) right(v *fleetVTEP, s *intent.State) bool {
	if !f.placed(v, s, v.wrong) { // nearly always still
		return false
	}
	for host := range f.at {
		if !f.placed(v, s, host) {
			v.wrong = host
			return false
		}
	}
	return true
}

// speak has a host send a broadcast, where it is now.
func (f *fleet) speak(host int) {
	frame := slices.Concat([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, f.vteps[host].host[:], []byte{0x88, 0xb5}, make([]byte, 46))
	f.vteps[f.at[host]].fabric.FromPort("p0", frame)
}

// move has a host go to another VTEP, and say so.
func (f *fleet) move(host, to int) {
	f.mu.Lock()
	f.at[host] = to
	f.mu.Unlock()
	f.speak(host)
}

// fail ends the fleet.
func (f *fleet) fail(err error) {
	select {
	case f.errs <- err:
	default:
	}
}

func (v *fleetVTEP) socket(dir string) string { return filepath.Join(dir, v.name+".sock") }

// newFleet makes n VTEPs that do not run yet.
func newFleet(dir string, n int) *fleet {
	f := &fleet{dir: dir, errs: make(chan error, 1)}
	for i := range n {
		id := i + 1
		v := &fleetVTEP{place: i, name: fmt.Sprintf("v%d", id), ip: netip.AddrFrom4([4]byte{10, 2, byte(id >> 8), byte(id)}),
			host: intent.MAC{0x02, 0x4c, 0x41, 0x42, byte(id >> 8), byte(id)}, fabric: memory.New(memory.Options{Events: 64})}
		v.fabric.AddDevice("p0")
		f.vteps = append(f.vteps, v)
		f.at = append(f.at, i)
	}
	return f
}

// start starts a VTEP; first: its database is made, and its port is bound as an operator does.
func (f *fleet) start(ctx context.Context, v *fleetVTEP, first bool) (err error) {
	path := filepath.Join(f.dir, v.name+".db")
	if first {
		if _, err := createDatabase(path); err != nil {
			return err
		}
	}
	if v.server, err = server.New(server.Options{RunDir: f.dir, Durability: server.DurableOff}); err != nil {
		return err
	}
	if _, err = v.server.AddDatabase(path); err == nil {
		err = v.server.AddRemote("punix:" + v.socket(f.dir))
	}
	if err != nil {
		return errors.Join(err, v.server.Close())
	}
	ctx, v.cancel = context.WithCancel(ctx)
	background := func(run func(context.Context) error) {
		v.ended.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				f.fail(err)
			}
		})
	}
	s := v.server
	opened := s.Position(hwvtep.Database)
	v.replica = idl.New(idl.Options{Database: hwvtep.Database, Dial: dialPipe(s)}) // as vtep run has it
	ready := make(chan struct{})
	a := agent.New(agent.Options{Name: v.name, TunnelIP: v.ip.String(), Ports: []string{"p0"}, Replica: v.replica, Plane: fleetPlane{v.fabric.Open(), f, v},
		Position: func() ovsdb.Position { return s.Position(hwvtep.Database) }, Opened: opened, Ready: func() error { close(ready); return nil }})
	background(v.replica.Run)
	background(a.Run)
	if first {
		background(func(ctx context.Context) error {
			select {
			case <-ready:
				return v.bind(ctx, f.vni())
			case <-ctx.Done():
				return nil
			}
		})
	}
	return nil
}

// bind binds the port to a logical switch with a VNI, or where that is 0 with none.
func (v *fleetVTEP) bind(ctx context.Context, vni int64) error {
	view := hwvtep.NewView[*idl.Table](v.replica.Snapshot())
	tx := hwvtep.NewTxn(view.Layout())
	row := hwvtep.LogicalSwitch{Name: "ls1"}
	if vni != 0 {
		row.TunnelKey = hwvtep.Some(vni)
	}
	ls := tx.InsertLogicalSwitch(row)
	for port := range view.PhysicalPorts() {
		tx.UpdatePhysicalPort(port.UUID, hwvtep.PhysicalPort{VLANBindings: map[int64]hwvtep.UUID{0: ls}}, hwvtep.PhysicalPortVLANBindings)
	}
	_, err := v.replica.Transact(ctx, tx.Ops())
	return err
}

// stop ends what runs of a VTEP. Its database and what is in force stay.
func (v *fleetVTEP) stop() error {
	if v.server == nil {
		return nil
	}
	if v.leave != nil {
		v.leave()
		v.joined.Wait()
	}
	v.cancel()
	v.ended.Wait()
	err := v.server.Close()
	v.server = nil
	return err
}

// vni is what the operator gives the logical switch; 0: the controller does.
func (f *fleet) vni() int64 {
	if f.fabric != nil {
		return fleetVNI
	}
	return 0
}

// control starts the controller, or EVPN. It ends with ctx.
func (f *fleet) control(ctx context.Context) error {
	if f.fabric != nil {
		return f.fabric.control(ctx)
	}
	var targets []string
	for _, v := range f.vteps {
		targets = append(targets, "unix:"+v.socket(f.dir))
	}
	f.nvc = nvc.New(nvc.Options{})
	f.ended.Go(func() {
		if err := f.nvc.Run(ctx, targets); err != nil && ctx.Err() == nil {
			f.fail(err)
		}
	})
	return nil
}

// progress says how many transactions the controller, or bridges, have made, and whether there is nothing to do for them.
func (f *fleet) progress(ctx context.Context) (transactions uint64, idle bool, err error) {
	if f.fabric != nil {
		return f.fabric.progress(ctx)
	}
	s, err := f.nvc.Status(ctx)
	if err != nil {
		return 0, false, err
	}
	idle = true
	for _, t := range s.Targets {
		transactions += t.Transactions
		idle = idle && t.State == "active" && t.Pending == 0
	}
	return transactions, idle, nil
}

// runFleet builds a fleet of n VTEPs, with a controller or EVPN, measures it, and takes it down.
func runFleet(ctx context.Context, n int, fabric bool, out io.Writer) (err error) {
	if n < 2 || n > maxFleet {
		return fmt.Errorf("--vteps=%d: not 2 to %d", n, maxFleet)
	}
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return fmt.Errorf("make a place for databases: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	m := &fleetMeasure{fleet: newFleet(dir, n), ctx: ctx, out: out}
	if fabric {
		m.fabric = &fleetFabric{fleet: m.fleet}
	}
	defer func() {
		cancel()
		m.ended.Wait()
		for _, v := range m.vteps {
			err = errors.Join(err, v.stop())
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	return m.run()
}
