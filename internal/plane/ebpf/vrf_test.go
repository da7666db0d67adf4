package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

const vrfTable = 7

// vrf makes the VRF red in the vtep ns; false: the kernel has none.
func (w *world) vrf() bool {
	w.t.Helper()
	err := w.vtep.Links(func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "red"
		if err := h.LinkAdd(&netlink.Vrf{LinkAttrs: attrs, Table: vrfTable}); err != nil {
			return err
		}
		return setUp(h, "red")
	})
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		w.t.Fatal(err)
	}
	return err == nil
}

// enslave puts a device into a VRF or bond. Addresses stay.
func (w *world) enslave(dev, master string) {
	w.t.Helper()
	w.links(w.vtep, func(h *netlink.Handle) error {
		l, err := h.LinkByName(dev)
		if err != nil {
			return err
		}
		m, err := h.LinkByName(master)
		if err != nil {
			return err
		}
		return h.LinkSetMaster(l, m)
	})
}

// problemIs waits until the tunnels have a problem of that kind; "": none.
func (w *world) problemIs(p *Plane, s *intent.State, kind problem.Kind) {
	w.t.Helper()
	testenv.Eventually(w.t, 6*patience, func() error {
		r, err := p.Apply(w.t.Context(), s, &intent.Delta{})
		if err != nil {
			return err
		}
		var told *problem.Error
		if errors.As(r.Tunnels, &told); kind == "" && r.Tunnels != nil || kind != "" && (told == nil || told.Kind != kind) {
			return fmt.Errorf("tunnels: %v", r.Tunnels)
		}
		return nil
	})
}

// The underlay is in a VRF: its routes count, those of the machine do not. That is so for both ways,
// the MTU of the path, and BFD. (The kernels that the plane is tested on, but for some of the
// machines that the tests run on, have VRFs.)
func TestVRF(t *testing.T) {
	w := newWorld(t)
	s := basic()
	p := w.plane(Options{VRF: "red"})
	r, err := p.Apply(t.Context(), s, nil)
	if err != nil || r.Tunnels == nil || !strings.Contains(r.Tunnels.Error(), "there is no VRF red") {
		t.Fatalf("report %+v, %v", r, err)
	}
	if !w.vrf() {
		t.Log("this kernel has no VRF: only that is tested")
		return
	}
	w.problemIs(p, s, problem.ForeignIP) // u0 is not in it
	w.enslave("u0", "red")
	w.problemIs(p, s, "")
	for _, dst := range []string{"192.0.2.0/24", "198.18.0.0/24"} { // where nobody must look
		_, to, _ := net.ParseCIDR(dst)
		w.links(w.vtep, func(h *netlink.Handle) error {
			return h.RouteAdd(&netlink.Route{Dst: to, Type: unix.RTN_BLACKHOLE})
		})
	}
	forwards := func(p *Plane) {
		t.Helper()
		testenv.Eventually(t, 6*patience, func() error {
			if !p.short(peerIP) {
				return errors.New("there is no short way in a VRF")
			}
			return nil
		})
		for _, f := range [][2][]byte{
			{frame(bcast, macA, "to all"), frame(bcast, macR, "to all here")},
			{ipFrame(macR, macA, 64), ipFrame(macA, macR, 64)},
		} {
			w.send("h0", f[0])
			w.expect("vx10", f[0])
			w.send("vx10", f[1])
			w.expect("h0", f[1])
		}
		w.audit(p)
	}
	forwards(p)

	// BFD begins, from an address of the VRF.
	next := basic()
	next.BFD[peerIP] = intent.BFD{MinRx: 1000, MinTx: 100,
		Local:  intent.BFDEnd{MAC: intent.MAC{0, 0x23, 0x20, 0, 0, 1}, IP: netip.MustParseAddr("169.254.1.0")},
		Remote: intent.BFDEnd{MAC: intent.MAC{0, 0x23, 0x20, 0, 0, 1}, IP: netip.MustParseAddr("169.254.1.1")}}
	w.apply(p, next, intent.Diff(s, next))
	w.taps["r0"].Until("a packet of BFD", func(b []byte) bool {
		o, ok := testnet.ParseOuter(b)
		return ok && o.Src == tunnelIP && len(o.Inner) >= 66 && binary.BigEndian.Uint16(o.Inner[36:]) == bfd.Port
	})
	w.apply(p, s, intent.Diff(next, s))

	// It is gone, and with it the vxlan device; it comes back.
	w.removeLink(w.vtep, "red")
	w.problemIs(p, s, problem.NoVRF)
	w.vrf()
	w.enslave("u0", "red")
	w.problemIs(p, s, "")
	w.neighbour(peerIP)
	forwards(p)

	// A process without the option takes the device out of the VRF, and tells where the address is.
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	w.arrivesAt(tunnelIP, true)
	p = w.plane(Options{})
	r, err = p.Apply(t.Context(), s, nil)
	if err != nil || !hasKind(r.Problems, problem.StrangeVRF) {
		t.Errorf("problems %v, %v", r.Problems, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.plane(Options{VRF: "red", Direct: DirectOff, Port: oldPort})
	w.oldPeer()
	o := old()
	o.Ports["p0"], o.Ports["p1"] = intent.Port{}, intent.Port{}
	w.apply(p, o, nil)
	w.oldWay()
	w.audit(p)
}

func hasKind(list []problem.Problem, kind problem.Kind) bool {
	for _, p := range list {
		if p.Kind == kind {
			return true
		}
	}
	return false
}

// What routers in a VRF say of the path's MTU counts.
func TestVRFPathMTU(t *testing.T) {
	w := newWorld(t)
	if !w.vrf() {
		t.Log("this kernel has no VRF")
		return
	}
	w.enslave("u0", "red")
	w.table = vrfTable
	beyond := w.behindRouter()
	p := w.plane(Options{VRF: "red"})
	s := distant()
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: w.mac(beyond, "vx9")}, intent.Tunnel{Peer: distantIP, VNI: 10})
	w.apply(p, s, nil)
	w.settled(p)
	large := append(frame(w.mac(beyond, "vx9"), macA, "large"), make([]byte, 1400)...)
	w.knows(p, 1400, func() { w.send("h0", large) })
	w.audit(p)
}

// The tunnel IP is on lo, or on a bond, and the ways to the peers are by other devices, of which
// one after the other fails.
func TestUnderlayChanges(t *testing.T) {
	w := newWorld(t)
	w.twoWays()
	home := netip.MustParseAddr("198.18.7.1")
	w.links(w.vtep, func(h *netlink.Handle) error { return setUp(h, "lo") })
	w.address(w.vtep, "lo", home.String()+"/32")
	w.links(w.far, func(h *netlink.Handle) error { // or it would not answer ARP
		return h.RouteAdd(&netlink.Route{Dst: host32(home), Gw: tunnelIP.AsSlice()})
	})
	s := distant()
	s.TunnelIP = home
	w.route(unix.RT_TABLE_MAIN, "u0", "192.0.2.2")
	p := w.plane(Options{})
	w.apply(p, s, nil)
	both := func(dev, back, what string) {
		t.Helper()
		w.arrives(dev, what)
		for i, f := range [][]byte{ipFrame(macA, macR, 64), frame(bcast, macR, what)} {
			copy(f[42:], fmt.Sprint(what, i))
			w.send(back, testnet.Encapsulate(testnet.MAC(t, w.vtep, dev2(back)), testnet.MAC(t, w.far, back), distantIP, home, 10, 7, 0xc007, f))
			w.expect("h0", f)
		}
		w.audit(p)
	}
	both("r0", "r0", "from lo")
	if !p.short(distantIP) {
		t.Error("there is no short way")
	}
	w.route(unix.RT_TABLE_MAIN, "u1", "192.0.3.2") // another gateway
	both("r1", "r1", "by the other gateway")
	w.route(200, "u0", "192.0.2.2") // a table of its own, by a rule
	rule := netlink.NewRule()
	rule.Priority, rule.Table, rule.Family, rule.Src = 1000, 200, unix.AF_INET, host32(home)
	w.links(w.vtep, func(h *netlink.Handle) error { return h.RuleAdd(rule) })
	both("r0", "r0", "by a table of its own")
	for range 2 { // a flap, and the next way in the meantime
		w.links(w.vtep, func(h *netlink.Handle) error {
			l, err := h.LinkByName("u0")
			if err != nil {
				return err
			}
			return h.LinkSetDown(l)
		})
		both("r1", "r1", "while a link is down") // its route goes with it, and the rule finds nothing
		w.links(w.vtep, func(h *netlink.Handle) error { return setUp(h, "u0") })
		w.route(200, "u0", "192.0.2.2")
		both("r0", "r0", "when it is up again")
	}
	// Less room, and more again.
	for _, mtu := range []int{1400, 1600} {
		w.setMTU(w.vtep, "u0", mtu)
		w.knows(p, uint32(mtu), func() {})
	}
	if r, err := p.Apply(t.Context(), s, &intent.Delta{}); err != nil || r.Tunnels != nil || len(r.Peers) > 0 {
		t.Errorf("report %+v, %v", r, err)
	}
}

// dev2 is the device of the vtep ns at the other end.
func dev2(far string) string { return "u" + far[1:] }

// The tunnel IP is on a bond of two devices, and the one in use goes. The far end is a bridge.
func TestBond(t *testing.T) {
	w := newWorld(t)
	err := w.vtep.Links(func(h *netlink.Handle) error {
		bond := netlink.NewLinkBond(netlink.NewLinkAttrs())
		bond.Name, bond.Mode, bond.Miimon = "bond0", netlink.BOND_MODE_ACTIVE_BACKUP, 20
		return h.LinkAdd(bond)
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Log("this kernel has no bonds")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	here, there := netip.MustParseAddr("192.0.4.1"), netip.MustParseAddr("192.0.4.2")
	w.links(w.far, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "br4"
		if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
			return err
		}
		return setUp(h, "br4")
	})
	for _, end := range []string{"1", "2"} {
		w.veth(w.far, "r"+end, w.vtep, "u"+end, 1600)
		testnet.Link(t, w.vtep, "u"+end, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetDown(l) })
		w.enslave("u"+end, "bond0")
		w.links(w.vtep, func(h *netlink.Handle) error { return setUp(h, "u"+end) })
		testnet.Link(t, w.far, "r"+end, func(h *netlink.Handle, l netlink.Link) error {
			br, err := h.LinkByName("br4")
			if err != nil {
				return err
			}
			return h.LinkSetMaster(l, br)
		})
	}
	w.setMTU(w.far, "br4", 1600)
	w.setMTU(w.vtep, "bond0", 1600)
	w.links(w.vtep, func(h *netlink.Handle) error { return setUp(h, "bond0") })
	w.address(w.vtep, "bond0", here.String()+"/24")
	w.address(w.far, "br4", there.String()+"/24")
	w.links(w.far, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = "vx20", 1500
		err := h.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: 20, Port: vxlanPort, SrcAddr: there.AsSlice(), Group: here.AsSlice()})
		if err != nil {
			return err
		}
		return setUp(h, "vx20")
	})
	w.tap(w.far, "vx20")

	p := w.plane(Options{})
	s := old()
	far := intent.Tunnel{Peer: there, VNI: 20}
	s.TunnelIP, s.Floods[intent.FloodKey{Switch: ls1}] = here, intent.FloodSet{far}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macR}, far)
	s.Decap.Clear()
	s.Decap.Set(far, ls1)
	w.apply(p, s, nil)
	forwards := func(what string) {
		t.Helper()
		n := 0
		testenv.Eventually(t, 6*patience, func() error { // the far bridge learns where the bond is now
			n++
			f := frame(bcast, macA, fmt.Sprint(what, n))
			w.send("h2", f)
			for _, got := range w.taps["vx20"].Within(200 * time.Millisecond) {
				if string(got) == string(f) {
					return nil
				}
			}
			return errors.New("nothing comes through")
		})
		for _, f := range [][2][]byte{
			{frame(bcast, macA, what), frame(bcast, macR, what+", back")},
			{ipFrame(macR, macA, 64+n), ipFrame(macA, macR, 64+n)},
		} {
			w.send("h2", f[0])
			w.expect("vx20", f[0])
			w.send("vx20", f[1])
			w.expect("h2", f[1])
		}
		w.audit(p)
	}
	forwards("by the first")
	if !p.short(there) {
		t.Error("there is no short way by a bond")
	}
	testnet.Link(t, w.far, "r1", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetDown(l) })
	forwards("by the second")
	w.links(w.far, func(h *netlink.Handle) error { return setUp(h, "r1") })
	testnet.Link(t, w.far, "r2", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetDown(l) })
	forwards("by the first again")
}
