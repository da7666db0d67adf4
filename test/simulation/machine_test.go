package simulation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/trim"
)

// process is one that can be killed: from then on nothing that its goroutines do has an effect on the network,
// on the disk or on the dataplane.
type process struct {
	node   string // whose network it uses
	dead   atomic.Bool
	silent atomic.Bool // its machine has lost power: nobody answers for it
	ctx    context.Context
	cancel context.CancelFunc
	ended  sync.WaitGroup
	over   atomic.Bool  // nothing of it runs any more
	failed atomic.Value // of error: why it has ended by itself
}

func newProcess(node string) *process {
	p := &process{node: node}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// background runs a part of the process, whose end is that of the process.
func (p *process) background(run func(context.Context) error) {
	p.ended.Go(func() {
		if err := run(p.ctx); err != nil && p.ctx.Err() == nil {
			p.failed.CompareAndSwap(nil, err)
			p.cancel()
		}
	})
}

// machine is a VTEP: a database and an agent, in one process or in two, and what they leave when they die.
type machine struct {
	w        *world
	name     string
	ip       netip.Addr
	external bool // the agent is a process of its own, which connects to the server over the network

	disk   *disk
	fabric *memory.Fabric
	db     *process   // nil: down
	vtep   *process   // of the agent: likewise
	off    []*process // that lost power
	opened ovsdb.Position
	server atomic.Pointer[server.Server]

	mu       sync.Mutex // guards what follows
	observer *observer  // nil: there is no server
	truth    truth
	suspect  string
	position func() ovsdb.Position // of the server
	agent    *agent.Agent          // the last that ran
	plane    *memory.Plane         // likewise
	replica  *idl.Client           // likewise
	taken    *idl.Snapshot
	takes    []*idl.Snapshot // not checked yet
	applied  *idl.Snapshot   // what forwarding was made from; nil: there is none
	hashes   hasher
	made     *facts        // of applied
	compiled *idl.Snapshot // what forwarding was compared with last
}

const dbPath = "vtep.db"

var devices = []string{"p0", "p1"}

func (m *machine) newFabric() {
	m.fabric = memory.New(memory.Options{})
	for _, name := range devices {
		m.fabric.AddDevice(name)
	}
}

// agentNode is the node whose network the agent uses.
func (m *machine) agentNode() string { return m.name + "-agent" }

// start starts what is down.
func (m *machine) start() {
	if m.db == nil {
		p := newProcess(m.name)
		m.db = p
		if !m.external {
			m.vtep = p
		}
		d := m.disk
		p.background(func(ctx context.Context) error {
			s, err := m.serve(p, d)
			if err != nil {
				return err
			}
			defer s.Close()
			if !m.external {
				m.run(p, func(context.Context) (net.Conn, error) { return s.Pipe() }, s)
			}
			<-ctx.Done()
			return nil
		})
	}
	if m.external && m.vtep == nil {
		p := newProcess(m.agentNode())
		m.vtep = p
		m.run(p, func(ctx context.Context) (net.Conn, error) { return m.w.net.dial(ctx, p, m.name) }, nil)
	}
}

// serve opens the database, and makes it if there is none, as "vtep run" does.
func (m *machine) serve(p *process, d *disk) (*server.Server, error) {
	suspect := ""
	exists, err := d.Exists(dbPath)
	if err == nil && !exists {
		suspect = "it was not there and was made anew"
		var l *storage.Log
		if l, err = storage.Create(dbPath, hwvtep.Schema().AppendJSON(nil), storage.Options{FS: d}); err == nil {
			err = l.Close()
		}
	}
	if err != nil {
		return nil, err
	}
	s, err := server.New(server.Options{FS: d, Trim: trim.New(func() {}), Listen: func(string) (net.Listener, error) { return m.w.net.listen(p), nil }})
	if err != nil {
		return nil, err
	}
	if _, err = s.AddDatabase(dbPath); err == nil {
		if cut := s.Damage(dbPath); cut != nil {
			suspect = "it was damaged: " + cut.String()
		}
		m.opened = s.Position(hwvtep.Database)
		var nc net.Conn
		if nc, err = s.Pipe(); err == nil {
			m.mu.Lock()
			m.suspect = suspect
			m.truth.fresh = true
			m.position = func() ovsdb.Position { return s.Position(hwvtep.Database) }
			m.observer = observe(nc, m.committed)
			m.mu.Unlock()
			<-m.observer.started
			err = s.AddRemote("ptcp:6640:127.0.0.1")
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	m.server.Store(s)
	return s, nil
}

// run runs the agent, as "vtep run" does.
func (m *machine) run(p *process, dial func(context.Context) (net.Conn, error), s *server.Server) {
	hold := m.fabric.Open()
	replica := idl.New(idl.Options{Database: hwvtep.Database, Dial: dial})
	opts := agent.Options{Name: m.name, TunnelIP: m.ip.String(), Ports: devices, Replica: tappedReplica{replica, m},
		Plane: tappedPlane{hold, p, m}}
	if s != nil {
		replica.Lock(agent.LockName(m.name))
		opts.Position = func() ovsdb.Position { return s.Position(hwvtep.Database) }
		opts.Opened = m.opened
		opts.Suspect = m.suspect
	} else {
		opts.Lock = agent.LockName(m.name)
	}
	a := agent.New(opts)
	m.mu.Lock()
	m.agent, m.plane, m.replica = a, hold, replica
	m.mu.Unlock()
	p.background(replica.Run)
	p.background(a.Run)
}

// tappedReplica tells the machine what the agent takes.
type tappedReplica struct {
	*idl.Client
	m *machine
}

func (r tappedReplica) Take() (*idl.Snapshot, *idl.Delta) {
	s, d := r.Client.Take()
	if r.m.w.sabotage == missedResync && s != nil && d.Reset && r.m.taken != nil {
		return r.m.taken, &idl.Delta{}
	}
	if s != nil {
		r.m.mu.Lock()
		defer r.m.mu.Unlock()
		if r.m.taken != s {
			r.m.taken = s
			r.m.takes = append(r.m.takes, s)
		}
	}
	return s, d
}

// tappedPlane tells the machine what is in force.
type tappedPlane struct {
	*memory.Plane
	p *process
	m *machine
}

func (p tappedPlane) Apply(ctx context.Context, next *intent.State, d *intent.Delta) (plane.Report, error) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if p.p.dead.Load() {
		return plane.Report{}, errGone
	}
	if p.m.w.sabotage == staleBindings && d != nil {
		d.Bindings = slices.DeleteFunc(d.Bindings, func(c intent.Change[intent.BindingKey, intent.Binding]) bool { return c.New == nil })
	}
	r, err := p.Plane.Apply(ctx, next, d)
	if err == nil {
		p.m.applied = p.m.taken
	}
	return r, err
}

// crash kills processes of the machine: with power all of them, and what is not on the disk.
func (m *machine) crash(server, agent, power bool) {
	if power || !m.external {
		server, agent = true, true
	}
	w := m.w
	if agent && m.vtep != nil {
		w.net.kill(m.vtep, power)
	}
	if server && m.db != nil {
		w.net.kill(m.db, power)
	}
	if server {
		lied := m.disk.lied
		m.disk = m.disk.crash(w.draw(partDisk), power)
		m.mu.Lock()
		if power && lied {
			m.truth.distrust()
		}
		m.observer = nil
		m.mu.Unlock()
		w.end(m.db)
		m.server.Store(nil)
	}
	if agent {
		w.end(m.vtep)
	}
	if power {
		m.off = append(m.off, m.db, m.vtep)
		m.newFabric()
		m.applied = nil
	}
	if server {
		m.db = nil
	}
	if agent {
		m.vtep, m.taken = nil, nil
	}
}

func (m *machine) String() string { return fmt.Sprintf("%s(external=%v)", m.name, m.external) }
