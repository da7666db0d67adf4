package ebpf

import (
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// hearsAt has a MAC appear at a device of the vtep ns, untagged, without a frame on its wire.
func (w *world) hearsAt(p *Plane, dev string, mac intent.MAC) {
	w.t.Helper()
	ctx := make([]byte, 192)                                      // struct __sk_buff
	binary.NativeEndian.PutUint32(ctx[36:], uint32(w.index(dev))) // ingress_ifindex
	binary.NativeEndian.PutUint32(ctx[40:], uint32(w.index(dev))) // ifindex
	err := w.vtep.Do(func() error {
		_, err := p.objs.VtepPort.Run(&ebpf.RunOptions{Data: frame(intent.MAC{1, 0x80, 0xc2}, mac, "is learned, and goes no further"), Context: ctx})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// learnedAt gives the key and the entry of a MAC at a port.
func (p *Plane) learnedAt(port string, mac intent.MAC) (layout.MACKey, layout.Local) {
	b := p.contents.Bindings[intent.BindingKey{Port: port}]
	return layout.MACKey{BD: b.Domain.BD, MAC: mac}, layout.Local{Slot: b.Slot, Gen: b.Gen, Port: p.ports[port].Number, Seen: uint64(monotonic())}
}

// What the programs before and those now both learn while a larger map takes the place of one, or both move, is counted once in the
// end, also if others come while it is counted.
func TestCountsOfOverlap(t *testing.T) {
	w := newWorld(t)
	twice, moves, late, goes := intent.MAC{2, 9, 1}, intent.MAC{2, 9, 2}, intent.MAC{2, 9, 3}, intent.MAC{2, 9, 4}
	swapped := false
	var p *Plane
	p = w.plane(Options{afterSwap: func(old *ebpf.Map) {
		count := func(port string, by uint32) { // as the programs before do
			atomic.AddUint32(&p.quotas[p.ports[port].Number].Count, by)
			atomic.AddUint32(&p.quotas[0].Count, by)
		}
		put := func(port string, mac intent.MAC) {
			key, l := p.learnedAt(port, mac)
			if err := old.Put(&key, &l); err != nil {
				t.Error(err)
			}
		}
		w.hearsAt(p, "p1", twice)
		put("p1", twice)
		count("p1", 1)
		w.hearsAt(p, "p1", moves)
		put("p1", moves)
		count("p0", minusOne)
		count("p1", 1)
		put("p0", late)
		count("p0", 1)
		key, _ := p.learnedAt("p0", goes)
		if err := old.Delete(&key); err != nil {
			t.Error(err)
		}
		count("p0", minusOne)
		swapped = true
	}, whileCounting: func() {
		for n := 0; swapped && n < 10; n++ {
			w.hearsAt(p, "p1", intent.MAC{2, 9, 9, byte(n)})
		}
	}})
	w.apply(p, basic(), nil)
	w.hearsAt(p, "p0", moves)
	w.hearsAt(p, "p0", goes)
	p.mu.Lock()
	err := p.grow(map[string]uint32{"locals": 2 * p.objs.Locals.MaxEntries()}, p.growing())
	p.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	w.balanced(p)
}

// One that is put where it was seen last, and sends there or elsewhere in this moment, is counted where it is.
func TestCountsOfPlaced(t *testing.T) {
	w := newWorld(t)
	sends := func() {}
	p := w.plane(Options{beforeUnlearn: func() { sends() }})
	s := basic()
	s.Bindings[intent.BindingKey{Port: "p2"}] = intent.Binding{Switch: ls1}
	w.apply(p, s, nil)
	p.mu.Lock()
	for n, at := range []string{"p0", "p1", "p2"} {
		mac := intent.MAC{2, 9, 0, 0, 0, byte(n)}
		w.hearsAt(p, "p0", mac)
		key, l := p.learnedAt("p1", mac)
		sends = func() { w.hearsAt(p, at, mac) }
		if err := p.place(map[layout.MACKey]unplacedAt{key: {slot: l.Slot, gen: l.Gen, seen: time.Second + monotonic()}}); err != nil {
			t.Error(err)
		}
		sends = func() {}
	}
	p.mu.Unlock()
	w.balanced(p)
}

// A count that is wrong, for whatever reason, is right after two sweeps; one that changes meanwhile is let be.
func TestCountsSettle(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.hearsAt(p, "p0", macA)
	w.hearsAt(p, "p1", macB)
	number := p.ports["p1"].Number
	atomic.AddUint32(&p.quotas[number].Count, 3)
	atomic.AddUint32(&p.quotas[0].Count, minusOne)
	for range 2 {
		if n := atomic.LoadUint32(&p.quotas[number].Count); n != 4 {
			t.Errorf("one sweep has made the count %d", n)
		}
		if _, err := p.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.balanced(p)
	before := p.counted()
	before[number]--
	p.doubtedCounts = make(places, len(before))
	p.doubtedCounts[number] = 1
	p.settle(before, p.counted())
	w.balanced(p)
}

// An entry that a program has begun to take out is taken out for it if that never happens, not before: the next frame might
// have put another one in its place.
func TestStuckMAC(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	key, l := p.learnedAt("p0", macA)
	l.Port = layout.Leaving
	if err := p.objs.Locals.Put(&key, &l); err != nil {
		t.Fatal(err)
	}
	there := func() bool {
		if _, err := p.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		return p.objs.Locals.Lookup(&key, &l) == nil
	}
	if !there() {
		t.Error("it was taken out at once")
	}
	old := p.stuck[key]
	old.since -= 2 * grace
	p.stuck[key] = old
	if there() {
		t.Error("it is there still")
	}
	if _, err := p.Sweep(t.Context()); err != nil || len(p.stuck) != 0 {
		t.Errorf("%d are stuck, %v", len(p.stuck), err)
	}
	w.hearsAt(p, "p0", macA)
	w.balanced(p)
}

// A port has the share of those that wait now, not of those that have waited.
func TestUnplacedShare(t *testing.T) {
	var u unplaced
	at := layout.Sighting{BD: 1, MAC: macA}
	for range unplacedMost {
		if !u.add("p1", at, 0) {
			t.Fatal("it is refused")
		}
		u.drop(layout.MACKey{BD: 1, MAC: macA})
	}
	u.back(map[layout.MACKey]unplacedAt{{BD: 1, MAC: macB}: {port: "p1"}})
	if u.of["p1"] != 1 || len(u.macs) != 1 {
		t.Errorf("%d wait, %d of p1", len(u.macs), u.of["p1"])
	}
}
