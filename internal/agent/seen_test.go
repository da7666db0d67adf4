package agent

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// TestSeen goes through reports of a dataplane, one after the other: each change is a line, and nothing else is.
func TestSeen(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == "module" {
			return slog.Attr{}
		}
		return a
	}}))
	s, now := newSeen(log), newTally()
	peer, other := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	add := func() {
		now.port("p0", true)
		now.movedPeers[peer], now.movedPeers[other] = false, false
		now.peers.Set(peer, 1)
		now.peers.Set(other, 2)
	}
	session := func(forwarding bool, state string) map[netip.Addr]plane.PeerState {
		return map[netip.Addr]plane.PeerState{peer: {Forwarding: forwarding, State: state, Diagnostic: "Control Detection Time Expired"}}
	}
	for i, step := range []struct {
		change func()
		report plane.Report
		want   string
	}{
		{add, plane.Report{}, `msg="port changed" name=p0 before=absent after=up
msg="tunnel changed" name=192.0.2.2 before=absent after=up
msg="tunnel changed" name=192.0.2.3 before=absent after=up
`},
		{nil, plane.Report{}, ""},
		{nil, plane.Report{BFD: session(false, "down")}, `msg="tunnel changed" name=192.0.2.2 before=up after=down why="BFD is down: Control Detection Time Expired"
`},
		{nil, plane.Report{BFD: session(false, "init")}, ""}, // it is down as before
		{nil, plane.Report{BFD: session(true, "up")}, `msg="tunnel changed" name=192.0.2.2 before=down after=up
`},
		{nil, plane.Report{BFD: session(false, "down")}, `msg="tunnel changed" name=192.0.2.2 before=up after=down why="BFD is down: Control Detection Time Expired"
`},
		{nil, plane.Report{BFD: session(true, "up"), Peers: map[netip.Addr]error{other: errors.New("no route")}}, `msg="tunnel changed" name=192.0.2.2 before=down after=up
msg="tunnel changed" name=192.0.2.3 before=up after=down why="no route"
`},
		{nil, plane.Report{BFD: session(true, "up"), Tunnels: errors.New("no tunnel IP")}, `msg="tunnel changed" name=192.0.2.2 before=up after=down why="no tunnel IP"
`},
		{nil, plane.Report{BFD: session(true, "up")}, `msg="tunnel changed" name=192.0.2.2 before=down after=up
msg="tunnel changed" name=192.0.2.3 before=down after=up
`},
		{nil, plane.Report{BFD: session(true, "up"), Problems: []problem.Problem{{Kind: problem.PortDown, Object: problem.Port("p0"), Text: "no link"}}}, `msg="port changed" name=p0 before=up after=down why="no link"
`},
		{nil, plane.Report{BFD: session(true, "up"), Ports: map[string]error{"p0": errors.New("no device")}}, `msg="port changed" name=p0 before=down after=refused why="no device"
`},
		{func() { now.port("p0", false) }, plane.Report{BFD: session(true, "up"), Ports: map[string]error{"p0": errors.New("no device")}}, `msg="port changed" name=p0 before=refused after=absent
`},
		{func() { now.port("p0", true); now.port("p0", false) }, plane.Report{BFD: session(true, "up")}, ""}, // came and went unseen
		{func() { now.peers.Delete(other); now.movedPeers[other] = true }, plane.Report{BFD: session(true, "up")}, `msg="tunnel changed" name=192.0.2.3 before=up after=absent
`},
	} {
		if step.change != nil {
			step.change()
		}
		out.Reset()
		s.observe(&step.report, &now)
		if got := out.String(); got != step.want {
			t.Errorf("step %d: logged\n%s\nwant\n%s", i, got, step.want)
		}
	}
	if flaps := s.sessions[peer].flaps; flaps != 1 {
		t.Errorf("the session has flapped %d times, want 1: that it began down is none", flaps)
	}
	if len(now.movedPorts)+len(now.movedPeers) != 0 {
		t.Error("what was told of is not forgotten")
	}

	// A great change is not told of without end.
	for i := range 3 * stateLines {
		now.peers.Set(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1)
		now.movedPeers[netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})] = false
	}
	out.Reset()
	s.observe(&plane.Report{}, &now)
	if n := strings.Count(out.String(), "\n"); n != stateLines+1 || !strings.Contains(out.String(), "and 2000 more: tunnel changed") {
		t.Errorf("%d lines", n)
	}
}
