package evpn

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
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

// A VTEP that has gone is remembered as long as there are rows of it, and no longer.
func TestFormer(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	s.whole()
	s.announce(hostAt(host1, high), nil)
	third := hostAt("02:00:00:00:00:03", netip.MustParseAddr("10.0.0.3"))
	s.announce(third, nil)
	s.rows(host1+">10.0.0.2", "02:00:00:00:00:03>10.0.0.3")
	s.remembers("ls0", "10.0.0.2 10.0.0.3")
	s.withdraw(third)
	s.rows(host1 + ">10.0.0.2")
	s.remembers("ls0", "10.0.0.2")
	s.withdraw(hostAt(host1, high))
	s.rows()
	s.remembers("ls0", "")
}

// What is remembered is looked for as a whole.
func TestRemembers(t *testing.T) {
	n := &network{row: hwvtep.LogicalSwitch{OtherConfig: map[string]string{keyVTEPs: "10.0.0.11 210.0.0.1 10.0.0.1#3\t10.0.0.2\n10.0.0.3 10.0.0.33"}}}
	for one, want := range map[string]bool{"10.0.0.1": false, "10.0.0.11": true, "10.0.0.1#3": true, "10.0.0.2": true, "10.0.0.3": true, "10.0.0.33": true, "0.0.0.33": false, "10.0.0.4": false} {
		if n.remembers(one) != want {
			t.Errorf("%s: %v", one, !want)
		}
	}
	if new(network).remembers("10.0.0.1") {
		t.Error("an empty row remembers something")
	}
}

// A row at a port of a segment waits until the number is remembered, not the tunnel IP, which is the VTEP's own.
func TestKnownSegment(t *testing.T) {
	low := netip.MustParseAddr("10.0.0.1")
	db := &database{own: map[netip.Addr]bool{low: true}}
	n := &network{row: hwvtep.LogicalSwitch{OtherConfig: map[string]string{keyVTEPs: "10.0.0.1#3 10.0.0.2"}}}
	for _, text := range []string{"", "10.0.0.1#3 10.0.0.1#4 10.0.0.2 10.0.0.3"} { // what is to be remembered: not looked at yet, waits
		n.text = text
		for e, want := range map[end]bool{{low, 3}: true, {low, 4}: false, {high, 0}: true, {netip.MustParseAddr("10.0.0.3"), 0}: false} {
			if db.known(n, e) != want {
				t.Errorf("with %q, %v: known is %v", text, e, !want)
			}
		}
	}
}
