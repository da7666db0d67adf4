package ebpf

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// crowdOf gives a program of XDP that lets frames in, each from another source MAC: 02:07 and a number that begins anew
// after so many.
func crowdOf(t testing.TB, n int32) *ebpf.Program {
	t.Helper()
	counter, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer counter.Close()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0", Instructions: asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, counter.FD()), asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.LoadMem(asm.R7, asm.R0, 0, asm.DWord),
		asm.Mov.Reg(asm.R8, asm.R7), asm.Add.Imm(asm.R8, 1), asm.StoreMem(asm.R0, 0, asm.R8, asm.DWord),
		asm.Mod.Imm(asm.R7, n),
		asm.LoadMem(asm.R2, asm.R6, 0, asm.Word), asm.LoadMem(asm.R3, asm.R6, 4, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, 14),
		asm.JGT.Reg(asm.R4, asm.R3, "pass"),
		asm.StoreMem(asm.R2, 8, asm.R7, asm.Word),
		asm.Mov.Imm(asm.R0, 2).WithSymbol("pass"), asm.Return(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prog.Close() })
	return prog
}

// arrive has n frames appear at a device of the vtep ns, as a driver would deliver them.
func (w *world) arrive(prog *ebpf.Program, dev string, data []byte, n int) {
	w.t.Helper()
	ctx := make([]byte, 24) // struct xdp_md: data, data_end, data_meta, ingress_ifindex, ...
	binary.NativeEndian.PutUint32(ctx[4:], uint32(len(data)))
	binary.NativeEndian.PutUint32(ctx[12:], uint32(w.index(dev)))
	err := w.vtep.Do(func() error {
		_, err := prog.Run(&ebpf.RunOptions{Data: data, Context: ctx, Repeat: uint32(n), Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// A million of hosts (or a part, with less effort) appear at a port while as many MACs come behind a peer: all are
// in the maps, which have grown for them, none is counted twice, and nothing of what others send meanwhile is lost. The
// next process has them all as they are.
func TestLearnMany(t *testing.T) {
	n := part(t, 1_000_000) / 10_000 * 10_000
	w := newWorld(t)
	w.bigBuffers("h0", "vx10")
	few := map[string]uint32{"locals": 256, "remotes": 256}
	p := w.plane(Options{start: few})
	s := basic()
	s.MACLimit = uint32(n) + 10
	w.apply(p, s, nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.seen(p, plane.Seen{Key: intent.MACKey{Switch: ls1, MAC: macA}, At: intent.BindingKey{Port: "p0"}})
	out := w.flow("h0", macA, macR, "vx10")
	in := w.flow("vx10", macR, macA, "h0")
	var meanwhile sync.WaitGroup
	meanwhile.Go(func() {
		for range p.Events() {
		}
	})
	host := frame(intent.MAC{1, 0x80, 0xc2}, intent.MAC{2, 7}, "is learned, and goes no further")
	crowd := crowdOf(t, int32(n))
	next := s.Clone()
	for first := 0; first < n; first += 10_000 {
		w.arrive(crowd, "p1", host, 10_000)
		d := &intent.Delta{Unicast: manyMACs(first, 10_000, 10)}
		for _, c := range d.Unicast {
			next.Unicast.Set(c.Key, *c.New)
		}
		w.apply(p, next, d)
	}
	testenv.Eventually(t, 2*patience, func() error { // some may have come while a map was full
		w.arrive(crowd, "p1", host, n)
		if got := p.learnedCount(); got != uint32(n)+1 {
			return fmt.Errorf("%d MACs are learned, of %d", got, n+1)
		}
		return nil
	})
	in.mustBeWhole("from the peer")
	out.mustBeWhole("to the peer")
	check := func() {
		t.Helper()
		w.balanced(p)
		w.audit(p)
		if got := p.learnedCount(); got != uint32(n)+1 {
			t.Errorf("%d MACs are learned, of %d", got, n+1)
		}
		for _, m := range []*ebpf.Map{p.objs.Locals, p.objs.Remotes} {
			if room := int(m.MaxEntries()); room < n || room > 8*n {
				t.Errorf("%v has room for %d, for %d", m, room, n)
			}
		}
	}
	check()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	meanwhile.Wait()
	p = w.plane(Options{start: few})
	delta := &intent.Delta{Unicast: manyMACs(0, n/2, 10)}
	for i := range delta.Unicast { // these have gone when the next process comes
		next.Unicast.Delete(delta.Unicast[i].Key)
	}
	w.apply(p, next, nil)
	check()
}
