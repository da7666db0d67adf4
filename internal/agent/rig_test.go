package agent_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/testenv"
)

const deadline = 90 * time.Second

// rig is a database server of either kind, and agents on it, each with a plane in memory. The
// NVC is the C vtep-ctl.
type rig struct {
	testing.TB
	env    *testenv.Env
	server dbServer
	reader *idl.Client // what the tests read the database by
}

// dbServer is a server that can be stopped, and started again with the same data.
type dbServer interface {
	start(t testing.TB)
	stop(t testing.TB)
}

// onBoth runs a test on this project's server and on the C ovsdb-server.
func onBoth(t *testing.T, run func(*rig)) {
	t.Run("own server", func(t *testing.T) {
		env := testenv.OVS(t)
		run(newRig(t, env, &ownServer{env: env}))
	})
	t.Run("ovsdb-server", func(t *testing.T) {
		env := testenv.OVS(t)
		run(newRig(t, env, &cServer{env: env, program: testenv.Program(t, "ovsdb-server")}))
	})
}

func newRig(t *testing.T, env *testenv.Env, s dbServer) *rig {
	testenv.Program(t, "vtep-ctl")
	db := filepath.Join(env.DBDir, "vtep.db")
	schema := filepath.Join(testenv.Tree(t), "internal/hwvtep/vtep.ovsschema")
	env.Output(t, testenv.Program(t, "ovsdb-tool"), "create", db, schema)
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	r := &rig{TB: t, env: env, server: s}
	r.reader, _ = r.client()
	return r
}

func sockPath(env *testenv.Env) string { return filepath.Join(env.RunDir, "db.sock") }

type ownServer struct {
	env *testenv.Env
	s   *server.Server
}

func (o *ownServer) start(t testing.TB) {
	s, err := server.New(server.Options{RunDir: o.env.RunDir})
	if err == nil {
		_, err = s.AddDatabase(filepath.Join(o.env.DBDir, "vtep.db"))
	}
	if err == nil {
		err = s.AddRemote("punix:" + sockPath(o.env))
	}
	if err != nil {
		t.Fatal(err)
	}
	o.s = s
}

func (o *ownServer) stop(t testing.TB) {
	if err := o.s.Close(); err != nil {
		t.Error(err)
	}
}

type cServer struct {
	env     *testenv.Env
	program string
	cmd     *exec.Cmd
}

func (c *cServer) start(t testing.TB) {
	c.cmd = c.env.Command(c.program, "--remote=punix:"+sockPath(c.env), "--unixctl="+filepath.Join(c.env.RunDir, "ctl"),
		"-vconsole:off", filepath.Join(c.env.DBDir, "vtep.db"))
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (c *cServer) stop(testing.TB) {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Wait()
}

// client returns a replica of the database that runs until the test or end ends it.
func (r *rig) client() (_ *idl.Client, end func()) {
	c := idl.New(idl.Options{Database: hwvtep.Database, Dial: idl.DialTarget("unix:"+sockPath(r.env), nil), MaxBackoff: 100 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		_ = c.Run(ctx)
		close(done)
	}()
	end = func() {
		cancel()
		<-done
	}
	r.Cleanup(end)
	wait, stop := context.WithTimeout(ctx, deadline)
	defer stop()
	if _, err := c.WaitReady(wait); err != nil {
		r.Fatal(err)
	}
	return c, end
}

// view is the database as it is now, or was a moment ago.
func (r *rig) view() *hwvtep.View { return hwvtep.NewView[*idl.Table](r.reader.Snapshot()) }

// ctl runs vtep-ctl.
func (r *rig) ctl(args ...string) string {
	r.Helper()
	return r.env.Output(r, "vtep-ctl", append([]string{"--timeout=90", "--db=unix:" + sockPath(r.env)}, args...)...)
}

// vtep is one agent under test.
type vtep struct {
	*rig
	name     string
	agent    *agent.Agent
	fabric   *memory.Fabric
	plane    *faultyPlane
	replica  *countingReplica
	cancel   context.CancelFunc
	finished chan error

	disconnect func() // ends the replica
}

// start runs an agent on a fabric.
func (r *rig) start(fabric *memory.Fabric, opts agent.Options, tamper ...func(*countingReplica)) *vtep {
	v := &vtep{rig: r, name: opts.Name, fabric: fabric, finished: make(chan error, 1)}
	v.plane = &faultyPlane{Plane: fabric.Open()}
	client, disconnect := r.client()
	v.replica, v.disconnect = &countingReplica{Client: client}, disconnect
	for _, f := range tamper {
		f(v.replica)
	}
	switch p := opts.Plane.(type) {
	case *askingPlane:
		p.faultyPlane = v.plane
	case *tellingPlane:
		p.faultyPlane = v.plane
	case *blindPlane:
		p.faultyPlane = v.plane
	default:
		opts.Plane = v.plane
	}
	opts.Replica = v.replica
	if opts.Logger == nil {
		opts.Logger = testenv.Logger(r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel = cancel
	v.agent = agent.New(opts)
	go func() { v.finished <- v.agent.Run(ctx) }()
	r.Cleanup(v.stop)
	return v
}

// stop ends the agent, as when its process dies: the fabric forwards on.
func (v *vtep) stop() {
	if v.cancel == nil {
		return
	}
	v.cancel()
	v.cancel = nil
	if err := <-v.finished; !errors.Is(err, context.Canceled) {
		v.Errorf("agent ended: %v", err)
	}
	drift, err := v.plane.Audit(context.Background())
	if err != nil || len(drift) > 0 {
		v.Errorf("audit: %v, %v", drift, err)
	}
	if err := v.plane.Close(); err != nil {
		v.Error(err)
	}
}

// countingReplica counts transactions.
type countingReplica struct {
	*idl.Client
	transactions atomic.Int64
	undo         func() // if not nil: what another client does before the agent sees the effect of a transaction
	undoing      atomic.Bool
	refusal      atomic.Pointer[ovsdb.Error] // if not nil: what the database says to each transaction
}

func (c *countingReplica) Transact(ctx context.Context, ops []byte) ([]idl.OpResult, error) {
	c.transactions.Add(1)
	if err := c.refusal.Load(); err != nil {
		return nil, &idl.TransactError{Err: err}
	}
	if c.undo == nil {
		return c.Client.Transact(ctx, ops)
	}
	c.undoing.Store(true)
	defer c.undoing.Store(false)
	results, err := c.Client.Transact(ctx, ops)
	c.undo()
	return results, err
}

func (c *countingReplica) Take() (*idl.Snapshot, *idl.Delta) {
	if c.undoing.Load() {
		return nil, nil
	}
	return c.Client.Take()
}

// faultyPlane fails to Apply when told to.
type faultyPlane struct {
	*memory.Plane
	failures atomic.Int64 // how many calls will fail
	calls    atomic.Int64
	sweeps   atomic.Int64
	blind    atomic.Bool            // sweeps fail
	refused  atomic.Pointer[string] // a port that it says it refuses
	turn     sync.Mutex             // whoever has it keeps changes and readings waiting
	down     atomic.Pointer[string] // a port that it says has no link

	whole atomic.Pointer[intent.State] // what was last applied from scratch
}

func (p *faultyPlane) Apply(ctx context.Context, s *intent.State, d *intent.Delta) (plane.Report, error) {
	p.calls.Add(1)
	p.turn.Lock()
	defer p.turn.Unlock()
	if d == nil {
		p.whole.Store(s.Clone())
	}
	if p.failures.Load() > 0 {
		p.failures.Add(-1)
		return plane.Report{}, errors.New("told to fail")
	}
	r, err := p.Plane.Apply(ctx, s, d)
	if name := p.refused.Load(); name != nil {
		r.Ports, r.Bindings = map[string]error{*name: errors.New("told to refuse it")}, map[intent.BindingKey]error{}
		for at := range s.Bindings {
			if at.Port == *name {
				r.Bindings[at] = r.Ports[*name]
			}
		}
	}
	if name := p.down.Load(); name != nil {
		r.Down = map[string]struct{}{*name: {}}
	}
	return r, err
}

func (p *faultyPlane) Stats(ctx context.Context) (plane.Stats, error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	return p.Plane.Stats(ctx)
}

func newFabric(devices ...string) *memory.Fabric {
	f := memory.New(memory.Options{})
	for _, d := range devices {
		f.AddDevice(d)
	}
	return f
}

// frame is a broadcast or unicast frame between stations with small numbers.
func frame(dst, src byte) []byte {
	f := []byte{2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src, 0x88, 0xb5}
	if dst == 0xff {
		copy(f, "\xff\xff\xff\xff\xff\xff")
	}
	return append(f, "payload"...)
}

// outs is where a frame went, sorted.
func outs(outs []memory.Out, _ memory.Drop) []string {
	var all []string
	for _, o := range outs {
		if o.Port != "" {
			all = append(all, o.Port)
		} else {
			all = append(all, o.Tunnel.String())
		}
	}
	slices.Sort(all)
	return all
}

// forwards waits until a frame from p0 goes where it should.
func (v *vtep) forwards(port string, f []byte, want ...string) {
	v.Helper()
	testenv.Eventually(v, deadline, func() error {
		if got := outs(v.fabric.FromPort(port, f)); !slices.Equal(got, want) {
			return fmt.Errorf("goes to %q, should go to %q\n%v", got, want, v.fabric.Installed())
		}
		return nil
	})
}

// ports waits until the agents have made their ports, n in all, for commands that name them.
func (r *rig) ports(n int) {
	r.Helper()
	testenv.Eventually(r, deadline, func() error {
		if have := r.view().Len(hwvtep.TablePhysicalPort); have != n {
			return fmt.Errorf("%d ports, want %d", have, n)
		}
		return nil
	})
}

// rows waits until the tables that agents write say what they should.
func (r *rig) rows(want ...string) {
	r.Helper()
	slices.Sort(want)
	testenv.Eventually(r, deadline, func() error {
		if got := reported(r.view()); !slices.Equal(got, want) {
			return fmt.Errorf("rows say\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		return nil
	})
}

// reported is what is in the tables that agents write, but for what changes by itself.
func reported(v *hwvtep.View) []string { return hwvteptest.Reported(v, false) }

var (
	hwOwn  = netip.MustParseAddr("192.0.2.1")
	hwPeer = netip.MustParseAddr("192.0.2.2")
)
