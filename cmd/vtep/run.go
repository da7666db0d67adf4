package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

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
	"github.com/vtep/vtep/internal/vtep"
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

func (r *vtepRun) options() []getopt.Option {
	return append(getopt.Filled(slices.Concat([]getopt.Option{
		configOption(&r.configFile),
		getopt.String("rundir", "DIR", "sockets are here (default "+r.d.Dirs.Run+")", &r.d.Dirs.Run),
		getopt.String("db", "FILE", "the database; made when absent (default "+r.defaultDB()+")", &r.db),
		getopt.Strings("remote", "TARGET", "serve the database there too, e.g. ptcp:6640 (repeatable)", &r.remotes),
		readOnlyRemoteOption(&r.readOnlyRemotes),
		getopt.Flag("no-protect", "peers on the network may write what is the operator's and the VTEP's, too", &r.noProtect),
		{Long: "protect", Set: func(string) error { r.protect = true; return nil }},
		getopt.Flag("accept-database", "follow the database even if it was made anew, was cut, is older, or is another one than pinned forwarding is from", &r.acceptDB),
		getopt.String("connect", "TARGET[,TARGET]...", "use the ovsdb-server at TARGET, or the cluster of those, rather than the embedded one", &r.connect),
		{Long: "leader-only", Help: "of a cluster follow the leader (default)", Set: func(string) error { r.anyMember = false; return nil }},
		{Long: "no-leader-only", Help: "follow any connected member of a cluster, or a relay", Set: func(string) error { r.anyMember = true; return nil }},
		getopt.String("plane", "PLANE", "dataplane: ebpf, ovs (Open vSwitch), or memory, for frames that plane/inject brings (default "+r.plane+")", &r.plane),
		getopt.String("ovs-rundir", "DIR", "ovs plane: where the sockets of Open vSwitch are (default "+r.ovsRunDir+")", &r.ovsRunDir),
		getopt.String("pin-dir", "DIR", "where the ebpf plane pins its maps (default /sys/fs/bpf/vtep/...)", &r.pinDir),
		getopt.String("direct", "auto|on|off", "ebpf plane: encapsulate and decapsulate in the programs, past the kernel's firewall; auto: unless policies of IPsec cover the tunnels", &r.direct),
		getopt.String("xdp", "auto|off|require", "ebpf plane: have known unicast handled in the drivers of devices that allow it; auto: of NICs; require: of veth devices, too, and a problem where they don't (default off)", &r.xdp),
		getopt.Flag("no-direct", "the same as --direct=off", &r.noDirect),
		getopt.Flag("tc-filter", "ebpf plane: attach with clsact and tc filters even where the kernel has TCX", &r.tcFilter),
		getopt.Flag("udp-tunnels", "memory plane: tunnels are packets of a UDP socket at the tunnel IP, which may be one of 127.0.0.0/8", &r.udpTunnels),
		getopt.String("vxlan-port", "PORT", "the UDP port of VXLAN, here and at all peers (default 4789)", &r.vxlanPort),
		getopt.String("underlay-vrf", "NAME", "ebpf plane: tunnels are in this VRF: its routes, and addresses of its devices", &r.vrf),
		getopt.String("tunnel-ip", "IP", "set the switch's tunnel IP, if it has none", &r.tunnelIP),
		getopt.Strings("port", "NAME", "give the switch this port, if it has not got it (repeatable)", &r.ports),
		getopt.Strings("allow-port", "NAME", "let this device be a port although the machine has addresses or routes on it (repeatable)", &r.allowPorts),
		durabilityOption(&r.durability),
	}, r.evpnOptions(), r.http.options(), r.sharing.options(), tlsOptions(&r.files), commonOptions())),
		getopt.Option{Long: "root-prefix", Arg: getopt.RequiredArg, Set: func(string) error { return nil }}) // ovs-vtep has it
}

func (r *vtepRun) program() *getopt.Program {
	called := r.d.Name
	if called == "vtep" {
		called = "vtep run"
	}
	options := r.options()
	what := "database server, agent and dataplane in one process"
	if r.external {
		what = "agent and dataplane; the database is that of the ovsdb-server at " + r.connect
		for i := range options {
			switch options[i].Long {
			case "db", "remote", "read-only-remote", "no-protect", "durability": // they are for the server of "vtep run"
				options[i].Help = ""
			case "connect":
				options[i].Help = "use the ovsdb-server at TARGET, or the cluster of those (default " + r.connect + ")"
			}
		}
	}
	return &getopt.Program{Name: called, Brief: "run a VTEP: " + what, Usage: []string{"[OPTION]... PS-NAME"},
		Notes: []string{"where PS-NAME is the name of the Physical_Switch."}, Options: options, Daemon: r.d.Options()}
}

func (r *vtepRun) defaultDB() string { return filepath.Join(r.d.Dirs.DB, "vtep.db") }

// check completes the command line, and refuses what can't work before anything is made.
func (r *vtepRun) check(names []string) error {
	switch len(names) {
	case 0:
		return errors.New("the name of the physical switch is missing; see --help")
	case 1:
		r.name = names[0]
	default:
		return fmt.Errorf("one physical switch can be run, %d are named: %q", len(names), names)
	}
	if r.name == "" {
		return errors.New("the name of the physical switch is empty")
	}
	if !slices.Contains([]string{"ebpf", "ovs", "memory"}, r.plane) {
		return fmt.Errorf("--plane=%s: not one of ebpf, ovs and memory", r.plane)
	}
	if r.noDirect {
		if r.direct != "" && r.direct != "off" {
			return fmt.Errorf("--direct=%s and --no-direct exclude each other", r.direct)
		}
		r.direct = "off"
	}
	if _, ok := directModes[r.direct]; !ok {
		return fmt.Errorf("--direct=%s: not one of auto, on and off", r.direct)
	}
	if mode, ok := xdpModes[r.xdp]; !ok {
		return fmt.Errorf("--xdp=%s: not one of auto, off and require", r.xdp)
	} else if mode == ebpf.XDPRequire && r.plane != "ebpf" {
		return fmt.Errorf("--xdp=require and --plane=%s exclude each other: only the ebpf plane has XDP programs", r.plane)
	} else if mode == ebpf.XDPRequire && r.direct == "off" {
		return errors.New("--xdp=require and --direct=off exclude each other: XDP programs go past the IP stack")
	}
	if r.connect != "" {
		if _, _, err := idl.ParseTargets(r.connect, nil); err != nil {
			return fmt.Errorf("--connect: %w", err)
		}
	}
	if r.connect == "" && r.anyMember {
		return errors.New("--no-leader-only is for the servers of --connect")
	}
	if r.connect != "" && r.db != "" {
		return errors.New("--db and --connect exclude each other: with --connect the database is the other server's")
	}
	if r.connect != "" && len(r.remotes)+len(r.readOnlyRemotes) > 0 {
		return errors.New("--remote and --connect exclude each other: with --connect the other server listens")
	}
	if r.connect != "" && (r.protect || r.noProtect) {
		return errors.New("--protect, --no-protect and --connect exclude each other: with --connect the other server protects")
	}
	if r.protect && r.noProtect {
		return errors.New("--protect and --no-protect exclude each other")
	}
	if r.vxlanPort != "" {
		port, err := strconv.ParseUint(r.vxlanPort, 10, 16)
		if err != nil || port == 0 {
			return fmt.Errorf("--vxlan-port=%s: not a UDP port, 1 to 65535", r.vxlanPort)
		}
		r.port = uint16(port)
	}
	if r.udpTunnels && r.plane != "memory" {
		return fmt.Errorf("--udp-tunnels and --plane=%s exclude each other: only the memory plane needs it", r.plane)
	}
	if r.vrf != "" && r.plane != "ebpf" {
		return fmt.Errorf("--underlay-vrf and --plane=%s exclude each other: only the ebpf plane knows VRFs", r.plane)
	}
	if len(r.vrf) >= unix.IFNAMSIZ {
		return fmt.Errorf("--underlay-vrf=%s: not the name of a network device: it is longer than %d bytes", r.vrf, unix.IFNAMSIZ-1)
	}
	if r.tunnelIP != "" {
		ipv6, want := false, "an IPv4 address"
		if r.plane == "ebpf" {
			ipv6, want = true, "an IPv4 or IPv6 address"
		}
		if _, err := vtep.ParseTunnelIP(r.tunnelIP, ipv6); err != nil {
			return fmt.Errorf("--tunnel-ip: %w; %s of this machine is expected", err, want)
		}
	}
	if err := checkRemotes(r.d, slices.Concat(r.remotes, r.readOnlyRemotes)); err != nil {
		return err
	}
	if err := r.files.Check(); err != nil {
		return err
	}
	if err := r.sharing.check(); err != nil {
		return err
	}
	r.d.Share, r.d.Reader = r.sharing.share(), r.sharing.reader()
	if err := r.http.check(&r.files); err != nil {
		return err
	}
	if err := r.checkEVPN(); err != nil {
		return err
	}
	if slices.Contains(r.ports, "") {
		return errors.New("--port=: the name of the port is empty")
	}
	// --detach leaves the directory: names must not depend on it.
	if r.db == "" {
		r.db = r.defaultDB()
	}
	for _, path := range []*string{&r.d.Dirs.Run, &r.db} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	return nil
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

// directModes are the values of --direct.
var directModes = map[string]ebpf.Direct{"": ebpf.DirectAuto, "auto": ebpf.DirectAuto, "on": ebpf.DirectOn, "off": ebpf.DirectOff}

// xdpModes are the values of --xdp.
var xdpModes = map[string]ebpf.XDP{"": ebpf.XDPOff, "off": ebpf.XDPOff, "auto": ebpf.XDPAuto, "require": ebpf.XDPRequire}

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
