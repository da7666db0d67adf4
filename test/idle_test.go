package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// effort is what a process has cost.
type effort struct {
	cpu      time.Duration
	switches int // waits that ended: each is a wake-up
}

// spent adds up the threads of a process.
func spent(t testing.TB, pid int) (sum effort) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("threads of process %d: %v", pid, err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile(filepath.Join(task, "schedstat"))
		if err != nil {
			t.Fatal(err)
		}
		var ns int64
		if _, err := fmt.Sscan(string(b), &ns); err != nil {
			t.Fatalf("%s: %v", task, err)
		}
		sum.cpu += time.Duration(ns)
		b, err = os.ReadFile(filepath.Join(task, "status"))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := strings.Cut(string(b), "\nvoluntary_ctxt_switches:")
		var n int
		if _, err := fmt.Sscan(rest, &n); !ok || err != nil {
			t.Fatalf("%s: %v", task, err)
		}
		sum.switches += n
	}
	return sum
}

// TestIdle leaves a VTEP alone that has networks, peers, learned MACs and a controller that
// watches: it does nothing then.
func TestIdle(t *testing.T) {
	w := newWorld(t)
	w.both()
	w.idles()
}

// idles wants the VTEP to do nothing once what has happened is told of.
func (w *world) idles() {
	t := w.t
	t.Helper()
	pid := w.vtep.cmd.Process.Pid

	// Counters and the like of the traffic before are still published; that ends by itself.
	// The hosts are silent, so that nothing new comes in.
	const window = 5 * time.Second
	var least effort
	for try := range 8 { // other work of the machine wakes threads up, too
		before := spent(t, pid)
		time.Sleep(window) // the measured quantity is a rate
		after := spent(t, pid)
		now := effort{after.cpu - before.cpu, after.switches - before.switches}
		t.Logf("in %v: %v CPU, %d wake-ups", window, now.cpu, now.switches)
		if try == 0 || now.switches < least.switches {
			least = now
		}
		if least.switches <= 50 && least.cpu <= window/1000 {
			return
		}
	}
	t.Errorf("when nothing happens, %v CPU and %d wake-ups in %v", least.cpu, least.switches, window)
}
