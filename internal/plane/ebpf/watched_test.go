package ebpf

import (
	"errors"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

// learns has the plane learn macA on p0.
func (w *world) learns(p *Plane) plane.Seen {
	w.t.Helper()
	b := frame(bcast, macA, "to be learned")
	w.send("h0", b)
	w.expect("h1", b)
	s := plane.Seen{Key: intent.MACKey{Switch: ls1, MAC: macA}, At: intent.BindingKey{Port: "p0"}}
	w.seen(p, s)
	return s
}

// What an earlier process has learned is not touched by whoever asks before the first Apply:
// forwarding may be left as it is for long.
func TestSweepBeforeApply(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.learns(p)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.plane(Options{})
	if all, err := p.Sweep(t.Context()); err != nil || len(all) > 0 {
		t.Fatalf("%v, %v before anything is known", all, err)
	}
	w.apply(p, basic(), nil)
	if all, err := p.Sweep(t.Context()); err != nil || len(all) != 1 || all[0].Key.MAC != macA {
		t.Fatalf("%v, %v: should have %v", all, err, macA)
	}
}

// The map of watched MACs grows. Where it can't that is a problem, until there is room again.
func TestWatchMany(t *testing.T) {
	for name, most := range map[string]uint32{"grows": 0, "full": 16} {
		t.Run(name, func(t *testing.T) { testWatchMany(t, most) })
	}
}

func testWatchMany(t *testing.T, most uint32) {
	const many = 40
	w := newWorld(t)
	p := w.plane(Options{start: map[string]uint32{"watched": 4}, Most: map[string]uint32{"watched": most}})
	s := basic()
	w.apply(p, s, nil)
	var keys []intent.MACKey
	say := func() {
		for _, k := range keys {
			w.send("h0", frame(bcast, k.MAC, "again"))
		}
		w.barrier()
	}
	for n := range byte(many) {
		keys = append(keys, intent.MACKey{Switch: ls1, MAC: intent.MAC{2, 6, 0, 0, 0, n}})
	}
	say()
	for _, k := range keys {
		w.seen(p, plane.Seen{Key: k, At: intent.BindingKey{Port: "p0"}})
	}
	full := func() bool { return len(w.problems(p, problem.TableFull)) > 0 }
	if err := p.Watch(t.Context(), keys); (err != nil) != (most != 0) || full() != (most != 0) {
		t.Errorf("watching: %v, the map is full: %v", err, full())
	}
	told := many
	if most != 0 {
		told = int(most)
	}
	say()
	for _, k := range keys[:told] {
		w.seen(p, plane.Seen{Key: k, At: intent.BindingKey{Port: "p0"}})
	}
	testenv.Eventually(t, patience, func() error {
		if full() {
			return errors.New("the map is still said to be full")
		}
		return nil
	})
	w.audit(p)
}

// Watched MACs go with their switch.
func TestWatchedSwitchGone(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	w.apply(p, s, nil)
	if err := p.Watch(t.Context(), []intent.MACKey{w.learns(p).Key}); err != nil {
		t.Fatal(err)
	}
	left := func() (n int, on bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if err := kernel.Scan(p.objs.Watched, func(layout.MACKey, uint32) { n++ }); err != nil {
			t.Fatal(err)
		}
		return n + p.watched.len(), p.settings.Flags&layout.ConfigWatched != 0
	}
	if n, on := left(); n != 2 || !on {
		t.Fatalf("%d, %v: nothing is watched", n, on)
	}
	none := intent.NewState() // but for who we are
	none.Physical, none.TunnelIP, none.MACLimit, none.AcceptAnySource = s.Physical, s.TunnelIP, s.MACLimit, s.AcceptAnySource
	w.apply(p, none, intent.Diff(s, none))
	if n, on := left(); n != 0 || on {
		t.Errorf("%d, %v: still watched", n, on)
	}
	w.audit(p)
}
