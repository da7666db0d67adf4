package ebpf

import (
	"context"
	"fmt"
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
	more    chan struct{}
	capture plane.Capture
}

var words = regexp.MustCompile(`[A-Za-z]+( [A-Za-z]+)*`)

// capture begins one.
func (w *world) capture(p *Plane, want plane.CaptureFilter) *shown {
	w.t.Helper()
	s := &shown{frames: map[string]uint64{}, more: make(chan struct{}, 1)}
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
	info, err := p.objs.VtepPort.Info()
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := info.MapIDs()
	for _, id := range ids {
		if name := mapName(t, id); strings.HasPrefix(name, "capture") {
			t.Errorf("the program has the map %s", name)
		}
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
