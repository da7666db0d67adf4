package ebpf

import (
	"maps"
	"testing"

	"github.com/vtep/vtep/internal/intent"
)

// A port counts from nothing, whose number and device were of one that has gone. What that one counted stays in the sums.
func TestCountersOfNewPort(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	s.Ports["p1"] = intent.Port{MACLimit: 10}
	without := s.Clone()
	delete(without.Ports, "p1")
	maps.DeleteFunc(without.Bindings, func(at intent.BindingKey, _ intent.Binding) bool { return at.Port == "p1" })
	w.apply(p, without, nil)
	w.apply(p, s, intent.Diff(without, s)) // so that it has the last number
	const hosts = 50
	w.arrive(crowdOf(t, hosts), "p1", fromCrowd, hosts)
	w.refusedAt(p, limitPort, "p1", hosts-10)
	w.send("h1", tagged(frame(bcast, macB, "of no switch"), 77))
	w.barrier()
	at := func(reason string) (n uint64) {
		t.Helper()
		places, err := p.DropsByPlace(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range places {
			if d.Port == "p1" && d.Reason == reason {
				n += d.Count
			}
		}
		return n
	}
	sums := func() [2]uint64 {
		t.Helper()
		stats, err := p.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return [2]uint64{stats.Drops[limitPort], stats.Drops["unbound_vlan"]}
	}
	before, number := sums(), p.ports["p1"].Number
	if before != [2]uint64{hosts - 10, 1} || at("unbound_vlan") != 1 {
		t.Fatalf("%d, at p1 %d", before, at("unbound_vlan"))
	}
	restart := func() {
		t.Helper()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p = w.plane(Options{})
	}
	restart()
	w.apply(p, s, nil)
	if at(limitPort) != hosts-10 || at("unbound_vlan") != 1 {
		t.Errorf("of a port that stays the next process has %d and %d", at(limitPort), at("unbound_vlan"))
	}
	w.apply(p, without, intent.Diff(s, without))
	restart() // so that the number is the next one to be given out
	w.apply(p, without, nil)
	w.apply(p, s, intent.Diff(without, s))
	if got := p.ports["p1"].Number; got != number {
		t.Fatalf("the port has the number %d, not %d: this shows nothing", got, number)
	}
	if at(limitPort) != 0 || at("unbound_vlan") != 0 {
		t.Errorf("the new port has %d and %d of the one that has gone", at(limitPort), at("unbound_vlan"))
	}
	if after := sums(); after != before {
		t.Errorf("all together are %d, were %d", after, before)
	}
}
