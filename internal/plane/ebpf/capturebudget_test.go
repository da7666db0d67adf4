package ebpf

import (
	"testing"

	"github.com/cilium/ebpf"
)

// TestCaptureBudget wants the programs of captures to pass as those of a rehearsal have to.
func TestCaptureBudget(t *testing.T) {
	spec, err := loadCapture()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range spec.Maps {
		m.Pinning = ebpf.PinNone
	}
	checkBudget(t, spec, mostLooked, mostStack)
}
