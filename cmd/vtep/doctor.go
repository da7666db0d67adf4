package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/doctor"
	"github.com/vtep/vtep/internal/getopt"
)

// doctorCommand is the "doctor" personality: it looks for what is in a VTEP's way, before it is started or
// while it runs.
type doctorCommand struct {
	at       appctl
	config   string
	ports    []string
	tunnelIP string
	peer     string
	vni      string
	host     string
	udpPort  uint16 // 0: that of the VTEP
	json     bool
	quiet    bool
}

const (
	defaultVXLANPort = 4789
	probeWait        = 5 * time.Second // the kernel looks for a next hop for three
)

func runDoctor(args []string) int {
	c := doctorCommand{at: newAppctl()}
	words, err := getopt.Parse(args, c.options())
	switch {
	case errors.Is(err, getopt.ErrHelp):
		c.program().Help(os.Stdout)
		return 0
	case err == nil && len(words) > 0:
		err = fmt.Errorf("it takes no argument %q; see --help", words[0])
	}
	var all []doctor.Finding
	if err == nil {
		all, err = c.run()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "vtep doctor: %v\n", err)
		return 2
	}
	if err := c.print(os.Stdout, all); err != nil {
		fmt.Fprintf(os.Stderr, "vtep doctor: %v\n", err)
		return 2
	}
	if doctor.Worst(all) == doctor.Bad {
		return 1
	}
	return 0
}

func (c *doctorCommand) options() []getopt.Option {
	return append(c.at.where(),
		getopt.String("config", "FILE", "where none runs: look at what this configuration file asks for", &c.config),
		getopt.Strings("port", "NAME", "look at this port, too (repeatable)", &c.ports),
		getopt.String("tunnel-ip", "IP", "the tunnel IP, where none runs", &c.tunnelIP),
		getopt.String("peer", "IP", "look at the way to this peer, too; with --vni: send a probe by it, and say what comes back", &c.peer),
		getopt.String("vni", "N", "the VNI of the probe", &c.vni),
		getopt.String("host", "IP", "a host behind the peer, which the probe asks for its MAC", &c.host),
		getopt.Option{Long: "udp-port", Arg: getopt.RequiredArg, ArgName: "PORT", Help: "that of VXLAN (default: the VTEP's, or 4789)", Set: func(arg string) error {
			n, err := strconv.ParseUint(arg, 10, 16)
			if err != nil || n == 0 {
				return fmt.Errorf("%q is not a UDP port", arg)
			}
			c.udpPort = uint16(n)
			return nil
		}},
		getopt.Flag("quiet", "leave out what is as it should be", &c.quiet),
		getopt.Flag("json", "print JSON", &c.json),
		getopt.Option{Long: "help", Short: 'h', Set: func(string) error { return getopt.ErrHelp }},
	)
}

func (c *doctorCommand) program() *getopt.Program {
	return &getopt.Program{Name: "vtep doctor", Brief: "look for what is in the way of a VTEP, one that runs or is to run, and say what to do",
		Usage: []string{"[OPTION]..."}, Notes: []string{"The status is 1 if something does not work."}, Options: c.options()}
}

// run looks at the VTEP that runs, or else at what is to run, and then probes.
func (c *doctorCommand) run() ([]doctor.Finding, error) {
	s, all, err := c.subject()
	if err != nil {
		return nil, err
	}
	var probe *doctor.Tunnel
	if c.peer != "" {
		if probe, err = c.probe(&s); err != nil {
			return nil, err
		}
	} else if c.vni != "" || c.host != "" {
		return nil, errors.New("--vni and --host go with --peer")
	}
	all = append(all, doctor.Examine(s)...)
	if probe != nil {
		found, err := doctor.Probe(context.Background(), *probe)
		if err != nil {
			return nil, fmt.Errorf("probe %s: %w", c.peer, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// subject is what is looked at, with what a VTEP that runs has to say itself.
func (c *doctorCommand) subject() (doctor.Subject, []doctor.Finding, error) {
	s := doctor.Subject{UDPPort: int(cmp.Or(c.udpPort, defaultVXLANPort)), Plane: "ebpf", Database: daemon.VTEPDirs().DB, Ports: c.ports}
	add := func(ip string) error {
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			return fmt.Errorf("--tunnel-ip: %w", err)
		}
		s.TunnelIPs = append(s.TunnelIPs, addr)
		return nil
	}
	path, err := c.at.socket()
	if err != nil { // none runs
		next := newVTEP()
		if c.config != "" {
			if err := next.parse([]string{"--config=" + c.config, "NAME"}); err != nil {
				return s, nil, err
			}
			s.Ports, s.Plane, s.Database = slices.Concat(next.ports, c.ports), next.plane, filepath.Dir(next.db)
			s.UDPPort, s.Pins = int(cmp.Or(c.udpPort, next.port, defaultVXLANPort)), next.pinDir
			if c.tunnelIP == "" {
				c.tunnelIP = next.tunnelIP
			}
		}
		if c.tunnelIP != "" {
			err = add(c.tunnelIP)
		} else {
			err = nil
		}
		return s, []doctor.Finding{{Level: doctor.Note, Check: "vtep", Text: "none runs in " + c.at.rundir}}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.at.timeout)
	defer cancel()
	answer, err := daemon.CallData(ctx, path, "vtep/status")
	if err != nil {
		return s, nil, err
	}
	var reply struct{ Reply vtepStatus }
	if err := json.Unmarshal(answer, &reply); err != nil {
		return s, nil, fmt.Errorf("read the answer: %w", err)
	}
	st := &reply.Reply
	if err := goTo(path); err != nil {
		return s, nil, err
	}
	s.PID, s.Plane, s.Pins, s.UDPPort = st.PID, st.Plane, st.Pins, int(cmp.Or(c.udpPort, st.UDPPort, defaultVXLANPort))
	if s.Database = ""; st.Database.File != "" {
		s.Database = filepath.Dir(st.Database.File)
	}
	for _, p := range st.Ports {
		s.Ports = append(s.Ports, p.Name)
	}
	for _, ip := range st.TunnelIPs {
		if err := add(ip); err != nil {
			return s, nil, err
		}
	}
	for _, t := range st.Tunnels {
		if ip, err := netip.ParseAddr(t.Remote); err == nil {
			s.Peers = append(s.Peers, ip)
		}
	}
	return s, ownFindings(st), nil
}

// goTo has this program go on in the network namespace of the VTEP that listens at the control socket, by a start anew,
// as a process has threads in more than one. Whoever may not look where that is stays.
func goTo(socket string) error {
	pid, err := daemon.ListenerPID(socket)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/proc/%d/ns/net", pid)
	theirs, err := os.Readlink(path)
	ours, err2 := os.Readlink("/proc/self/ns/net")
	if err != nil || err2 != nil || theirs == ours {
		return nil
	}
	runtime.LockOSThread()
	f, err := os.Open(path)
	if err == nil {
		err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
	}
	if err == nil {
		err = unix.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	return fmt.Errorf("go to the network namespace of the VTEP: %w", err)
}

// ownFindings are what the VTEP itself has to say.
func ownFindings(st *vtepStatus) []doctor.Finding {
	level := doctor.OK
	if st.State != "running" {
		level = doctor.Bad
	}
	all := []doctor.Finding{{Level: level, Check: "vtep", Object: st.Switch, Text: fmt.Sprintf("process %d is %s", st.PID, st.State)}}
	for _, p := range st.Problems {
		level := doctor.Bad
		if p.Doubt {
			level = doctor.Warn
		}
		all = append(all, doctor.Finding{Level: level, Check: p.Kind, Object: p.Object, Text: p.Text, Remedy: p.Remedy})
	}
	return all
}

// probe adds the peer to what is looked at, and says what to send there, if that is wanted.
func (c *doctorCommand) probe(s *doctor.Subject) (*doctor.Tunnel, error) {
	peer, err := netip.ParseAddr(c.peer)
	if err != nil {
		return nil, fmt.Errorf("--peer: %w", err)
	}
	if !slices.Contains(s.Peers, peer) {
		s.Peers = append(s.Peers, peer)
	}
	if c.vni == "" {
		return nil, nil
	}
	vni, err := strconv.ParseUint(c.vni, 10, 24)
	if err != nil {
		return nil, fmt.Errorf("--vni=%s: a number of 0 to 16777215 is expected", c.vni)
	}
	t := &doctor.Tunnel{To: peer, VNI: uint32(vni), UDPPort: s.UDPPort, Wait: probeWait, Size: doctor.NeededSize(*s, peer)}
	if c.host != "" {
		if t.Host, err = netip.ParseAddr(c.host); err != nil || !t.Host.Is4() {
			return nil, fmt.Errorf("--host=%s: an IPv4 address is expected", c.host)
		}
	}
	i := slices.IndexFunc(s.TunnelIPs, func(ip netip.Addr) bool { return ip.Is4() == peer.Is4() })
	if i < 0 {
		return nil, errors.New("there is no tunnel IP to send from: name one with --tunnel-ip")
	}
	t.From = s.TunnelIPs[i]
	return t, nil
}

func (c *doctorCommand) print(w io.Writer, all []doctor.Finding) error {
	if c.quiet {
		all = slices.DeleteFunc(all, func(f doctor.Finding) bool { return f.Level == doctor.OK })
	}
	if c.json {
		if all == nil {
			all = []doctor.Finding{}
		}
		return json.NewEncoder(w).Encode(all)
	}
	for _, f := range all {
		if _, err := fmt.Fprintln(w, f); err != nil {
			return err
		}
	}
	return nil
}
