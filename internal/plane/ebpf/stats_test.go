package ebpf

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// Whoever sees a reason finds in the documentation what it means.
func TestReasonsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.Tree(t), "docs", "reference.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range slices.Concat(dropReasons[:], otherReasons) {
		if !strings.Contains(string(text), "\n| `"+reason+"` | ") {
			t.Errorf("docs/reference.md does not say what %s is", reason)
		}
	}
}

// Made-up places push out each other, not those of the other sort, and no frame goes uncounted.
func TestPlacesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.kernelVXLAN("vx77", 77, peerIP)
	w.tap(w.far, "vx77")
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.send("vx77", frame(bcast, macR, "in a VNI of nobody"))
	unknown := plane.PlaceDrops{Reason: "unknown_tunnel", Tunnel: intent.Tunnel{Peer: peerIP, VNI: 77}, Count: 1}
	const vlans = 4094
	for vid := uint16(1); vid <= vlans; vid++ {
		for _, host := range []string{"h0", "h1"} {
			w.send(host, frame(bcast, macA, "in a VLAN of nobody", vid))
		}
		if vid%64 == 0 {
			w.barrier() // the queue between the devices is not long
		}
	}
	testenv.Eventually(t, patience, func() error {
		list, err := p.DropsByPlace(t.Context())
		if err != nil {
			return err
		}
		s, err := p.Stats(t.Context())
		if err != nil {
			return err
		}
		if !slices.Contains(list, unknown) || len(list) < 1000 || len(list) > 2*4096 || s.Drops["unbound_vlan"] != 2*vlans {
			return fmt.Errorf("%d places, %v among them: %v; drops %v", len(list), unknown, slices.Contains(list, unknown), s.Drops)
		}
		return nil
	})
}

// A binding counts from nothing, whoever had its place before; what was dropped stays counted when
// the port goes. Both hold when no Delta says what went, as after restarts.
func TestCountsOfWhatHasGone(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	s.Ports["p0"] = intent.Port{MACLimit: 1}
	w.apply(p, s, nil)
	for _, src := range []intent.MAC{macA, macB} { // the second one is not learned
		w.send("h0", frame(bcast, src, "counted"))
		w.expect("h1", frame(bcast, src, "counted"))
	}
	stats := func() plane.Stats {
		got, err := p.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	at := intent.BindingKey{Port: "p0"}
	before := stats()
	if before.Bindings[at].PacketsFromLocal != 2 || before.Drops[limitPort] != 1 {
		t.Fatalf("%+v", before)
	}
	for range 2 {
		w.apply(p, intent.NewState(), nil)
	}
	if n := stats().Drops[limitPort]; n != 1 {
		t.Errorf("%d drops without the port", n)
	}
	w.apply(p, basic(), nil)
	if after := stats(); after.Bindings[at] != (plane.Counters{}) || after.Drops[limitPort] != 1 {
		t.Errorf("after all: %+v", after)
	}
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
}
