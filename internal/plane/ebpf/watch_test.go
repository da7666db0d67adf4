package ebpf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// event waits for one that is wanted.
func (w *world) event(p *Plane, what string, want func(plane.Event) bool) {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e := <-p.Events():
			if want(e) {
				return
			}
		case <-deadline:
			w.t.Fatalf("no event: %s", what)
		}
	}
}

func portEvent(name string, exists bool) func(plane.Event) bool {
	return func(e plane.Event) bool {
		port, ok := e.(plane.PortChanged)
		return ok && port.Name == name && port.Exists == exists
	}
}

// A port is its name: whatever device has it carries the port's bindings.
func TestRename(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	rename := func(from, to string) {
		w.links(w.vtep, func(h *netlink.Handle) error {
			l, err := h.LinkByName(from)
			if err != nil {
				return err
			}
			// Linux 6.1 renames no device that is up.
			return errors.Join(h.LinkSetDown(l), h.LinkSetName(l, to), h.LinkSetUp(l))
		})
		testnet.Running(w.t, w.vtep, to)
	}
	w.send("h1", frame(bcast, macB, "here is B"))
	w.seen(p, plane.Seen{Key: intent.MACKey{Switch: ls1, MAC: macB}, At: intent.BindingKey{Port: "p1"}})
	rename("p1", "p9")
	w.event(p, "p1 is gone", portEvent("p1", false))
	if r, err := p.Apply(t.Context(), basic(), &intent.Delta{}); err != nil || r.Ports["p1"] == nil ||
		!strings.Contains(r.Ports["p1"].Error(), `"p1"`) || r.Bindings[intent.BindingKey{Port: "p1"}] == nil {
		t.Errorf("report %+v, %v: p1 is gone", r, err)
	}
	b := frame(bcast, macA, "without p1")
	w.send("h0", b)
	w.expectTunnel(peerIP, 10, b)
	w.audit(p)

	// p2 takes the name: it was attached as a port without bindings.
	rename("p2", "p1")
	w.event(p, "p1 is back", portEvent("p1", true))
	b = frame(macB, macA, "nobody knows where B is now")
	w.send("h0", b)
	w.expect("h2", b)
	w.expectTunnel(peerIP, 10, b)
	if seen, err := p.Sweep(t.Context()); err != nil || len(seen) != 1 {
		t.Errorf("sweep %+v, %v: only A is learned", seen, err)
	}
	b = frame(bcast, macB, "from h2")
	w.send("h2", b)
	w.expect("h0", b)
	if got := w.taps["h1"].Read(); got != nil {
		t.Errorf("h1 got %x", got)
	}
	w.audit(p)
}

// Another device takes the place of a port's, and the kernel's messages about that are lost: who was behind the first one need not be
// behind the other.
func TestReplacedUnseen(t *testing.T) {
	for name, first := range map[string]func(*Plane) error{
		"watcher": func(*Plane) error { return nil },
		"Apply":   func(p *Plane) error { return p.reconcile(basic()) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.plane(Options{})
			w.apply(p, basic(), nil)
			w.send("h1", frame(bcast, macB, "here is B"))
			w.seen(p, plane.Seen{Key: intent.MACKey{Switch: ls1, MAC: macB}, At: intent.BindingKey{Port: "p1"}})
			p.mu.Lock() // the watcher takes no more than what it has read
			if err := unix.SetsockoptInt(p.watch.GetFd(), unix.SOL_SOCKET, unix.SO_RCVBUF, 0); err != nil {
				t.Fatal(err)
			}
			w.link("p2", func(h *netlink.Handle, l netlink.Link) error {
				for n := range 10 {
					if err := h.LinkSetMTU(l, 1400+n); err != nil {
						return err
					}
				}
				return h.LinkSetMTU(l, 1500)
			})
			w.removeLink(w.vtep, "p1")
			w.veth(w.hosts, "h1", w.vtep, "p1", 1500)
			err := first(p)
			p.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			w.event(p, "p1 is gone", portEvent("p1", false))
			w.event(p, "p1 is back", portEvent("p1", true))
			if seen, err := p.Sweep(t.Context()); err != nil || len(seen) != 0 {
				t.Errorf("sweep %+v, %v: nobody is behind that device yet", seen, err)
			}
			w.audit(p)
		})
	}
}

// The MTU of a device and of the underlay bound what is sent there, also after they change.
func TestTooBig(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.neighbour(peerIP)
			p := w.plane(o)
			w.apply(p, basic(), nil)
			w.send("h1", frame(bcast, macB, "here is B"))
			mtu := func(dev string, mtu int) {
				w.links(w.vtep, func(h *netlink.Handle) error {
					l, err := h.LinkByName(dev)
					if err != nil {
						return err
					}
					return h.LinkSetMTU(l, mtu)
				})
			}
			dropped := func() uint64 {
				s, err := p.Stats(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return s.Drops["too_big"]
			}
			// u0 has 1600: 1500 bytes inside fit, until it has 1549.
			big := ipFrame(macR, macA, 1500-28)
			w.send("h0", big)
			w.expectTunnel(peerIP, 10, big)
			mtu("u0", 1549)
			mtu("p1", 1400)
			testenv.Eventually(t, patience, func() error {
				before := dropped()
				w.send("h0", big)
				w.barrier()
				if dropped() != before+1 {
					return fmt.Errorf("a frame that is too big for the underlay was not dropped")
				}
				before = dropped()
				w.send("h0", ipFrame(macB, macA, 1401-28))
				w.send("vx10", ipFrame(macB, macR, 1401-28))
				w.barrier()
				if dropped() != before+2 {
					return fmt.Errorf("a frame that is too big for p1 was not dropped")
				}
				return nil
			})
			fits := ipFrame(macR, macA, 1499-28)
			w.send("h0", fits)
			w.expectTunnel(peerIP, 10, fits)
			fits = ipFrame(macB, macA, 1400-28)
			w.send("h0", fits)
			w.expect("h1", fits)
			w.audit(p)
		})
	}
}

// The tunnel IP comes and goes with the host's addresses.
func TestTunnelIP(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	s.TunnelIP = peerIP3.Next().Next() // 192.0.2.5, of nobody yet
	r, err := p.Apply(t.Context(), s, nil)
	if err != nil || r.Tunnels == nil || !strings.Contains(r.Tunnels.Error(), "192.0.2.5 is not an address of this machine") {
		t.Fatalf("report %+v, %v", r, err)
	}
	b := frame(bcast, macA, "local forwarding goes on")
	w.send("h0", b)
	w.expect("h1", b)
	w.address(w.vtep, "u0", "192.0.2.5/24")
	w.event(p, "the tunnel IP is there", func(e plane.Event) bool { return e == plane.ReportChanged{} })
	if r, err := p.Apply(t.Context(), s, &intent.Delta{}); err != nil || r.Tunnels != nil {
		t.Errorf("report %+v, %v", r, err)
	}
	s.TunnelIP = tunnelIP
	w.apply(p, s, &intent.Delta{Global: true})
	b = frame(bcast, macA, "with the other address")
	w.send("h0", b)
	w.expectTunnel(peerIP, 10, b)
	w.audit(p)
}

// A peer without a route is reported, and used as soon as there is one.
func TestPeerRoute(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	lost := intent.Tunnel{Peer: netip.MustParseAddr("203.0.113.7"), VNI: 10}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macC}, lost)
	r, err := p.Apply(t.Context(), s, nil)
	if err != nil || r.Peers[lost.Peer] == nil || r.Peers[peerIP] != nil {
		t.Fatalf("report %+v, %v", r, err)
	}
	w.links(w.vtep, func(h *netlink.Handle) error {
		l, err := h.LinkByName("u0")
		if err != nil {
			return err
		}
		dst := &net.IPNet{IP: net.IPv4(203, 0, 113, 0).To4(), Mask: net.CIDRMask(24, 32)}
		return h.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: dst, Gw: peerIP.AsSlice()})
	})
	w.event(p, "the peer can be reached", func(e plane.Event) bool { return e == plane.ReportChanged{} })
	if r, err := p.Apply(t.Context(), s, &intent.Delta{}); err != nil || len(r.Peers) > 0 {
		t.Errorf("report %+v, %v", r, err)
	}
	b := ipFrame(macC, macA, 64)
	w.send("h0", b)
	w.expectTunnel(lost.Peer, 10, b)
	w.audit(p)

	// Of two next hops the kernel chooses: the short way, which knows one only, is off.
	short := func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.tPeers.Want.Get(p.contents.Peers[lost.Peer].Number).Ifindex != 0
	}
	if !short() {
		t.Error("one next hop, and the short way is off")
	}
	w.links(w.vtep, func(h *netlink.Handle) error {
		l, err := h.LinkByName("u0")
		if err != nil {
			return err
		}
		dst := &net.IPNet{IP: net.IPv4(203, 0, 113, 0).To4(), Mask: net.CIDRMask(24, 32)}
		return h.RouteReplace(&netlink.Route{Dst: dst, MultiPath: []*netlink.NexthopInfo{
			{LinkIndex: l.Attrs().Index, Gw: peerIP.AsSlice()}, {LinkIndex: l.Attrs().Index, Gw: peerIP3.AsSlice()},
		}})
	})
	testenv.Eventually(t, patience, func() error {
		if short() {
			return fmt.Errorf("the short way is still on")
		}
		return nil
	})
	b = ipFrame(macC, macA, 65)
	w.send("h0", b)
	w.expectTunnel(lost.Peer, 10, b)
	w.audit(p)
}

// Somebody deletes or changes what is the plane's: it comes back.
func TestRepair(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.removeLink(w.vtep, p.vxlanName())
	testenv.Eventually(t, patience, func() error {
		drift, err := p.Audit(t.Context())
		if err == nil && len(drift) > 0 {
			err = fmt.Errorf("drift %+v", drift)
		}
		return err
	})
	b := frame(bcast, macA, "by a new vxlan device")
	w.send("h0", b)
	w.expectTunnel(peerIP, 10, b)

	// What the watcher can't see is found by an audit, and put right from scratch.
	key := layout.MACKey{BD: p.contents.ByUUID[ls1].BD, MAC: macR}
	if err := p.objs.Remotes.Delete(&key); err != nil {
		t.Fatal(err)
	}
	extra := layout.DecapKey{VNI: 1, Part: layout.DecapAlone | 1000}
	if err := p.objs.Decaps.Put(&extra, &layout.Decap{BD: 1}); err != nil {
		t.Fatal(err)
	}
	drift, err := p.Audit(t.Context())
	if err != nil || len(drift) != 2 || drift[0].Kind != "decap" || drift[0].Want != "" ||
		drift[1].Kind != "unicast" || drift[1].Have != "" {
		t.Errorf("drift %+v, %v", drift, err)
	}
	w.apply(p, basic(), nil)
	w.audit(p)
}

// A port may be wanted before its device is there.
func TestLateDevice(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	s.Ports["p7"] = intent.Port{}
	s.Bindings[intent.BindingKey{Port: "p7"}] = intent.Binding{Switch: ls1}
	r, err := p.Apply(t.Context(), s, nil)
	if err != nil || r.Ports["p7"] == nil || r.Bindings[intent.BindingKey{Port: "p7"}] == nil || len(r.Ports) != 1 {
		t.Fatalf("report %+v, %v: there is no p7", r, err)
	}
	w.audit(p)
	w.veth(w.hosts, "h7", w.vtep, "p7", 1500)
	w.tap(w.hosts, "h7")
	w.event(p, "p7 is there", portEvent("p7", true))
	b := frame(bcast, macA, "to p7, too")
	w.send("h0", b)
	w.expect("h7", b)
	w.apply(p, s, &intent.Delta{}) // and no error is left
	w.audit(p)
}
