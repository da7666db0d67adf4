package trace

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/problem"
)

// Expect says what should be installed of entries; see agent.Agent.
type Expect func(context.Context, []plane.Entry) (agent.Expected, error)

// Run says what would become of a frame.
func Run(ctx context.Context, p plane.Tracer, expect Expect, fr plane.Arriving) (Answer, error) {
	out, err := memory.Rehearse(ctx, p, fr)
	if err != nil {
		return Answer{}, fmt.Errorf("trace: %w", err)
	}
	want, err := expect(ctx, out.Entries)
	if err != nil {
		return Answer{}, fmt.Errorf("trace: look into the database: %w", err)
	}
	w := writer{frame: fr, outcome: out, want: want}
	answer := w.answer()
	for _, e := range out.Entries {
		w.compare(&answer, e)
	}
	for _, what := range out.Installed.Problems {
		answer.Doubts = append(answer.Doubts, Doubt{Entry: what})
	}
	if want.Unfit != "" {
		answer.Doubts = append(answer.Doubts, Doubt{Entry: want.Unfit})
	}
	if r, ok := p.(plane.Rehearser); ok {
		answer.Rehearsal = rehearse(ctx, r, fr, out)
	}
	return answer, nil
}

// writer puts an outcome into words.
type writer struct {
	frame   plane.Arriving
	outcome memory.Outcome
	want    agent.Expected
}

func (w *writer) answer() Answer {
	a := Answer{At: w.at(), Frame: Describe(w.frame.Frame), Bytes: hex.EncodeToString(w.frame.Frame),
		Steps: []Step{}, Copies: []Copy{}, Missed: []Drop{}, Doubts: []Doubt{}}
	last := plane.Entry{} // of the steps, one with something that is missing first
	for _, s := range w.outcome.Steps {
		if s.Drop != memory.Forwarded {
			a.Missed = append(a.Missed, w.drop(s.Drop, s.Entry))
			continue
		}
		if s.Entry.Kind != "" && s.ACL == nil {
			last = s.Entry
		}
		a.Steps = append(a.Steps, w.step(s))
	}
	for _, o := range w.outcome.Outs {
		a.Copies = append(a.Copies, w.copy(o))
	}
	if why := w.outcome.Drop; why != memory.Forwarded {
		d := w.drop(why, last)
		for _, m := range a.Missed { // the last copy that could have left says more
			if m.Reason == d.Reason {
				d = m
			}
		}
		a.Missed = slices.DeleteFunc(a.Missed, func(m Drop) bool { return m == d })
		a.Drop = &d
	}
	return a
}

func (w *writer) at() string {
	if w.frame.Port != "" {
		return "comes in at port " + problem.Name(w.frame.Port)
	}
	return fmt.Sprintf("comes in a tunnel from %v, VNI %d", w.frame.Tunnel.Peer, w.frame.Tunnel.VNI)
}

func (w *writer) step(s memory.Step) Step {
	step := Step{Kind: string(s.Entry.Kind), Text: s.Text, Rows: []Row{}}
	if s.Entry.Kind == "" {
		step.Kind = "router"
		return step
	}
	if s.ACL != nil {
		return w.aclStep(s)
	}
	text := w.text(s)
	if s.Text != "" {
		text = s.Text + " (" + text + ")"
	}
	step.Text = text
	step.Rows = w.rows(s.Entry)
	return step
}

func (w *writer) rows(e plane.Entry) []Row {
	rows := []Row{}
	for _, r := range w.want.Rows[e] {
		rows = append(rows, Row{r.Table, r.UUID.String(), r.Column})
	}
	return rows
}

func (w *writer) aclStep(s memory.Step) Step {
	name := w.outcome.Installed.ACLs[s.ACL.ID].Name
	step := Step{Kind: "acl", Rows: []Row{{"ACL", s.ACL.ID.String(), ""}}}
	of := binding(s.Entry.At)
	if s.Entry.Kind == plane.EntryGuard {
		of = fmt.Sprintf("the router's interface in %s next to %v", w.ofSwitch(s.Entry.Switch), s.Entry.IP)
	}
	step.Text = fmt.Sprintf("ACL %s of %s, %v: the frame %s", problem.Name(name), of, s.ACL.Direction, s.Text)
	if s.ACL.Entry != nil {
		step.Text += ": " + s.ACL.Entry.String()
		step.Rows = append(step.Rows, Row{"ACL_entry", s.ACL.Entry.ID.String(), ""})
	}
	return step
}

// text says what an entry is about, and what is installed of it.
func (w *writer) text(s memory.Step) string {
	e, is := s.Entry, w.outcome.Installed
	key := intent.MACKey{Switch: e.Switch, MAC: e.MAC}
	switch e.Kind {
	case plane.EntryPort:
		if !s.Found {
			return fmt.Sprintf("%s is no port of this VTEP, or has no device", problem.Name(e.At.Port))
		}
		return "port " + problem.Name(e.At.Port)
	case plane.EntryBinding:
		if !s.Found {
			return fmt.Sprintf("no binding of %s", binding(e.At))
		}
		text := fmt.Sprintf("binding of %s: %s", binding(e.At), w.ofSwitch(is.Bindings[e.At].Switch))
		if role := is.Bindings[e.At].Role; role != intent.Designated {
			text += fmt.Sprintf(", %v for the segment of the port", role)
		}
		return text
	case plane.EntrySegment:
		if slices.Contains(is.Segments[e.At.Port], e.IP) {
			return fmt.Sprintf("VTEP %v is attached to the segment of port %s, too", e.IP, problem.Name(e.At.Port))
		}
		return fmt.Sprintf("VTEP %v is not attached to a segment of port %s", e.IP, problem.Name(e.At.Port))
	case plane.EntrySwitch:
		return fmt.Sprintf("all bindings of %s: %s", w.ofSwitch(e.Switch), list(w.members(e.Switch), binding))
	case plane.EntryMembers:
		return fmt.Sprintf("members of group %v in %s: %s", e.MAC, w.ofSwitch(e.Switch), list(is.Members[key], binding))
	case plane.EntryUnicast:
		if t, ok := is.Unicast.Get(key); ok {
			return fmt.Sprintf("MAC %v of %s is behind peer %v, VNI %d", e.MAC, w.ofSwitch(e.Switch), t.Peer, t.VNI)
		}
		if at, ok := is.Attached[key]; ok {
			return fmt.Sprintf("MAC %v of %s is at %s, as a row says", e.MAC, w.ofSwitch(e.Switch), binding(at))
		}
		return fmt.Sprintf("no row says that MAC %v of %s is behind a peer", e.MAC, w.ofSwitch(e.Switch))
	case plane.EntryLearned:
		if at, ok := is.Learned[key]; ok {
			return fmt.Sprintf("MAC %v of %s is learned at %s", e.MAC, w.ofSwitch(e.Switch), binding(at))
		}
		return fmt.Sprintf("MAC %v of %s is not learned", e.MAC, w.ofSwitch(e.Switch))
	case plane.EntryFlood:
		what := "unknown-dst"
		if e.MAC != intent.UnknownDst {
			what = e.MAC.String()
		}
		if len(is.Floods[key]) == 0 {
			return fmt.Sprintf("no peer gets copies of %s in %s", what, w.ofSwitch(e.Switch))
		}
		return fmt.Sprintf("copies of %s in %s go to %s", what, w.ofSwitch(e.Switch), list(is.Floods[key], tunnel))
	}
	return w.routing(s)
}

// routing is text for tunnels and routers.
func (w *writer) routing(s memory.Step) string {
	e, is := s.Entry, w.outcome.Installed
	switch e.Kind {
	case plane.EntryDecap:
		if !s.Found {
			return fmt.Sprintf("nothing comes in from %s", tunnel(e.Tunnel))
		}
		if id, ok := is.Decap.Get(e.Tunnel); ok {
			return fmt.Sprintf("what comes from %s enters %s", tunnel(e.Tunnel), w.ofSwitch(id))
		}
		return fmt.Sprintf("what comes with VNI %d from any source enters %s", e.Tunnel.VNI, w.ofSwitch(is.AnySource[e.Tunnel.VNI]))
	case plane.EntryRoute:
		if is.Own[plane.RouterIP{Router: e.Router, IP: e.IP}] {
			return fmt.Sprintf("%v is an address of Logical_Router %s itself", e.IP, w.router(e.Router))
		}
		route, way, ok := is.Route(e.Router, e.IP)
		if !ok {
			return fmt.Sprintf("Logical_Router %s has no route to %v", w.router(e.Router), e.IP)
		}
		text := fmt.Sprintf("Logical_Router %s has the route %v to %s", w.router(e.Router), route.Prefix, w.ofSwitch(way.Switch))
		if way.Via.IsValid() {
			text += " via " + way.Via.String()
		}
		return text
	case plane.EntryNeighbour:
		if mac, ok := is.Neighbours[intent.IPKey{Switch: e.Switch, IP: e.IP}]; ok {
			return fmt.Sprintf("%v in %s is MAC %v", e.IP, w.ofSwitch(e.Switch), mac)
		}
		return fmt.Sprintf("nobody in %s is known to have %v", w.ofSwitch(e.Switch), e.IP)
	case plane.EntryGuard:
		return fmt.Sprintf("ACL of the router's interface in %s next to %v", w.ofSwitch(e.Switch), e.IP)
	case plane.EntryInterface:
		return fmt.Sprintf("%v in %s is the router's", e.IP, w.ofSwitch(e.Switch))
	case plane.EntryWay:
		return w.way(e)
	}
	return string(e.Kind)
}

func (w *writer) way(e plane.Entry) string {
	way := w.outcome.Installed.Ways[e.IP]
	text := fmt.Sprintf("way to peer %v", e.IP)
	if way.Source.IsValid() {
		text += fmt.Sprintf(" from %v", way.Source)
	}
	switch {
	case way.Device == "":
		text += ", found by the kernel when a packet is sent"
	case way.NextHop.IsValid() && way.NextHop != e.IP:
		text += fmt.Sprintf(": by device %s to next hop %v", problem.Name(way.Device), way.NextHop)
	default:
		text += fmt.Sprintf(": by device %s", problem.Name(way.Device))
	}
	if way.MTU > 0 {
		outer := 36
		if e.IP.Is6() {
			outer = 56
		}
		text += fmt.Sprintf(", MTU %d: frames of %d bytes fit", way.MTU, way.MTU-outer)
	}
	if way.Problem != "" {
		text += ": " + way.Problem
	}
	return text
}

func (w *writer) copy(o memory.Out) Copy {
	c := Copy{Port: o.Port, Length: len(o.Frame), Bytes: hex.EncodeToString(o.Frame), TOS: o.TOS}
	is := w.outcome.Installed
	if o.Port != "" {
		c.Device, c.MTU = o.Port, is.MTU[o.Port]
		if t := tagOf(o.Frame); t > 0 {
			if _, ok := is.Bindings[intent.BindingKey{Port: o.Port, VLAN: uint16(t)}]; ok {
				c.VLAN = t
			}
		}
		return c
	}
	way := is.Ways[o.Tunnel.Peer]
	c.Peer, c.VNI, c.Device, c.MTU, c.Problem = o.Tunnel.Peer.String(), o.Tunnel.VNI, way.Device, way.MTU, way.Problem
	if way.Source.IsValid() {
		c.Source = way.Source.String()
	}
	if way.NextHop.IsValid() {
		c.NextHop = way.NextHop.String()
	}
	return c
}

// tagOf is the VLAN in the outer tag of a frame; 0: it has none.
func tagOf(b []byte) int {
	if t := packet.EtherType(b); len(b) >= 18 && (t == etherVLAN || t == etherService) {
		return int(b[14]&15)<<8 | int(b[15])
	}
	return 0
}

func (w *writer) members(id intent.SwitchID) (all []intent.BindingKey) {
	for at, b := range w.outcome.Installed.Bindings {
		if b.Switch == id {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, intent.BindingKey.Compare)
	return all
}

func (w *writer) ofSwitch(id intent.SwitchID) string {
	if id == noSwitch {
		return "the Logical_Switch"
	}
	name, ok := w.want.Switches[id]
	if !ok {
		return "Logical_Switch " + id.String()
	}
	return problem.LogicalSwitch(name)
}

func (w *writer) router(id intent.RouterID) string {
	if name, ok := w.want.Routers[id]; ok {
		return problem.Name(name)
	}
	return id.String()
}

func binding(at intent.BindingKey) string {
	if at.VLAN == 0 {
		return fmt.Sprintf("port %s untagged", problem.Name(at.Port))
	}
	return fmt.Sprintf("port %s VLAN %d", problem.Name(at.Port), at.VLAN)
}

func tunnel(t intent.Tunnel) string { return fmt.Sprintf("peer %v with VNI %d", t.Peer, t.VNI) }

// mostListed bounds lists in a text.
const mostListed = 16

func list[T any](all []T, text func(T) string) string {
	var words []string
	for i, v := range all {
		if i == mostListed {
			words = append(words, fmt.Sprintf("%d more", len(all)-i))
			break
		}
		words = append(words, text(v))
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// compare adds what the database has otherwise of an entry.
func (w *writer) compare(a *Answer, e plane.Entry) {
	is, should := w.outcome.Installed.Text(e), w.want.Text(e)
	if is == should || e.Kind == plane.EntryLearned || e.Kind == plane.EntryWay {
		return
	}
	about := w.text(memory.Step{Entry: e, Found: is != ""})
	a.Doubts = append(a.Doubts, Doubt{Entry: about, Installed: w.named(is), Database: w.named(should)})
}

// named has switches in a text called by their names.
func (w *writer) named(text string) string {
	for id, name := range w.want.Switches {
		text = strings.ReplaceAll(text, id.String(), problem.LogicalSwitch(name))
	}
	return text
}
