package ebpf

import (
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
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
		if err := scan(p.objs.Watched, func(vtepMacKey, uint32) { n++ }); err != nil {
			t.Fatal(err)
		}
		return n + len(p.watched), p.settings.Flags&configWatched != 0
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
