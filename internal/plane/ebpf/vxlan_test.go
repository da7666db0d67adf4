package ebpf

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// Whatever somebody does to the vxlan device, it is put right and flooding goes on.
func TestVXLANRepair(t *testing.T) {
	w := newWorld(t)
	w.neighbour(peerIP)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.links(w.vtep, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "br0"
		return h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs})
	})
	for name, change := range map[string]func(*netlink.Handle, netlink.Link) error{
		"down":   (*netlink.Handle).LinkSetDown,
		"delete": (*netlink.Handle).LinkDel,
		"MTU":    func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, 1400) },
		"name": func(h *netlink.Handle, l netlink.Link) error {
			if err := h.LinkSetDown(l); err != nil {
				return err
			}
			return h.LinkSetName(l, "mine")
		},
		"master": func(h *netlink.Handle, l netlink.Link) error {
			br, err := h.LinkByName("br0")
			if err != nil {
				return err
			}
			return h.LinkSetMaster(l, br)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w.links(w.vtep, func(h *netlink.Handle) error {
				l, err := h.LinkByName(p.vxlanName())
				if err != nil {
					return err
				}
				return change(h, l)
			})
			testenv.Eventually(t, 2*patience, func() error {
				drift, err := p.Audit(t.Context())
				if err == nil && len(drift) > 0 {
					err = fmt.Errorf("drift %+v", drift)
				}
				return err
			})
			w.links(w.vtep, func(h *netlink.Handle) error {
				l, err := h.LinkByName(p.vxlanName())
				if err != nil {
					return err
				}
				if flaw := p.flaw(l); flaw != "" {
					t.Errorf("it %s", flaw)
				}
				return nil
			})
			b := frame(bcast, macA, "repaired: "+name)
			w.send("h0", b)
			w.expect("h1", b)
			w.expectTunnel(peerIP, 10, b)
			w.apply(p, basic(), &intent.Delta{}) // no error is left
		})
	}
}

// Who has the UDP port is named while it lasts, whether that is a program or another device;
// when it lets go the tunnels work again.
func TestPortTaken(t *testing.T) {
	w := newWorld(t)
	w.neighbour(peerIP)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	device := func(f func(*netlink.Handle, netlink.Link) error) {
		w.links(w.vtep, func(h *netlink.Handle) error {
			l, err := h.LinkByName("thief")
			if err != nil {
				return err
			}
			return f(h, l)
		})
	}
	thieves := []struct {
		name, says string
		take       func() error
		leave      func()
	}{
		{"program", "taken by another program", nil, nil},
		{"device", "taken by vxlan device thief", func() error {
			return w.vtep.Links(func(h *netlink.Handle) error {
				l, err := h.LinkByName("thief")
				if err != nil {
					return err
				}
				return h.LinkSetUp(l)
			})
		}, func() { device((*netlink.Handle).LinkSetDown) }},
	}
	w.links(w.vtep, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "thief"
		// Other flags than ours have: they can't share a socket.
		return h.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: 77, Port: vxlanPort, UDPCSum: true})
	})
	var socket net.PacketConn
	thieves[0].take = func() error {
		return w.vtep.Do(func() (err error) {
			socket, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("0.0.0.0:4789")))
			return err
		})
	}
	thieves[0].leave = func() { socket.Close() }
	for _, c := range thieves {
		t.Run(c.name, func(t *testing.T) {
			// The plane must not repair before the port is gone.
			p.mu.Lock()
			w.links(w.vtep, func(h *netlink.Handle) error {
				l, err := h.LinkByName(p.vxlanName())
				if err != nil {
					return err
				}
				return h.LinkSetDown(l)
			})
			err := c.take()
			p.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			w.event(p, "tunnels fail", func(e plane.Event) bool { return e == plane.ReportChanged{} })
			testenv.Eventually(t, 2*patience, func() error {
				r, err := p.Apply(t.Context(), basic(), &intent.Delta{})
				if err != nil || r.Tunnels == nil || !strings.Contains(r.Tunnels.Error(), c.says) {
					return fmt.Errorf("report %+v, %w", r, err)
				}
				return nil
			})
			if drift, err := p.Audit(t.Context()); err != nil || len(drift) == 0 {
				t.Errorf("drift %+v, %v", drift, err)
			}
			c.leave()
			w.event(p, "tunnels work", func(e plane.Event) bool { return e == plane.ReportChanged{} })
			testenv.Eventually(t, 2*patience, func() error {
				r, err := p.Apply(t.Context(), basic(), &intent.Delta{})
				if err == nil && r.Tunnels != nil {
					err = r.Tunnels
				}
				return err
			})
			w.audit(p)
			b := frame(bcast, macA, "after the "+c.name)
			w.send("h0", b)
			w.expectTunnel(peerIP, 10, b)
		})
	}
}
