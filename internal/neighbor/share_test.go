package neighbor

import (
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

var (
	bad  = Place{intent.SwitchID{1}, intent.BindingKey{Port: "p0"}}
	good = Place{intent.SwitchID{2}, intent.BindingKey{Port: "p1"}}
)

func from(p Place) Packet { return Packet{Frame: []byte{1, 2, 3}, Switch: p.Switch, At: p.At} }

// Who asks for many addresses leaves as much to others as it has itself.
func TestAskersShare(t *testing.T) {
	tab, now := New(), start
	for n := range 3 * MaxIncomplete {
		tab.Ask(now, key(n), from(bad))
	}
	if n := tab.incomplete.by[bad]; n != MaxIncomplete/2 || tab.waiting.taken != n || tab.waitingSize.taken != 3*n {
		t.Errorf("it has %d asked for, and %d packets of %d bytes wait", n, tab.waiting.taken, tab.waitingSize.taken)
	}
	did := tab.Take()
	if want := []Full{{Place: bad}}; !did.FullChanged || !slices.Equal(did.Full, want) {
		t.Errorf("full are %v, %v", did.Full, did.FullChanged)
	}
	if n := 3*MaxIncomplete - MaxIncomplete/2; len(did.Dropped) != n {
		t.Errorf("%d packets are dropped, should be %d", len(did.Dropped), n)
	}
	for n := range 1000 {
		k := key(n)
		k.Switch = good.Switch
		tab.Ask(now, k, from(good))
		tab.Heard(now, k, mac, good.At)
	}
	if did := tab.Take(); len(did.Dropped) > 0 || len(did.Deliver) != 1000 || did.FullChanged {
		t.Errorf("of the packets of another place %d are dropped, %d delivered", len(did.Dropped), len(did.Deliver))
	}
	for now = start; now.Before(start.Add(2 * fullTime)); now = now.Add(time.Second) {
		tab.Advance(now, inUse)
	}
	if did := tab.Take(); !did.FullChanged || len(did.Full) > 0 || tab.incomplete.taken != 0 || tab.waiting.taken != 0 || len(tab.incomplete.by) != 0 {
		t.Errorf("after a while full are %v; %d are asked for, %d packets wait", did.Full, tab.incomplete.taken, tab.waiting.taken)
	}
}

// A host that answers for every address fills no place of others, neither of those who are known nor of those who come.
func TestAnswerersShare(t *testing.T) {
	tab, now := New(), start
	learn := func(p Place, n int) bool {
		k := key(n)
		k.Switch = p.Switch
		tab.Ask(now, k, from(p))
		tab.Heard(now, k, mac, p.At)
		_, state, known := tab.Get(k)
		return known && state == Reachable
	}
	if !learn(good, 0) {
		t.Fatal("the first is not taken")
	}
	n := 0
	for ; n < MaxNeighbors && learn(bad, n); n++ {
	}
	if n < MaxNeighbors/2-1 || n > MaxNeighbors/2 {
		t.Errorf("it may answer for %d addresses", n)
	}
	if did := tab.Take(); !did.FullChanged || !slices.Equal(did.Full, []Full{{bad, true}}) {
		t.Errorf("full are %v", did.Full)
	}
	for i := range 10_000 {
		if !learn(good, i) {
			t.Fatalf("another host is refused address %d", i)
		}
	}
	third := Place{bad.Switch, intent.BindingKey{Port: "p2"}}
	for i := range 10_000 {
		if !learn(third, 1<<20+i) {
			t.Fatalf("another host of the same switch is refused address %d", i)
		}
	}
	// One that is known stays, wherever it answers from next.
	k := key(0)
	k.Switch = bad.Switch
	tab.Heard(now, k, other, third.At)
	if m, _, _ := tab.Get(k); m != other || tab.known.by[bad] != n-1 {
		t.Errorf("%v has the address; the first place is counted %d of %d", m, tab.known.by[bad], n)
	}
	for k := range tab.entries {
		tab.Forget(k)
	}
	if tab.known.taken != 0 || len(tab.known.by) != 0 || tab.incomplete.taken != 0 {
		t.Errorf("without any, %d are counted", tab.known.taken)
	}
}
