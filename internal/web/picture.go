package web

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/quantity"
)

// picture is a drawing of a scene, in units of pixels.
type picture struct {
	Class         string // "wide" or "narrow": which of them a screen shows
	Width, Height int
	Heads         []label
	Frame         box // around what is this VTEP
	Edges         []line
	Nodes         []node
}

type label struct {
	X, Y int
	Text string
}

type box struct{ X, Y, W, H int }

type line struct {
	Path  string
	Class string
	Title string
}

type node struct {
	box
	Class string // "up", "down", ...
	Href  string
	Name  string
	Below string // what it does, in a few words
	Short string // in fewer, for the narrow picture
	Title string // all of that
}

// NameX and the others are where the texts of a node are.
func (n node) NameX() int  { return n.X + 10 }
func (n node) NameY() int  { return n.Y + 16 }
func (n node) BelowY() int { return n.Y + 31 }

// layout is where columns are, in a picture of one width.
type layout struct {
	class    string
	width    int
	column   [3]int // where it begins
	node     int    // its width
	letters  int    // that fit in a node
	headings [3]string
}

var layouts = []layout{
	{"wide", 960, [3]int{16, 366, 728}, 216, 29, [3]string{"ports", "logical switches", "peers"}},
	{"narrow", 360, [3]int{4, 133, 262}, 94, 12, [3]string{"ports", "switches", "peers"}},
}

const (
	nodeHeight = 38
	nodeStep   = 50
	headHeight = 44
)

// draw makes a picture of a scene.
func (sc *scene) draw(l layout, vtep string) picture {
	nodes := [3][]node{}
	for _, o := range sc.ports {
		nodes[0] = append(nodes[0], portNode(o))
	}
	for _, o := range sc.switches {
		nodes[1] = append(nodes[1], switchNode(o))
	}
	for _, o := range sc.peers {
		nodes[2] = append(nodes[2], peerNode(o))
	}
	for i, path := range []string{"/ports", "/switches", "/tunnels"} {
		if n := sc.left[i]; n > 0 {
			more := thousands(n) + " more"
			nodes[i] = append(nodes[i], node{Class: "more", Href: path, Name: more, Below: "show all", Title: more + ": show all"})
		}
	}
	rows := max(1, len(nodes[0]), len(nodes[1]), len(nodes[2]))
	p := picture{Class: l.class, Width: l.width, Height: headHeight + rows*nodeStep + 6}
	p.Frame = box{1, 1, l.column[1] + l.node + 12 - 1, p.Height - 2}
	if l.class == "narrow" {
		p.Frame.W = l.column[1] + l.node + 4
	}
	p.Heads = append(p.Heads, label{l.column[0], 16, fit("VTEP "+vtep, 2*l.letters)})
	for i, h := range l.headings {
		p.Heads = append(p.Heads, label{l.column[i], 36, h})
		top := headHeight + (rows-len(nodes[i]))*nodeStep/2
		for j := range nodes[i] {
			n := &nodes[i][j]
			n.box = box{l.column[i], top + j*nodeStep, l.node, nodeHeight}
			if l.class == "narrow" && n.Short != "" {
				n.Below = n.Short
			}
			n.Name, n.Below = fit(n.Name, l.letters), fit(n.Below, l.letters*7/6)
		}
	}
	join := func(edges []edge, left int, class func(edge) string) {
		for _, e := range edges {
			from, to := nodes[left], nodes[left+1]
			if e.from < 0 {
				e.from = len(from) - 1
			}
			if e.to < 0 {
				e.to = len(to) - 1
			}
			a, b := from[e.from], to[e.to]
			x1, y1, x2, y2 := a.X+a.W, a.Y+a.H/2, b.X, b.Y+b.H/2
			bend := (x2 - x1) / 2
			p.Edges = append(p.Edges, line{
				Path:  fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2),
				Class: class(e), Title: a.Name + " – " + b.Name + ": " + e.words()})
		}
	}
	state := func(column, at int) string { return nodes[column][at].Class }
	join(sc.bindings, 0, func(e edge) string { return worse(state(0, e.from), state(1, e.to)) })
	join(sc.tunnels, 1, func(e edge) string { return worse(state(1, e.from), state(2, e.to)) })
	for _, column := range nodes {
		p.Nodes = append(p.Nodes, column...)
	}
	return p
}

// worse is the class of an edge between two nodes.
func worse(a, b string) string {
	for _, class := range []string{"more", "down"} {
		if a == class || b == class {
			return class
		}
	}
	return "up"
}

func (e edge) words() string {
	s := strings.Join(e.labels, ", ")
	if n := e.n - len(e.labels); n > 0 {
		s += fmt.Sprintf(" and %s more", thousands(n))
	}
	return s
}

// rates says them in a line, and in a few characters.
func rates(t agent.TrafficStatus) (long, short string) {
	return "in " + bits(t.InByteRate) + ", out " + bits(t.OutByteRate), quantity.Number(8*t.InByteRate) + " / " + quantity.Number(8*t.OutByteRate)
}

func portNode(o agent.PortStatus) node {
	n := node{Class: "up", Href: "/?" + url.Values{"port": {o.Name}}.Encode(), Name: name(o.Name)}
	long, short := rates(o.TrafficStatus)
	n.Below, n.Short = long, short
	if o.State != "up" {
		n.Class, n.Below, n.Short = "down", o.State, ""
	}
	n.Title = fmt.Sprintf("port %s: %s, %s, %s learned, %s", n.Name, withWhy(o.State, o.Why), quantity.Of(o.Bindings, "binding"), quantity.Of(o.MACs, "MAC"), long)
	return n
}

func switchNode(o agent.SwitchStatus) node {
	n := node{Class: "up", Href: "/?" + url.Values{"switch": {o.UUID}}.Encode(), Name: name(o.Name)}
	vni := fmt.Sprintf("VNI %d", o.VNI)
	if o.VNI == 0 {
		vni = "no VNI"
	}
	n.Below, n.Short = fmt.Sprintf("%s, MACs: %s", vni, thousands(o.LocalMACs+o.RemoteMACs)), vni
	n.Title = fmt.Sprintf("logical switch %s: %s, %s, %s learned here, %d behind %s", n.Name, vni, quantity.Of(o.Bindings, "binding"), quantity.Of(o.LocalMACs, "MAC"),
		o.RemoteMACs, quantity.Of(o.Peers, "peer"))
	return n
}

func peerNode(o agent.TunnelStatus) node {
	n := node{Class: "up", Href: "/?" + url.Values{"peer": {o.Remote}}.Encode(), Name: o.Remote}
	n.Below = "VNIs: " + thousands(o.VNIs)
	traffic := ""
	if o.TrafficStatus != nil {
		n.Below, n.Short = rates(*o.TrafficStatus)
		traffic = ", " + n.Below
	}
	if o.BFD != nil {
		n.Short = "BFD " + o.BFD.State
		n.Below = n.Short + ", " + n.Below
	}
	if o.State != "up" {
		n.Class, n.Below, n.Short = "down", o.State, ""
	}
	n.Title = fmt.Sprintf("tunnel from %s to %s: %s, %s VNIs%s", o.Local, o.Remote, withWhy(o.State, o.Why), thousands(o.VNIs), traffic)
	return n
}

// bits is a rate of bytes, in bits.
func bits(bytes float64) string { return spaced(quantity.Number(8*bytes)) + "bit/s" }

// packets is a rate of frames.
func packets(n float64) string { return spaced(quantity.Number(n)) + "pkt/s" }

// spaced sets the prefix off, to what its unit is.
func spaced(s string) string {
	if last := s[len(s)-1]; last > '9' {
		return s[:len(s)-1] + " " + string(last)
	}
	return s + " "
}

func withWhy(state, why string) string {
	if why == "" {
		return state
	}
	return state + " (" + why + ")"
}

// fit is a text of at most so many letters.
func fit(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
