package web

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/agent"
)

// TestNatural orders names as people do.
func TestNatural(t *testing.T) {
	want := []string{"", "10.0.0.2", "10.0.0.10", "ls", "ls1", "ls2", "ls02a", "ls10", "p9", "p10"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, natural)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestCut has a list in parts, and no part that does not exist.
func TestCut(t *testing.T) {
	list := make([]int, 120)
	for i := range list {
		list[i] = i
	}
	for _, c := range []struct {
		page        int
		first, last int
		words       string
		before      bool
		after       bool
	}{
		{0, 0, 49, "1 to 50 of 120 rows", false, true}, {2, 100, 119, "101 to 120 of 120 rows", true, false}, {99, 100, 119, "101 to 120 of 120 rows", true, false},
	} {
		q := query{page: c.page, at: &url.URL{Path: "/x", RawQuery: "q=a%26b"}}
		part, p := cut(&q, list, len(list), "rows", "")
		if part[0] != c.first || part[len(part)-1] != c.last || p.Words() != c.words || (p.Before != "") != c.before || (p.After != "") != c.after {
			t.Errorf("page %d: %d to %d, %+v %q", c.page, part[0], part[len(part)-1], p, p.Words())
		}
		if c.after && p.After != "/x?page=2&q=a%26b" {
			t.Errorf("the way on is %q", p.After)
		}
	}
	for noun, want := range map[string]string{"tunnels": "1 tunnel", "logical switches": "1 logical switch", "MACs": "1 MAC"} {
		if _, p := cut(&query{at: &url.URL{}}, []int{7}, 1, noun, ""); p.Words() != want {
			t.Errorf("one of %s is %q", noun, p.Words())
		}
	}
	if part, p := cut(&query{at: &url.URL{}}, []int{}, 5, "rows", ""); len(part) != 0 || p.Words() != "none of 5 rows" {
		t.Errorf("%v %+v %q", part, p, p.Words())
	}
}

// TestChoose has the picture show what needs care and what has most to do, and tie the rest together.
func TestChoose(t *testing.T) {
	s, topology := &Status{}, agent.Topology{}
	for i := range 100 {
		port := agent.PortStatus{Name: fmt.Sprintf("p%d", i), State: "up", Bindings: 40}
		if i == 70 {
			port.State = "down"
		}
		if i == 60 {
			port.InByteRate = 1e9
		}
		s.Ports = append(s.Ports, port)
		s.Tunnels = append(s.Tunnels, agent.TunnelStatus{Remote: fmt.Sprintf("10.0.0.%d", i), State: map[bool]string{true: "down", false: "up"}[i == 50], VNIs: i})
	}
	for i := range 4000 {
		id := fmt.Sprintf("id%d", i)
		s.Switches = append(s.Switches, agent.SwitchStatus{Name: fmt.Sprintf("ls%d", i), UUID: id, LocalMACs: i % 1000})
		topology.Bindings = append(topology.Bindings, agent.TopologyBinding{Port: fmt.Sprintf("p%d", i%100), VLAN: uint16(i), Switch: id})
		topology.Tunnels = append(topology.Tunnels, agent.TopologyTunnel{Peer: fmt.Sprintf("10.0.0.%d", i%100), VNI: uint32(i), Switch: id})
	}
	sc := choose(s, topology, focus{})
	if len(sc.ports) != mostNodes || len(sc.switches) != mostNodes || len(sc.peers) != mostNodes || sc.left != [3]int{86, 3986, 86} {
		t.Fatalf("%d ports, %d switches, %d peers, left %v", len(sc.ports), len(sc.switches), len(sc.peers), sc.left)
	}
	name := func(p agent.PortStatus) string { return p.Name }
	for _, want := range []string{"p60", "p70"} {
		if !slices.ContainsFunc(sc.ports, func(p agent.PortStatus) bool { return name(p) == want }) {
			t.Errorf("port %s is not shown", want)
		}
	}
	if !slices.ContainsFunc(sc.peers, func(p agent.TunnelStatus) bool { return p.Remote == "10.0.0.50" }) {
		t.Error("the peer that is down is not shown")
	}
	for _, e := range slices.Concat(sc.bindings, sc.tunnels) {
		if e.from < 0 && e.to < 0 || e.n < 1 || len(e.labels) > 5 {
			t.Errorf("edge %+v", e)
		}
	}
	for _, l := range layouts {
		p := sc.draw(l, "br0")
		if len(p.Nodes) != 3*(mostNodes+1) || p.Height > 1000 {
			t.Errorf("%s: %d boxes, %d high", l.class, len(p.Nodes), p.Height)
		}
		for _, n := range p.Nodes {
			if n.X < 0 || n.X+n.W > p.Width || n.Y < headHeight || n.Y+n.H > p.Height {
				t.Errorf("%s: %q is outside: %+v", l.class, n.Name, n.box)
			}
		}
	}
	// Around one switch are its port and its peer.
	sc = choose(s, topology, focus{Switch: "id123"})
	if len(sc.ports) != 1 || sc.ports[0].Name != "p23" || len(sc.switches) != 1 || len(sc.peers) != 1 || len(sc.bindings) != 1 || len(sc.tunnels) != 1 || sc.left != [3]int{} {
		t.Errorf("around a switch: %+v", sc)
	}
	// Around a port its switches, and their peers; likewise around a peer.
	for _, f := range []focus{{Port: "p7"}, {Peer: "10.0.0.7"}} {
		sc = choose(s, topology, f)
		if len(sc.ports) != 1 || len(sc.switches) != mostNodes || sc.left[1] != 40-mostNodes || len(sc.peers) != 1 {
			t.Errorf("around %+v: %d ports, %d switches and %d more, %d peers", f, len(sc.ports), len(sc.switches), sc.left[1], len(sc.peers))
		}
	}
	if sc = choose(s, topology, focus{Peer: "192.0.2.99"}); len(sc.ports)+len(sc.switches)+len(sc.peers) != 0 {
		t.Errorf("around nothing: %+v", sc)
	}
}

// TestCurve has drops be told of in the minute that they were read in, also when counters began anew.
func TestCurve(t *testing.T) {
	now := time.Now()
	at := func(minutes int, n uint64) agent.DropReading {
		return agent.DropReading{At: now.Add(-time.Duration(minutes)*time.Minute - time.Second), Drops: map[string]uint64{"x": n}}
	}
	d := dropRow{DropStatus: agent.DropStatus{Reason: "x"}}
	d.curve([]agent.DropReading{at(50, 1000), at(30, 1000), at(20, 1100), at(10, 50), {At: now, Drops: map[string]uint64{"x": 60}}}, now)
	if d.hour != 160 || d.Most != "100" || len(d.Curve) != 3 {
		t.Errorf("%d, most %s, %+v", d.hour, d.Most, d.Curve)
	}
	if d.Curve[0].X != 4*(curveSteps-1-20) || d.Curve[0].H != curveHeight || d.Curve[2].X != 4*(curveSteps-1) {
		t.Errorf("%+v", d.Curve)
	}
	if !strings.HasPrefix(d.Words(), "160 frames dropped") {
		t.Error(d.Words())
	}
}
