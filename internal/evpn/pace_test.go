package evpn

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// While the members of a switch wait, hosts at VTEPs that are known do not, those at others wait with their VTEP, and all is written in the end.
func TestPace(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	s.whole()
	flood := func(vtep netip.Addr) *route {
		return &route{key: key{kind: Multicast, rd: vtep.String() + ":33", ip: vtep}, vtep: vtep, vni: 33, targets: []target{{"65002", false, 33}}}
	}
	at := func(mac string, vtep netip.Addr) *route {
		r := hostAt(mac, vtep)
		r.rd = vtep.String() + ":33"
		return r
	}
	const host2, host3 = "02:00:00:00:00:02", "02:00:00:00:00:03"
	third := netip.MustParseAddr("10.0.0.3")
	s.announce(flood(high), nil)
	s.rows(">10.0.0.2") // at once: it is alone

	look := func(f func(n *network)) {
		t.Helper()
		if err := s.bridge.ask(t.Context(), func() {
			for _, n := range s.bridge.database.networks {
				f(n)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	look(func(n *network) { n.pace.written(time.Now().Add(time.Hour), 1000) })
	s.announce(flood(third), nil)
	s.announce(at(host3, third), nil)
	s.announce(at(host1, high), nil)
	s.rows(host1+">10.0.0.2", ">10.0.0.2")
	s.withdraw(at(host1, high))
	s.announce(at(host2, high), nil)
	s.rows(host2+">10.0.0.2", ">10.0.0.2")
	look(func(n *network) {
		if _, waits := n.pace.held[host3]; !waits || s.bridge.database.held != 2 {
			t.Errorf("%v wait, %d", n.pace.held, s.bridge.database.held)
		}
	})
	if p, err := s.bridge.Progress(t.Context()); err != nil || p.Pending != 2 {
		t.Errorf("%+v, %v", p, err)
	}

	// Their time has come. The next one waits until the clock says so.
	look(func(n *network) {
		n.pace.next = time.Time{}
		s.bridge.database.unhold(n)
	})
	s.rows(host2+">10.0.0.2", host3+">10.0.0.3", ">10.0.0.2 10.0.0.3")
	look(func(n *network) { n.pace.written(time.Now(), 1000) })
	s.announce(flood(netip.MustParseAddr("10.0.0.4")), nil)
	s.rows(host2+">10.0.0.2", host3+">10.0.0.3", ">10.0.0.2 10.0.0.3 10.0.0.4")
	look(func(n *network) {
		if s.bridge.database.held != 0 || n.pace.held != nil {
			t.Errorf("%v wait, %d", n.pace.held, s.bridge.database.held)
		}
		if want := []string{"10.0.0.2", "10.0.0.3", "10.0.0.4"}; !slices.Equal(n.remembered(), want) {
			t.Errorf("it remembers %v", n.remembered())
		}
	})
}

// The pace grows with the number of members, to a bound.
func TestPaceGrows(t *testing.T) {
	var p pace
	now := time.Now()
	if p.waits(now) {
		t.Error("the first change waits")
	}
	for members, want := range map[int]time.Duration{1: 3 * time.Millisecond, 300: 900 * time.Millisecond, 5000: time.Second} {
		p.written(now, members)
		if got := p.next.Sub(now); got != want {
			t.Errorf("%d members: %v", members, got)
		}
		if p.waits(p.next) || !p.waits(p.next.Add(-1)) {
			t.Errorf("%d members: it waits for something else", members)
		}
	}
}
