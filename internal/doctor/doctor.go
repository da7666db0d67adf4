// Package doctor looks at a machine that is to be a VTEP, or is one, and tells what is in its way, each time
// with what to do about it. It changes nothing; Probe alone sends something.
//
//	kernel.go    release, BPF, its file system
//	ports.go     devices of ports: what they are, who else has programs on them, offloads
//	underlay.go  tunnel IPs, and of each peer the route, the MTU, the neighbour, rp_filter
//	udp.go       others who use the port of VXLAN
//	firewall.go  nftables and iptables that drop VXLAN
//	host.go      time, disk, limits
//	probe.go     what comes back through a tunnel
//
// All is about the network namespace of the caller.
package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Level is how bad a Finding is.
type Level string

const (
	OK   Level = "ok"   // it is as it should be
	Note Level = "note" // it may be meant so
	Warn Level = "warn" // it works, but not well, or not always
	Bad  Level = "bad"  // it does not work
)

// Finding is what came of one look at one thing.
type Finding struct {
	Level  Level  `json:"level"`
	Check  string `json:"check"`  // a word for what was looked at: "kernel", "mtu", ...
	Object string `json:"object"` // of what: a device, a peer; "": of the machine
	Text   string `json:"text"`
	Remedy string `json:"remedy"` // "": there is nothing to do
}

// String is a line, and a second one with what to do.
func (f Finding) String() string {
	s := fmt.Sprintf("%-4s  %s", f.Level, f.Check)
	if f.Object != "" {
		s += " " + f.Object
	}
	s += ": " + f.Text
	if f.Remedy != "" {
		s += "\n      what to do: " + strings.ReplaceAll(f.Remedy, "\n", " ")
	}
	return s
}

// Subject is what is looked at: what a VTEP that runs has, or one that is to run will have.
type Subject struct {
	Ports     []string
	TunnelIPs []netip.Addr
	Peers     []netip.Addr
	UDPPort   int    // of VXLAN
	Database  string // directory of the database's file; "": it is elsewhere
	Pins      string // directory of the eBPF plane's pins; "": the usual one
	PID       int    // of the VTEP; 0: none runs
	Plane     string // "ebpf", "ovs" or "memory"
}

// Examine looks at everything.
func Examine(s Subject) []Finding {
	var all []Finding
	if s.Plane != "memory" {
		if s.Plane == "ebpf" {
			all = append(all, kernel(s)...)
		}
		all = append(all, udpPort(s)...)
		all = append(all, ports(s)...)
		all = append(all, underlay(s)...)
		all = append(all, firewall(s)...)
	}
	return append(all, host(s)...)
}

// Worst is the gravest level of a list.
func Worst(all []Finding) Level {
	order := []Level{OK, Note, Warn, Bad}
	worst := 0
	for _, f := range all {
		worst = max(worst, slices.Index(order, f.Level))
	}
	return order[worst]
}

func finding(level Level, check, object, text, remedy string) Finding {
	return Finding{level, check, object, text, remedy}
}
