package ebpf

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testenv"
)

// TestNeededDevice: what the machine itself needs becomes no port, whoever writes the rows, and
// is left alone the moment that it needs it. When the need goes, or the operator has said so,
// it is a port.
func TestNeededDevice(t *testing.T) {
	w := newWorld(t)
	if err := w.vtep.Sysctl("ipv6/conf/p1/disable_ipv6", "0"); err != nil {
		t.Fatal(err)
	}
	s, none := basic(), &intent.Delta{}
	var addr4, addr6 *netlink.Addr
	for text, addr := range map[string]**netlink.Addr{"203.0.113.7/24": &addr4, "2001:db8::7/64": &addr6} {
		var err error
		if *addr, err = netlink.ParseAddr(text); err != nil {
			t.Fatal(err)
		}
	}
	addr6.Flags = unix.IFA_F_NODAD
	route := func(l netlink.Link, dst string) *netlink.Route {
		_, n, err := net.ParseCIDR(dst)
		if err != nil {
			t.Fatal(err)
		}
		return &netlink.Route{LinkIndex: l.Attrs().Index, Dst: n, Scope: netlink.SCOPE_LINK}
	}
	far := netip.MustParseAddr("198.51.100.9")
	needs := []struct {
		name      string
		come, go_ func(h *netlink.Handle, l netlink.Link) error
		why, end  string
	}{
		{"an address", func(h *netlink.Handle, l netlink.Link) error { return h.AddrAdd(l, addr4) },
			func(h *netlink.Handle, l netlink.Link) error { return h.AddrDel(l, addr4) }, "has the address 203.0.113.7 of this machine", "ip addr flush dev p1"},
		{"an IPv6 address", func(h *netlink.Handle, l netlink.Link) error { return h.AddrAdd(l, addr6) },
			func(h *netlink.Handle, l netlink.Link) error { return h.AddrDel(l, addr6) }, "has the address 2001:db8::7 of this machine", "keep DHCP clients"},
		{"the default route", func(h *netlink.Handle, l netlink.Link) error { return h.RouteAdd(route(l, "0.0.0.0/0")) },
			func(h *netlink.Handle, l netlink.Link) error { return h.RouteDel(route(l, "0.0.0.0/0")) }, "has the default route of this machine", "move the route"},
		{"the IPv6 default route", func(h *netlink.Handle, l netlink.Link) error { return h.RouteAdd(route(l, "::/0")) },
			func(h *netlink.Handle, l netlink.Link) error { return h.RouteDel(route(l, "::/0")) }, "has the default route of this machine", "move the route"},
		{"the way of tunnels", func(h *netlink.Handle, l netlink.Link) error { return h.RouteAdd(route(l, "198.51.100.9/32")) },
			func(h *netlink.Handle, l netlink.Link) error { return h.RouteDel(route(l, "198.51.100.9/32")) }, "is the way of tunnels", "lead their routes"},
	}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: intent.MAC{2, 0, 0, 0, 7, 7}}, intent.Tunnel{Peer: far, VNI: 10})
	w.links(w.vtep, func(h *netlink.Handle) error { // while nothing else leads there
		l, err := h.LinkByName("u0")
		if err != nil {
			return err
		}
		r := route(l, "198.51.100.0/24")
		r.Gw, r.Scope = peerIP.AsSlice(), netlink.SCOPE_UNIVERSE
		return h.RouteAdd(r)
	})

	w.link("p1", needs[0].come) // before there is a VTEP
	p := w.plane(Options{})
	refused := func(why, end string) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			err := w.portError(p, s, none, "p1")
			if err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), end) || !strings.Contains(err.Error(), "--allow-port=p1") {
				return fmt.Errorf("%v, should say %q, and to %q", err, why, end)
			}
			return nil
		})
		b := frame(bcast, macA, "without p1: "+why)
		w.send("h0", b)
		w.expectTunnel(peerIP, 10, b)
		w.barrier()
		w.expectNothing("h1", b)
		b = frame(bcast, macB, "for the machine: "+why)
		w.send("h1", b)
		w.barrier()
		w.expectNothing("h0", b)
	}
	if err := w.portError(p, s, nil, "p1"); err == nil {
		t.Fatal("p1 is a port")
	}
	becomesPort := func() {
		t.Helper()
		testenv.Eventually(t, patience, func() error { return w.portError(p, s, none, "p1") })
		b := frame(bcast, macA, "p1 is a port")
		w.send("h0", b)
		w.expect("h1", b)
		w.expectTunnel(peerIP, 10, b)
	}
	// One need after the other, so that there always is one.
	refused(needs[0].why, needs[0].end)
	for i, need := range needs[1:] {
		w.link("p1", need.come)
		w.link("p1", needs[i].go_)
		refused(need.why, need.end)
	}
	w.link("p1", needs[len(needs)-1].go_)
	becomesPort()
	// They come to a port, which has no IPv6.
	for _, need := range needs {
		if strings.Contains(need.name, "IPv6") {
			continue
		}
		w.link("p1", need.come)
		refused(need.why, need.end)
		w.link("p1", need.go_)
		becomesPort()
	}
	w.audit(p)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}

	for _, need := range []int{0, 2, 4} {
		w.link("p1", needs[need].come)
	}
	p = w.plane(Options{AllowPorts: []string{"p1"}})
	w.apply(p, s, nil)
	b := frame(bcast, macA, "the operator has said so")
	w.send("h0", b)
	w.expect("h1", b)
}

// A device below one that the machine needs is needed, too, whatever take_over says.
func TestDeviceBelowNeeded(t *testing.T) {
	w := newWorld(t)
	w.links(w.vtep, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "br0"
		return h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs})
	})
	w.address(w.vtep, "br0", "203.0.113.7/24")
	w.link("p1", func(h *netlink.Handle, l netlink.Link) error {
		master, err := h.LinkByName("br0")
		if err != nil {
			return err
		}
		return h.LinkSetMaster(l, master)
	})
	p := w.plane(Options{})
	s := basic()
	s.Ports["p1"] = intent.Port{TakeOver: true}
	const why = `network device "p1" is below "br0", which has the address 203.0.113.7 of this machine`
	if err := w.portError(p, s, nil, "p1"); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%v", err)
	}
}
