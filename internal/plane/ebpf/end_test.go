package ebpf

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// peerSends sends a frame in a tunnel from the peer, to one of our addresses.
func (w *world) peerSends(to netip.Addr, inner []byte) {
	w.t.Helper()
	w.send("r0", testnet.Encapsulate(testnet.MAC(w.t, w.vtep, "u0"), testnet.MAC(w.t, w.far, "r0"), peerIP, to, 10, 7, 0xc007, inner))
}

// arrivesAt checks by what ways frames to an address of ours come in: known unicast, by the short
// way, and broadcast, by the long one.
func (w *world) arrivesAt(to netip.Addr, want bool) {
	w.t.Helper()
	w.send("h0", frame(bcast, macA, "A is here"))
	w.barrier()
	for _, make := range []func() []byte{
		func() []byte {
			f := ipFrame(macA, macR, 64)
			copy(f[50:], fmt.Sprintf("%8d", w.barriers))
			return f
		},
		func() []byte { return frame(bcast, macR, fmt.Sprintf("to %v %d", to, w.barriers)) },
	} {
		f := make()
		w.peerSends(to, f)
		if want {
			w.expect("h0", f)
			continue
		}
		w.barrier()
		w.expectNothing("h0", f)
	}
}

// The tunnel IP changes under traffic: the new one is sent from, and both are taken as the outer
// destination, until the time of the old one is over. Restarts change nothing about that.
func TestTunnelIPChanges(t *testing.T) {
	for name, o := range map[string]Options{"direct": {}, "not direct": {Direct: DirectOff}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			other, third := netip.MustParseAddr("192.0.2.11"), netip.MustParseAddr("192.0.2.12")
			for _, ip := range []netip.Addr{other, third} {
				w.address(w.vtep, "u0", ip.String()+"/24")
			}
			w.neighbour(peerIP)
			p := w.plane(o)
			s := basic()
			s.Ends[other] = intent.End{}
			w.apply(p, s, nil)
			w.arrivesAt(tunnelIP, true)
			w.arrivesAt(other, true)
			w.arrivesAt(third, false)

			// They change places: a peer that goes on with the old one loses nothing.
			next := basic()
			next.TunnelIP = other
			w.apply(p, next, intent.Diff(s, next))
			w.audit(p)
			w.arrivesAt(tunnelIP, true)
			w.arrivesAt(other, true)
			b := frame(bcast, macA, "from the new one")
			w.send("h0", b)
			w.taps["r0"].Until("from the new address", func(got []byte) bool {
				o, ok := testnet.ParseOuter(got)
				return ok && string(o.Inner) == string(b) && o.Src == other
			})

			// It changes while nobody is there, too.
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			w.arrivesAt(tunnelIP, true)
			p = w.plane(o)
			if was, err := p.Adopted(t.Context(), false); err != nil || was.TunnelIP != other || len(was.Ends) > 0 {
				t.Errorf("adopted %v, %v", was, err)
			}
			s = basic()
			s.TunnelIP = third
			w.apply(p, s, nil)
			w.audit(p)
			for _, ip := range []netip.Addr{tunnelIP, other, third} {
				w.arrivesAt(ip, true)
			}

			// Its time ends, whether anybody is there or not.
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			over := uint64(monotonic() - time.Second)
			ends, err := ebpf.LoadPinnedMap(p.pins.MapPin("ends"), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ends.Close()
			if err := ends.Put(layout.AddressOf(tunnelIP), over); err != nil {
				t.Fatal(err)
			}
			w.arrivesAt(tunnelIP, false)
			w.arrivesAt(other, true)
			o.formerFor = time.Second
			p = w.plane(o)
			w.apply(p, s, nil)
			w.audit(p)
			back := basic()
			back.TunnelIP = other
			w.apply(p, back, intent.Diff(s, back))
			testenv.Eventually(t, 6*patience, func() error {
				p.mu.Lock()
				defer p.mu.Unlock()
				if n := p.tEnds.Want.Len(); n > 0 {
					return fmt.Errorf("%d ends are left", n)
				}
				return nil
			})
			w.audit(p)
			w.arrivesAt(third, false)
			w.arrivesAt(other, true)
		})
	}
}
