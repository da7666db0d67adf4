package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/plane/ebpf"
	"github.com/vtep/vtep/internal/quantity"
)

// vtepStatus is what "vtep/status" answers: all that one who looks in wants to see first.
type vtepStatus struct {
	Versions versions `json:"versions"`
	PID      int      `json:"pid"`
	Uptime   float64  `json:"uptime_seconds"`
	Plane    string   `json:"plane"`
	UDPPort  uint16   `json:"vxlan_port"`
	Pins     string   `json:"pins"` // the directory of the eBPF plane's; "": another plane runs

	agent.Status

	Database    databaseStatus  `json:"database"`
	Controllers []controller    `json:"controllers"`
	Listeners   []listener      `json:"listeners"`
	Captures    []captureStatus `json:"captures"`
	Problems    []problemData   `json:"problems"`
}

type versions struct {
	VTEP   string `json:"vtep"`
	Schema string `json:"schema"`
	Go     string `json:"go"`
	Kernel string `json:"kernel"`
}

// databaseStatus is of the embedded database, or of the connection to another server's.
type databaseStatus struct {
	File        string `json:"file"`   // "": another server has it
	Server      string `json:"server"` // "": it is embedded
	Connected   bool   `json:"connected"`
	Sessions    int    `json:"sessions"`
	Requests    int    `json:"requests"`
	Commits     int    `json:"commits"`
	Bytes       int    `json:"bytes"`
	Compactions int    `json:"compactions"`
	Rows        int    `json:"rows"`
}

// controller is somebody who writes rows over the network, or may: a target that we connect to, or that is listened on.
type controller struct {
	Target   string  `json:"target"`
	Managed  bool    `json:"manager"` // a Manager row names it; otherwise --remote does
	State    string  `json:"state"`
	Seconds  float64 `json:"state_seconds"`
	Sessions int     `json:"sessions"`
	Why      string  `json:"why"`
}

// listener is a socket that the process listens on.
type listener struct {
	Address string `json:"address"`
	For     string `json:"for"`
	Who     string `json:"who"`
}

// status gathers it. What is not there yet, while the process starts, is left out.
func (r *vtepRun) status(ctx context.Context) (vtepStatus, error) {
	s := vtepStatus{PID: os.Getpid(), Uptime: time.Since(r.began).Seconds(), Plane: r.plane, Controllers: []controller{}, Listeners: []listener{}}
	s.UDPPort = cmp.Or(r.port, defaultVXLANPort)
	if r.plane == "ebpf" {
		s.Pins = (&ebpf.Options{Name: r.name, PinDir: r.pinDir}).Pins()
	}
	s.Versions = versions{version, hwvtep.Schema().Version, runtime.Version(), kernelRelease()}
	s.Status = agent.Status{Switch: r.name, State: agent.Starting, TunnelIPs: []string{}, Ports: []agent.PortStatus{},
		Switches: []agent.SwitchStatus{}, Tunnels: []agent.TunnelStatus{}, Drops: []agent.DropStatus{}, Paths: []agent.PathStatus{}}
	if a := r.agent.Load(); a != nil {
		of, err := a.Status(ctx)
		if err != nil {
			return s, err
		}
		s.Status = of
	}
	s.Captures = r.captures.status()
	s.Problems = listed(r.problems.All())
	s.Database.Server = r.connect
	s.Database.Connected = r.connect != "" && !r.unanswered.Load() && r.answered.Load()
	if db := r.server.Load(); db != nil {
		u := db.Usage()
		s.Database = databaseStatus{File: r.db, Connected: true, Sessions: u.Sessions, Requests: u.Requests, Commits: u.Commits,
			Bytes: u.Bytes, Compactions: u.Compactions, Rows: u.Rows}
		for _, rem := range db.RemoteStates() {
			if rem.Listens {
				s.Listeners = append(s.Listeners, listener{addressOf(rem), "database", r.whoMay(rem)})
			}
			if !rem.Local {
				s.Controllers = append(s.Controllers, controller{rem.Target, rem.Managed, rem.State, rem.Seconds, rem.Sessions, rem.Why})
			}
		}
	}
	for _, h := range []*httpService{&r.metricsService, &r.webService} {
		if served := h.server.Load(); served != nil {
			s.Listeners = append(s.Listeners, listener{served.URL(), h.what, served.Who()})
		}
	}
	if path := r.d.Socket(); path != "" {
		s.Listeners = append(s.Listeners, listener{"unix:" + path, "control", r.whoMayFile(path, "all commands")})
	}
	s.Listeners = append(s.Listeners, r.tunnelListeners(&s)...)
	s.Listeners = append(s.Listeners, r.evpnListeners(ctx)...)
	return s, nil
}

// line says in a line what the VTEP does, or that its agent does not answer.
func (r *vtepRun) line(ctx context.Context) (string, error) {
	a := r.agent.Load()
	if a == nil {
		return string(agent.Starting), nil
	}
	b, err := a.Brief(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %s, %s, %s, %s; %s", b.State, quantity.Of(b.Ports, "port"), quantity.Of(b.Switches, "logical switch"),
		quantity.Of(b.Tunnels, "tunnel"), quantity.Of(b.MACs, "MAC"), quantity.Of(len(r.problems.All()), "problem")), nil
}

func addressOf(rem server.RemoteState) string {
	scheme, _, _ := strings.Cut(rem.Target, ":")
	if rem.Local && scheme != "pfd" {
		return "unix:" + rem.Address
	}
	return scheme + ":" + rem.Address
}

// whoMay says in words who may use a listener of the database, and for what.
func (r *vtepRun) whoMay(rem server.RemoteState) string {
	what := "rows of controllers"
	switch {
	case rem.ReadOnly:
		what = "reading only"
	case rem.Local:
		what = "all rows"
	}
	switch {
	case rem.Local:
		return r.whoMayFile(rem.Address, what)
	case rem.TLS:
		return "peers with a certificate of our authority: " + what
	case rem.Loopback:
		return "every process of this machine: " + what
	}
	return "anybody who reaches it: " + what
}

// tunnelListeners are the sockets that tunnels come in at, which the kernel has for the eBPF plane. Those of Open
// vSwitch are its own.
func (r *vtepRun) tunnelListeners(s *vtepStatus) (all []listener) {
	who := "the peers that rows name: frames of their logical switches"
	if s.AnySource {
		who = "anybody who reaches it: frames of the logical switch that has the VNI (accept_any_source)"
	}
	switch {
	case len(s.TunnelIPs) > 0 && r.plane == "ebpf":
		all = append(all, listener{fmt.Sprintf("udp:*:%d", s.UDPPort), "tunnels", who})
	case r.udpTunnels:
		for _, ip := range s.TunnelIPs {
			all = append(all, listener{"udp:" + net.JoinHostPort(ip, strconv.Itoa(int(s.UDPPort))), "tunnels", who})
		}
	}
	return all
}

// evpnPatience is how long the EVPN process may take to say what it listens on.
const evpnPatience = time.Second

// evpnListeners are those of the EVPN process that is kept beside this one. One that does not answer has none.
func (r *vtepRun) evpnListeners(ctx context.Context) []listener {
	if r.evpn == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, evpnPatience)
	defer cancel()
	var answer struct{ Reply []listener }
	data, err := daemon.CallData(ctx, evpnSocket(r.d.Dirs.Run), listenersCommand)
	if err != nil || json.Unmarshal(data, &answer) != nil {
		return nil
	}
	return answer.Reply
}

// whoMayFile says who may connect to a socket, by its owner, group and mode, and for what.
func (r *vtepRun) whoMayFile(path, what string) string {
	return whoMayOpen(path, what, r.sharing.group)
}

// whoMayOpen says so, where readers are a group that may only read; "": there is none.
func whoMayOpen(path, what, readers string) string {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "unknown (" + err.Error() + ")"
	}
	owner := "root"
	if st.Uid != 0 {
		owner += ", user " + userName(st.Uid)
	}
	others := ""
	switch {
	case st.Mode&0o002 != 0:
		others = "every user of this machine"
	case st.Mode&0o020 != 0 && st.Gid != 0:
		others = "group " + groupName(st.Gid)
	}
	switch {
	case others == "":
		return owner + ": " + what
	case readers != "":
		return owner + ": " + what + "; " + others + ": reading only"
	}
	return owner + ", " + others + ": " + what
}

func userName(id uint32) string {
	if u, err := user.LookupId(strconv.Itoa(int(id))); err == nil {
		return u.Username
	}
	return strconv.Itoa(int(id))
}

func groupName(id uint32) string {
	if g, err := user.LookupGroupId(strconv.Itoa(int(id))); err == nil {
		return g.Name
	}
	return strconv.Itoa(int(id))
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
