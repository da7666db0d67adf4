package ebpf

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testnet"
)

const markOffset = 8 // of struct __sk_buff

// markSeen attaches a program to what leaves by a device, and returns the mark of the last frame.
func (w *world) markSeen(n *namespace.Namespace, dev string) func() uint32 {
	w.t.Helper()
	marks, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { marks.Close() })
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "Apache-2.0", Instructions: asm.Instructions{
		asm.LoadMem(asm.R6, asm.R1, markOffset, asm.Word),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, marks.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.StoreMem(asm.R0, 0, asm.R6, asm.Word),
		asm.Mov.Imm(asm.R0, -1).WithSymbol("out"),
		asm.Return(),
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { prog.Close() })
	testnet.Attach(w.t, n, dev, prog, ebpf.AttachTCXEgress)
	return func() uint32 {
		var mark uint32
		if err := marks.Lookup(uint32(0), &mark); err != nil {
			w.t.Fatal(err)
		}
		return mark
	}
}

// groupOf waits for a frame in a tunnel, and returns the first word of its VXLAN header.
func (w *world) groupOf(inner []byte) uint32 {
	w.t.Helper()
	w.barrier()
	for b := w.taps["r0"].Read(); b != nil; b = w.taps["r0"].Read() {
		if o, ok := testnet.ParseOuter(b); ok && string(o.Inner) == string(inner) {
			return binary.BigEndian.Uint32(b[14+20+8:])
		}
	}
	w.t.Fatalf("the frame did not come to the peer: %x", inner)
	return 0
}

// The group policy of frames is in the bits of their mark that are said, and in tunnels.
func TestGroupPolicy(t *testing.T) {
	needTCX(t) // by which this test looks at marks
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	s.GroupMark = 0xffff0000
	s.Ports["p0"] = intent.Port{Group: 77}
	w.apply(p, s, nil)
	w.audit(p)
	seen := w.markSeen(w.vtep, "p0")

	// Out: flooded and known, by the long way both, and never by the other port.
	for _, inner := range [][]byte{frame(bcast, macA, "to all"), ipFrame(macR, macA, 100)} {
		w.send("h0", inner)
		if got := w.groupOf(inner); got != 0x88000000|77 {
			t.Errorf("VXLAN header %#x, want the group 77", got)
		}
	}
	inner := ipFrame(macR, macB, 100)
	w.send("h1", inner)
	if got := w.groupOf(inner); got != 0x08000000 {
		t.Errorf("VXLAN header %#x of a port without group", got)
	}
	// In, with and without other bits that a group has; between ports.
	for _, c := range []struct {
		header [8]byte
		mark   uint32
	}{
		{[8]byte{0x88, 0, 0x12, 0x34, 0, 0, 10, 0}, 0x12340000},
		{[8]byte{0x88, 0x48, 0xff, 0xff, 0, 0, 10, 0}, 0xffff0000},
		{[8]byte{0x08, 0, 0, 0, 0, 0, 10, 0}, 0},
		{[8]byte{0x08, 0, 0x12, 0x34, 0, 0, 10, 0}, 0}, // not without the flag
	} {
		for _, inner := range [][]byte{frame(bcast, macR, "to all"), ipFrame(macA, macR, 100)} {
			w.fromPeer(c.header, inner)
			w.expect("h0", inner)
			if got := seen(); got != c.mark {
				t.Errorf("header %x: mark %#x, want %#x", c.header, got, c.mark)
			}
		}
	}
	seen1 := w.markSeen(w.vtep, "p1")
	inner = ipFrame(macB, macA, 100)
	w.send("h0", inner)
	w.expect("h1", inner)
	if got := seen1(); got != 77<<16 {
		t.Errorf("mark %#x at the other port, want the group 77", got)
	}
	if n := w.drops(p)[dropReceive]; n != 0 {
		t.Errorf("%d frames are refused", n)
	}

	// Without a mark for it the bits are reserved ones, and nobody's.
	next := s.Clone()
	next.GroupMark = 0
	w.apply(p, next, intent.Diff(s, next))
	w.audit(p)
	inner = ipFrame(macR, macA, 101)
	w.send("h0", inner)
	if got := w.groupOf(inner); got != 0x08000000 {
		t.Errorf("VXLAN header %#x without groups", got)
	}
	inner = frame(bcast, macR, "again")
	w.fromPeer([8]byte{0x88, 0, 0x12, 0x34, 0, 0, 10, 0}, inner)
	w.expect("h0", inner)
	if got := seen(); got != 0 {
		t.Errorf("mark %#x without groups", got)
	}
	next.GroupMark = 0xffff
	w.apply(p, next, nil)
	inner = frame(bcast, macR, "in the lower bits")
	w.fromPeer([8]byte{0x88, 0, 0x12, 0x34, 0, 0, 10, 0}, inner)
	w.expect("h0", inner)
	if got := seen(); got != 0x1234 {
		t.Errorf("mark %#x, want 0x1234", got)
	}
}

// On kernels that take reserved bits for errors, those of a group policy are none.
func TestGroupPolicyStrict(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{Direct: DirectOff})
	s := basic()
	s.GroupMark = 0xffff
	w.apply(p, s, nil)
	p.mu.Lock()
	p.overlay.strict = true
	err := p.writeSettings()
	p.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[[8]byte][8]byte{
		{0x88, 0x48, 0x12, 0x34, 0, 0, 10, 0}: {0x88, 0x48, 0x12, 0x34, 0, 0, 10, 0},
		{0xff, 1, 2, 3, 0, 0, 10, 0xff}:       {0x88, 1, 2, 3, 0, 0, 10, 0},
		{0x7f, 1, 2, 3, 0, 0, 10, 0}:          {0x08, 0, 0, 0, 0, 0, 10, 0},
	} {
		b := (&gateway{ns: w.vtep}).outerFrame(t, ipFrame(macA, macR, 101))
		copy(b[14+20+8:], in[:])
		ret, out := runAt(t, w.vtep, p.objs.VtepUnderlay, "u0", b)
		if got := [8]byte(out[14+20+8:]); ret != actNext || got != want {
			t.Errorf("%x: action %d, became %x, want %x", in, int32(ret), got, want)
		}
	}
}
