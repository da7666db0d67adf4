package ovs

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// world is a real Open vSwitch and what is around it:
//
//	far ns                                       ovs ns
//	h0, h1, h2 ------------ veth ------------ p0, p1, p2   ports of br0
//	r0 192.0.2.2, .3, .4 -- veth ------------ u0           port of br-ex, 192.0.2.1
type world struct {
	*testenv.VSwitch
	t    testing.TB // of the whole test: a case of it may be shorter
	far  *namespace.Namespace
	taps map[string]*testnet.Tap

	// Of the conformance suite.
	plane    *Plane
	stations map[intent.MACKey]intent.BindingKey // that it had learned when last seen
}

const underlayMAC, peerMAC = "02:00:00:77:00:01", "02:00:00:77:00:02"

func newWorld(t testing.TB) *world { return newWorldOf(t, "") }

// newWorldOf makes one of several that are there at once, each with a name.
func newWorldOf(t testing.TB, name string) *world {
	t.Helper()
	testenv.Root(t)
	w := &world{t: t, far: testnet.Quiet(t, "r"+name), taps: map[string]*testnet.Tap{}}
	n := testnet.Quiet(t, "v"+name)
	w.VSwitch = testenv.NewVSwitch(t, n)
	for _, p := range planetest.Ports {
		w.veth(t, host(p), p)
	}
	w.veth(t, "r0", "u0")
	w.Bridge(t, "br0", planetest.Ports...)
	w.Bridge(t, "br-ex", "u0")
	w.Vsctl(t, "set", "Bridge", "br-ex", "fail_mode=standalone", `other_config:hwaddr="`+underlayMAC+`"`)
	for _, ip := range planetest.Peers {
		w.address(t, w.far, "r0", ip.String()+"/24")
		w.neighbour(t, w.far, "r0", planetest.TunnelIP, underlayMAC)
	}
	w.address(t, n, "br-ex", planetest.TunnelIP.String()+"/24")
	for _, ip := range planetest.Peers {
		w.Appctl(t, "tnl/neigh/set", "br-ex", ip.String(), peerMAC)
	}
	return w
}

// reset makes the world ready for another case.
func (w *world) reset(t testing.TB) {
	t.Helper()
	w.collect(t)
}

// veth joins a device of the hosts with one of Open vSwitch.
func (w *world) veth(t testing.TB, far, near string) {
	t.Helper()
	mtu := 1500
	if far == "r0" {
		mtu = 1600
	}
	testnet.Veth(t, w.far, far, w.Namespace, near, mtu)
	if far == "r0" {
		testnet.Link(t, w.far, far, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetHardwareAddr(l, mac(peerMAC)) })
	}
	w.taps[far] = testnet.Open(w.t, w.far, far)
}

func mac(s string) net.HardwareAddr {
	hw, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return hw
}

func (w *world) removeLink(t testing.TB, name string) {
	t.Helper()
	delete(w.taps, name)
	testnet.Remove(t, w.far, name)
}

func (w *world) address(t testing.TB, n *namespace.Namespace, dev, cidr string) {
	t.Helper()
	testnet.Address(t, n, dev, cidr)
	testnet.Up(t, n, dev)
}

func (w *world) neighbour(t testing.TB, n *namespace.Namespace, dev string, ip netip.Addr, hw string) {
	t.Helper()
	testnet.Neighbour(t, n, dev, ip, mac(hw))
}

func (w *world) send(t testing.TB, dev string, frame []byte) {
	t.Helper()
	tp := w.taps[dev]
	if tp == nil {
		t.Fatalf("no device %s", dev)
	}
	testenv.Eventually(t, testnet.Patience, func() error { return tp.TrySend(frame) })
}

// encapsulated is a frame in VXLAN, as a peer sends it, without UDP checksum.
func encapsulated(from intent.Tunnel, inner []byte) []byte {
	return testnet.Encapsulate(mac(underlayMAC), mac(peerMAC), from.Peer, planetest.TunnelIP, from.VNI, 0, 50000, inner)
}
