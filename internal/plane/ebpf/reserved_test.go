package ebpf

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
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

// A receiver ignores the reserved bits of the VXLAN header. Kernels before 6.14 don't: the frames
// that they drop are counted, and it is said why.
func TestReservedBits(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.plane(o)
			w.apply(p, basic(), nil)
			w.send("h0", frame(bcast, macA, "here is A"))
			w.barrier()
			w.reservedBits(p, o, older(release(), "6.14"))
		})
	}
	// One that an older version has made is left as it is, or frames would be lost; but it is said.
	t.Run("old device", func(t *testing.T) {
		w := newWorld(t)
		w.links(w.vtep, func(h *netlink.Handle) error {
			attrs := netlink.NewLinkAttrs()
			attrs.Name, attrs.MTU = (&Plane{opts: Options{Name: "ps1"}}).vxlanName(), vxlanMTU
			return h.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, FlowBased: true, Port: vxlanPort})
		})
		p := w.plane(Options{})
		w.apply(p, basic(), nil)
		w.send("h0", frame(bcast, macA, "here is A"))
		w.barrier()
		w.reservedBits(p, Options{}, true)
		w.removeLink(w.vtep, p.vxlanName())
		testenv.Eventually(t, patience, func() error {
			drift, err := p.Audit(t.Context())
			if err == nil && len(drift) > 0 {
				err = fmt.Errorf("drift %+v", drift)
			}
			return err
		})
		w.reservedBits(p, Options{}, older(release(), "6.14"))
	})
}

func (w *world) reservedBits(p *Plane, o Options, strict bool) {
	w.t.Helper()
	var lost uint64
	before := w.drops(p)[dropReceive]
	for what, header := range map[string][8]byte{
		"group policy":  {0x88, 0, 0, 7, 0, 0, 10, 0},
		"every flag":    {0xff, 0, 0, 0, 0, 0, 10, 0},
		"reserved bits": {8, 1, 2, 3, 0, 0, 10, 0},
		"last byte":     {8, 0, 0, 0, 0, 0, 10, 0xff},
		"all":           {0xff, 0xff, 0xff, 0xff, 0, 0, 10, 0xff},
	} {
		for _, inner := range [][]byte{frame(bcast, macR, what), ipFrame(macA, macR, len(what))} {
			w.fromPeer(header, inner)
			w.barrier()
			switch short := inner[0]&1 == 0 && o.Direct != DirectOff; {
			case strict && !short:
				w.expectNothing("h0", inner)
				lost++
			default:
				w.expect("h0", inner)
			}
		}
	}
	if n := w.drops(p)[dropReceive] - before; n != lost {
		w.t.Errorf("%d frames are counted as refused, not %d", n, lost)
	}
	p.mu.Lock()
	p.recheck()
	p.mu.Unlock()
	r, err := p.Apply(w.t.Context(), basic(), &intent.Delta{})
	if err != nil {
		w.t.Fatal(err)
	}
	said := slices.ContainsFunc(r.Problems, func(d problem.Problem) bool { return d.Kind == problem.ReservedBits })
	if said != strict {
		w.t.Errorf("it is said: %v; problems %+v", said, r.Problems)
	}
	if strict {
		w.event(p, "the report has changed", func(e plane.Event) bool { return e.Kind == plane.ReportChanged })
	}
	// Without a VNI it is no frame of VXLAN.
	b := frame(bcast, macR, "no VNI")
	w.fromPeer([8]byte{0xf7, 0, 0, 0, 0, 0, 10, 0}, b)
	w.barrier()
	w.expectNothing("h0", b)
}
