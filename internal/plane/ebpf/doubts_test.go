package ebpf

import (
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
)

// What works, but hardly as it was meant, is in the report while it lasts, and an event says
// that it came or went.
func TestDoubts(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	w.apply(p, s, nil)
	change := func(name string, f func(*netlink.Handle, netlink.Link) error) {
		w.links(w.vtep, func(h *netlink.Handle) error {
			l, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			return f(h, l)
		})
	}
	// after waits for an event, and then for the report to have these doubts.
	after := func(what string, kinds ...string) {
		t.Helper()
		var got []string
		w.event(p, what, func(e plane.Event) bool {
			if !ofReport(e) {
				return false
			}
			r, err := p.Apply(t.Context(), s, &intent.Delta{})
			if err != nil {
				t.Fatal(err)
			}
			got = nil
			for _, d := range r.Problems {
				if d.Kind == problem.PortDown || d.Kind == problem.SmallMTU || d.Kind == problem.VLANDevice {
					got = append(got, string(d.Kind)+" "+d.Object)
				}
			}
			return slices.Equal(got, kinds)
		})
	}
	change("u0", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, 1549) })
	after("the underlay is too narrow", "small_mtu device u0")
	change("p0", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetDown(l) })
	after("p0 is down", "port_down Physical_Port p0", "small_mtu device u0")
	change("u0", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, 1550) })
	after("the underlay is wide enough", "port_down Physical_Port p0")
	for _, name := range []string{"p1", "p2"} { // its hosts have a smaller MTU: so has the need
		change(name, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, 1400) })
	}
	change("p0", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, 1400) })
	change("u0", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, 1450) })
	change("p0", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetUp(l) })
	after("p0 is up")
}

// A port that is a VLAN device already is a doubt as soon as it has a binding with a tag. The
// kernel of a test may lack such devices.
func TestVLANDevice(t *testing.T) {
	attrs := netlink.NewLinkAttrs()
	attrs.Index, attrs.Name, attrs.ParentIndex, attrs.RawFlags = 5, "eth0.7", 4, unix.IFF_UP|unix.IFF_RUNNING
	for _, step := range []struct {
		link  netlink.Link
		vlans []uint16
		want  bool
	}{
		{&netlink.Vlan{LinkAttrs: attrs, VlanId: 7}, nil, false},
		{&netlink.Vlan{LinkAttrs: attrs, VlanId: 7}, []uint16{5}, true},
		{&netlink.Vlan{LinkAttrs: attrs, VlanId: 7}, []uint16{0}, false},
		{&netlink.Vlan{LinkAttrs: attrs, VlanId: 7}, []uint16{0, 5}, true},
		{&netlink.Veth{LinkAttrs: attrs}, []uint16{0, 5}, false},
	} {
		p := &Plane{
			devices: host.NewDevices(), attached: &kernel.Attachments{},
			ports: map[string]*port{"eth0.7": {Port: &layout.Port{Name: "eth0.7", Device: 5, Bindings: map[uint16]*layout.Binding{}}}},
		}
		p.tEnds, p.ring, p.punts, p.watchman = &kernel.Table[layout.Address, uint64]{Table: &layout.Table[layout.Address, uint64]{}}, new(ring), new(ring), &watchman{ring: new(ring)}
		p.devices.Set(host.DeviceOf(step.link))
		for _, vlan := range step.vlans {
			p.ports["eth0.7"].Bindings[vlan] = &layout.Binding{}
		}
		var told []string
		for _, d := range p.doubts() {
			told = append(told, string(d.Kind)+" "+d.Object)
		}
		if step.want && !slices.Equal(told, []string{"vlan_device Physical_Port eth0.7"}) || !step.want && told != nil {
			t.Errorf("a %s with the VLANs %v: %q", step.link.Type(), step.vlans, told)
		}
	}
}
