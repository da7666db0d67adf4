package nvc_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/nvc"
	"github.com/vtep/vtep/internal/testenv"
)

// TestMesh has three VTEPs find each other, a host move, another writer's rows stay, and one leave.
func TestMesh(t *testing.T) {
	testenv.NoLeaks(t)
	s := newSites(t, 3)
	s[0].ctl("add-ucast-remote", "ls0", mac(0x99), "192.0.2.99")
	n, _ := controller(t, nvc.Options{}, s...)
	foreign := mac(0x99) + ">192.0.2.99"
	s[0].has(foreign, "unknown-dst>10.0.0.2,10.0.0.3")
	s[1].has("unknown-dst>10.0.0.1,10.0.0.3")
	s[2].has("unknown-dst>10.0.0.1,10.0.0.2")
	s[0].says("p0", 1)
	s[1].has("unknown-dst>10.0.0.1,10.0.0.3", mac(1)+">10.0.0.1")
	s[2].has("unknown-dst>10.0.0.1,10.0.0.2", mac(1)+">10.0.0.1")
	s[0].has(foreign, "unknown-dst>10.0.0.2,10.0.0.3")
	s[1].reaches("p0", 2, 1, "10.0.0.1/5000")
	s[1].reaches("p0", 2, 7, "10.0.0.1/5000 10.0.0.3/5000 p1")
	if outs, drop := s[0].fabric.FromTunnel(s[1].ip, 5000, frame(1, 2)); len(outs) != 1 || outs[0].Port != "p0" {
		t.Errorf("from the tunnel: %v, %q", outs, drop)
	}

	// The host moves, and back.
	for range 2 {
		s[2].saysUntil("p1", 1, s[1], "10.0.0.3/5000")
		s[0].reaches("p0", 4, 1, "10.0.0.3/5000")
		s[0].saysUntil("p0", 1, s[1], "10.0.0.1/5000")
		s[2].reaches("p0", 5, 1, "10.0.0.1/5000")
	}

	// What another deletes comes back, and what another has placed stays.
	s[2].ctl("del-ucast-remote", "ls0", mac(1))
	s[2].reaches("p0", 5, 1, "10.0.0.1/5000")
	s[2].ctl("add-mcast-remote", "ls0", "unknown-dst", "192.0.2.77")
	idle(t, n)

	if err := n.Remove(context.Background(), s[2].target()); err != nil {
		t.Fatal(err)
	}
	s[2].has("unknown-dst>192.0.2.77")
	if got := s[2].ctl("list", "Logical_Switch"); strings.Contains(got, "nvc") || !strings.Contains(got, "tunnel_key          : []") ||
		!strings.Contains(got, "replication_mode    : []") {
		t.Errorf("left behind: %s", got)
	}
	// Of hosts 4 and 2 the first two know by now, of 5 nobody any more.
	s[0].has(foreign, "unknown-dst>10.0.0.2", mac(2)+">10.0.0.2")
	s[1].has("unknown-dst>10.0.0.1", mac(1)+">10.0.0.1", mac(4)+">10.0.0.1")
	if err := n.Clear(context.Background()); err != nil {
		t.Fatal(err)
	}
	s[0].has(foreign)
	s[1].has()
}

// idle waits until nothing is to be done, and wants nothing to be done then.
func idle(t *testing.T, n *nvc.NVC) {
	t.Helper()
	state := func() (transactions uint64, pending int) {
		s, err := n.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, ts := range s.Targets {
			transactions += ts.Transactions + ts.Failures
			pending += ts.Pending
		}
		return transactions, pending
	}
	before, _ := state()
	testenv.Eventually(t, deadline, func() error {
		time.Sleep(100 * time.Millisecond)
		now, pending := state()
		defer func() { before = now }()
		if now != before || pending > 0 {
			return fmt.Errorf("%d transactions, %d pending", now-before, pending)
		}
		return nil
	})
	time.Sleep(500 * time.Millisecond)
	if now, _ := state(); now != before {
		t.Errorf("%d transactions with nothing to do", now-before)
	}
}

// TestRestart has the controller away while things change, and one database away while others change.
func TestRestart(t *testing.T) {
	s := newSites(t, 3)
	n, stop := controller(t, nvc.Options{}, s...)
	s[0].says("p0", 1)
	s[2].says("p0", 3)
	s[1].has("unknown-dst>10.0.0.1,10.0.0.3", mac(1)+">10.0.0.1", mac(3)+">10.0.0.3")
	s[2].has("unknown-dst>10.0.0.1,10.0.0.2", mac(1)+">10.0.0.1")
	idle(t, n)
	stop()

	// Where nothing has changed nothing is written.
	n, stop = controller(t, nvc.Options{}, s...)
	idle(t, n)
	if st, err := n.Status(context.Background()); err != nil || st.Targets[0].Rows+st.Targets[1].Rows+st.Targets[2].Rows > 0 {
		t.Errorf("written after a restart: %+v, %v", st, err)
	}

	// A database that is away keeps what it is known to report, and gets what it has missed.
	s[2].stop()
	s[1].says("p1", 2)
	s[0].has("unknown-dst>10.0.0.2,10.0.0.3", mac(2)+">10.0.0.2", mac(3)+">10.0.0.3")
	s[2].start()
	s[2].has("unknown-dst>10.0.0.1,10.0.0.2", mac(1)+">10.0.0.1", mac(2)+">10.0.0.2")
	stop()

	// A controller that can't read one yet does not know who is gone.
	s[2].stop()
	n, stop = controller(t, nvc.Options{}, s...)
	s[0].says("p0", 4)
	s[1].has("unknown-dst>10.0.0.1,10.0.0.3", mac(1)+">10.0.0.1", mac(3)+">10.0.0.3", mac(4)+">10.0.0.1")
	idle(t, n)
	stop()

	// One that does not follow it any more takes its rows away.
	_, stop = controller(t, nvc.Options{}, s[:2]...)
	s[1].has("unknown-dst>10.0.0.1", mac(1)+">10.0.0.1", mac(4)+">10.0.0.1")
	s[0].has("unknown-dst>10.0.0.2", mac(2)+">10.0.0.2")
	stop()
	s[2].start()
}

// TestVNI has a VNI that another writer has set spread, and one that contradicts it stay apart; and a
// second controller wait for the first.
func TestVNI(t *testing.T) {
	s := newSites(t, 2)
	key := func(at *site, want string) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			if got := strings.TrimSpace(at.ctl("get", "Logical_Switch", "ls0", "tunnel_key")); got != want {
				return fmt.Errorf("%s has VNI %s, not %s", at.name, got, want)
			}
			return nil
		})
	}
	peer := netip.MustParseAddr("10.0.0.9")
	opts := nvc.Options{FirstVNI: 7000, Peers: []netip.Addr{peer}, Stations: []nvc.Station{{Network: "ls0", MAC: mac(9), Peer: peer, IP: "192.0.2.9"}}}
	n, stop := controller(t, opts, s...)
	key(s[0], "7000")
	key(s[1], "7000")
	for i, at := range s {
		at.has("unknown-dst>"+s[1-i].ip.String()+",10.0.0.9", mac(9)+">10.0.0.9/192.0.2.9")
	}
	second, stopSecond := controller(t, opts, s...)
	testenv.Eventually(t, deadline, func() error {
		st, err := second.Status(context.Background())
		if err != nil || !slices.ContainsFunc(st.Targets, func(ts nvc.TargetStatus) bool { return ts.State == "standby" }) {
			return fmt.Errorf("%+v, %w", st, err)
		}
		return nil
	})
	s[0].ctl("set", "Logical_Switch", "ls0", "tunnel_key=33")
	key(s[1], "33")
	stop() // the second takes over
	s[1].ctl("set", "Logical_Switch", "ls0", "tunnel_key=44")
	s[0].has("unknown-dst>10.0.0.9", mac(9)+">10.0.0.9/192.0.2.9")
	s[1].has()
	key(s[0], "33")
	st, err := second.Status(context.Background())
	if err != nil || len(st.Networks) != 1 || !slices.Equal(st.Networks[0].Apart, []string{s[1].target()}) || !strings.Contains(st.String(), "not in the mesh") {
		t.Errorf("%+v, %v", st, err)
	}
	stopSecond()
	_ = n
}

// A VTEP uses one row of unknown-dst: where another writer has it, the mesh is put into that one, and taken out of it.
func TestSharedSet(t *testing.T) {
	testenv.NoLeaks(t)
	s := newSites(t, 2)
	s[0].ctl("add-mcast-remote", "ls0", "unknown-dst", "192.0.2.77")
	n, _ := controller(t, nvc.Options{}, s...)
	s[0].has("unknown-dst>10.0.0.2,192.0.2.77")
	s[1].has("unknown-dst>10.0.0.1")
	s[0].reaches("p0", 2, 7, "10.0.0.2/5000 192.0.2.77/5000 p1")
	if err := n.Clear(context.Background()); err != nil {
		t.Fatal(err)
	}
	s[0].has("unknown-dst>192.0.2.77")
}
