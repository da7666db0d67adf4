package ebpf

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// ofReport says whether an event has the agent ask for a Report.
func ofReport(e plane.Event) bool {
	switch e.(type) {
	case plane.ReportChanged, plane.PortChanged:
		return true
	}
	return false
}

// told waits until the plane has told by itself that its report says something else, as often
// as it takes until that is right.
func (w *world) told(p *Plane, s *intent.State, right func(plane.Report) error) {
	w.t.Helper()
	deadline := time.After(patience)
	err := error(nil)
	for {
		select {
		case e := <-p.Events():
			if !ofReport(e) {
				continue
			}
			r, failed := p.Apply(w.t.Context(), s, &intent.Delta{})
			if failed != nil {
				w.t.Fatal(failed)
			}
			if err = right(r); err == nil {
				return
			}
		case <-deadline:
			w.t.Fatalf("not told: %v", err)
		}
	}
}

// A port that could not be attached, and later is, is told of: its fault must not stay.
func TestReportOfHealedPort(t *testing.T) {
	needTCX(t)
	w := newWorld(t)
	stranger := w.ahead("p1", verdict(t, "vtep_port", 0)) // as of another VTEP
	p := w.watchful(Options{}, 50*time.Millisecond)
	s := basic()
	r, err := p.Apply(t.Context(), s, nil)
	if err != nil || r.Ports["p1"] == nil || !strings.Contains(r.Ports["p1"].Error(), "of another VTEP") {
		t.Fatalf("p1: %v, %v", r.Ports["p1"], err)
	}
	if err := stranger.Close(); err != nil {
		t.Fatal(err)
	}
	w.told(p, s, func(r plane.Report) error { return r.Ports["p1"] })
	w.forwards()
	w.audit(p)
}

// Bindings for which there is no room, since the machine has no memory for larger maps, may go
// while that lasts; when there is memory again it is told.
func TestBindingsWithoutRoom(t *testing.T) {
	w := newWorld(t)
	p := w.watchful(Options{start: tiny()}, time.Hour)
	s := basic()
	w.apply(p, s, nil)
	noMemory := func(since time.Time) {
		p.mu.Lock()
		p.growFailed = since
		p.mu.Unlock()
	}
	many := s.Clone()
	for n := range 10 {
		many.Bindings[intent.BindingKey{Port: "p0", VLAN: uint16(100 + n)}] = intent.Binding{Switch: ls1}
	}
	without := func(from *intent.State) {
		t.Helper()
		noMemory(time.Now())
		r, err := p.Apply(t.Context(), many, intent.Diff(from, many))
		if err != nil || len(r.Bindings) == 0 {
			t.Fatalf("bindings %v, %v", r.Bindings, err)
		}
	}
	without(s)
	r, err := p.Apply(t.Context(), s, intent.Diff(many, s))
	if err != nil || len(r.Bindings) != 0 {
		t.Fatalf("after they have gone: bindings %v, %v", r.Bindings, err)
	}
	without(s)
	noMemory(time.Time{})
	p.mu.Lock()
	p.recheck()
	p.mu.Unlock()
	w.told(p, many, func(r plane.Report) error {
		if len(r.Bindings) > 0 {
			return fmt.Errorf("bindings %v", r.Bindings)
		}
		return nil
	})
	w.audit(p)
}

// A default route goes without a word from the kernel when its device is set down, or loses the
// address that it needs. The device may be a port then.
func TestDefaultRouteGone(t *testing.T) {
	w := newWorld(t)
	addr, err := netlink.ParseAddr("203.0.113.7/24")
	if err != nil {
		t.Fatal(err)
	}
	p := w.plane(Options{})
	s := basic()
	s.Unicast.Clear() // no peers
	clear(s.Floods)
	s.Decap.Clear()
	w.apply(p, s, nil)
	refused := func(why string) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			if err := w.portError(p, s, &intent.Delta{}, "p1"); err == nil || !strings.Contains(err.Error(), why) {
				return fmt.Errorf("p1: %v, should say %q", err, why)
			}
			return nil
		})
	}
	free := func() {
		t.Helper()
		testenv.Eventually(t, patience, func() error { return w.portError(p, s, &intent.Delta{}, "p1") })
	}
	add := func(r netlink.Route) {
		w.link("p1", func(h *netlink.Handle, l netlink.Link) error {
			r.LinkIndex = l.Attrs().Index
			return h.RouteAdd(&r)
		})
	}

	add(netlink.Route{Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Scope: netlink.SCOPE_LINK})
	refused("default route")
	w.link("p1", (*netlink.Handle).LinkSetDown)
	free()
	w.link("p1", (*netlink.Handle).LinkSetUp)
	free()

	w.link("p1", func(h *netlink.Handle, l netlink.Link) error { return h.AddrAdd(l, addr) })
	add(netlink.Route{Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Gw: net.IPv4(203, 0, 113, 1)})
	refused("of this machine")
	w.link("p1", func(h *netlink.Handle, l netlink.Link) error { return h.AddrDel(l, addr) })
	free()
}
