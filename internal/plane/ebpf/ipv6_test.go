package ebpf

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

var (
	tunnelIP6 = netip.MustParseAddr("2001:db8::1")
	peerIP6   = netip.MustParseAddr("2001:db8::2")
	mac6      = intent.MAC{2, 0, 0, 0, 6, 6} // behind peerIP6
)

// useIPv6 has addresses of IPv6 work on the device at once.
func (w *world) useIPv6(n *namespace.Namespace, dev string) {
	w.t.Helper()
	for _, conf := range [][2]string{{"accept_dad", "0"}, {"disable_ipv6", "0"}} {
		if err := n.Sysctl("ipv6/conf/"+dev+"/"+conf[0], conf[1]); err != nil {
			w.t.Fatal(err)
		}
	}
}

// underlay6 gives the underlay IPv6, too, and the peer a vxlan device in it, which sends without
// UDP checksums and takes no packets that have none.
func (w *world) underlay6(vnis ...int) {
	w.t.Helper()
	for _, end := range []struct {
		n           *namespace.Namespace
		dev, prefix string
	}{{w.vtep, "u0", "2001:db8::1/64"}, {w.far, "r0", "2001:db8::2/64"}} {
		w.useIPv6(end.n, end.dev)
		w.address(end.n, end.dev, end.prefix)
	}
	for _, vni := range vnis {
		name := "vx6-" + string(rune('a'+vni-10))
		w.links(w.far, func(h *netlink.Handle) error {
			attrs := netlink.NewLinkAttrs()
			attrs.Name, attrs.MTU = name, 1500
			err := h.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: vni, Port: vxlanPort, UDP6ZeroCSumTx: true,
				SrcAddr: peerIP6.AsSlice(), Group: tunnelIP6.AsSlice()})
			if err != nil {
				return err
			}
			l, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			return h.LinkSetUp(l)
		})
		w.tap(w.far, name)
	}
}

// Peers of both families are in one switch, and in one flood set. Restarts leave it so.
func TestIPv6Underlay(t *testing.T) {
	w := newWorld(t)
	w.underlay6(10, 11)
	s := basic()
	s.TunnelIP6 = tunnelIP6
	far6 := intent.Tunnel{Peer: peerIP6, VNI: 10}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: mac6}, far6)
	both := append(intent.FloodSet{far6}, s.Floods[intent.FloodKey{Switch: ls1}]...)
	slices.SortFunc(both, intent.Tunnel.Compare)
	s.Floods[intent.FloodKey{Switch: ls1}] = both
	s.Decap.Set(far6, ls1)
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	for restart := range 2 {
		p := w.plane(Options{})
		if got, err := p.Adopted(t.Context(), true); err != nil || restart > 0 && (got == nil || got.TunnelIP6 != s.TunnelIP6 ||
			!got.Unicast.Equal(s.Unicast) || !got.Decap.Equal(s.Decap) || !maps.EqualFunc(got.Floods, s.Floods, slices.Equal)) {
			t.Fatalf("adopted %v, %v\nwant %v", got, err, s)
		}
		w.apply(p, s, nil)
		w.audit(p)

		b := frame(bcast, macA, "to all")
		w.send("h0", b)
		for _, dev := range []string{"h1", "vx10", "vx6-a"} {
			w.expect(dev, b)
		}
		u := frame(mac6, macA, "to the one with IPv6")
		w.send("h0", u)
		w.expect("vx6-a", u)
		u = frame(macA, mac6, "from it")
		w.send("vx6-a", u)
		w.expect("h0", u)
		b = frame(bcast, mac6, "from it to all")
		w.send("vx6-a", b)
		w.expect("h0", b)
		w.expect("h1", b)

		// From a known peer, but in a VNI of no switch.
		w.send("vx6-b", frame(bcast, mac6, "from elsewhere"))
		w.barrier()
		testenv.Eventually(t, patience, func() error {
			by, err := p.DropsByPlace(t.Context())
			for _, d := range by {
				if d.Reason == "unknown_tunnel" && d.Tunnel == (intent.Tunnel{Peer: peerIP6, VNI: 11}) {
					return err
				}
			}
			return fmt.Errorf("not counted: %v, %v", by, err)
		})
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// The outer headers of IPv6 are 20 bytes longer.
func TestIPv6Size(t *testing.T) {
	w := newWorld(t)
	w.underlay6(10)
	testnet.Link(t, w.vtep, "u0", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, 1500) })
	s := basic()
	s.TunnelIP6 = tunnelIP6
	far6 := intent.Tunnel{Peer: peerIP6, VNI: 10}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: mac6}, far6)
	s.Decap.Set(far6, ls1)
	p := w.plane(Options{})
	w.apply(p, s, nil)
	for _, c := range []struct {
		to   intent.MAC
		dev  string
		most int // bytes of the inner frame
	}{{macR, "vx10", 1500 - 36}, {mac6, "vx6-a", 1500 - 56}} {
		fits := append(frame(c.to, macA, "largest"), make([]byte, c.most)...)[:c.most]
		w.send("h0", append(fits[:c.most:c.most], 0)) // a byte too many
		w.send("h0", fits)
		w.expect(c.dev, fits)
	}
	st, err := p.Stats(t.Context())
	if err != nil || st.Drops["too_big"] != 2 {
		t.Errorf("drops: %v, %v", st.Drops, err)
	}
}

// Priorities go into tunnels of IPv6 and come out of them as in those of IPv4.
func TestIPv6Priorities(t *testing.T) {
	w := newWorld(t)
	w.underlay6()
	w.links(w.far, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = "vx6-p", 1500
		v := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: 10, Port: vxlanPort, UDP6ZeroCSumTx: true, TOS: 26 << 2,
			SrcAddr: peerIP6.AsSlice(), Group: tunnelIP6.AsSlice()}
		if err := h.LinkAdd(v); err != nil {
			return err
		}
		return setUp(h, "vx6-p")
	})
	w.tap(w.far, "vx6-p")
	s := basic()
	s.TunnelIP6 = tunnelIP6
	s.TunnelDSCP, s.TagPCP = intent.Priority{From: intent.Inner}, intent.Priority{From: intent.Outer}
	s.Bindings[intent.BindingKey{Port: "p2", VLAN: 9}] = intent.Binding{Switch: ls1}
	far6 := intent.Tunnel{Peer: peerIP6, VNI: 10}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: mac6}, far6)
	s.Decap.Set(far6, ls1)
	p := w.plane(Options{})
	w.apply(p, s, nil)

	inner := ipFrame(mac6, macA, 100)
	inner[15] = 46<<2 | 1 // DSCP and ECN; nobody looks at the checksum
	w.send("h0", inner)
	w.barrier()
	found := false
	for b := w.taps["r0"].Read(); b != nil; b = w.taps["r0"].Read() {
		if len(b) == 14+40+8+8+len(inner) && b[12] == 0x86 && b[13] == 0xdd && string(b[14+40+8+8:]) == string(inner) {
			found = true
			if class := b[14]<<4 | b[15]>>4; class != 46<<2|1 {
				t.Errorf("traffic class %#x, want %#x", class, 46<<2|1)
			}
		}
	}
	if !found {
		t.Error("no frame came to the peer")
	}
	b := frame(macC, mac6, "in the VLAN")
	w.send("vx6-p", b)
	w.expect("h2", slices.Concat(b[:12], []byte{0x81, 0, 3 << 5, 9}, b[12:]))
}
