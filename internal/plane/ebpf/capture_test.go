package ebpf

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// shown is what a capture has shown, a line for each.
type shown struct {
	mu      sync.Mutex
	lines   []string
	frames  map[string]uint64 // by line
	tags    map[string]uint32 // likewise: the first four bytes behind the MACs
	more    chan struct{}
	capture plane.Capture
}

var words = regexp.MustCompile(`[A-Za-z]+( [A-Za-z]+)*`)

// capture begins one.
func (w *world) capture(p *Plane, want plane.CaptureFilter) *shown {
	w.t.Helper()
	s := &shown{frames: map[string]uint64{}, tags: map[string]uint32{}, more: make(chan struct{}, 1)}
	if want.Bytes == 0 {
		want.Bytes = captureBytes
	}
	if !want.Inside && !want.Around {
		want.Inside = true
	}
	c, err := p.StartCapture(context.Background(), want, func(c *plane.Captured) {
		line := fmt.Sprintf("%s %s", c.What, words.Find(c.Inner[min(14, len(c.Inner)):]))
		for _, at := range []struct {
			word string
			plane.CapturePlace
		}{{"from", c.From}, {"to", c.To}} {
			switch {
			case at.Port != "":
				line += fmt.Sprintf(" %s %s/%d", at.word, at.Port, at.VLAN)
			case at.Tunnel.Peer.IsValid():
				line += fmt.Sprintf(" %s %v/%d", at.word, at.Tunnel.Peer, at.Tunnel.VNI)
			}
		}
		if c.Reason != "" {
			line += " " + c.Reason
		}
		if c.Device != "" {
			line += " around at " + c.Device
		}
		if c.Switch == ls1 {
			line += " ls1"
		}
		s.mu.Lock()
		s.lines, s.frames[line] = append(s.lines, line), c.Frame
		s.tags[line] = binary.BigEndian.Uint32(c.Data[12:])
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	s.capture = c
	w.t.Cleanup(func() { c.Close() })
	return s
}

// wait waits for the line.
func (s *shown) wait(t *testing.T, line string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		there, all := slices.Contains(s.lines, line), slices.Clone(s.lines)
		s.mu.Unlock()
		if there {
			return
		}
		select {
		case <-s.more:
		case <-deadline:
			t.Fatalf("not shown: %s\nshown:\n%s", line, strings.Join(all, "\n"))
		}
	}
}

func (s *shown) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// TestCapture has every happening of frames shown, by the short ways and by the long ones.
func TestCapture(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	s := w.capture(p, plane.CaptureFilter{VLAN: -1, Inside: true, Around: true})
	w.audit(p)

	w.send("h0", frame(bcast, macA, "to all"))
	for _, line := range []string{
		"in to all from p0/0 ls1",
		"out to all from p0/0 to p1/0 ls1",
		"out to all from p0/0 to 192.0.2.2/10 ls1",
		"out to all to 192.0.2.2/10 around at u0 ls1",
	} {
		s.wait(t, line)
	}
	w.send("vx10", frame(macA, macR, "to A"))
	for _, line := range []string{
		"in to A from 192.0.2.2/10 around at u0 ls1",
		"in to A from 192.0.2.2/10 ls1",
		"out to A from 192.0.2.2/10 to p0/0 ls1",
	} {
		s.wait(t, line)
	}
	w.send("h2", frame(bcast, macB, "unbound"))
	s.wait(t, "in unbound from p2/0")
	s.wait(t, "drop unbound from p2/0 unbound_vlan")
	if err := p.Send(context.Background(), frame(macA, macB, "own"), plane.Destination{Switch: ls1, At: intent.BindingKey{Port: "p0"}}); err != nil {
		t.Fatal(err)
	}
	s.wait(t, "out own to p0/0 ls1")
	if a, b := s.frames["in to all from p0/0 ls1"], s.frames["out to all from p0/0 to p1/0 ls1"]; a != b {
		t.Errorf("one frame has the numbers %d and %d", a, b)
	}
	if n := s.capture.Lost(); n != 0 {
		t.Errorf("%d were lost", n)
	}

	// When it has ended nothing is shown, and the programs are the first ones.
	if err := s.capture.Close(); err != nil {
		t.Fatal(err)
	}
	n := len(s.all())
	w.send("h0", frame(bcast, macA, "unseen"))
	w.expect("h1", frame(bcast, macA, "unseen"))
	if all := s.all(); len(all) != n {
		t.Errorf("shown after the end: %v", all[n:])
	}
	if showsFrames(t, p) {
		t.Error("the programs are still those that show frames")
	}
	w.audit(p)
}

func mapName(t *testing.T, id ebpf.MapID) string {
	t.Helper()
	m, err := ebpf.NewMapFromID(id)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		t.Fatal(err)
	}
	return info.Name
}

// showsFrames says whether the programs are those of captures.
func showsFrames(t *testing.T, p *Plane) bool {
	t.Helper()
	info, err := p.objs.VtepPort.Info()
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := info.MapIDs()
	return slices.ContainsFunc(ids, func(id ebpf.MapID) bool { return strings.HasPrefix(mapName(t, id), "capture") })
}

// TestCaptureApart wants nothing of captures in the programs that forward.
func TestCaptureApart(t *testing.T) {
	spec, err := loadVtep()
	if err != nil {
		t.Fatal(err)
	}
	for name := range spec.Maps {
		if strings.HasPrefix(name, "capture") {
			t.Errorf("there is the map %s", name)
		}
	}
	for name, prog := range spec.Programs {
		for _, ins := range prog.Instructions {
			if strings.Contains(ins.Reference(), "capture") || strings.Contains(ins.Symbol(), "capture") {
				t.Errorf("%s: %v", name, ins)
			}
		}
	}
	with, err := loadCapture()
	if err != nil {
		t.Fatal(err)
	}
	for name, prog := range spec.Programs {
		if with.Programs[name] == nil || with.Programs[name].Type != prog.Type {
			t.Errorf("there is no such program of captures as %s", name)
		}
	}
}

// TestCaptureHitless has captures begin and end, and a process with one be killed, under traffic.
func TestCaptureHitless(t *testing.T) {
	w := newWorld(t)
	w.bigBuffers("h0", "vx10")
	cmd := w.child("VTEP_TEST_CAPTURE=1")
	w.send("h0", frame(bcast, macA, "here is A"))
	w.expect("vx10", frame(bcast, macA, "here is A"))
	out := w.flow("h0", macA, macR, "vx10")
	in := w.flow("vx10", macR, macA, "h0")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	if showsFrames(t, p) {
		t.Error("the programs of the process that was killed still show frames")
	}
	w.audit(p)
	a := w.capture(p, plane.CaptureFilter{VLAN: -1})
	b := w.capture(p, plane.CaptureFilter{VLAN: -1, Port: "p1"})
	if !showsFrames(t, p) {
		t.Error("the programs don't show frames")
	}
	if err := a.capture.Close(); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	err := p.grow(map[string]uint32{"remotes": 1 << 17}, p.growing()) // meanwhile
	p.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	w.send("h1", frame(bcast, macB, "after growth"))
	b.wait(t, "in after growth from p1/0 ls1")
	if err := b.capture.Close(); err != nil {
		t.Fatal(err)
	}
	w.capture(p, plane.CaptureFilter{VLAN: -1})
	if err := p.Close(); err != nil { // with a capture: it ends
		t.Fatal(err)
	}
	p = w.plane(Options{})
	w.apply(p, basic(), nil)
	if showsFrames(t, p) {
		t.Error("the programs show frames after the end of the process")
	}
	in.mustBeWhole("from the peer")
	out.mustBeWhole("to the peer")
	w.audit(p)
}

// TestCaptureFilters asks for frames by each of the names, of IPv6 tunnels and of tagged bindings, too.
func TestCaptureFilters(t *testing.T) {
	w := newWorld(t)
	w.underlay6(10)
	s := basic()
	s.TunnelIP6 = tunnelIP6
	far := intent.Tunnel{Peer: peerIP6, VNI: 10}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: mac6}, far)
	s.Decap.Set(far, ls1)
	s.Bindings[intent.BindingKey{Port: "p2", VLAN: 100}] = intent.Binding{Switch: ls1}
	p := w.plane(Options{})
	w.apply(p, s, nil)
	all := w.capture(p, plane.CaptureFilter{VLAN: -1, Inside: true, Around: true})
	vni, other := uint32(10), uint32(11)
	captures := map[string]*shown{}
	for name, want := range map[string]plane.CaptureFilter{
		"port":      {VLAN: -1, Port: "p2"},
		"vlan":      {VLAN: 100},
		"switch":    {VLAN: -1, Switch: &ls1},
		"peer":      {VLAN: -1, Peer: peerIP6, Inside: true, Around: true},
		"mac":       {VLAN: -1, MAC: &mac6, Inside: true, Around: true},
		"vni":       {VLAN: -1, VNI: &vni, VNISwitches: []intent.SwitchID{ls1}},
		"other vni": {VLAN: -1, VNI: &other},
		"out":       {VLAN: -1, What: []plane.Happening{plane.WentOut}},
		"reason":    {VLAN: -1, What: []plane.Happening{plane.Dropped}, Reasons: []string{"unbound_vlan"}},
		"none":      {VLAN: -1, What: []plane.Happening{plane.Dropped}, Reasons: []string{"too_big"}},
	} {
		captures[name] = w.capture(p, want)
	}
	w.send("h2", frame(mac6, macB, "tagged", 100))
	w.send("vx6-a", frame(macB, mac6, "back"))
	w.send("h2", frame(mac6, macB, "unbound", 7))
	lines := []string{
		"in tagged from p2/100 ls1", "out tagged from p2/100 to 2001:db8::2/10 ls1", "out tagged to 2001:db8::2/10 around at u0 ls1",
		"in back from 2001:db8::2/10 around at u0 ls1", "in back from 2001:db8::2/10 ls1", "out back from 2001:db8::2/10 to p2/100 ls1",
		"in unbound from p2/7", "drop unbound from p2/7 unbound_vlan",
	}
	for _, line := range lines {
		all.wait(t, line)
	}
	for name, s := range captures {
		var want []string
		for _, line := range lines {
			around := strings.Contains(line, "around")
			wanted := map[string]bool{
				"port": strings.Contains(line, "p2/"), "vlan": strings.Contains(line, "p2/100"), "switch": strings.HasSuffix(line, "ls1") && !around,
				"peer": strings.Contains(line, "2001:"), "mac": true, "vni": strings.HasSuffix(line, "ls1") && !around, "other vni": false,
				"out": strings.HasPrefix(line, "out") && !around, "reason": strings.HasPrefix(line, "drop"), "none": false,
			}
			if wanted[name] {
				want = append(want, line)
				s.wait(t, line)
			}
		}
		if got := s.all(); len(got) != len(want) {
			t.Errorf("%s: shown %q, not %q", name, got, want)
		}
	}
	for _, line := range []string{"in tagged from p2/100 ls1", "out back from 2001:db8::2/10 to p2/100 ls1"} {
		if tag := all.tags[line]; tag != 0x8100<<16|100 {
			t.Errorf("%s: the tag is %#x", line, tag)
		}
	}
}

// TestCaptureLosses has a capture that is not read lose frames, and nobody else.
func TestCaptureLosses(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{captureRing: 1 << 14})
	w.apply(p, basic(), nil)
	blocked := make(chan struct{})
	c, err := p.StartCapture(context.Background(), plane.CaptureFilter{VLAN: -1, Inside: true, Bytes: captureBytes}, func(*plane.Captured) { <-blocked })
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		b := frame(bcast, macA, fmt.Sprintf("number %d %s", i, strings.Repeat("x", 1200)))
		w.send("h0", b)
		w.expect("h1", b)
	}
	if c.Lost() == 0 {
		t.Error("none were lost")
	}
	close(blocked)
	if late := w.capture(p, plane.CaptureFilter{VLAN: -1, Port: "p2"}); late.capture.Lost() != 0 {
		t.Errorf("one that began later has lost %d", late.capture.Lost())
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	w.audit(p)
}

// TestCaptureRouted has packets shown in the switch that a router takes them to, and where it keeps them.
func TestCaptureRouted(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s, ls2, router, mac := basic(), intent.SwitchID{2}, intent.RouterID{1}, intent.MAC{2, 5: 0xaa}
	s.Switches[ls1] = intent.Switch{Name: "ls1", VNI: 10, Router: router}
	s.Switches[ls2] = intent.Switch{Name: "ls2", VNI: 20, Router: router}
	s.Bindings[intent.BindingKey{Port: "p1"}] = intent.Binding{Switch: ls2}
	s.Routers[router] = intent.Router{MAC: mac}
	for id, prefix := range map[intent.SwitchID]string{ls1: "10.1.0.254/24", ls2: "10.2.0.254/24"} {
		at := netip.MustParsePrefix(prefix)
		s.Interfaces[intent.IPKey{Switch: id, IP: at.Addr()}] = intent.Interface{Bits: at.Bits()}
		s.Routes[intent.RouteKey{Router: router, Prefix: at.Masked()}] = intent.Route{Switch: id}
	}
	s.Neighbours[intent.IPKey{Switch: ls2, IP: netip.MustParseAddr("10.2.0.1")}] = macC
	s.Unicast.Set(intent.MACKey{Switch: ls2, MAC: macC}, intent.Tunnel{Peer: peerIP, VNI: 20})
	w.apply(p, s, nil)
	type moment struct {
		what   plane.Happening
		where  string
		in     intent.SwitchID
		reason string
	}
	seen := make(chan moment, 100)
	c, err := p.StartCapture(context.Background(), plane.CaptureFilter{VLAN: -1, Inside: true, Bytes: 128, MAC: &macA}, func(c *plane.Captured) {
		seen <- moment{c.What, c.To.Port + fmt.Sprint(c.To.Tunnel.VNI), c.Switch, c.Reason}
	})
	if err != nil {
		t.Fatal(err)
	}
	routed, err := p.StartCapture(context.Background(), plane.CaptureFilter{VLAN: -1, Inside: true, Bytes: 128, Switch: &ls2}, func(c *plane.Captured) {
		seen <- moment{c.What, c.To.Port + fmt.Sprint(c.To.Tunnel.VNI), c.Switch, c.Reason}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := func(all ...moment) {
		t.Helper()
		for _, m := range all {
			select {
			case got := <-seen:
				if got != m {
					t.Errorf("shown %+v, not %+v", got, m)
				}
			case <-time.After(patience):
				t.Fatalf("not shown: %+v", m)
			}
		}
	}
	from := netip.MustParseAddr("10.1.0.1")
	w.send("h0", udpFrame(mac, macA, from, netip.MustParseAddr("10.2.0.1")))
	want(moment{plane.CameIn, "0", ls1, ""}, moment{plane.WentOut, "20", ls2, ""})
	w.send("h0", udpFrame(mac, macA, from, netip.MustParseAddr("10.2.0.2")))
	want(moment{plane.CameIn, "0", ls1, ""}, moment{plane.Held, "0", ls1, ""})
	w.send("h0", udpFrame(mac, macA, from, netip.MustParseAddr("10.3.0.1")))
	want(moment{plane.CameIn, "0", ls1, ""}, moment{plane.Dropped, "0", ls1, "no_route"})
	for _, c := range []plane.Capture{c, routed} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
