package evpn

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A configuration that is taken over touches the sessions only of neighbours that it changes.
func TestReconfigure(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	s.announce(hostAt(host1, high), nil)
	s.whole()
	s.rows(host1 + ">10.0.0.2")

	c := *s.bridge.Config()
	was := c.Neighbors[0]
	reconfigure := func(what []string, waits []string, all ...Neighbor) {
		t.Helper()
		next := c
		next.Neighbors = all
		if len(waits) > 0 {
			next.Port = 1790
		}
		changed, later, err := s.bridge.Reconfigure(t.Context(), &next)
		if err != nil || !slices.Equal(changed, what) || !slices.Equal(later, waits) {
			t.Fatalf("%q, %q, %v, want %q, %q", changed, later, err, what, waits)
		}
	}
	other := Neighbor{Address: netip.MustParseAddr("127.0.0.3"), AS: 65003, Passive: true, Password: "secret"}
	reconfigure(nil, nil, was)
	reconfigure([]string{"neighbor 127.0.0.3 added"}, []string{"port"}, was, other)
	few := was
	few.MaxRoutes = 1000
	reconfigure([]string{"neighbor 127.0.0.2 max-routes"}, nil, few, other)
	other.HoldTime = 9
	reconfigure([]string{"neighbor 127.0.0.3 changed"}, nil, few, other)
	s.announce(hostAt("02:00:00:00:00:02", high), nil) // in the session that there was
	s.rows(host1+">10.0.0.2", "02:00:00:00:00:02>10.0.0.2")

	// It goes, with its routes, and comes back.
	reconfigure([]string{"neighbor 127.0.0.2 removed", "neighbor 127.0.0.3 removed"}, nil)
	s.rows()
	if _, err := s.conn.Read(make([]byte, 1)); err == nil {
		_ = s.conn.Close()
	}
	reconfigure([]string{"neighbor 127.0.0.2 added"}, nil, was)
	s.up()
	s.announce(hostAt(host1, high), nil)
	s.whole()
	s.rows(host1 + ">10.0.0.2")

	// Fewer routes than it has: the session ends.
	s.announce(hostAt("02:00:00:00:00:02", high), nil)
	s.rows(host1+">10.0.0.2", "02:00:00:00:00:02>10.0.0.2")
	few.MaxRoutes = 1
	reconfigure([]string{"neighbor 127.0.0.2 max-routes"}, nil, few)
	s.established(false)
	s.rows()
	_ = s.listener.(*net.TCPListener).Close()
}

// A neighbour that could not be added is none: the same configuration tries once more, and another one leaves it out.
func TestReconfigureInVain(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	c := *s.bridge.Config()
	was := c.Neighbors[0]
	reconfigure := func(what []string, fails bool, all ...Neighbor) {
		t.Helper()
		next := c
		next.Neighbors = all
		changed, _, err := s.bridge.Reconfigure(t.Context(), &next)
		if !slices.Equal(changed, what) || (err != nil) != fails {
			t.Fatalf("%q, %v, want %q", changed, err, what)
		}
		var sessions int
		if err := s.bridge.ask(t.Context(), func() { sessions = len(s.bridge.sessions) }); err != nil || sessions != 1 {
			t.Fatalf("%d sessions, %v", sessions, err)
		}
	}
	// The relay has nothing to listen at: there is no descriptor left.
	other := Neighbor{Address: netip.MustParseAddr("127.0.0.3"), AS: 65003, Passive: true}
	without := func(f func()) {
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		none := limit
		none.Cur = 3
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
				t.Fatal(err)
			}
		}()
		f()
	}
	without(func() { reconfigure(nil, true, was, other) })
	without(func() { reconfigure(nil, true, was, other) })
	reconfigure(nil, false, was)
}
