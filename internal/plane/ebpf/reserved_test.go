package ebpf

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
)

// fromPeer makes the peer send an inner frame behind the VXLAN header given.
func (w *world) fromPeer(header [8]byte, inner []byte) {
	w.t.Helper()
	err := w.far.Do(func() error {
		c, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(peerIP, 0)),
			net.UDPAddrFromAddrPort(netip.AddrPortFrom(tunnelIP, vxlanPort)))
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write(append(header[:], inner...))
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// strict says whether the device refuses them.
func (p *Plane) strict() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.overlay.strict
}

// A receiver ignores the reserved bits of the VXLAN header, whatever way a frame takes.
func TestReservedBits(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.plane(o)
			w.apply(p, basic(), nil)
			w.reservedBits(p)
			if old := kernel.Older(kernel.Release(), "6.14"); p.strict() != old {
				t.Errorf("strict: %v, Linux before 6.14: %v", !old, old)
			}
		})
		// One that an older version has made is left as it is, or frames would be lost.
		t.Run("old device, "+name, func(t *testing.T) {
			w := newWorld(t)
			w.links(w.vtep, func(h *netlink.Handle) error {
				attrs := netlink.NewLinkAttrs()
				attrs.Name, attrs.MTU = (&Plane{opts: Options{Name: "ps1"}}).vxlanName(), vxlanMTU
				return h.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, FlowBased: true, Port: vxlanPort})
			})
			p := w.plane(o)
			w.apply(p, basic(), nil)
			w.reservedBits(p)
			if !p.strict() {
				t.Error("the device was made anew")
			}
		})
	}
}

func (w *world) reservedBits(p *Plane) {
	w.t.Helper()
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	for what, header := range map[string][8]byte{
		"group policy":  {0x88, 0, 0, 7, 0, 0, 10, 0},
		"every flag":    {0xff, 0, 0, 0, 0, 0, 10, 0},
		"reserved bits": {8, 1, 2, 3, 0, 0, 10, 0},
		"last byte":     {8, 0, 0, 0, 0, 0, 10, 0xff},
		"all":           {0xff, 0xff, 0xff, 0xff, 0, 0, 10, 0xff},
	} {
		for _, inner := range [][]byte{frame(bcast, macR, what), ipFrame(macA, macR, len(what))} {
			w.fromPeer(header, inner)
			w.expect("h0", inner)
		}
	}
	if n := w.drops(p)[dropReceive]; n != 0 {
		w.t.Errorf("%d frames are refused", n)
	}
	// Without a VNI it is no frame of VXLAN.
	b := frame(bcast, macR, "no VNI")
	w.fromPeer([8]byte{0xf7, 0, 0, 0, 0, 0, 10, 0}, b)
	w.barrier()
	w.expectNothing("h0", b)
	w.audit(p)
}
