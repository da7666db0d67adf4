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

// fleetPatience is how long anything is waited for.
const fleetPatience = 30 * time.Minute

// fleet is many VTEPs in this process: a database server, an agent and a plane in memory each, put together as vtep run does, with
// real sessions over unix sockets between them and one controller, or EVPN or OVN in its place. It measures how fast a change is in
// force on all.
type fleet struct {
	dir      string
	vteps    []*fleetVTEP
	at       []int // where the host of each VTEP is, by their places in vteps
	by       fleetControl
	patience time.Duration
	ended    sync.WaitGroup
	errs     chan error // cap 1

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
// has to apply something after. It returns how long that took on each, sorted; or what is missing, by why, when it has waited for too long.
func (f *fleet) until(ctx context.Context, what string, want func(*fleetVTEP, *intent.State) bool, why func(*fleetVTEP) string, do func() error) ([]time.Duration, error) {
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
	again, over := time.NewTicker(hostsSpeak), time.After(f.patience)
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
		case <-over:
			return nil, fmt.Errorf("%s: %w", what, f.missing(why))
		case <-ctx.Done():
			return nil, errors.New("interrupted")
		}
	}
}

// named is how many VTEPs on which something is missing are told by name.
const named = 5

// missing is the error that tells on which VTEPs what is waited for is not in force.
func (f *fleet) missing(why func(*fleetVTEP) string) error {
	f.mu.Lock()
	var late []*fleetVTEP
	for _, v := range f.vteps {
		if !v.there {
			late = append(late, v)
		}
	}
	f.mu.Unlock()
	text := fmt.Sprintf("after %v it is not in force on %d of %d VTEPs", f.patience, len(late), len(f.vteps))
	for i, v := range late {
		if i == named {
			text += "; ..."
			break
		}
		text += fmt.Sprintf("; on %s %s", v.name, why(v))
	}
	return errors.New(text)
}

// astray says what a VTEP has of the host that it was found not to have where it is.
func (f *fleet) astray(v *fleetVTEP) string {
	f.mu.Lock()
	host := v.wrong
	f.mu.Unlock()
	return f.strayed(v, host)
}

// strayed says what a VTEP's database has of a host.
func (f *fleet) strayed(v *fleetVTEP, host int) string {
	of := f.vteps[host]
	f.mu.Lock()
	at := f.vteps[f.at[host]]
	f.mu.Unlock()
	text := fmt.Sprintf("the host of %s (%v), which is at %s (%v), ", of.name, of.host, at.name, at.ip)
	if v.replica == nil {
		return text + "is not known"
	}
	view := hwvtep.NewView[*idl.Table](v.replica.Snapshot())
	for row := range view.UcastMACsRemote() {
		if row.MAC == of.host.String() {
			l, _ := view.PhysicalLocator(row.Locator)
			return text + "has a row that places it at " + l.DstIP
		}
	}
	for row := range view.UcastMACsLocal() {
		if row.MAC == of.host.String() {
			return text + "has a row as if it were here"
		}
	}
	return text + "has no row"
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
	from := f.vteps[f.at[host]]
	f.mu.Lock()
	f.at[host] = to
	f.mu.Unlock()
	if from.place != to && f.by.unplugs() {
		from.fabric.RemoveDevice("p0")
		from.fabric.AddDevice("p0")
		for other, at := range f.at {
			if at == from.place {
				f.speak(other)
			}
		}
	}
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
	f := &fleet{dir: dir, patience: fleetPatience, errs: make(chan error, 1)}
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
				return v.bind(ctx, f.by.vni())
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
func (f *fleet) stop(v *fleetVTEP) error {
	if v.server == nil {
		return nil
	}
	err := f.by.left(v)
	v.cancel()
	v.ended.Wait()
	err = errors.Join(err, v.server.Close())
	v.server = nil
	return err
}

// fleetOptions say what has the VTEPs of a fleet know of one another: a controller if nothing else.
type fleetOptions struct {
	vteps   int
	evpn    bool
	ovn     string // where OVN is: a directory, or "PATH"; "": there is none
	ovnRows bool   // the controller writes rows as OVN does
}

// control is what they ask for.
func (o fleetOptions) control(f *fleet) (fleetControl, error) {
	switch {
	case o.evpn && o.ovn != "" || o.ovnRows && (o.evpn || o.ovn != ""):
		return nil, errors.New("--evpn, --ovn and --ovn-rows are fleets of their own")
	case o.evpn:
		return &fleetFabric{fleet: f}, nil
	case o.ovn != "":
		return newFleetOVN(f, o.ovn)
	}
	return &fleetNVC{fleet: f, likeOVN: o.ovnRows}, nil
}

// runFleet builds a fleet, measures it, and takes it down.
func runFleet(ctx context.Context, o fleetOptions, out io.Writer) error {
	return withFleet(ctx, o, out, (*fleetMeasure).run)
}

// withFleet has something done with a fleet of which nothing runs yet, and takes down what runs then.
func withFleet(ctx context.Context, o fleetOptions, out io.Writer, do func(*fleetMeasure) error) (err error) {
	if o.vteps < 2 || o.vteps > maxFleet {
		return fmt.Errorf("--vteps=%d: not 2 to %d", o.vteps, maxFleet)
	}
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return fmt.Errorf("make a place for databases: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	m := &fleetMeasure{fleet: newFleet(dir, o.vteps), ctx: ctx, out: out}
	defer func() {
		cancel()
		m.ended.Wait()
		for _, v := range m.vteps {
			err = errors.Join(err, m.stop(v))
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if m.by, err = o.control(m.fleet); err != nil {
		return err
	}
	return do(m)
}
