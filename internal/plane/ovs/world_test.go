package ovs

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/testenv"
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
	taps map[string]*tap
}

const underlayMAC, peerMAC = "02:00:00:77:00:01", "02:00:00:77:00:02"

func newWorld(t testing.TB) *world {
	t.Helper()
	testenv.Root(t)
	w := &world{t: t, far: quiet(t, "r"), taps: map[string]*tap{}}
	n := quiet(t, "v")
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

func quiet(t testing.TB, name string) *namespace.Namespace {
	t.Helper()
	n := testenv.Netns(t, name)
	for _, conf := range []string{"all", "default"} {
		if err := n.Sysctl("ipv6/conf/"+conf+"/disable_ipv6", "1"); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return n
}

func (w *world) links(t testing.TB, n *namespace.Namespace, f func(*netlink.Handle) error) {
	t.Helper()
	if err := n.Links(f); err != nil {
		t.Fatal(err)
	}
}

// veth joins a device of the hosts with one of Open vSwitch.
func (w *world) veth(t testing.TB, far, near string) {
	t.Helper()
	fd, err := os.Open(w.Namespace.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	w.links(t, w.far, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = far, 1500
		if far == "r0" {
			attrs.MTU = 1600
			attrs.HardwareAddr, _ = net.ParseMAC(peerMAC)
		}
		if err := h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: near, PeerNamespace: netlink.NsFd(fd.Fd())}); err != nil {
			return fmt.Errorf("add veth %s: %w", far, err)
		}
		return up(h, far)
	})
	w.links(t, w.Namespace, func(h *netlink.Handle) error { return up(h, near) })
	w.tap(t, far)
}

func up(h *netlink.Handle, name string) error {
	l, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	return h.LinkSetUp(l)
}

func (w *world) removeLink(t testing.TB, name string) {
	t.Helper()
	delete(w.taps, name)
	w.links(t, w.far, func(h *netlink.Handle) error {
		l, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return h.LinkDel(l)
	})
}

func (w *world) address(t testing.TB, n *namespace.Namespace, dev, cidr string) {
	t.Helper()
	w.links(t, n, func(h *netlink.Handle) error {
		l, err := h.LinkByName(dev)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(cidr)
		if err != nil {
			return err
		}
		if err := h.AddrReplace(l, a); err != nil {
			return err
		}
		return h.LinkSetUp(l)
	})
}

func (w *world) neighbour(t testing.TB, n *namespace.Namespace, dev string, ip netip.Addr, mac string) {
	t.Helper()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	w.links(t, n, func(h *netlink.Handle) error {
		l, err := h.LinkByName(dev)
		if err != nil {
			return err
		}
		return h.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: hw})
	})
}

// tap is a raw socket at a device of the hosts.
type tap struct{ fd, index int }

func (w *world) tap(t testing.TB, dev string) {
	t.Helper()
	tp := &tap{}
	err := w.far.Do(func() error {
		i, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		tp.index = i.Index
		const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
		if tp.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(tp.fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(tp.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return err
		}
		return unix.Bind(tp.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: tp.index})
	})
	if err != nil {
		t.Fatalf("tap %s: %v", dev, err)
	}
	w.t.Cleanup(func() { unix.Close(tp.fd) })
	w.taps[dev] = tp
}

// receive returns a frame with the tag that the kernel may have put beside it.
func (tp *tap) receive() ([]byte, error) {
	buf, oob := make([]byte, 4096), make([]byte, 256)
	n, oobn, _, _, err := unix.Recvmsg(tp.fd, buf, oob, 0)
	if err != nil {
		return nil, err
	}
	frame := buf[:n]
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
			continue
		}
		status := binary.NativeEndian.Uint32(m.Data)
		tci, tpid := binary.NativeEndian.Uint16(m.Data[16:]), binary.NativeEndian.Uint16(m.Data[18:])
		if status&unix.TP_STATUS_VLAN_VALID != 0 {
			tag := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, tpid), tci)
			frame = append(append(append([]byte{}, frame[:12]...), tag...), frame[12:]...)
		}
	}
	return frame, nil
}

func (w *world) send(t testing.TB, dev string, frame []byte) {
	t.Helper()
	tp := w.taps[dev]
	if tp == nil {
		t.Fatalf("no device %s", dev)
	}
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		err := unix.Sendto(tp.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: tp.index})
		if err == nil {
			return
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("send at %s: %v", dev, err)
		}
	}
}

type outerHeaders struct {
	src, dst netip.Addr
	ttl      byte
	df       bool
	flags    byte
	vni      uint32
	inner    []byte
}

// outer takes a VXLAN packet apart.
func outer(b []byte) (o outerHeaders, ok bool) {
	if len(b) < 50 || binary.BigEndian.Uint16(b[12:]) != 0x0800 || b[23] != 17 || binary.BigEndian.Uint16(b[36:]) != 4789 {
		return o, false
	}
	o.src, o.dst = netip.AddrFrom4([4]byte(b[26:30])), netip.AddrFrom4([4]byte(b[30:34]))
	o.ttl, o.df = b[22], b[20]&0x40 != 0
	o.flags = b[42]
	o.vni = binary.BigEndian.Uint32(b[46:]) >> 8
	o.inner = b[50 : 34+int(binary.BigEndian.Uint16(b[38:]))]
	return o, true
}

// packet is a frame in VXLAN, as a peer sends it, without UDP checksum.
func packet(from intent.Tunnel, inner []byte) []byte {
	to, _ := net.ParseMAC(underlayMAC)
	by, _ := net.ParseMAC(peerMAC)
	b := append(append(append([]byte{}, to...), by...), 0x08, 0x00)
	ip := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0}
	ip = append(append(ip, from.Peer.AsSlice()...), planetest.TunnelIP.AsSlice()...)
	binary.BigEndian.PutUint16(ip[2:], uint16(36+len(inner)))
	sum := uint32(0)
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
	b = append(b, ip...)
	for _, v := range []uint16{50000, 4789, uint16(16 + len(inner)), 0, 0x0800, 0} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return append(binary.BigEndian.AppendUint32(b, from.VNI<<8), inner...)
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}
