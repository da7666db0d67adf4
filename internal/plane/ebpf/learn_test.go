package ebpf

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// balanced compares the counts of learned MACs with those that are there.
func (w *world) balanced(p *Plane) {
	w.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	want := map[uint32]uint32{}
	err := kernel.Scan(p.objs.Locals, func(_ layout.MACKey, l layout.Local) {
		want[0]++
		want[l.Port]++
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for n := range uint32(8) {
		if got := atomic.LoadUint32(&p.quotas[n].Count); got != want[n] {
			w.t.Errorf("port number %d counts %d learned MACs, there are %d", n, int32(got), want[n])
		}
	}
}

// Hosts that move while the agent forgets them take each place once, and give it back once.
func TestForgetAgainstMoves(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	key := intent.MACKey{Switch: ls1, MAC: intent.MAC{2, 7}}
	in := frame(intent.MAC{1, 0x80, 0xc2}, key.MAC, "is learned, and goes no further")
	var contexts [2][]byte
	for i, dev := range []string{"p0", "p1"} {
		contexts[i] = make([]byte, 192)                                       // struct __sk_buff
		binary.NativeEndian.PutUint32(contexts[i][36:], uint32(w.index(dev))) // ingress_ifindex
		binary.NativeEndian.PutUint32(contexts[i][40:], uint32(w.index(dev))) // ifindex
	}
	const moves = 50_000
	moved := make(chan error, 1)
	go func() {
		moved <- w.vtep.Do(func() error {
			for n := range moves {
				if _, err := p.objs.VtepPort.Run(&ebpf.RunOptions{Data: in, Context: contexts[n%2]}); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	rng := rand.New(rand.NewPCG(1, 2))
	for done := false; !done; {
		select {
		case err := <-moved:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
		}
		if err := p.Forget(t.Context(), []intent.MACKey{key}); err != nil {
			t.Fatal(err)
		}
		for pause := time.Now().Add(time.Duration(rng.IntN(100)) * time.Microsecond); time.Now().Before(pause); {
		}
	}
	w.balanced(p)
	if err := p.Forget(t.Context(), []intent.MACKey{key}); err != nil {
		t.Fatal(err)
	}
	w.balanced(p)
}

// Nothing is learned for a binding that goes while a frame is on its way: no port has the MAC, and what all have
// together is no port's.
func TestLearnOnNoPort(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	slot := p.contents.Bindings[intent.BindingKey{Port: "p0"}].Slot
	var m layout.Member
	if err := p.objs.Members.Lookup(&slot, &m); err != nil {
		t.Fatal(err)
	}
	m.Port = 0 // as learn_new finds it then
	if err := p.objs.Members.Put(&slot, &m); err != nil {
		t.Fatal(err)
	}
	w.send("h0", frame(bcast, macA, "on its way"))
	w.barrier()
	stats, err := p.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := stats.Drops[limitPort]; n != 0 || p.learnedCount() != 0 {
		t.Errorf("%d MACs are learned, %d refused", p.learnedCount(), n)
	}
}
