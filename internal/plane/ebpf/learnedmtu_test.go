package ebpf

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// behindRouter makes a peer of its own namespace behind a router with a narrow way on:
//
//	vtep ns                      far ns, the router            beyond ns
//	u0 192.0.2.1 ---1600--- r0 192.0.2.2, r9 198.18.0.1 ---1400--- e0 198.18.0.2, vx9
func (w *world) behindRouter() *namespace.Namespace {
	w.t.Helper()
	beyond := testnet.Quiet(w.t, "x")
	w.veth(beyond, "e0", w.far, "r9", 1400)
	w.setMTU(w.far, "r9", 1400)
	w.address(beyond, "e0", distantIP.String()+"/24")
	w.address(w.far, "r9", "198.18.0.1/24")
	if err := w.far.Sysctl("ipv4/ip_forward", "1"); err != nil {
		w.t.Fatal(err)
	}
	via := func(n *namespace.Namespace, table int, dst, gateway string) {
		_, to, err := net.ParseCIDR(dst)
		if err != nil {
			w.t.Fatal(err)
		}
		w.links(n, func(h *netlink.Handle) error {
			return h.RouteAdd(&netlink.Route{Dst: to, Gw: net.ParseIP(gateway), Table: table})
		})
	}
	via(w.vtep, w.table, "198.18.0.0/24", "192.0.2.2")
	via(beyond, 0, "192.0.2.0/24", "198.18.0.1")
	w.links(beyond, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = "vx9", 1500
		err := h.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: 10, Port: vxlanPort, SrcAddr: distantIP.AsSlice(), Group: tunnelIP.AsSlice()})
		if err != nil {
			return err
		}
		return setUp(h, "vx9")
	})
	w.address(beyond, "vx9", "198.51.100.2/24")
	w.address(w.hosts, "h0", "198.51.100.1/24")
	w.tap(beyond, "vx9")
	return beyond
}

func (w *world) setMTU(n *namespace.Namespace, dev string, mtu int) {
	w.t.Helper()
	w.links(n, func(h *netlink.Handle) error {
		l, err := h.LinkByName(dev)
		if err != nil {
			return err
		}
		return h.LinkSetMTU(l, mtu)
	})
}

// knows waits until the plane has the MTU of the way to the distant peer.
func (w *world) knows(p *Plane, mtu uint32, meanwhile func()) {
	w.t.Helper()
	testenv.Eventually(w.t, 6*patience, func() error {
		meanwhile()
		p.mu.Lock()
		defer p.mu.Unlock()
		if got := p.tPeers.Want.Get(p.contents.Peers[distantIP].Number).MTU; got != mtu {
			return fmt.Errorf("the MTU is taken to be %d, not %d", got, mtu)
		}
		return nil
	})
}

// settled waits until nothing is left to be looked up.
func (w *world) settled(p *Plane) {
	w.t.Helper()
	testenv.Eventually(w.t, 6*patience, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.reroute != nil || p.lookAgain != nil || len(p.due) > 0 {
			return fmt.Errorf("ways are still looked up")
		}
		return nil
	})
}

// A router on the way takes less than the first device does: data gets through, and when the
// kernel has forgotten that, large frames do.
func TestLearnedMTU(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			beyond := w.behindRouter()
			const expire = 2 * time.Second
			if err := w.vtep.Sysctl("ipv4/route/mtu_expires", fmt.Sprint(int(expire.Seconds()))); err != nil {
				t.Fatal(err)
			}
			p := w.plane(o)
			s := distant()
			s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: w.mac(beyond, "vx9")}, intent.Tunnel{Peer: distantIP, VNI: 10})
			w.apply(p, s, nil)
			w.settled(p) // or the plane would see what the kernel has learned by chance
			w.transfer(w.hosts, beyond, "198.51.100.2")
			if w.drops(p)["too_big"] == 0 {
				t.Error("nothing was too big: this test shows nothing")
			}

			w.setMTU(w.far, "r9", 1600)
			w.setMTU(beyond, "e0", 1600)
			// Nothing goes there meanwhile: the first frame that does may be a large one.
			w.knows(p, 1600, func() {})
			w.settled(p)
			big := ipFrame(macR, macA, 1500-28)
			testenv.Eventually(t, 6*patience, func() error {
				w.send("h0", big)
				w.barrier()
				for b := w.taps["vx9"].Read(); b != nil; b = w.taps["vx9"].Read() {
					if bytes.Equal(b, big) {
						return nil
					}
				}
				return fmt.Errorf("a large frame does not arrive")
			})
			w.audit(p)
		})
	}
}

// The plane looks at the ways of peers that frames go to, and at none when there are no frames.
func TestPathsRest(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	// Many peers, so that one look does not do.
	for n := range 2 * pathAsks {
		ip := netip.AddrFrom4([4]byte{192, 0, 2 + byte(n>>8), byte(n)})
		if ip != tunnelIP {
			s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: intent.MAC{2, 9, 0, 0, byte(n >> 8), byte(n)}}, intent.Tunnel{Peer: ip, VNI: 10})
		}
	}
	if _, err := p.Apply(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	pending := func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.lookAgain != nil || len(p.due) > 0
	}
	w.settled(p)
	for range 2 {
		w.send("h0", ipFrame(macR, macA, 64))
		testenv.Eventually(t, 6*patience, func() error {
			if !pending() {
				return fmt.Errorf("a frame to a peer changes nothing")
			}
			return nil
		})
		w.settled(p)
	}
	// All in use at once: each is looked at, in several goes.
	for n := range 2 * pathAsks {
		w.send("h0", ipFrame(intent.MAC{2, 9, 0, 0, byte(n >> 8), byte(n)}, macA, 64))
	}
	testenv.Eventually(t, 6*patience, func() error {
		if !pending() {
			return fmt.Errorf("frames to peers change nothing")
		}
		return nil
	})
	w.settled(p)
}

// Who sends too much is told, whatever others on the same port do.
func TestPathMTUPerSender(t *testing.T) {
	w := newWorld(t)
	w.setMTU(w.vtep, "u0", 1500)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	busy, quiet := ipFrame(macR, macA, 1451-28), ip6Frame(macR, macB, 1451-48)
	const rounds = 20
	told := 0
	for n := range rounds {
		for range 20 {
			w.send("h0", busy)
		}
		quiet[37] = byte(n) // another sender each time: none has been told lately
		w.send("h0", quiet)
	}
	w.barrier()
	for b := w.taps["h0"].Read(); b != nil; b = w.taps["h0"].Read() {
		if b[12] == 0x86 {
			told++
		}
	}
	if told != rounds {
		t.Errorf("%d of %d IPv6 senders were told", told, rounds)
	}
}
