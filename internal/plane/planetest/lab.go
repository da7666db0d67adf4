package planetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/testenv"
)

// deadline is how long a plane may take for what it does by itself.
const deadline = 60 * time.Second

var broadcastMAC = intent.MAC{255, 255, 255, 255, 255, 255}

// Switches and stations that the cases use. Stations of a number have one MAC everywhere.
var (
	red  = intent.SwitchID{0xed}
	blue = intent.SwitchID{0xb1}
)

const (
	redVNI  = 5000
	blueVNI = 6000
)

func station(n byte) intent.MAC { return intent.MAC{0x02, 0, 0, 0, 0, n} }

// group is an IPv4 multicast address.
func group(n byte) intent.MAC { return intent.MAC{0x01, 0x00, 0x5e, 0, 0, n} }

func at(port string, vlan uint16) intent.BindingKey { return intent.BindingKey{Port: port, VLAN: vlan} }

func tunnel(peer int, vni uint32) intent.Tunnel { return intent.Tunnel{Peer: Peers[peer], VNI: vni} }

// lab is one case under way.
type lab struct {
	testing.TB
	harness Harness
	plane   plane.Plane
	payload Payload
	state   *intent.State // of the last Apply
	events  chan plane.Event
	lastID  uint32
	before  drops

	closed    bool             // the plane is
	opened    int              // how often one was opened
	traced    *memory.Outcome  // of the last frame; nil: the plane does not tell
	rehearsed *plane.Rehearsal // of it; nil: the plane can't
}

func newLab(t testing.TB, h Harness, k Payload) *lab {
	l := &lab{TB: t, harness: h, payload: k, state: intent.NewState()}
	l.open()
	l.noteDrops()
	t.Cleanup(func() {
		l.audit()
		if err := l.plane.Destroy(context.Background()); err != nil {
			t.Errorf("destroy: %v", err)
		}
	})
	return l
}

// open makes a plane and keeps its events, so that none is lost.
func (l *lab) open() {
	l.Helper()
	l.plane, l.closed = l.harness.Open(l), false
	l.opened++
	l.events = make(chan plane.Event, 1<<16)
	go func(in <-chan plane.Event, out chan<- plane.Event) {
		for e := range in {
			out <- e
		}
		close(out)
	}(l.plane.Events(), l.events)
	l.apply(nil)
}

// shut closes the plane, as when its process ends. Nobody can be asked then.
func (l *lab) shut() {
	l.Helper()
	if err := l.plane.Close(); err != nil {
		l.Fatalf("close: %v", err)
	}
	l.closed = true
	l.traced, l.rehearsed = nil, nil
}

func (l *lab) limits() Limits {
	if h, ok := l.harness.(Limited); ok {
		return h.Limits()
	}
	return Limits{}
}

func (l *lab) audit() {
	l.Helper()
	drift, err := l.plane.Audit(context.Background())
	if err != nil {
		l.Errorf("audit: %v", err)
	}
	for _, d := range drift {
		l.Errorf("audit: %s %s is %q, should be %q", d.Kind, d.Key, d.Have, d.Want)
	}
}

// apply edits the State and applies what changed; with a nil edit it reconciles from scratch. All
// of it must be in force when it returns.
func (l *lab) apply(edit func(*intent.State)) plane.Report {
	l.Helper()
	report := l.try(edit)
	for name, err := range report.Ports {
		l.Errorf("apply: port %s is not in force: %v", name, err)
	}
	for name, err := range report.Disturbed {
		l.Errorf("apply: port %s is disturbed: %v", name, err)
	}
	if report.Tunnels != nil {
		l.Errorf("apply: there are no tunnels: %v", report.Tunnels)
	}
	return report
}

// try is apply where something may be wrong with some of it.
func (l *lab) try(edit func(*intent.State)) plane.Report {
	l.Helper()
	next := l.state.Clone()
	var d *intent.Delta
	if edit != nil {
		edit(next)
		d = intent.Diff(l.state, next)
	}
	if err := next.Check(); err != nil {
		l.Fatalf("the case is wrong: %v", err)
	}
	report, err := l.plane.Apply(context.Background(), next, d)
	if err != nil {
		l.Fatalf("apply: %v", err)
	}
	l.state = next
	return report
}

// frame returns a new frame from one station to another address.
func (l *lab) frame(src byte, dst intent.MAC, vids ...uint16) Frame {
	l.lastID++
	return Frame{Dst: dst, Src: station(src), Tags: vids, Payload: l.payload, ID: l.lastID}
}

// fromPort sends f into a port; exactly the frames of want must come out.
func (l *lab) fromPort(port string, f Frame, want ...Out) {
	l.Helper()
	l.sendPort(port, f.Bytes())
	l.expect(fmt.Sprintf("frame from port %s", port), want)
}

// fromTunnel is the same for a frame in a tunnel.
func (l *lab) fromTunnel(from intent.Tunnel, f Frame, want ...Out) {
	l.Helper()
	l.fromTunnelTOS(from, 0, f, want...)
}

// fromTunnelTOS is the same where the outer IP header has that TOS.
func (l *lab) fromTunnelTOS(from intent.Tunnel, tos uint8, f Frame, want ...Out) {
	l.Helper()
	l.sendTunnel(from, tos, f.Bytes())
	l.expect(fmt.Sprintf("frame from tunnel %v", from), want)
}

func toPort(port string, f Frame) Out { return Out{Port: port, Frame: f.Bytes()} }

func toTunnel(t intent.Tunnel, f Frame) Out { return Out{Tunnel: t, Frame: f.Bytes()} }

func toTunnelTOS(t intent.Tunnel, tos uint8, f Frame) Out {
	return Out{Tunnel: t, TOS: tos, Frame: f.Bytes()}
}

func (l *lab) expect(what string, want []Out) {
	l.Helper()
	got := slices.DeleteFunc(l.harness.Receive(l, len(want)), func(o Out) bool { return !Mine(o.Frame) })
	if g, w := texts(got), texts(want); !slices.Equal(g, w) {
		l.Fatalf("%s: came out\n\t%s\nwant\n\t%s", what, strings.Join(g, "\n\t"), strings.Join(w, "\n\t"))
	}
	l.expectTraced(what, want)
}

func texts(outs []Out) []string {
	lines := []string{}
	for _, o := range outs {
		where := "port " + o.Port
		if o.Port == "" {
			where = fmt.Sprintf("tunnel %v tos %#02x", o.Tunnel, o.TOS)
		}
		lines = append(lines, fmt.Sprintf("%s: %x", where, o.Frame))
	}
	slices.Sort(lines)
	return lines
}

// learned says where the plane has learned every MAC.
func (l *lab) learned() map[intent.MACKey]intent.BindingKey {
	l.Helper()
	sightings, err := l.plane.Sweep(context.Background())
	if err != nil {
		l.Fatalf("sweep: %v", err)
	}
	m := map[intent.MACKey]intent.BindingKey{}
	for _, s := range sightings {
		if _, twice := m[s.Key]; twice {
			l.Fatalf("sweep gives %v twice", s.Key)
		}
		if s.Idle < 0 || s.Idle > time.Hour {
			l.Errorf("%v is said to be idle for %v", s.Key, s.Idle)
		}
		m[s.Key] = s.At
	}
	return m
}

// mustHaveLearned waits until the plane has learned exactly the stations of want.
func (l *lab) mustHaveLearned(want map[intent.MACKey]intent.BindingKey) {
	l.Helper()
	testenv.Eventually(l, deadline, func() error {
		got := l.learned()
		for k, at := range want {
			if got[k] != at {
				return fmt.Errorf("%v is learned at %q, should be at %q", k, got[k], at)
			}
		}
		if len(got) != len(want) {
			return fmt.Errorf("learned %v, should be %v", got, want)
		}
		return nil
	})
}

// event waits for an event that is wanted, and passes over others.
func (l *lab) event(what string, want func(plane.Event) bool) {
	l.Helper()
	timeout := time.After(deadline)
	for {
		select {
		case e, ok := <-l.events:
			if !ok {
				l.Fatalf("no event: %s: the plane closed its events", what)
			}
			if want(e) {
				return
			}
		case <-timeout:
			l.Fatalf("no event: %s", what)
		}
	}
}

func (l *lab) seen(key intent.MACKey, at intent.BindingKey) {
	l.Helper()
	l.event(fmt.Sprintf("seen %v at %v", key, at), func(e plane.Event) bool {
		return e == plane.Seen{Key: key, At: at}
	})
}
