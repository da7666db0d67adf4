package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/plane/ebpf"
	"github.com/vtep/vtep/internal/vtep"
)

// directModes are the values of --direct.
var directModes = map[string]ebpf.Direct{"": ebpf.DirectAuto, "auto": ebpf.DirectAuto, "on": ebpf.DirectOn, "off": ebpf.DirectOff}

// xdpModes are the values of --xdp.
var xdpModes = map[string]ebpf.XDP{"": ebpf.XDPOff, "off": ebpf.XDPOff, "auto": ebpf.XDPAuto, "require": ebpf.XDPRequire}

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

// check completes the command line, and says all that can't work, before anything is made.
func (r *vtepRun) check(names []string) (wrong []error) {
	r.anchorPaths()
	for _, check := range []func() error{
		func() error { return r.checkName(names) },
		r.checkPlane,
		r.checkDatabase,
		r.checkUnderlay,
		func() error { return checkRemotes(r.d, slices.Concat(r.remotes, r.readOnlyRemotes)) },
		r.files.Check,
		r.sharing.check,
		func() error { return r.http.check(&r.files) },
		r.checkEVPN,
		r.checkPorts,
	} {
		if err := check(); err != nil {
			wrong = append(wrong, err)
		}
	}
	r.d.Share, r.d.Reader = r.sharing.share(), r.sharing.reader()
	if r.db == "" {
		r.db = r.defaultDB()
		anchor(r.dir, &r.db)
	}
	return wrong
}

// checkName takes the name of the physical switch.
func (r *vtepRun) checkName(names []string) error {
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
	return nil
}

// checkPlane looks at the plane, and at what is for one plane alone.
func (r *vtepRun) checkPlane() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slices.Contains([]string{"ebpf", "ovs", "memory"}, r.plane) {
		return fmt.Errorf("--plane=%s: not one of ebpf, ovs and memory", r.plane)
	}
	if r.noDirect {
		if r.direct != "" && r.direct != "off" {
			refuse("--direct=%s and --no-direct exclude each other", r.direct)
		}
		r.direct = "off"
	}
	if _, ok := directModes[r.direct]; !ok {
		refuse("--direct=%s: not one of auto, on and off", r.direct)
	}
	if mode, ok := xdpModes[r.xdp]; !ok {
		refuse("--xdp=%s: not one of auto, off and require", r.xdp)
	} else if mode == ebpf.XDPRequire && r.plane != "ebpf" {
		refuse("--xdp=require and --plane=%s exclude each other: only the ebpf plane has XDP programs", r.plane)
	} else if mode == ebpf.XDPRequire && r.direct == "off" {
		refuse("--xdp=require and --direct=off exclude each other: XDP programs go past the IP stack")
	}
	if r.udpTunnels && r.plane != "memory" {
		refuse("--udp-tunnels and --plane=%s exclude each other: only the memory plane needs it", r.plane)
	}
	if r.vrf != "" && r.plane != "ebpf" {
		refuse("--underlay-vrf and --plane=%s exclude each other: only the ebpf plane knows VRFs", r.plane)
	}
	return errors.Join(errs...)
}

// checkDatabase looks whether the embedded server, or another one, can do what is asked of it.
func (r *vtepRun) checkDatabase() error {
	if r.connect == "" {
		if r.anyMember {
			return errors.New("--no-leader-only is for the servers of --connect")
		}
		if r.protect && r.noProtect {
			return errors.New("--protect and --no-protect exclude each other")
		}
		return nil
	}
	if err := checkTarget(r.connect, &r.files); err != nil {
		return fmt.Errorf("--connect: %w", err)
	}
	switch {
	case r.db != "":
		return errors.New("--db and --connect exclude each other: with --connect the database is the other server's")
	case len(r.remotes)+len(r.readOnlyRemotes) > 0:
		return errors.New("--remote and --connect exclude each other: with --connect the other server listens")
	case r.protect || r.noProtect:
		return errors.New("--protect, --no-protect and --connect exclude each other: with --connect the other server protects")
	}
	return nil
}

// checkUnderlay looks at what says where tunnels are.
func (r *vtepRun) checkUnderlay() error {
	var errs []error
	if r.vxlanPort != "" {
		port, err := strconv.ParseUint(r.vxlanPort, 10, 16)
		if err != nil || port == 0 {
			errs = append(errs, fmt.Errorf("--vxlan-port=%s: not a UDP port, 1 to 65535", r.vxlanPort))
		}
		r.port = uint16(port)
	}
	if len(r.vrf) >= unix.IFNAMSIZ {
		errs = append(errs, fmt.Errorf("--underlay-vrf=%s: not the name of a network device: it is longer than %d bytes", r.vrf, unix.IFNAMSIZ-1))
	}
	if r.tunnelIP != "" {
		ipv6, want := false, "an IPv4 address"
		if r.plane == "ebpf" {
			ipv6, want = true, "an IPv4 or IPv6 address"
		}
		if _, err := vtep.ParseTunnelIP(r.tunnelIP, ipv6); err != nil {
			errs = append(errs, fmt.Errorf("--tunnel-ip: %w; %s of this machine is expected", err, want))
		}
	}
	return errors.Join(errs...)
}

func (r *vtepRun) checkPorts() error {
	if slices.Contains(r.ports, "") {
		return errors.New("--port=: the name of the port is empty")
	}
	return nil
}

// anchorPaths has names mean what they did where the process was started.
func (r *vtepRun) anchorPaths() {
	anchor(r.dir, &r.d.Dirs.Run, &r.db, &r.evpn, &r.http.tokenFile, &r.ovsRunDir, &r.pinDir)
	anchorTLS(r.dir, &r.files)
}
