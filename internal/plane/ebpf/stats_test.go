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
	for _, reason := range slices.Concat(dropReasons, otherReasons) {
		if !strings.Contains(string(text), "\n| `"+reason+"` | ") {
			t.Errorf("docs/reference.md does not say what %s is", reason)
		}
	}
	spec, err := loadVtep()
	if err != nil {
		t.Fatal(err)
	}
	if n := spec.Maps["drops"].MaxEntries; int(n) != len(dropReasons) {
		t.Errorf("the programs have %d reasons, %d have a name", n, len(dropReasons))
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
