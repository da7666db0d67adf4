package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/config"
	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/plane/ovs"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/trim"
)

const (
	// connectTimeout is how long --detach waits for an external database that refuses connections,
	// rowsTimeout how long for our rows to be in one that takes them. Both count from the start.
	connectTimeout = 3 * time.Second
	rowsTimeout    = 10 * time.Second
)

// vtepRun is the "run" personality: its command line, and the wiring of the database
// server, the replica, the agent and a plane.
type vtepRun struct {
	d        *daemon.Daemon
	log      *slog.Logger
	problems *problem.Set
	trim     *trim.Trimmer

	// The command line, and the configuration file.
	args       []string
	configFile string          // empty: none
	dir        string          // that its name is relative to; empty: that of the process
	settings   config.Settings // the options that were given; what a reload has not taken is as before
	fresh      func() *vtepRun
	reloading  sync.Mutex // guards settings, and what a reload changes of the following

	name            string // of the physical switch
	db              string
	connect         string // external servers with commas between them; empty: the embedded one
	anyMember       bool   // of a cluster, not only its leader
	external        bool   // the program knows external servers only
	plane           string
	pinDir          string
	direct          string
	ovsRunDir       string // of Open vSwitch, for its plane
	noDirect        bool
	xdp             string
	tcFilter        bool
	udpTunnels      bool
	vxlanPort       string
	port            uint16 // of vxlanPort; 0: that of VXLAN
	vrf             string
	tunnelIP        string
	ports           []string
	allowPorts      []string
	remotes         []string
	readOnlyRemotes []string
	protect         bool // said, and no more: it is the default
	noProtect       bool
	acceptDB        bool
	http            httpOptions
	sharing         sharing
	durability      server.Durability
	evpn            string // the file with the BGP side; empty: none
	evpnMetrics     string
	files           stream.TLSFiles

	suspect string         // why the database may not be the one that it should be
	opened  ovsdb.Position // of the database, when it was opened

	detached   atomic.Bool // --detach does not wait any more
	running    atomic.Bool // the rows were compiled and applied once
	unanswered atomic.Bool // the external database can't be reached, as far as is known
	answered   atomic.Bool // it has been reached once

	metricsService, webService httpService
	tls                        atomic.Pointer[stream.TLS] // of files; nil: there are none
	began                      time.Time
	captures                   captures

	// What the control commands and the page are about, as soon as it is there.
	server  atomic.Pointer[server.Server]
	keeper  atomic.Pointer[evpnKeeper] // with --evpn
	agent   atomic.Pointer[agent.Agent]
	replica atomic.Pointer[idl.Client]
	fabric  atomic.Pointer[memory.Fabric] // of the memory plane
	wire    atomic.Pointer[memory.Wire]   // likewise; there before it
}

func runVTEP(args []string) int { return newVTEP().main(args, newVTEP) }

// keepsUser says why a VTEP can't run as another user.
const keepsUser = "the dataplane needs the rights of root all the time"

func newVTEP() *vtepRun {
	r := &vtepRun{d: daemon.New("vtep", "vtep "+version, daemon.VTEPDirs()), plane: "ebpf", ovsRunDir: daemon.OVSDirs().Run}
	r.d.KeepsUser = keepsUser
	return r
}

// runOVSVTEP takes the command line of Open vSwitch's emulator, and like it drives Open vSwitch,
// whose server has both databases.
func runOVSVTEP(args []string) int { return newOVSVTEP().main(args, newOVSVTEP) }

func newOVSVTEP() *vtepRun {
	r := &vtepRun{d: daemon.New("ovs-vtep", versionOf("ovs-vtep"), daemon.OVSDirs()), plane: "ovs", ovsRunDir: daemon.OVSDirs().Run}
	r.connect, r.external = "unix:"+filepath.Join(r.d.Dirs.Run, "db.sock"), true
	r.d.KeepsUser = keepsUser
	return r
}

// main runs the program; fresh makes one like r, before it has read its command line.
func (r *vtepRun) main(args []string, fresh func() *vtepRun) int {
	r.fresh = fresh
	r.log, r.began = r.d.Logger("vtep"), time.Now()
	r.problems = problem.NewSet(r.d.Logger("problem"))
	r.trim = trim.New(nil)
	r.prepareHTTP()
	r.registerControl()
	switch err := r.parse(args); {
	case errors.Is(err, getopt.ErrHelp):
		r.program().Help(os.Stdout)
		return 0
	case errors.Is(err, getopt.ErrVersion):
		return runVersion(nil)
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\n", r.d.Name, err)
		return 1
	}
	if r.configFile != "" {
		r.d.Reload = func() { _, _ = r.reload() } // it logs what comes of it
	}
	if err := daemon.Make(r.d.Dirs.Run); err != nil {
		if errors.Is(err, os.ErrPermission) {
			err = fmt.Errorf("%w: run as root, or name another directory with --rundir", err)
		}
		return r.d.Fatal(err)
	}
	if status, over := r.d.Start(); over {
		return status
	}
	defer r.d.Close()
	return r.serve()
}

// serve opens everything, says that it is ready, and runs until it is told to end.
// Whatever ends it, forwarding stays as it is, unless "exit --cleanup" was asked for.
func (r *vtepRun) serve() int {
	only := "" // switch: several of an external server can share a run directory, if their plane can be shared
	if r.plane == "ovs" && r.connect != "" {
		only = r.name
	}
	lock, err := lockDir(r.d.Context(), r.d.Dirs.Run, only, r.log)
	if err != nil {
		return r.d.Fatal(err)
	}
	defer lock.Close()
	r.d.BeforeEnd(lock.end)
	tls, err := loadTLS(r.files)
	if err != nil {
		return r.d.Fatal(err)
	}
	r.tls.Store(tls)
	if err := r.serveHTTP(r.http); err != nil {
		return r.d.Fatal(err)
	}
	defer r.serveHTTP(httpOptions{})
	replica := idl.Options{Database: hwvtep.Schema().Name, Logger: r.d.Logger("idl"), Name: r.connect}
	if r.connect == "" {
		db, err := r.openDatabase(tls)
		if err != nil {
			return r.d.Fatal(err)
		}
		r.server.Store(db)
		defer func() {
			if err := db.Close(); err != nil {
				r.log.Warn("database not closed well", "err", err)
			}
		}()
		replica.Dial = dialPipe(db)
	} else {
		if replica.Targets, replica.Cluster, err = idl.ParseTargets(r.connect, tls); err != nil {
			return r.d.Fatal(err)
		}
		replica.LeaderOnly = !r.anyMember
		replica.Writes = hwvtep.TablePhysicalSwitch
		replica.Status = r.tellOfDatabase
	}
	p, err := r.openPlane()
	if err != nil {
		return r.d.Fatal(err)
	}
	if r.evpn != "" {
		keeper := r.keepEVPN()
		r.keeper.Store(keeper)
		defer func() { keeper.close(r.d.Cleanup()) }()
	} else {
		r.tellOfSpeaker()
	}
	err = r.runAgent(idl.New(replica), p)
	if w := r.wire.Load(); w != nil {
		err = errors.Join(err, w.Close())
	}
	if r.d.Cleanup() {
		err = errors.Join(err, p.Destroy(context.Background()))
	} else {
		err = errors.Join(err, p.Close())
	}
	if err != nil {
		return r.d.Fatal(err)
	}
	return 0
}

// runAgent runs the replica and the agent until the daemon's end or a failure of one of them.
func (r *vtepRun) runAgent(replica *idl.Client, p plane.Plane) error {
	// The replica outlives the agent, which may have rows to withdraw.
	live, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- replica.Run(live) }()

	ready := func() error {
		r.detached.Store(true)
		r.running.Store(true)
		r.log.Info("running", "switch", r.name, "plane", r.plane, "version", version)
		err := r.d.Ready()
		r.d.Supervise(r.line)
		return err
	}
	if r.connect != "" && r.d.Detached() {
		defer time.AfterFunc(connectTimeout, func() {
			if r.unanswered.Load() {
				r.detachAnyway("the database does not answer")
			}
		}).Stop()
		defer time.AfterFunc(rowsTimeout, func() { r.detachAnyway("our rows are not in the database yet") }).Stop()
	}
	// Whoever connects to our database to run the same switch must see that it is taken. Our
	// own process has the file, and need not mind who takes the lock from it.
	lock := agent.LockName(r.name)
	var position func() ovsdb.Position
	if r.connect == "" {
		replica.Lock(lock)
		lock = ""
		position = func() ovsdb.Position { return r.server.Load().Position(hwvtep.Schema().Name) }
	}
	a := agent.New(agent.Options{
		Lock: lock,
		Name: r.name, TunnelIP: r.tunnelIP, Ports: r.ports, Ready: ready,
		Replica: replica, Plane: p, Logger: r.d.Logger("agent"), Problems: r.problems,
		Suspect: r.suspect, Accept: r.acceptDB, Position: position, Opened: r.opened, Trim: r.trim,
	})
	r.agent.Store(a)
	r.replica.Store(replica)
	err := a.Run(r.d.Context())
	if r.d.Cleanup() {
		r.withdraw(a)
	}
	cancel()
	if rerr := <-done; rerr != nil && !errors.Is(rerr, context.Canceled) {
		err = errors.Join(err, rerr)
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// detachAnyway goes into the background although the rows of the VTEP are not in the database yet.
func (r *vtepRun) detachAnyway(why string) {
	if r.detached.Swap(true) {
		return
	}
	r.log.Info("going on in the background: " + why)
	if err := r.d.Ready(); err != nil {
		r.log.Error("going into the background failed", "err", err)
	}
}

// openPlane makes the plane that the command line names.
func (r *vtepRun) openPlane() (plane.Plane, error) {
	if r.plane == "ovs" {
		return ovs.New(ovs.Options{Name: r.name, RunDir: r.ovsRunDir, Port: r.port,
			Dial: idl.DialTarget("unix:"+filepath.Join(r.ovsRunDir, "db.sock"), nil), Control: daemon.Call,
			Routes: followRoutes, Logger: r.d.Logger("ovs")}), nil
	}
	if r.plane == "memory" {
		fabric := memory.New(memory.Options{})
		for _, port := range r.ports {
			fabric.AddDevice(port)
		}
		r.wire.Store(fabric.NewWire(r.udpTunnels, r.port))
		r.fabric.Store(fabric)
		return fabric.Open(), nil
	}
	return ebpf.New(ebpf.Options{Name: r.name, PinDir: r.pinDir, Logger: r.d.Logger("ebpf"),
		Port: r.port, VRF: r.vrf, Direct: directModes[r.direct], XDP: xdpModes[r.xdp], Classic: r.tcFilter, AllowPorts: r.allowPorts})
}

// followRoutes is namespace.FollowRoutes, as the plane of Open vSwitch knows it.
func followRoutes(path string, changed func()) (ovs.KernelRoutes, error) {
	r, err := namespace.FollowRoutes(path, changed)
	if err != nil {
		return nil, err
	}
	return r, nil
}
