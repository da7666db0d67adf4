package ebpf

import (
	"errors"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
)

// Rows may make ports of devices that forwarding itself lives on. They are refused, and
// forwarding goes on, also after the rows have gone.
func TestUnfitDevices(t *testing.T) {
	w := newWorld(t)
	w.links(w.vtep, func(h *netlink.Handle) error { return setUp(h, "lo") })
	p := w.plane(Options{})
	s := basic()
	w.apply(p, s, nil)
	unfit := map[string]string{
		"lo":                           "no Ethernet frames",
		p.vxlanName():                  "end of this VTEP's tunnels",
		"u0":                           "has the tunnel IP 192.0.2.1",
		"a/b":                          "no network device",
		"..":                           "no network device",
		"a name of more than 15 bytes": "no network device",
	}
	d := &intent.Delta{}
	for name := range unfit {
		s.Ports[name] = intent.Port{}
		at := intent.BindingKey{Port: name, VLAN: 7}
		s.Bindings[at] = intent.Binding{Switch: ls1}
		d.Ports = append(d.Ports, intent.Change[string, intent.Port]{Key: name, New: &intent.Port{}})
		d.Bindings = append(d.Bindings, intent.Change[intent.BindingKey, intent.Binding]{Key: at, New: &intent.Binding{Switch: ls1}})
	}
	forwards := func() {
		t.Helper()
		b := frame(bcast, macA, "to all")
		w.send("h0", b)
		w.expect("h1", b)
		w.expectTunnel(peerIP, 10, b)
		u := frame(macA, macR, "to A")
		w.send("vx10", u)
		w.expect("h0", u)
		w.audit(p)
	}
	r, err := p.Apply(t.Context(), s, d)
	if err != nil {
		t.Fatal(err)
	}
	for name, why := range unfit {
		if err := r.Ports[name]; err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("port %q: %v, should say %q", name, err, why)
		}
		if r.Bindings[intent.BindingKey{Port: name, VLAN: 7}] == nil {
			t.Errorf("port %q: its binding is in force", name)
		}
	}
	forwards()
	w.apply(p, basic(), intent.Diff(s, basic()))
	forwards()

	// The address comes to a port, and goes again.
	w.address(w.vtep, "p1", "192.0.2.1/24")
	w.event(p, "p1 is unfit", portEvent("p1", true))
	if r, err := p.Apply(t.Context(), basic(), &intent.Delta{}); err != nil || r.Ports["p1"] == nil {
		t.Errorf("report %+v, %v: p1 has the tunnel IP", r, err)
	}
	w.links(w.vtep, func(h *netlink.Handle) error {
		l, err := h.LinkByName("p1")
		if err != nil {
			return err
		}
		a, _ := netlink.ParseAddr("192.0.2.1/24")
		return h.AddrDel(l, a)
	})
	testenv.Eventually(t, patience, func() error {
		r, err := p.Apply(t.Context(), basic(), &intent.Delta{})
		if err != nil {
			return err
		}
		return r.Ports["p1"]
	})
	forwards()
}

// A repair that the watcher could not make is the agent's to make: it is told.
func TestFailedRepairIsTold(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	p.mu.Lock()
	bindings := p.tBindings.M
	p.tBindings.M = p.objs.Config // of another type: nothing can be written there
	p.portChanged("p0")
	p.tBindings.Set(layout.BindKey{Ifindex: 1}, 1)
	p.repair()
	p.tBindings.M = bindings
	p.mu.Unlock()
	w.event(p, "something to repair", func(e plane.Event) bool { return e == plane.ReportChanged{} })
	w.apply(p, basic(), &intent.Delta{})
	w.audit(p)
}

// A VTEP that does not see the pins of its own past must not run behind its old programs, nor
// take them away, however each of the two attaches.
func TestOtherPins(t *testing.T) {
	for past, o := range modes {
		for name, now := range modes {
			// With more effort all pairs; the second matters less, as it must not attach at all.
			if testenv.Effort(t) == 1 && (name == "vxlan device" || name != "direct" && past != "direct") {
				continue
			}
			t.Run(past+" then "+name, func(t *testing.T) { testOtherPins(t, o, now) })
		}
	}
}

func testOtherPins(t *testing.T, past, now Options) {
	w := newWorld(t)
	p := w.plane(past)
	w.apply(p, basic(), nil)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	now.PinDir = w.pins + "2"
	lost := w.plane(now)
	r, err := lost.Apply(t.Context(), basic(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"tunnels": r.Tunnels, "p0": r.Ports["p0"], "p1": r.Ports["p1"], "p2": r.Ports["p2"]} {
		if err == nil || !strings.Contains(err.Error(), "other pins than in "+w.pins+"2") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := lost.Apply(t.Context(), intent.NewState(), nil); err != nil { // no ports any more
		t.Fatal(err)
	}
	b := frame(bcast, macA, "the old programs forward on")
	forwards := func() {
		t.Helper()
		w.send("h0", b)
		w.expect("h1", b)
		w.expect("vx10", b) // by the vxlan device, which has the same name for both
	}
	forwards()
	if err := lost.Destroy(t.Context()); err != nil { // as "exit --cleanup" and "vtep cleanup" do
		t.Fatal(err)
	}
	forwards()
	lost = w.plane(now)

	p = w.plane(past)
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error { // what was attached goes a little later
		r, err := lost.Apply(t.Context(), basic(), nil)
		for _, port := range r.Ports {
			err = errors.Join(err, port)
		}
		return errors.Join(err, r.Tunnels)
	})
	w.send("h0", b)
	w.expect("h1", b)
	w.audit(lost)
	if err := lost.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
}
