package ovs

import (
	"fmt"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// link has the host's end of a port's link go up or down, and waits until ovs-vswitchd says so.
func (w *world) link(t testing.TB, port string, up bool) {
	t.Helper()
	change, says := (*netlink.Handle).LinkSetDown, "down"
	if up {
		change, says = (*netlink.Handle).LinkSetUp, "up"
	}
	testnet.Link(t, w.far, host(port), func(h *netlink.Handle, l netlink.Link) error { return change(h, l) })
	w.Vsctl(t, "wait-until", "Interface", port, "link_state="+says)
}

// states are what is told of a port until now.
func states(p *Plane, port string) (told []plane.PortChanged) {
	for {
		select {
		case e := <-p.Events():
			if c, ok := e.(plane.PortChanged); ok && c.Name == port {
				told = append(told, c)
			}
			continue
		default:
		}
		return told
	}
}

// That a link was lost and is back is told, also where that was while no process ran, or ovs-vswitchd tells of both at once: but once.
func TestLinkBounces(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	s := twoTenants()
	w.apply(p, s, nil)
	states(p, "p0")
	// told wants it to be told so often that p0 is without link, and then that it has it, and nothing behind that.
	told := func(when string, losses int) {
		t.Helper()
		var got []plane.PortChanged
		lost := func() (n int) {
			for _, c := range got {
				if c == (plane.PortChanged{Name: "p0", Exists: true}) {
					n++
				}
			}
			return n
		}
		testenv.Eventually(t, longest, func() error {
			if got = append(got, states(p, "p0")...); lost() < losses || len(got) > 0 && !got[len(got)-1].Up {
				return fmt.Errorf("%s: told is %+v", when, got)
			}
			return drifts(p) // what is noted of it is there, too
		})
		if got = append(got, states(p, "p0")...); lost() != losses || len(got) > 0 && !got[len(got)-1].Up {
			t.Errorf("%s: told is %+v, want %d times down, and up", when, got, losses)
		}
	}
	w.link(t, "p0", false)
	w.link(t, "p0", true)
	told("lost and back", 1)
	var n int
	if _, err := fmt.Sscan(w.Vsctl(t, "get", "Interface", "p0", "link_resets"), &n); err != nil {
		t.Fatal(err)
	}
	w.Vsctl(t, "--no-wait", "set", "Interface", "p0", fmt.Sprint("link_resets=", n+3)) // as ovs-vswitchd does when all is over before it has written; itself it has even ones here
	told("both at once", 1)
	for _, c := range []struct {
		when    string
		bounces int
		restart bool
	}{{when: "restarted"}, {when: "bounced meanwhile", bounces: 1}, {when: "restarted again"}, {when: "bounced twice", bounces: 2},
		{when: "ovs-vswitchd restarted meanwhile", restart: true}} {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		for range c.bounces {
			w.link(t, "p0", false)
			w.link(t, "p0", true)
		}
		if c.restart {
			w.KillDaemon(t)
			w.StartDaemon(t)
		}
		p = w.newPlane(t)
		w.apply(p, s, nil)
		told(c.when, min(c.bounces, 1))
	}
}

// What a count of ovs-vswitchd says of a link that is there now, and was there at another count.
func TestLostSince(t *testing.T) {
	for _, c := range []struct {
		before, now int64
		lost        bool
	}{{0, 0, false}, {2, 2, false}, {0, 2, true}, {2, 4, true}, {1, 3, true}, {4, 0, false}, {4, 2, true}} {
		if got := lostSince(c.before, c.now); got != c.lost {
			t.Errorf("%d, then %d: %v", c.before, c.now, got)
		}
	}
}

// A count is that of a link that is there. What is not known for a moment, as when ovsdb-server has begun anew, changes nothing.
func TestLooksAtLinks(t *testing.T) {
	l := newLinks()
	for i, c := range []struct {
		state   string
		resets  int64
		bounced bool
	}{{"", -1, false}, {"up", 0, false}, {"", -1, false}, {"up", 0, false}, {"", -1, false}, {"up", 2, true}, {"down", 3, false}, {"up", 6, false}, {"up", 6, false}, {"up", 8, true}} {
		if got := l.look("p0", &interfaceRow{ofport: 1, linkState: c.state, linkResets: c.resets}); got != c.bounced {
			t.Errorf("look %d: bounced is %v", i, got)
		}
	}
	if l.look("p0", &interfaceRow{}); len(l.up) > 0 {
		t.Errorf("without a device: %v", l.up)
	}
}

// What is not known for a moment is as it was, of the same device and of a session that there is.
func TestKeepUntold(t *testing.T) {
	was := interfaceRow{id: ovsdb.UUID{1}, ofport: 1, linkState: "down", mtu: 1400, bfd: map[string]string{"enable": "true"}, bfdStatus: map[string]string{"state": "down"}}
	for _, c := range []struct {
		when    string
		change  func(*interfaceRow)
		link    string
		mtu     int
		session string
	}{
		{"not told", func(*interfaceRow) {}, "down", 1400, "down"},
		{"told in part", func(i *interfaceRow) { i.linkState, i.mtu = "up", 1500 }, "up", 1500, "down"},
		{"it has no MTU any more", func(i *interfaceRow) { i.linkState = "up" }, "up", 0, "down"},
		{"another", func(i *interfaceRow) { i.id = ovsdb.UUID{2} }, "", 0, ""},
		{"without session", func(i *interfaceRow) { i.bfd = nil }, "down", 1400, ""},
		{"another state", func(i *interfaceRow) { i.bfdStatus = map[string]string{"state": "up"} }, "down", 1400, "up"},
		{"without device", func(i *interfaceRow) { i.ofport = 0 }, "down", 1400, ""},
	} {
		i := interfaceRow{id: was.id, ofport: was.ofport, bfd: was.bfd}
		c.change(&i)
		v := &vswitch{interfaces: map[string]*interfaceRow{"p0": &i}}
		v.keepUntold(&vswitch{interfaces: map[string]*interfaceRow{"p0": &was}})
		if i.linkState != c.link || i.mtu != c.mtu || i.bfdStatus["state"] != c.session {
			t.Errorf("%s: link %q, MTU %d, session %q", c.when, i.linkState, i.mtu, i.bfdStatus["state"])
		}
	}
}
