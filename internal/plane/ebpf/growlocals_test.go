package ebpf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
)

// crowdedLocals has the map of learned MACs made larger by what hosts at p0 send.
func (w *world) crowdedLocals() {
	for n := range 300 {
		w.send("h0", frame(macB, intent.MAC{2, 5, 0, 0, 1, byte(n)}, "host"))
	}
	w.barrier()
}

// hasGrown waits for it.
func (w *world) hasGrown(p *Plane, than uint32) {
	w.t.Helper()
	testenv.Eventually(w.t, 5*patience, func() error {
		if n := p.sizes()["locals"]; n <= than {
			return fmt.Errorf("map locals has %d entries still", n)
		}
		return nil
	})
}

// While a larger map of learned MACs is made, others have the plane: nothing waits for it. What is learned, moves and is forgotten
// meanwhile is so afterwards.
func TestEnlargeWaitsForNobody(t *testing.T) {
	w := newWorld(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	first := true
	p := w.plane(Options{start: map[string]uint32{"locals": 256}, beforeSwap: func() {
		if first {
			first = false
			close(began)
			<-goOn
		}
	}})
	s := basic()
	w.apply(p, s, nil)
	moves, goes, comes := intent.MAC{2, 9, 0, 0, 0, 1}, intent.MAC{2, 9, 0, 0, 0, 2}, intent.MAC{2, 9, 0, 0, 0, 3}
	w.send("h0", frame(bcast, moves, "at p0"))
	w.send("h0", frame(bcast, goes, "at p0"))
	w.barrier()
	for n := range 80 { // a quarter: a larger one is due
		w.send("h0", frame(macB, intent.MAC{2, 5, 0, 0, 0, byte(n)}, "host"))
	}
	w.barrier()
	select {
	case <-began:
	case <-time.After(5 * patience):
		t.Fatal("no larger map is made")
	}
	next := s.Clone()
	next.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macC}, intent.Tunnel{Peer: peerIP, VNI: 10})
	w.apply(p, next, intent.Diff(s, next)) // would wait for ever if the lock were held
	w.send("h1", frame(bcast, moves, "at p1"))
	w.send("h1", frame(bcast, comes, "at p1"))
	w.barrier()
	if err := p.Forget(t.Context(), []intent.MACKey{{Switch: ls1, MAC: goes}}); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	w.hasGrown(p, 256)
	seen, err := p.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := map[intent.MAC]string{}
	for _, s := range seen {
		at[s.Key.MAC] = s.At.Port
	}
	if at[moves] != "p1" || at[comes] != "p1" || at[goes] != "" || len(at) != 82 {
		t.Errorf("%d MACs; that moved is at %q, the new one at %q, the forgotten one at %q", len(at), at[moves], at[comes], at[goes])
	}
	w.balanced(p)
	w.audit(p)
	w.forwards()
}

// If other maps grow meanwhile, or the plane is closed, what was made for nothing leaves nothing behind; the first time it is
// made once more.
func TestEnlargeOvertaken(t *testing.T) {
	w := newWorld(t)
	var times atomic.Int32 // with so many a third one may be made, which the test doesn't wait for
	var p *Plane
	p = w.plane(Options{start: map[string]uint32{"locals": 256}, beforeSwap: func() {
		if times.Add(1) == 1 {
			p.mu.Lock()
			err := p.grow(map[string]uint32{"remotes": 2 * p.objs.Remotes.MaxEntries()}, p.growing())
			p.mu.Unlock()
			if err != nil {
				t.Error(err)
			}
		}
	}})
	w.apply(p, basic(), nil)
	w.crowdedLocals()
	w.hasGrown(p, 256)
	if n := times.Load(); n < 2 {
		t.Errorf("it was made %d times", n)
	}
	w.balanced(p)
	w.audit(p)
	w.forwards()
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}

	closing, closed := make(chan struct{}), make(chan error)
	p = w.plane(Options{start: map[string]uint32{"locals": 256}, beforeSwap: func() {
		close(closing)
		for {
			p.mu.Lock()
			over := p.closed
			p.mu.Unlock()
			if over {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}})
	w.apply(p, basic(), nil)
	w.crowdedLocals()
	select {
	case <-closing:
	case <-time.After(5 * patience):
		t.Fatal("no larger map is made")
	}
	go func() { closed <- p.Close() }()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	_ = filepath.WalkDir(p.opts.PinDir, func(path string, _ fs.DirEntry, _ error) error {
		if strings.HasSuffix(path, kernel.NewPin) {
			t.Errorf("%s is left", path)
		}
		return nil
	})
}

// A MAC that waited for room is placed where it was seen last, whether or not it is learned elsewhere by then; and the agent hears
// of its addresses again, as of any that is learned.
func TestPlaceMoved(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	sw := s.Switches[ls1]
	sw.SnoopIPs = true
	s.Switches[ls1] = sw
	w.apply(p, s, nil)
	early := monotonic() - time.Minute
	w.send("h0", frame(bcast, macA, "at p0"))
	w.barrier()
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.contents.Bindings[intent.BindingKey{Port: "p1"}]
	key := layout.MACKey{BD: b.Domain.BD, MAC: macA}
	told := key
	told.Kind = layout.FamilyIPv4
	if err := p.objs.Snooped.Put(&told, &layout.SnoopedAddress{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		seen time.Duration
		port string
	}{{early, "p0"}, {monotonic() + time.Second, "p1"}} {
		if err := p.place(map[layout.MACKey]unplacedAt{key: {slot: b.Slot, gen: b.Gen, seen: c.seen}}); err != nil {
			t.Fatal(err)
		}
		var l layout.Local
		if err := p.objs.Locals.Lookup(&key, &l); err != nil || l.Port != p.ports[c.port].Number {
			t.Errorf("it is at %d, %v, should be at %s", l.Port, err, c.port)
		}
		counts := [3]uint32{p.learnedCount(), p.quotas[p.ports["p0"].Number].Count, p.quotas[p.ports["p1"].Number].Count}
		if want := map[string][3]uint32{"p0": {1, 1, 0}, "p1": {1, 0, 1}}[c.port]; counts != want {
			t.Errorf("counted are %d, should be %d", counts, want)
		}
	}
	if err := p.objs.Snooped.Lookup(&told, &layout.SnoopedAddress{}); !isMissing(err) {
		t.Errorf("its addresses are not told of again: %v", err)
	}
}

// A larger map of learned MACs that is under way leaves nothing behind where all is taken away.
func TestEnlargeDestroyed(t *testing.T) {
	w := newWorld(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := w.plane(Options{start: map[string]uint32{"locals": 256}, beforeSwap: func() {
		once.Do(func() { close(began) })
		<-goOn
	}})
	w.apply(p, basic(), nil)
	w.crowdedLocals()
	select {
	case <-began:
	case <-time.After(5 * patience):
		t.Fatal("no larger map is made")
	}
	destroyed := make(chan error)
	p.mu.Lock() // so that both wait for it, most likely in this order
	go func() { destroyed <- p.Destroy(t.Context()) }()
	time.Sleep(20 * time.Millisecond)
	close(goOn)
	time.Sleep(20 * time.Millisecond)
	p.mu.Unlock()
	if err := <-destroyed; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.opts.PinDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there still: %v", p.opts.PinDir, err)
	}
}
