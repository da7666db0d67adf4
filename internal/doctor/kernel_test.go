package doctor

import (
	"os"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestPinned wants the directory looked at that the VTEP pins in, wherever the machine has a BPF file system.
func TestPinned(t *testing.T) {
	testenv.Root(t) // to mount
	mounted, none := testenv.Pins(t), t.TempDir()+"/vtep/pins"
	for _, tt := range []struct {
		s    Subject
		want Level
	}{
		{Subject{Pins: mounted, PID: os.Getpid()}, OK},
		{Subject{Pins: mounted}, OK},
		{Subject{Pins: none, PID: os.Getpid()}, Bad},
		{Subject{Pins: none}, Bad},
	} {
		if got := pinned(tt.s); got.Level != tt.want || got.Object != tt.s.Pins {
			t.Errorf("%+v: %v, want %s", tt.s, got, tt.want)
		}
	}
	if got := pinned(Subject{}); got.Level != OK && got.Level != Note { // one will be mounted
		t.Errorf("of a VTEP that is to run: %v", got)
	}
}
