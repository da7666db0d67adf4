package ebpf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/testnet"
)

// thrower sends frames out of a device as XDP programs do: at the other end they are no buffers of the kernel.
type thrower struct {
	t     testing.TB
	ns    *namespace.Namespace
	index int
	prog  *ebpf.Program
}

func newThrower(t testing.TB, ns *namespace.Namespace, dev string) *thrower {
	t.Helper()
	th := &thrower{t: t, ns: ns}
	err := ns.Do(func() error {
		ifi, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		th.index = ifi.Index
		th.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0", Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R1, int32(ifi.Index)), asm.Mov.Imm(asm.R2, 0), asm.FnRedirect.Call(), asm.Return()}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { th.prog.Close() })
	return th
}

// throw sends a frame n times.
func (th *thrower) throw(frame []byte, n uint32) {
	th.t.Helper()
	if err := th.try(frame, n); err != nil {
		th.t.Fatal(err)
	}
}

func (th *thrower) try(frame []byte, n uint32) error {
	return th.ns.Do(func() error {
		_, err := th.prog.Run(&ebpf.RunOptions{Data: frame, Context: xdpContext(frame, th.index), Repeat: n, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES})
		return err
	})
}

// xdpContext is a struct xdp_md of a frame that came in at the device.
func xdpContext(frame []byte, index int) []byte {
	ctx := make([]byte, 24)
	binary.NativeEndian.PutUint32(ctx[4:], uint32(len(frame)))
	binary.NativeEndian.PutUint32(ctx[12:], uint32(index))
	return ctx
}

// takesXDP has a veth device take frames that come from XDP at its other end.
func (w *world) takesXDP(n *namespace.Namespace, dev string) {
	w.t.Helper()
	if err := n.Do(func() error { return ethtool(dev, unix.ETHTOOL_SGRO, 1) }); err != nil {
		w.t.Fatal(err)
	}
}

// ethtool sets one of the settings that are a number.
func ethtool(dev string, command, to uint32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	value := [2]uint32{command, to} // struct ethtool_value
	var req struct {                // struct ifreq
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(req.name[:], dev)
	req.data = unsafe.Pointer(&value)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return fmt.Errorf("ethtool %d of %s: %w", command, dev, errno)
	}
	return nil
}

// nativeWorld is a world whose hosts and peers take frames from XDP.
func nativeWorld(t testing.TB) *world {
	w := newWorld(t)
	if kernel.Older(kernel.Release(), "6.3") {
		p := w.plane(Options{XDP: XDPRequire})
		w.apply(p, basic(), nil)
		if way := w.paths(p).Ports["p0"]; way.In.XDP || !strings.Contains(way.In.Why, "Linux 6.3") {
			t.Errorf("the path is %+v", way)
		}
		t.Skip("the kernel does not say what devices can do with XDP: Linux 6.3 is the first that does")
	}
	for i := range hostPorts {
		w.takesXDP(w.hosts, fmt.Sprintf("h%d", i))
	}
	w.takesXDP(w.far, "r0")
	w.neighbour(peerIP)
	return w
}

func (w *world) paths(p *Plane) plane.Paths {
	w.t.Helper()
	all, err := p.Paths(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// nics are the programs of NICs, veths those of veth devices; others take their place when a map grows.
func (p *Plane) nics() *xdpPrograms {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.native.nics
}

func (p *Plane) veths() *xdpPrograms {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.native.veths
}

// waitFor waits until a condition is met.
func (w *world) waitFor(what string, met func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("not in time: %s", what)
		}
	}
}

// taggedBy gives the frame with a tag.
func taggedBy(b []byte, tci ...byte) []byte {
	return append(append(append([]byte{}, b[:12]...), append([]byte{0x81, 0}, tci...)...), b[12:]...)
}

// natively has bindings of each kind, and hosts A, B and C learned there.
func natively(w *world, p *Plane) *intent.State {
	s := basic()
	s.Bindings[intent.BindingKey{Port: "p2", VLAN: 9}] = intent.Binding{Switch: ls1}
	w.apply(p, s, nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.send("h1", frame(bcast, macB, "here is B"))
	w.send("h2", frame(bcast, macC, "here is C", 9))
	w.barrier()
	return s
}

// Known unicast takes XDP, and gets out as it does by TC.
func TestXDP(t *testing.T) {
	w := nativeWorld(t)
	p := w.plane(Options{XDP: XDPRequire, wired: true})
	natively(w, p)
	w.audit(p)
	h0, h2, r0 := newThrower(t, w.hosts, "h0"), newThrower(t, w.hosts, "h2"), newThrower(t, w.far, "r0")
	was, err := p.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	out := ipFrame(macR, macA, 100)
	h0.throw(out, 1)
	w.expectTunnel(peerIP, 10, out)
	out = ipFrame(macR, macC, 100)
	h2.throw(taggedBy(out, 0, 9), 1)
	w.expectTunnel(peerIP, 10, out)

	g := &gateway{ns: w.vtep}
	in := ipFrame(macA, macR, 100)
	r0.throw(g.outerFrame(t, in), 1)
	w.expect("h0", in)
	in = ipFrame(macC, macR, 100)
	r0.throw(g.outerFrame(t, in), 1)
	w.expect("h2", taggedBy(in, 0, 9))

	across := ipFrame(macB, macA, 100)
	h0.throw(across, 1)
	w.expect("h1", across)
	across = ip6Frame(macC, macA, 100)
	h0.throw(across, 1)
	w.expect("h2", taggedBy(across, 0, 9))
	w.barrier()

	f := w.paths(p).Frames
	if f["encapsulated"] != 2 || f["decapsulated"] != 2 || f["bridged"] != 2 {
		t.Errorf("frames by XDP: %v", f)
	}
	st, err := p.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c := st.Bindings[intent.BindingKey{Port: "p0"}]; c.PacketsFromLocal != 4 { // one was for TC
		t.Errorf("counters %+v", c)
	}
	if c := st.Bindings[intent.BindingKey{Port: "p2", VLAN: 9}]; c.PacketsFromLocal != 2 || c.BytesFromLocal != uint64(len(out)+len(frame(bcast, macC, "here is C", 9))-4) {
		t.Errorf("counters %+v", c)
	}

	if c, had := st.Tunnels[peerIP], was.Tunnels[peerIP]; c.InPackets-had.InPackets != 2 || c.OutPackets-had.OutPackets != 2 || c.InBytes-had.InBytes != 2*uint64(len(in)) {
		t.Errorf("counters of the peer: %+v, before %+v", c, had)
	}

	// Without XDP nothing of it is left.
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.plane(Options{})
	natively(w, p)
	if left, _ := os.ReadDir(p.pins.Dir + "/xdp"); len(left) != 0 {
		t.Errorf("%d links are left", len(left))
	}
	if way := w.paths(p).Ports["p0"]; way.In.XDP || way.In.Why != errXDPOff.Error() {
		t.Errorf("the path is %+v", way)
	}
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// runXDP runs a program on bytes, as if they had come in at the device.
func (w *world) runXDP(prog *ebpf.Program, dev string, in []byte) (ret uint32, out []byte) {
	w.t.Helper()
	err := w.vtep.Do(func() error {
		index, err := deviceIndex(dev)
		if err != nil {
			return err
		}
		o := &ebpf.RunOptions{Data: in, DataOut: make([]byte, len(in)+256), Context: xdpContext(in, index)}
		ret, err = prog.Run(o)
		out = o.DataOut
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return ret, out
}

const (
	xdpPass     = 2 // XDP_PASS
	xdpRedirect = 4 // XDP_REDIRECT
)

// Of whatever bytes, XDP makes what TC makes of them, or nothing at all.
func TestXDPBytes(t *testing.T) {
	w := nativeWorld(t)
	p := w.plane(Options{XDP: XDPRequire, wired: true})
	s := natively(w, p)
	s.TunnelDSCP, s.TagPCP = intent.Priority{From: intent.Inner}, intent.Priority{From: intent.Outer}
	w.apply(p, s, nil)
	n := p.nics()
	g := &gateway{ns: w.vtep}
	v6 := ip6Frame(macR, macA, 50)
	v6[14], v6[15] = 0x6b, 0xb0 // traffic class 0xbb
	marked := ipFrame(macR, macA, 20)
	marked[15] = 0xb9
	good := map[string][][]byte{
		"p0": {ipFrame(macR, macA, 20), ipFrame(macB, macA, 20), ipFrame(macC, macA, 30), v6, marked, frame(macR, macA, "y"), ipFrame(bcast, macA, 9)},
		"p2": {taggedBy(ipFrame(macR, macC, 20), 0xa0, 9), taggedBy(ipFrame(macA, macC, 20), 0xa0, 9), taggedBy(taggedBy(ipFrame(macR, macC, 20), 0, 5), 0, 9)},
		"u0": {g.outerFrame(t, ipFrame(macA, macR, 20)), g.outerFrame(t, ipFrame(macC, macR, 20)), g.outerFrame(t, ip6Frame(macA, macR, 20)),
			g.outerFrame(t, frame(macA, macR, "y")), g.outerFrame(t, ipFrame(bcast, macR, 9))},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	taken := map[string]int{}
	for dev, list := range good {
		native, tc := n.VtepXdpPort, p.objs.VtepPort
		if dev == "u0" {
			native, tc = n.VtepXdpUnderlay, p.objs.VtepUnderlay
		}
		before := w.drops(p)
		for i := range 1500 {
			b := append([]byte{}, list[i%len(list)]...)
			for range rng.IntN(4) * min(i/len(list), 1) {
				b[rng.IntN(min(len(b), 80))] = byte(rng.Uint32())
			}
			ret, out := w.runXDP(native, dev, b)
			if ret == xdpPass {
				if !bytes.Equal(out, b) {
					t.Fatalf("at %s: passed, but changed: %x, was %x", dev, out, b)
				}
				continue
			}
			if ret != xdpRedirect {
				t.Fatalf("at %s: action %d for %x", dev, ret, b)
			}
			taken[dev]++
			actions, same := runAt(t, w.vtep, tc, dev, b)
			if actions != actRedirect {
				t.Fatalf("at %s: XDP sends what TC answers with %d: %x", dev, int32(actions), b)
			}
			switch _, tunnelled := testnet.ParseOuter(out); {
			case tunnelled && dev != "u0":
				// The Ethernet header is the kernel's to write there, and the source port of a flow is another one.
				copy(same[:14], out[:14])
				copy(same[34:36], out[34:36])
			case len(same) == len(out)-4:
				out = append(out[:12:12], out[16:]...) // a tag that TC has beside the bytes
			}
			if !bytes.Equal(out, same) {
				t.Fatalf("at %s: XDP makes\n%x\nTC makes\n%x\nof\n%x", dev, out, same, b)
			}
		}
		// Neither XDP nor TC drops what XDP has sent, and what XDP passes it does not count.
		if after := w.drops(p); fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("at %s: frames are counted as dropped: before %v, now %v", dev, before, after)
		}
	}
	for dev := range good {
		if taken[dev] < 200 {
			t.Errorf("at %s %d frames took XDP", dev, taken[dev])
		}
	}
}

// What has to be passed is.
func TestXDPPasses(t *testing.T) {
	w := nativeWorld(t)
	p := w.plane(Options{XDP: XDPRequire, wired: true})
	s := natively(w, p)
	n := p.nics()
	g := &gateway{ns: w.vtep}
	inner := ipFrame(macA, macR, 64)
	edited := func(b []byte, edit func([]byte)) []byte {
		edit(b)
		return b
	}
	outer := func(edit func([]byte)) []byte { return edited(g.outerFrame(t, inner), edit) }
	for name, in := range map[string][]byte{
		"of an unknown source": ipFrame(macR, intent.MAC{2, 9}, 9), "moved": ipFrame(macR, macB, 9), "to nobody": ipFrame(intent.MAC{2, 9}, macA, 9),
		"to a group": ipFrame(bcast, macA, 9), "to where it came from": ipFrame(macA, macA, 9), "too big for the tunnel": ipFrame(macR, macA, 1600),
		"too big for the port": ipFrame(macB, macA, 1500), "another VLAN": taggedBy(ipFrame(macR, macA, 9), 0, 7), "no packet": frame(macR, macA, "y"),
	} {
		if ret, out := w.runXDP(n.VtepXdpPort, "p0", in); ret != xdpPass || !bytes.Equal(out, in) {
			t.Errorf("%s: action %d", name, ret)
		}
	}
	for name, in := range map[string][]byte{
		"congestion experienced": outer(func(b []byte) { b[15] |= 3; fixOuterSum(b) }), "wrong IP checksum": outer(func(b []byte) { b[24]++ }),
		"a fragment": outer(func(b []byte) { b[20] = 0x20; fixOuterSum(b) }), "another port": outer(func(b []byte) { b[37]++ }),
		"no VNI": outer(func(b []byte) { b[42] = 0 }), "an unknown VNI": outer(func(b []byte) { b[48]++ }),
		"another source": outer(func(b []byte) { b[29]++; fixOuterSum(b) }), "another destination": outer(func(b []byte) { b[33]++; fixOuterSum(b) }),
		"wrong length": outer(func(b []byte) { b[17]--; fixOuterSum(b) }), "inner broadcast": outer(func(b []byte) { copy(b[50:], bcast[:]) }),
		"remote inner MAC": outer(func(b []byte) { copy(b[50:], macR[:]) }), "to another machine": outer(func(b []byte) { b[5] ^= 1 }),
		"inner tag": outer(func(b []byte) { b[62], b[63] = 0x81, 0 }), "IP options": outer(func(b []byte) { b[14] = 0x46 }),
	} {
		if ret, out := w.runXDP(n.VtepXdpUnderlay, "u0", in); ret != xdpPass || !bytes.Equal(out, in) {
			t.Errorf("%s: action %d", name, ret)
		}
	}

	known := func() bool {
		a, _ := w.runXDP(n.VtepXdpPort, "p0", ipFrame(macR, macA, 64))
		b, _ := w.runXDP(n.VtepXdpUnderlay, "u0", g.outerFrame(t, inner))
		if (a == xdpRedirect) != (b == xdpRedirect) {
			t.Errorf("actions %d, %d", a, b)
		}
		return a == xdpRedirect
	}
	if !known() {
		t.Fatal("known unicast is passed")
	}
	// All of it passes while frames are captured, and where nobody looks after the programs.
	c, err := p.StartCapture(t.Context(), plane.CaptureFilter{VLAN: -1, Inside: true, Bytes: 64}, func(*plane.Captured) {})
	if err != nil {
		t.Fatal(err)
	}
	n = p.nics()
	if known() {
		t.Error("frames go past a capture")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	n = p.nics()
	if !known() {
		t.Error("known unicast is passed after a capture")
	}
	p.mu.Lock()
	alive := p.alive
	p.alive -= 31 * time.Second
	p.writeNative()
	p.mu.Unlock()
	if known() {
		t.Error("the programs go on without a process")
	}
	p.mu.Lock()
	p.alive = alive
	p.writeNative()
	p.mu.Unlock()

	// An ACL, and a router that somebody is to ask.
	s.ACLs[intent.ACLID{1}] = intent.ACL{Name: "a"}
	s.Policies[intent.BindingKey{Port: "p0"}] = intent.Policy{ACL: intent.ACLID{1}}
	w.apply(p, s, nil)
	n = p.nics()
	if known() {
		t.Error("frames go past an ACL")
	}
}
