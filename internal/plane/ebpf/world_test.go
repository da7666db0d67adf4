package ebpf

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
)

// The main thread must not be one of those that enter a namespace and end: it does not end,
// and then the process seems to live there.
func init() { runtime.LockOSThread() }

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
	taps             map[string]*tap
	barriers         int
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
	w := &world{t: t, taps: map[string]*tap{}}
	w.hosts, w.vtep, w.far = w.space("h"), w.space("v"), w.space("r")
	w.pins = mountPins(t)
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

func (w *world) space(name string) *namespace.Namespace {
	w.t.Helper()
	n := testenv.Netns(w.t, name)
	for _, conf := range []string{"all", "default"} {
		if err := n.Sysctl("ipv6/conf/"+conf+"/disable_ipv6", "1"); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.t.Fatal(err)
		}
	}
	return n
}

// mountPins gives a BPF file system of the test's own.
func mountPins(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatalf("mount bpffs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount bpffs: %v", err)
			_ = unix.Unmount(dir, unix.MNT_DETACH)
		}
	})
	return filepath.Join(dir, "pins")
}

func (w *world) links(n *namespace.Namespace, f func(*netlink.Handle) error) {
	w.t.Helper()
	if err := n.Links(f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) veth(a *namespace.Namespace, nameA string, b *namespace.Namespace, nameB string, mtu int) {
	w.t.Helper()
	fd, err := os.Open(b.Path())
	if err != nil {
		w.t.Fatal(err)
	}
	defer fd.Close()
	w.links(a, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = nameA, mtu
		err := h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: nameB, PeerNamespace: netlink.NsFd(fd.Fd())})
		if err != nil {
			return fmt.Errorf("add veth %s: %w", nameA, err)
		}
		return setUp(h, nameA)
	})
	w.links(b, func(h *netlink.Handle) error { return setUp(h, nameB) })
	w.running(a, nameA)
	w.running(b, nameB)
}

// running waits until the kernel has noticed that the device has a carrier: until then it
// drops what is sent.
func (w *world) running(n *namespace.Namespace, name string) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
		return n.Links(func(h *netlink.Handle) error {
			l, err := h.LinkByName(name)
			if err == nil && l.Attrs().OperState != netlink.OperUp {
				err = fmt.Errorf("%s is %v", name, l.Attrs().OperState)
			}
			return err
		})
	})
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
	for range 5 {
		for cpu := range 1024 {
			if !all.IsSet(cpu) {
				continue
			}
			var one unix.CPUSet
			one.Set(cpu)
			if err := unix.SchedSetaffinity(0, &one); err != nil {
				w.t.Fatal(err)
			}
			w.barriers++
			b := frame(bcast, macA, fmt.Sprintf("barrier %d", w.barriers))
			w.send("b0", b)
			w.expect("b1", b)
		}
	}
}

func (w *world) removeLink(n *namespace.Namespace, name string) {
	w.t.Helper()
	w.links(n, func(h *netlink.Handle) error {
		l, err := h.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		return h.LinkDel(l)
	})
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
	w.links(n, func(h *netlink.Handle) error {
		l, err := h.LinkByName(dev)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(cidr)
		if err != nil {
			return err
		}
		return h.AddrAdd(l, a)
	})
}

// neighbour tells the vtep ns the MAC of an address of r0.
func (w *world) neighbour(ip netip.Addr) {
	w.t.Helper()
	var mac net.HardwareAddr
	w.links(w.far, func(h *netlink.Handle) error {
		l, err := h.LinkByName("r0")
		if err == nil {
			mac = l.Attrs().HardwareAddr
		}
		return err
	})
	w.links(w.vtep, func(h *netlink.Handle) error {
		l, err := h.LinkByName("u0")
		if err != nil {
			return err
		}
		return h.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: mac})
	})
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
	if o.MaxRemotes == 0 {
		o.MaxRemotes, o.MaxLocals = 1<<16, 1<<16
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
	for _, err := range []error{r.Tunnels, r.Capacity} {
		if err != nil {
			w.t.Fatal(err)
		}
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

// ---- frames ----------------------------------------------------------------------------

var (
	macA  = intent.MAC{2, 0, 0, 0, 0, 0xa}
	macB  = intent.MAC{2, 0, 0, 0, 0, 0xb}
	macC  = intent.MAC{2, 0, 0, 0, 0, 0xc}
	macR  = intent.MAC{2, 0, 0, 0, 0, 0xee}
	bcast = intent.MAC{255, 255, 255, 255, 255, 255}
)

const etherTest = 0x88b5 // IEEE 802 local experimental

// frame builds an Ethernet frame of at least 60 bytes, with the given tags from outside in.
func frame(dst, src intent.MAC, payload string, vids ...uint16) []byte {
	b := append(append([]byte{}, dst[:]...), src[:]...)
	for _, vid := range vids {
		b = binary.BigEndian.AppendUint16(b, 0x8100)
		b = binary.BigEndian.AppendUint16(b, vid)
	}
	b = binary.BigEndian.AppendUint16(b, etherTest)
	b = append(b, payload...)
	for len(b) < 60 {
		b = append(b, 0)
	}
	return b
}

// tap is a packet socket on a device.
type tap struct {
	t    testing.TB
	name string
	fd   int
}

func (w *world) tap(n *namespace.Namespace, dev string) *tap {
	w.t.Helper()
	tp := &tap{t: w.t, name: dev}
	err := n.Do(func() error {
		ifi, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		tp.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		for opt, v := range map[int]int{unix.PACKET_AUXDATA: 1, unix.PACKET_IGNORE_OUTGOING: 1} {
			if err := unix.SetsockoptInt(tp.fd, unix.SOL_PACKET, opt, v); err != nil {
				return err
			}
		}
		return unix.Bind(tp.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: ifi.Index})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { unix.Close(tp.fd) })
	w.taps[dev] = tp
	return tp
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func (tp *tap) send(b []byte) {
	tp.t.Helper()
	if _, err := unix.Write(tp.fd, b); err != nil {
		tp.t.Fatalf("send at %s: %v", tp.name, err)
	}
}

// receive gives the next frame with its tag put back, or nil after the deadline.
func (tp *tap) receive(deadline time.Time) []byte {
	tp.t.Helper()
	data, oob := make([]byte, 65536), make([]byte, 64)
	for {
		size, nb, _, _, err := unix.Recvmsg(tp.fd, data, oob, unix.MSG_DONTWAIT)
		if err == nil {
			return untuck(data[:size], oob[:nb])
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil
		}
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(tp.fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			tp.t.Fatal(err)
		}
	}
}

// untuck puts the tag that the kernel keeps beside the frame back into it.
func untuck(b, oob []byte) []byte {
	b = bytes.Clone(b)
	messages, _ := unix.ParseSocketControlMessage(oob)
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		status := binary.NativeEndian.Uint32(m.Data)
		if status&unix.TP_STATUS_VLAN_VALID == 0 {
			continue
		}
		tag := binary.BigEndian.AppendUint16(nil, binary.NativeEndian.Uint16(m.Data[18:]))
		tag = binary.BigEndian.AppendUint16(tag, binary.NativeEndian.Uint16(m.Data[16:]))
		return append(append(append([]byte{}, b[:12]...), tag...), b[12:]...)
	}
	return b
}

const patience = 5 * time.Second

var noWait time.Time

func (w *world) send(dev string, b []byte) {
	w.t.Helper()
	w.taps[dev].send(b)
}

// expect waits for exactly this frame, passing over others.
func (w *world) expect(dev string, want []byte) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	var last []byte
	for {
		b := w.taps[dev].receive(deadline)
		if b == nil {
			w.t.Fatalf("%s at %s: did not get\n%slast was\n%s", caller(), dev, hex.Dump(want), hex.Dump(last))
		}
		if bytes.Equal(b, want) {
			return
		}
		last = b
	}
}

func caller() string {
	_, file, line, _ := runtime.Caller(2)
	return fmt.Sprintf("%s:%d", filepath.Base(file), line)
}

// until collects the frames that arrive before marker does.
func (w *world) until(dev string, marker []byte) [][]byte {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	var got [][]byte
	for {
		b := w.taps[dev].receive(deadline)
		if b == nil {
			w.t.Fatalf("%s at %s: the marker did not arrive", caller(), dev)
		}
		if bytes.Equal(b, marker) {
			return got
		}
		got = append(got, b)
	}
}

// outer is what an encapsulated frame says outside.
type outer struct {
	src, dst         netip.Addr
	ttl, tos         uint8
	df               bool
	sport, dport     uint16
	udpSum           uint16
	flags            uint8
	vni              uint32
	inner            []byte
	ipLen, udpLen    int
	ipSumOK, trailer bool
}

// parseOuter takes an encapsulated frame apart; ok is false if it is none.
func parseOuter(b []byte) (o outer, ok bool) {
	if len(b) < 14+20+8+8 || binary.BigEndian.Uint16(b[12:]) != unix.ETH_P_IP || b[23] != 17 || b[14] != 0x45 {
		return o, false
	}
	ip := b[14:]
	o.src, o.dst = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
	o.ttl, o.tos, o.df = ip[8], ip[1], binary.BigEndian.Uint16(ip[6:]) == 0x4000
	o.ipLen = int(binary.BigEndian.Uint16(ip[2:]))
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	o.ipSumOK = sum&0xffff+sum>>16 == 0xffff
	udp := ip[20:]
	o.sport, o.dport = binary.BigEndian.Uint16(udp), binary.BigEndian.Uint16(udp[2:])
	o.udpLen, o.udpSum = int(binary.BigEndian.Uint16(udp[4:])), binary.BigEndian.Uint16(udp[6:])
	vx := udp[8:]
	o.flags, o.vni = vx[0], binary.BigEndian.Uint32(vx[4:])>>8
	o.inner = vx[8:]
	o.trailer = len(ip) != o.ipLen
	return o, o.dport == 4789
}

// expectTunnel waits for inner in a tunnel at r0 and checks everything around it.
func (w *world) expectTunnel(peer netip.Addr, vni uint32, inner []byte) outer {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		b := w.taps["r0"].receive(deadline)
		if b == nil {
			w.t.Fatalf("%s: no encapsulated frame with\n%s", caller(), hex.Dump(inner))
		}
		o, ok := parseOuter(b)
		if !ok || !bytes.Equal(o.inner, inner) || o.dst != peer {
			continue
		}
		want := o
		want.src, want.dst, want.ttl, want.df, want.dport = tunnelIP, peer, 64, true, 4789
		want.udpSum, want.flags, want.vni = 0, 0x08, vni
		want.ipLen, want.udpLen, want.ipSumOK, want.trailer = len(inner)+36, len(inner)+16, true, false
		if fmt.Sprint(o) != fmt.Sprint(want) {
			w.t.Fatalf("%s: outer headers\n%+v\nwant\n%+v", caller(), o, want)
		}
		return o
	}
}
