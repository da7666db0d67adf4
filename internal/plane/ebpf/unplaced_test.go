package ebpf

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
)

// fromCrowd is a frame whose source crowdOf makes up. It is learned, and goes no further.
var fromCrowd = frame(intent.MAC{1, 0x80, 0xc2}, intent.MAC{2, 7}, "a host of many")

// learnsAll waits until so many MACs are learned and so many, in all and at p1, were refused for want of room.
func (w *world) learnsAll(p *Plane, learned, refused func(uint32) bool, sent uint32) {
	w.t.Helper()
	testenv.Eventually(w.t, 2*patience, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		count, no := p.learnedCount(), atomic.LoadUint32(&p.quotas[0].Refused)
		if count+no != sent || !learned(count) || !refused(no) {
			return fmt.Errorf("of %d MACs %d are learned and %d refused", sent, count, no)
		}
		return nil
	})
	w.balanced(p)
}

func is(want uint32) func(uint32) bool { return func(n uint32) bool { return n == want } }

// Hosts that send one frame each while the map of learned MACs is full, and somebody keeps the plane from making a larger one,
// are learned when there is one.
func TestLearnWithoutRoom(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{start: map[string]uint32{"locals": 256}})
	w.apply(p, basic(), nil)
	const hosts = 5000
	p.mu.Lock()
	w.arrive(crowdOf(t, hosts), "p1", fromCrowd, hosts)
	p.mu.Unlock()
	w.learnsAll(p, is(hosts), is(0), hosts)
	w.audit(p)
}

// One that sends again and again meanwhile takes the place of nobody else, and is learned where it was last.
func TestLearnWithoutRoomMoved(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{start: map[string]uint32{"locals": 256}})
	w.apply(p, basic(), nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	at := func(port string) layout.Sighting {
		for slot, b := range p.contents.BySlot {
			if b != nil && b.Key.Port == port && b.Domain != nil {
				return layout.Sighting{BD: b.Domain.BD, MAC: macA, Slot: uint32(slot), Gen: b.Gen}
			}
		}
		t.Fatalf("nothing is bound at %s", port)
		return layout.Sighting{}
	}
	var u unplaced
	for range unplacedMost {
		if !u.add("p1", at("p1"), monotonic()) {
			t.Fatal("a MAC that waits is refused")
		}
	}
	last := at("p0")
	u.add("p0", last, monotonic())
	other := at("p1")
	other.MAC = macB
	if !u.add("p1", other, monotonic()) {
		t.Error("another MAC of the port has no place")
	}
	macs := u.take()
	if len(macs) != 2 {
		t.Errorf("%d MACs wait, not 2", len(macs))
	}
	u.add("p0", last, monotonic())
	stale := map[layout.MACKey]unplacedAt{}
	stale[layout.MACKey{BD: last.BD, MAC: macA}] = unplacedAt{slot: other.Slot, gen: other.Gen}
	u.back(stale)
	if err := p.place(u.take()); err != nil {
		t.Fatal(err)
	}
	var l layout.Local
	if err := p.objs.Locals.Lookup(layout.MACKey{BD: last.BD, MAC: macA}, &l); err != nil || l.Slot != last.Slot {
		t.Errorf("it is learned at binding %d, %v, not %d where it was last", l.Slot, err, last.Slot)
	}
}

// Those for whom there is no room at all are counted, each once, and said of the port that they came in at.
func TestLearnNoRoomEver(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{Most: map[string]uint32{"locals": 1024}, start: map[string]uint32{"locals": 256}})
	w.apply(p, basic(), nil)
	const hosts = 5000
	w.arrive(crowdOf(t, hosts), "p1", fromCrowd, hosts)
	w.learnsAll(p, is(1024), is(hosts-1024), hosts)
	w.refusedAt(p, limitTable, "p1", hosts-1024)
}

// What limits keep from being learned is said by port.
func TestRefusedByPort(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	s.MACLimit = 200
	s.Ports["p1"] = intent.Port{MACLimit: 100}
	w.apply(p, s, nil)
	const hosts = 1000
	w.arrive(crowdOf(t, hosts), "p1", fromCrowd, hosts)
	w.refusedAt(p, limitPort, "p1", hosts-100)
	w.arrive(crowdOf(t, hosts), "p0", frame(intent.MAC{1, 0x80, 0xc2}, intent.MAC{2, 8, 1}, "of others"), hosts)
	w.balanced(p)
	w.refusedAt(p, limitTable, "p0", hosts-100)
	w.refusedAt(p, limitPort, "p1", hosts-100)
}

func (w *world) refusedAt(p *Plane, reason, port string, want uint64) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
		places, err := p.DropsByPlace(w.t.Context())
		if err != nil {
			return err
		}
		for _, d := range places {
			if d.Reason == reason && d.Port == port && d.VLAN == plane.NoVLAN && d.Count == want {
				return nil
			}
		}
		return fmt.Errorf("%s at %s is not %d: %v", reason, port, want, places)
	})
}

// A port at which ten thousands of hosts appear, faster than they are heard of, does not keep one of another port from being
// learned and told of: neither while there is room for all, nor while the map of learned MACs is full. Who is not
// learned is counted.
func TestFloodOfSources(t *testing.T) {
	for name, start := range map[string]uint32{"with room": 1 << 17, "without": 256} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.plane(Options{start: map[string]uint32{"locals": start}})
			w.apply(p, basic(), nil)
			const hosts = 50_000
			again := p.ring.breaks()
			w.arrive(crowdOf(t, hosts), "p1", fromCrowd, hosts)
			w.send("h0", frame(bcast, macA, "here is A"))
			w.barrier()
			again()
			w.seen(p, plane.Seen{Key: intent.MACKey{Switch: ls1, MAC: macA}, At: intent.BindingKey{Port: "p0"}})
			any := func(uint32) bool { return true }
			w.learnsAll(p, any, any, hosts+1)
			found := false
			seen, err := p.Sweep(t.Context())
			for _, s := range seen {
				found = found || s.Key.MAC == macA
			}
			if err != nil || !found {
				t.Errorf("the other host is not among %d MACs, %v", len(seen), err)
			}
			if refused := atomic.LoadUint32(&p.quotas[0].Refused); refused != 0 && start > hosts {
				t.Errorf("%d MACs were refused, although there was room", refused)
			} else if refused != 0 {
				w.refusedAt(p, limitTable, "p1", uint64(refused))
			}
		})
	}
}
