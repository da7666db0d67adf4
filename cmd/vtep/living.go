package main

import (
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/completion"
	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/lab"
)

// living knows the names of what is there, for completion: of the VTEP that runs, of the machine, of
// labs. Where nothing answers there are none.
type living struct {
	at     appctl
	status *vtepStatus // nil: not asked yet
}

// completionTimeout is how long a person waits for names.
const completionTimeout = time.Second

func newLiving() living {
	at := newAppctl()
	at.timeout = completionTimeout
	return living{at: at}
}

// set takes over an option that says which VTEP is meant.
func (l *living) set(option, value string) {
	switch option {
	case "target":
		l.at.target = value
	case "rundir":
		l.at.rundir = value
	}
}

// ask gives the daemon a command that takes no arguments.
func (l *living) ask(command string) []byte {
	path, err := l.at.socket()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.at.timeout)
	defer cancel()
	answer, err := daemon.CallData(ctx, path, command)
	if err != nil {
		return nil
	}
	return answer
}

func (l *living) vtep() *vtepStatus {
	if l.status == nil {
		var reply struct{ Reply vtepStatus }
		_ = json.Unmarshal(l.ask("vtep/status"), &reply) // what does not answer has no names
		l.status = &reply.Reply
	}
	return l.status
}

// commands are the control commands that the daemon has.
func (l *living) commands() []getopt.Command {
	var reply struct{ Reply string }
	_ = json.Unmarshal(l.ask("list-commands"), &reply)
	all := []getopt.Command{}
	for line := range strings.Lines(reply.Reply) {
		if name, args, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(line, "  ") {
			all = append(all, getopt.Command{Name: name, Args: strings.TrimSpace(args)})
		}
	}
	return all
}

func (l *living) ports() []completion.Candidate {
	var all []completion.Candidate
	for _, p := range l.vtep().Ports {
		all = append(all, completion.Candidate{Word: p.Name, About: "port, " + p.State})
	}
	return all
}

func (l *living) logicalSwitches() []completion.Candidate {
	var all []completion.Candidate
	for _, s := range l.vtep().Switches {
		all = append(all, completion.Candidate{Word: s.Name, About: "VNI " + strconv.FormatUint(uint64(s.VNI), 10)})
	}
	return all
}

func (l *living) vnis() []completion.Candidate {
	var all []completion.Candidate
	for _, s := range l.vtep().Switches {
		all = append(all, completion.Candidate{Word: strconv.FormatUint(uint64(s.VNI), 10), About: "of " + s.Name})
	}
	return all
}

func (l *living) peers() []completion.Candidate {
	var all []completion.Candidate
	for _, t := range l.vtep().Tunnels {
		all = append(all, completion.Candidate{Word: t.Remote, About: "tunnel, " + t.State})
	}
	return all
}

// devices are the ports of the VTEP, and what could be one.
func (l *living) devices() []completion.Candidate {
	all := l.ports()
	devices, _ := net.Interfaces()
	for _, d := range devices {
		if d.Flags&net.FlagLoopback == 0 {
			all = append(all, completion.Candidate{Word: d.Name, About: "device"})
		}
	}
	return all
}

// addresses are those of the machine that a tunnel could have.
func (l *living) addresses() []completion.Candidate {
	var all []completion.Candidate
	devices, _ := net.Interfaces()
	for _, d := range devices {
		addrs, _ := d.Addrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
				all = append(all, completion.Candidate{Word: n.IP.String(), About: "of " + d.Name})
			}
		}
	}
	return all
}

// switches are the physical switches that run, have left forwarding, or have a configuration file.
func (l *living) switches() []string {
	var all []string
	if name := l.vtep().Switch; name != "" {
		all = append(all, name)
	}
	for _, pattern := range []string{"/sys/fs/bpf/vtep/*", "/etc/vtep/*.yaml"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			all = append(all, strings.TrimSuffix(filepath.Base(path), ".yaml"))
		}
	}
	return all
}

// daemons are those that have a control socket.
func (l *living) daemons() []string {
	paths, _ := filepath.Glob(filepath.Join(l.at.rundir, "*.ctl"))
	var all []string
	for _, path := range paths {
		name, _, _ := strings.Cut(filepath.Base(path), ".")
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
		all = append(all, path)
	}
	return all
}

func labNames() []string {
	names, err := lab.Names()
	if err != nil {
		return nil
	}
	return names
}

func labNodes() []string {
	var all []string
	for _, n := range lab.Nodes {
		all = append(all, string(n))
	}
	return all
}
