package demo

import (
	"fmt"
	"os/exec"
	"testing"
)

// TestEndedByInterrupt wants a program of the demo that Ctrl-C ends told from one that fails: which of the two processes
// sees the signal first is not ours to say.
func TestEndedByInterrupt(t *testing.T) {
	for script, want := range map[string]bool{"kill -INT $$": true, "kill -TERM $$": false, "exit 2": false} {
		err := exec.Command("sh", "-c", script).Run()
		if got := endedByInterrupt(fmt.Errorf("start the VTEP: %w", err)); got != want {
			t.Errorf("%s: %v, %v, want %v", script, err, got, want)
		}
	}
}
