package ebpf

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/testnet"
)

const (
	actNext     = ^uint32(0) // TC_ACT_UNSPEC
	actDrop     = 2          // TC_ACT_SHOT
	actRedirect = 7          // TC_ACT_REDIRECT
)

// checksumComplete makes the kernel give the frame a checksum, as a NIC does that says
// CHECKSUM_COMPLETE, and compare it afterwards: EBADMSG if the program has spoilt it.
const checksumComplete = 1 << 2 // BPF_F_TEST_SKB_CHECKSUM_COMPLETE

const cutLength = 1500 // bytes; the tests have no longer frames that fit

// runAt runs a program on bytes, as if they had come in at the device.
func runAt(t testing.TB, n *namespace.Namespace, prog *ebpf.Program, dev string, in []byte) (ret uint32, out []byte) {
	t.Helper()
	return runAs(t, n, prog, dev, in, stamp{})
}

// stamp is what the kernel knows of a frame besides its bytes.
type stamp struct {
	mark              uint32 // of the host's (SO_MARK, and the like)
	segment, segments int    // of a frame that stands for several: how large they are, how many
}

// runAs does so with a frame of which the kernel knows more.
func runAs(t testing.TB, n *namespace.Namespace, prog *ebpf.Program, dev string, in []byte, known stamp) (ret uint32, out []byte) {
	t.Helper()
	err := n.Do(func() error {
		index, err := deviceIndex(dev)
		if err != nil {
			return err
		}
		ctx := make([]byte, 192) // struct __sk_buff
		binary.NativeEndian.PutUint32(ctx[8:], known.mark)
		binary.NativeEndian.PutUint32(ctx[36:], uint32(index)) // ingress_ifindex
		binary.NativeEndian.PutUint32(ctx[40:], uint32(index)) // ifindex
		binary.NativeEndian.PutUint32(ctx[164:], uint32(known.segments))
		binary.NativeEndian.PutUint32(ctx[176:], uint32(known.segment))
		out = make([]byte, len(in)+256)
		o := &ebpf.RunOptions{Data: in, DataOut: out, Context: ctx, Flags: checksumComplete}
		if proto := binary.BigEndian.Uint16(in[12:]); proto == unix.ETH_P_8021Q || proto == unix.ETH_P_8021AD {
			// A tag that is still in the frame, where the kernel has it out before a program
			// sees a real one: to take it off makes the checksum wrong here, and only here.
			o.Flags = 0
		}
		if len(in) > cutLength {
			// What may be answered by a shorter message: the kernel forgets the checksum
			// when a program changes the length, but compares what is left of it.
			o.Flags = 0
		}
		ret, err = prog.Run(o)
		out = o.DataOut
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ret, out
}

// deviceIndex is the index of a device in the namespace of the thread. To ask for it by netlink takes longer than
// to run a program.
func deviceIndex(dev string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(dev)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req)
	}
	if err != nil {
		return 0, fmt.Errorf("index of %s: %w", dev, err)
	}
	return int(req.Uint32()), nil
}

// Each reason to drop a frame has its own counter, and only that one moves.
func TestDropReasons(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	s.Bindings[intent.BindingKey{Port: "p0", VLAN: 7}] = intent.Binding{Switch: intent.SwitchID{2}}
	s.Switches[intent.SwitchID{2}] = intent.Switch{Name: "ls2"}
	w.apply(p, s, nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()

	serviceTag := frame(bcast, macA, "", 7)
	binary.BigEndian.PutUint16(serviceTag[12:], 0x88a8)
	fragmentable := ipFrame(macR, macA, 1600)
	fragmentable[20] = 0 // else its sender is told, by another frame
	for _, c := range []struct {
		name   string
		reason string
		frame  []byte
	}{
		{"a VLAN without binding", "unbound_vlan", frame(bcast, macA, "", 8)},
		{"a service tag", "unbound_vlan", serviceTag},
		{"from a group", "bad_source", frame(macR, bcast, "")},
		{"from nobody", "bad_source", frame(bcast, intent.MAC{}, "")},
		{"a reserved address", "reserved", frame(intent.MAC{1, 0x80, 0xc2, 0, 0, 0}, macA, "")},
		{"to where it came from", "hairpin", frame(macA, macB, "")},
		{"alone in the switch", "no_destination", frame(bcast, macA, "", 7)},
		{"a tag inside, to a remote MAC", "tagged_overlay", frame(macR, macA, "", 0, 5)},
		{"too big for the underlay", "too_big", fragmentable},
		{"too big for a port", "too_big", ipFrame(macA, macB, 1480)},
		{"a second tag, to a port with VLANs", "double_tagged", frame(macA, macB, "", 0, 7)},
		{"a second tag, to an unknown MAC", "double_tagged", frame(macC, macB, "", 0, 7)},
	} {
		port := "p0"
		if c.reason == "double_tagged" || c.name == "too big for a port" {
			port = "p1"
		}
		before := w.drops(p)
		ret, _ := runAt(t, w.vtep, p.objs.VtepPort, port, c.frame)
		after := w.drops(p)
		for reason := range after {
			want := before[reason]
			if reason == c.reason {
				want++
			}
			if after[reason] != want {
				t.Errorf("%s: %s went from %d to %d", c.name, reason, before[reason], after[reason])
			}
		}
		if ret != actDrop {
			t.Errorf("%s: action %d", c.name, int32(ret))
		}
	}
	// Not from the vxlan device: no tunnel metadata.
	if ret, _ := runAt(t, w.vtep, p.objs.VtepOverlay, p.vxlanName(), frame(bcast, macR, "")); ret != actDrop {
		t.Errorf("a frame without metadata: action %d", int32(ret))
	}
}

func (w *world) drops(p *Plane) map[string]uint64 {
	w.t.Helper()
	s, err := p.Stats(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Drops
}

// TestBytes runs the programs of one plane on frames: the kernel takes longer to verify them, above all one that
// QEMU runs, than these tests do.
func TestBytes(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	for _, c := range []struct {
		name string
		test func(*testing.T, *world, *Plane)
	}{{"short ways", testDirectBytes}, {"sizes", testSizes}, {"checksums", testChecksums}} {
		t.Run(c.name, func(t *testing.T) {
			defer func(all testing.TB) { w.t = all }(w.t)
			w.t = t
			c.test(t, w, p)
		})
	}
}

// The short ways, byte for byte.
func testDirectBytes(t *testing.T, w *world, p *Plane) {
	inner := ipFrame(macR, macA, 64)
	inner[15] = 0x03 // congestion experienced: outside it must say only that it can be
	ret, out := runAt(t, w.vtep, p.objs.VtepPort, "p0", inner)
	o, ok := testnet.ParseOuter(out)
	if ret != actRedirect || !ok || string(o.Inner) != string(inner) {
		t.Fatalf("action %d, %d bytes: %x", int32(ret), len(out), out)
	}
	if o.Src != tunnelIP || o.Dst != peerIP || o.TTL != 64 || o.TOS != 2 || !o.DF || !o.SumOK ||
		o.Sum != 0 || o.Flags != 8 || o.VNI != 10 || o.SrcPort < 0xc000 || o.Trailer {
		t.Errorf("outer headers %+v", o)
	}
	other := ipFrame(macR, macA, 64)
	binary.BigEndian.PutUint16(other[34:], 50001)
	_, out2 := runAt(t, w.vtep, p.objs.VtepPort, "p0", other)
	if o2, _ := testnet.ParseOuter(out2); o2.SrcPort == o.SrcPort {
		t.Errorf("two flows have the same source port %d", o.SrcPort)
	}

	back := ipFrame(macA, macR, 64)
	g := &gateway{ns: w.vtep}
	ret, out = runAt(t, w.vtep, p.objs.VtepUnderlay, "u0", g.outerFrame(t, back))
	if ret != actRedirect || string(out) != string(back) {
		t.Fatalf("action %d, %d bytes: %x", int32(ret), len(out), out)
	}

	// What is not plain goes on to the host, as it was.
	for name, edit := range map[string]func(b []byte){
		"congestion experienced": func(b []byte) { b[15] |= 3; fixOuterSum(b) },
		"wrong IP checksum":      func(b []byte) { b[24]++ },
		"a fragment":             func(b []byte) { b[20] = 0x20; fixOuterSum(b) },
		"another port":           func(b []byte) { b[37]++ },
		"no VNI":                 func(b []byte) { b[42] = 0 },
		"an unknown VNI":         func(b []byte) { b[48]++ },
		"another source":         func(b []byte) { b[29]++; fixOuterSum(b) },
		"another destination":    func(b []byte) { b[33]++; fixOuterSum(b) },
		"wrong length":           func(b []byte) { b[17]--; fixOuterSum(b) },
		"wrong UDP length":       func(b []byte) { b[39]-- },
		"inner broadcast":        func(b []byte) { copy(b[50:], bcast[:]) },
		"unknown inner MAC":      func(b []byte) { copy(b[50:], macC[:]) },
		"inner tag":              func(b []byte) { b[62], b[63] = 0x81, 0 },
		"inner ARP":              func(b []byte) { b[62], b[63] = 8, 6 },
		"remote inner MAC":       func(b []byte) { copy(b[50:], macR[:]) },
	} {
		in := g.outerFrame(t, back)
		edit(in)
		ret, out := runAt(t, w.vtep, p.objs.VtepUnderlay, "u0", in)
		if ret != actNext || string(out) != string(in) {
			t.Errorf("%s: action %d, %x", name, int32(ret), out)
		}
	}
}

func fixOuterSum(b []byte) {
	b[24], b[25] = 0, 0
	binary.BigEndian.PutUint16(b[24:], testnet.Checksum(b[14:34]))
}

// Whatever a program does to a frame, the checksum that the NIC gave it remains right. (runAt
// fails otherwise.)
func testChecksums(t *testing.T, w *world, p *Plane) {
	s := basic()
	s.Bindings[intent.BindingKey{Port: "p2", VLAN: 9}] = intent.Binding{Switch: ls1}
	w.apply(p, s, intent.Diff(basic(), s))
	defer w.apply(p, basic(), intent.Diff(s, basic()))
	w.send("h2", frame(bcast, macC, "here is C", 9))
	w.barrier()
	g := &gateway{ns: w.vtep}
	for _, c := range []struct {
		name string
		prog *ebpf.Program
		dev  string
		in   []byte
		size int // of what comes out
	}{
		{"encapsulate IPv4", p.objs.VtepPort, "p0", ipFrame(macR, macA, 101), 42 + 101 + 50},
		{"encapsulate IPv6", p.objs.VtepPort, "p0", ip6Frame(macR, macA, 101), 62 + 101 + 50},
		{"to the vxlan device", p.objs.VtepPort, "p0", frame(macR, macA, "ARP, say"), 64},
		{"to a port", p.objs.VtepPort, "p1", ipFrame(macA, macB, 100), 42 + 100},
		{"to a VLAN", p.objs.VtepPort, "p1", ipFrame(macC, macB, 100), 42 + 100},
		{"decapsulate IPv4", p.objs.VtepUnderlay, "u0", g.outerFrame(t, ipFrame(macA, macR, 101)), 42 + 101},
		{"decapsulate IPv6", p.objs.VtepUnderlay, "u0", g.outerFrame(t, ip6Frame(macA, macR, 100)), 62 + 100},
		{"decapsulate to a VLAN", p.objs.VtepUnderlay, "u0", g.outerFrame(t, ipFrame(macC, macR, 100)), 42 + 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			ret, out := runAt(t, w.vtep, c.prog, c.dev, c.in)
			if c.name == "decapsulate IPv6" && kernel.Older(kernel.Release(), "6.3") {
				if ret != actNext || !bytes.Equal(out, c.in) { // for the host, as it came
					t.Errorf("action %d, %d bytes come out", int32(ret), len(out))
				}
				return
			}
			if ret != actRedirect || len(out) != c.size {
				t.Errorf("action %d, %d bytes come out, not %d", int32(ret), len(out), c.size)
			}
		})
	}
}

// Nor does clearing the reserved bits of what goes on to the host, with or without a UDP checksum.
func TestChecksumsReserved(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{Direct: DirectOff})
	w.apply(p, basic(), nil)
	p.mu.Lock()
	p.overlay.strict = true // as on kernels before 6.14
	err := p.writeSettings()
	p.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	for _, sum := range []uint16{0, 0x1234} {
		in := (&gateway{ns: w.vtep}).outerFrame(t, ipFrame(macA, macR, 101))
		binary.BigEndian.PutUint16(in[40:], sum)
		want := append([]byte{}, in...)
		copy(in[42:], []byte{0xff, 1, 2, 3})
		in[49] = 0xff
		copy(want[40:], []byte{0, 0, 8, 0, 0, 0})
		want[49] = 0
		ret, out := runAt(t, w.vtep, p.objs.VtepUnderlay, "u0", in) // fails if the checksum is spoilt
		if ret != actNext || !bytes.Equal(out, want) {
			t.Errorf("UDP checksum %#x: action %d, %x, want %x", sum, int32(ret), out, want)
		}
	}
}

// No bytes from the wire do harm: each frame is dropped, redirected or passed on.
func TestAnyBytes(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	rng := rand.New(rand.NewPCG(1, 2))
	good := [][]byte{
		ipFrame(macR, macA, 20), frame(bcast, macA, "x", 7, 8), frame(macR, macA, "y"),
		(&gateway{ns: w.vtep}).outerFrame(t, ipFrame(macA, macR, 20)),
	}
	for range 2000 {
		b := append([]byte{}, good[rng.IntN(len(good))]...)
		for range rng.IntN(6) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		b = b[:max(54, rng.IntN(len(b)+1))] // the kernel refuses to run on less than the headers of IPv6
		for dev, prog := range map[string]*ebpf.Program{"p0": p.objs.VtepPort, "u0": p.objs.VtepUnderlay, p.vxlanName(): p.objs.VtepOverlay} {
			ret, _ := runAt(t, w.vtep, prog, dev, b)
			if ret != actDrop && ret != actRedirect && (ret != actNext || dev != "u0") {
				t.Fatalf("at %s: action %d for %x", dev, int32(ret), b)
			}
		}
	}
	w.audit(p)
}
