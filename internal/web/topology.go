package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/agent"
)

// mostNodes bounds how many ports, switches and peers the picture has of each. What needs care comes first,
// then what has most to do; of the rest it says how many they are.
const mostNodes = 14

// focus is what the picture is about; all empty: everything.
type focus struct{ Port, Switch, Peer string }

// Name of what the picture is about; "": everything.
func (f focus) Name(s *Status) string {
	switch {
	case f.Port != "":
		return "port " + name(f.Port)
	case f.Peer != "":
		return "peer " + name(f.Peer)
	case f.Switch != "":
		for _, o := range s.Switches {
			if o.UUID == f.Switch {
				return "logical switch " + name(o.Name)
			}
		}
		return "logical switch " + name(f.Switch)
	}
	return ""
}

// scene is what a picture has: nodes by the columns, and edges between neighbouring columns.
type scene struct {
	ports    []agent.PortStatus
	switches []agent.SwitchStatus
	peers    []agent.TunnelStatus
	left     [3]int // of ports, switches, peers: how many are not shown

	bindings []edge // from a port to a switch
	tunnels  []edge // from a switch to a peer
}

// edge leads from a node to one of the next column; -1: one that is not shown.
type edge struct {
	from, to int
	n        int      // how many ties it stands for
	labels   []string // some of them: "VLAN 100", "VNI 33"
}

// choose says what the picture shows of it all.
func choose(s *Status, t agent.Topology, f focus) scene {
	// What is tied to what is in the focus.
	ports, switches, peers := map[string]bool{}, map[string]bool{}, map[string]bool{}
	all := f == focus{}
	for _, b := range t.Bindings {
		if b.Port == f.Port || b.Switch == f.Switch {
			ports[b.Port], switches[b.Switch] = true, true
		}
	}
	for _, o := range t.Tunnels {
		switch {
		case f.Peer != "" && o.Peer == f.Peer:
			peers[o.Peer], switches[o.Switch] = true, true
		case f.Peer == "" && switches[o.Switch], f.Switch != "" && o.Switch == f.Switch:
			peers[o.Peer], switches[o.Switch] = true, true
		}
	}
	if f.Peer != "" {
		for _, b := range t.Bindings {
			if switches[b.Switch] {
				ports[b.Port] = true
			}
		}
	}
	ports[f.Port], switches[f.Switch], peers[f.Peer] = true, true, true

	var sc scene
	for _, o := range s.Ports {
		if all || ports[o.Name] {
			sc.ports = append(sc.ports, o)
		}
	}
	for _, o := range s.Switches {
		if all || switches[o.UUID] {
			sc.switches = append(sc.switches, o)
		}
	}
	for _, o := range s.Tunnels {
		if all || peers[o.Remote] {
			sc.peers = append(sc.peers, o)
		}
	}
	sc.ports, sc.left[0] = most(sc.ports, func(a, b agent.PortStatus) int {
		return cmp.Or(first(a.State != "up", b.State != "up"), cmp.Compare(rate(b), rate(a)), cmp.Compare(b.Bindings, a.Bindings))
	}, func(a, b agent.PortStatus) int { return natural(a.Name, b.Name) })
	sc.switches, sc.left[1] = most(sc.switches, func(a, b agent.SwitchStatus) int {
		return cmp.Or(cmp.Compare(b.LocalMACs+b.RemoteMACs, a.LocalMACs+a.RemoteMACs), cmp.Compare(b.Bindings+b.Peers, a.Bindings+a.Peers), natural(a.Name, b.Name))
	}, func(a, b agent.SwitchStatus) int { return natural(a.Name, b.Name) })
	sc.peers, sc.left[2] = most(sc.peers, func(a, b agent.TunnelStatus) int {
		return cmp.Or(first(a.State != "up", b.State != "up"), cmp.Compare(b.VNIs, a.VNIs))
	}, func(a, b agent.TunnelStatus) int { return natural(a.Remote, b.Remote) })
	sc.tie(t, f)
	return sc
}

// tie draws the edges: those to nodes that are not shown are one for each node that is.
func (sc *scene) tie(t agent.Topology, f focus) {
	portAt, switchAt, peerAt := map[string]int{}, map[string]int{}, map[string]int{}
	for i, o := range sc.ports {
		portAt[o.Name] = i
	}
	for i, o := range sc.switches {
		switchAt[o.UUID] = i
	}
	for i, o := range sc.peers {
		peerAt[o.Remote] = i
	}
	at := func(known map[string]int, key string, left int) (int, bool) {
		i, ok := known[key]
		if !ok {
			return -1, left > 0
		}
		return i, true
	}
	bindings, tunnels := edges{}, edges{}
	for _, b := range t.Bindings {
		from, ok := at(portAt, b.Port, sc.left[0])
		to, too := at(switchAt, b.Switch, sc.left[1])
		if ok && too && (f == focus{} || from >= 0 && to >= 0) {
			bindings.add(from, to, vlanName(b.VLAN))
		}
	}
	for _, o := range t.Tunnels {
		from, ok := at(switchAt, o.Switch, sc.left[1])
		to, too := at(peerAt, o.Peer, sc.left[2])
		if ok && too && (f == focus{} || from >= 0 && to >= 0) {
			tunnels.add(from, to, fmt.Sprintf("VNI %d", o.VNI))
		}
	}
	sc.bindings, sc.tunnels = bindings.list(), tunnels.list()
}

// edges are by their ends.
type edges map[[2]int]*edge

func (all edges) add(from, to int, label string) {
	if from < 0 && to < 0 {
		return
	}
	e := all[[2]int{from, to}]
	if e == nil {
		e = &edge{from: from, to: to}
		all[[2]int{from, to}] = e
	}
	if e.n++; len(e.labels) < 5 {
		e.labels = append(e.labels, label)
	}
}

func (all edges) list() (list []edge) {
	for _, e := range all {
		list = append(list, *e)
	}
	slices.SortFunc(list, func(a, b edge) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	return list
}

// most returns those that come first, in the order of their names, and how many are left out.
func most[T any](list []T, order, names func(a, b T) int) ([]T, int) {
	list = slices.Clone(list)
	left := 0
	if len(list) > mostNodes {
		slices.SortStableFunc(list, order)
		left = len(list) - mostNodes
		list = list[:mostNodes]
	}
	slices.SortStableFunc(list, names)
	return list, left
}

func rate(p agent.PortStatus) float64 { return p.InByteRate + p.OutByteRate }

// first puts what is before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// natural orders names as people do: p2 before p10.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x > 0 && y > 0 {
			n, m := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if c := cmp.Or(cmp.Compare(len(n), len(m)), cmp.Compare(n, m)); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits is how many a text begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func vlanName(vlan uint16) string {
	if vlan == 0 {
		return "untagged"
	}
	return fmt.Sprintf("VLAN %d", vlan)
}
