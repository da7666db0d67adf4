package ebpf

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// world is the picture in which the plane is tested:
//
//	hosts ns        vtep ns                              far ns
//	h0 ---veth--- p0
//	h1 ---veth--- p1   (plane)   u0 192.0.2.1 ---veth--- r0 192.0.2.2
//	h2 ---veth--- p2                                      vx10: kernel vxlan, VNI 10
//
// Whatever leaves is read at h*, r0 (outer frames) and vx10 (decapsulated by the kernel).
type world struct {
	t                testing.TB
	hosts, vtep, far *namespace.Namespace
	pins             string
	taps             map[string]*testnet.Tap
	barriers         int
	table            int // of the routes that the world makes in the vtep ns; 0: main
}

var (
	tunnelIP = netip.MustParseAddr("192.0.2.1")
	peerIP   = netip.MustParseAddr("192.0.2.2")
	peerIP3  = netip.MustParseAddr("192.0.2.3") // same machine, another address
)

const hostPorts = 3

func newWorld(t testing.TB) *world {
	t.Helper()
	testenv.Root(t)
	testenv.NoLeaks(t)
	w := &world{t: t, taps: map[string]*testnet.Tap{}}
	w.hosts, w.vtep, w.far = testnet.Quiet(t, "h"), testnet.Quiet(t, "v"), testnet.Quiet(t, "r")
	w.pins = testenv.Pins(t)
	for i := range hostPorts {
		w.veth(w.hosts, fmt.Sprintf("h%d", i), w.vtep, fmt.Sprintf("p%d", i), 1500)
	}
	w.veth(w.far, "r0", w.vtep, "u0", 1600)
	w.address(w.vtep, "u0", "192.0.2.1/24")
	w.address(w.far, "r0", "192.0.2.2/24")
	w.address(w.far, "r0", "192.0.2.3/24")
	w.kernelVXLAN("vx10", 10, peerIP)
	for i := range hostPorts {
		w.tap(w.hosts, fmt.Sprintf("h%d", i))
	}
	w.veth(w.hosts, "b0", w.hosts, "b1", 1500)
	w.tap(w.hosts, "b0")
	w.tap(w.hosts, "b1")
	w.tap(w.far, "r0")
	w.tap(w.far, "vx10")
	return w
}

// tap opens a tap, under the name of the device.
func (w *world) tap(n *namespace.Namespace, dev string) {
	w.t.Helper()
	w.taps[dev] = testnet.Open(w.t, n, dev)
}

func (w *world) links(n *namespace.Namespace, f func(*netlink.Handle) error) {
	w.t.Helper()
	testnet.Links(w.t, n, f)
}

func (w *world) veth(a *namespace.Namespace, nameA string, b *namespace.Namespace, nameB string, mtu int) {
	w.t.Helper()
	testnet.Veth(w.t, a, nameA, b, nameB, mtu)
}

// barrier waits until every frame that was sent before has gone where it goes. Devices made
// by the test hand frames on by queues of the sender's CPU: a frame sent from each CPU queues
// up behind them, once for each device on their way.
func (w *world) barrier() {
	w.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		w.t.Fatal(err)
	}
	defer unix.SchedSetaffinity(0, &all)
	for cpu := range 1024 {
		if !all.IsSet(cpu) {
			continue
		}
		var one unix.CPUSet
		one.Set(cpu)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			w.t.Fatal(err)
		}
		for range 4 {
			w.barriers++
			b := frame(bcast, macA, fmt.Sprintf("barrier %d", w.barriers))
			w.send("b0", b)
			w.expect("b1", b)
		}
	}
}

func (w *world) removeLink(n *namespace.Namespace, name string) {
	w.t.Helper()
	testnet.Remove(w.t, n, name)
}

func setUp(h *netlink.Handle, name string) error {
	l, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	return h.LinkSetUp(l)
}

func (w *world) address(n *namespace.Namespace, dev, cidr string) {
	w.t.Helper()
	testnet.Address(w.t, n, dev, cidr)
}

// neighbour tells the vtep ns the MAC of an address of r0.
func (w *world) neighbour(ip netip.Addr) {
	w.t.Helper()
	testnet.Neighbour(w.t, w.vtep, "u0", ip, testnet.MAC(w.t, w.far, "r0"))
}

func (w *world) kernelVXLAN(name string, vni int, local netip.Addr) {
	w.t.Helper()
	w.links(w.far, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = name, 1500
		err := h.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: vni, Port: 4789,
			SrcAddr: local.AsSlice(), Group: tunnelIP.AsSlice()})
		if err != nil {
			return err
		}
		return setUp(h, name)
	})
}

func (w *world) plane(o Options) *Plane {
	w.t.Helper()
	if o.Name == "" {
		o.Name = "ps1"
	}
	if o.PinDir == "" {
		o.PinDir = w.pins
	}
	var p *Plane
	err := w.vtep.Do(func() error {
		var err error
		p, err = New(o)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { p.Close() })
	return p
}

func (w *world) apply(p *Plane, s *intent.State, d *intent.Delta) {
	w.t.Helper()
	r, err := p.Apply(context.Background(), s, d)
	if err != nil {
		w.t.Fatal(err)
	}
	if r.Tunnels != nil {
		w.t.Fatal(r.Tunnels)
	}
	for _, err := range r.Full {
		w.t.Fatal(err)
	}
	for k, err := range r.Ports {
		w.t.Fatalf("port %v: %v", k, err)
	}
	for k, err := range r.Peers {
		w.t.Fatalf("peer %v: %v", k, err)
	}
}

func (w *world) audit(p *Plane) {
	w.t.Helper()
	drift, err := p.Audit(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range drift {
		w.t.Errorf("drift: %+v", d)
	}
}
