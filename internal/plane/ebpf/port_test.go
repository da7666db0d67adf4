package ebpf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

const oldPort = 8472 // what Linux had before VXLAN had a port of its own

// oldPeer gives the far side a device of VNI 20 with the old port.
func (w *world) oldPeer() {
	w.t.Helper()
	w.links(w.far, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = "old20", 1500
		err := h.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: 20, Port: oldPort, SrcAddr: peerIP.AsSlice(), Group: tunnelIP.AsSlice()})
		if err != nil {
			return err
		}
		return setUp(h, "old20")
	})
	w.tap(w.far, "old20")
}

// old is the State of a switch with VNI 20 on p2.
func old() *intent.State {
	s := intent.NewState()
	far := intent.Tunnel{Peer: peerIP, VNI: 20}
	s.TunnelIP, s.Ports["p2"], s.Switches[ls1] = tunnelIP, intent.Port{}, intent.Switch{Name: "old", VNI: 20}
	s.Bindings[intent.BindingKey{Port: "p2"}] = intent.Binding{Switch: ls1}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macR}, far)
	s.Floods[intent.FloodKey{Switch: ls1}] = intent.FloodSet{far}
	s.Decap.Set(far, ls1)
	return s
}

// oldWay sends by the old port, both ways, what takes the short ways and what can't.
func (w *world) oldWay() {
	w.t.Helper()
	for _, f := range [][2][]byte{
		{frame(bcast, macA, "to all"), frame(bcast, macR, "to all here")},
		{ipFrame(macR, macA, 64), ipFrame(macA, macR, 64)},
	} {
		w.send("h2", f[0])
		w.taps["r0"].Until("by the old port", func(b []byte) bool {
			o, ok := testnet.ParseOuterTo(oldPort, b)
			return ok && string(o.Inner) == string(f[0]) && o.VNI == 20 && o.SumOK
		})
		w.expect("old20", f[0])
		w.send("old20", f[1])
		w.expect("h2", f[1])
	}
}

// Two VTEPs are on one machine, in one network namespace and by one tunnel IP, with UDP ports of
// their own. With the same port the second one is told who has it.
func TestVXLANPort(t *testing.T) {
	w := newWorld(t)
	w.oldPeer()
	p := w.plane(Options{})
	s := basic()
	delete(s.Ports, "p2")
	w.apply(p, s, nil)

	second := Options{Name: "ps2", PinDir: w.pins + "2"}
	q := w.plane(second)
	r, err := q.Apply(t.Context(), old(), nil)
	var told *problem.Error
	if err != nil || !errors.As(r.Tunnels, &told) || told.Kind != problem.UDPPortTaken || !strings.Contains(told.Error(), "of another VTEP in this network namespace (of switch ps1)") ||
		!strings.Contains(told.Remedy, "--vxlan-port") {
		t.Fatalf("report %+v, %v", r, err)
	}
	if err := q.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}

	second.Port = oldPort
	q = w.plane(second)
	w.apply(q, old(), nil)
	both := func() {
		t.Helper()
		w.oldWay()
		b, u := frame(bcast, macA, "to all"), ipFrame(macA, macR, 64)
		w.send("h0", b)
		w.expectTunnel(peerIP, 10, b)
		w.send("vx10", u)
		w.expect("h0", u)
		w.audit(p)
		w.audit(q)
	}
	both()
	p.mu.Lock()
	q.mu.Lock()
	for index := range p.overlay.underlays {
		if at := p.attached.All[index]; at.Link != nil && !q.overlay.underlays[index] { // of tc filters there is one
			t.Error("the second one has no short way in")
		}
	}
	q.mu.Unlock()
	p.mu.Unlock()
	for _, pl := range []*Plane{p, q} { // both are sound after a look at what is attached, too
		pl.mu.Lock()
		pl.checkAttachments()
		pl.mu.Unlock()
	}
	both()

	// The first one gives the port up to a program while it does not run: the second keeps its own
	// rather than to lose that for nothing.
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	second.Port = 0
	err = w.vtep.Do(func() error {
		_, err := New(second)
		return err
	})
	if !errors.As(err, &told) || told.Kind != problem.UDPPortTaken || !strings.Contains(err.Error(), "switch ps1") {
		t.Fatalf("a new process with the port of another VTEP: %v", err)
	}
	w.oldWay()
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	var socket net.PacketConn
	if err := w.vtep.Do(func() (err error) {
		socket, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("0.0.0.0:4789")))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	err = w.vtep.Do(func() error { _, err := New(second); return err })
	if err == nil || !strings.Contains(err.Error(), "taken by another program") {
		t.Fatalf("a new process with the port of a program: %v", err)
	}
	socket.Close()
	w.oldWay()

	// The port is free, and there is another one from now on.
	q = w.plane(second)
	w.apply(q, old(), nil)
	w.audit(q)
	b := frame(bcast, macA, "by the other port")
	w.send("h2", b)
	w.expectTunnel(peerIP, 20, b)
	if err := q.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error { return noDevices(w) })
}

func noDevices(w *world) error {
	var left string
	w.links(w.vtep, func(h *netlink.Handle) error {
		all, err := h.LinkList()
		for _, l := range all {
			if l.Type() == "vxlan" {
				left = l.Attrs().Name
			}
		}
		return err
	})
	if left != "" {
		return fmt.Errorf("%s is left", left)
	}
	return nil
}
