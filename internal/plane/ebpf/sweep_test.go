package ebpf

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// learnMany puts n MACs into the map of those learned, as if p0 had them.
func (w *world) learnMany(p *Plane, n int) {
	w.t.Helper()
	b := p.contents.Bindings[intent.BindingKey{Port: "p0"}]
	seen := uint64(monotonic())
	atomic.StoreUint32(&p.quotas[0].Count, uint32(n))
	const batch = 4096
	for first := 0; first < n; first += batch {
		keys, values := make([]layout.MACKey, min(batch, n-first)), make([]layout.Local, min(batch, n-first))
		for i := range keys {
			keys[i] = layout.MACKey{BD: b.Domain.BD, MAC: [6]uint8{2, 8}}
			binary.BigEndian.PutUint32(keys[i].MAC[2:], uint32(first+i))
			values[i] = layout.Local{Slot: b.Slot, Gen: b.Gen, Port: p.ports["p0"].Number, Seen: seen}
		}
		if _, err := p.objs.Locals.BatchUpdate(keys, values, nil); err != nil {
			w.t.Fatal(err)
		}
	}
}

// Between the parts of a sweep others have their turn; one that gives the map another size, or
// closes the plane, spoils nothing.
func TestSweepInParts(t *testing.T) {
	w := newWorld(t)
	s := basic()
	parts, between := 0, func(*Plane) {}
	var p *Plane
	p = w.plane(Options{start: map[string]uint32{"locals": 1 << 16}, betweenBatches: func() {
		parts++
		between(p)
	}})
	w.apply(p, s, nil)
	const macs = 10_000
	w.learnMany(p, macs)
	next := s.Clone()
	between = func(p *Plane) {
		if parts == 1 {
			next.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macC}, intent.Tunnel{Peer: peerIP, VNI: 10})
			w.apply(p, next, intent.Diff(s, next)) // would wait for ever if the lock were held
		}
		if parts == 2 {
			p.mu.Lock()
			p.growTo(map[string]uint32{"locals": 1 << 17}, p.growing())
			p.mu.Unlock()
		}
	}
	seen, err := p.Sweep(t.Context())
	if err != nil || parts < 4 {
		t.Fatalf("%d parts, %v", parts, err)
	}
	found := map[intent.MACKey]bool{}
	for _, s := range seen {
		found[s.Key] = true
	}
	if len(found) != macs {
		t.Errorf("%d MACs were seen, want %d", len(found), macs)
	}
	between = func(p *Plane) { p.Close() }
	if _, err := p.Sweep(t.Context()); err == nil {
		t.Error("a sweep of a plane that was closed says that it saw all")
	}
}

// BenchmarkApplyDuringSweep compares the times that an Apply of one MAC takes alone, and while all
// of 250,000 MACs are swept. That the second are no more than 5 ms above the first is the goal.
func BenchmarkApplyDuringSweep(b *testing.B) {
	w := newWorld(b)
	p := w.plane(Options{start: map[string]uint32{"locals": 1 << 19}})
	s := basic()
	w.apply(p, s, nil)
	w.learnMany(p, 250_000)
	n := uint32(0)
	apply := func() time.Duration {
		n++
		start := time.Now()
		if _, err := p.Apply(b.Context(), s, &intent.Delta{Unicast: manyMACs(500, 1, n)}); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	var alone, beside []time.Duration
	var sweep time.Duration
	for start := time.Now(); time.Since(start) < 3*time.Second; { // long enough to be disturbed as often
		alone = append(alone, apply())
	}
	for b.Loop() {
		done := make(chan time.Duration)
		go func() {
			start := time.Now()
			if _, err := p.Sweep(b.Context()); err != nil {
				b.Error(err)
			}
			done <- time.Since(start)
		}()
		for under := true; under; {
			select {
			case took := <-done:
				sweep, under = max(sweep, took), false
			default:
				beside = append(beside, apply())
			}
		}
	}
	b.ReportMetric(float64(sweep.Microseconds())/1e3, "ms/sweep")
	for name, times := range map[string][]time.Duration{"alone": alone, "beside": beside} {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)-1].Microseconds())/1e3, "ms/"+name+"-worst")
		for _, part := range []int{50, 99} {
			b.ReportMetric(float64(times[len(times)*part/100].Microseconds())/1e3, fmt.Sprintf("ms/%s-p%d", name, part))
		}
	}
}
