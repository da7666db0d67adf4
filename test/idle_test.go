package test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// effort is what a process has cost.
type effort struct {
	cpu   time.Duration
	waits int // that began: each ends a wake-up
}

// idleWindow is what efforts are measured over: what happens more often than thrice a second is seen, and what
// takes more than a thousandth of a processor.
const (
	idleWindow = 5 * time.Second
	idleWaits  = 15
	idleCPU    = idleWindow / 1000
)

func (e effort) idle() bool { return e.waits <= idleWaits && e.cpu <= idleCPU }

// spent adds up the threads of a process of Go. The second one watches the others, and naps as long as one of them has
// anything to do, again and again: how often is a matter of how long the machine lets that wait for a processor.
func spent(t testing.TB, pid int) (sum effort) {
	t.Helper()
	const watcher = 1
	for i, dir := range testenv.Threads(t, pid) {
		sum.cpu += testenv.ThreadTime(t, dir)
		if i != watcher {
			sum.waits += testenv.ThreadWaits(t, dir)
		}
	}
	return sum
}

// costs is the effort of the VTEP while f runs.
func (w *world) costs(f func()) effort {
	w.t.Helper()
	pid := w.vtep.cmd.Process.Pid
	before := spent(w.t, pid)
	f()
	after := spent(w.t, pid)
	return effort{after.cpu - before.cpu, after.waits - before.waits}
}

// TestIdle leaves a VTEP alone that has networks, peers, learned MACs and a controller that
// watches: it does nothing then. That something ten times a second would be seen is tried, too.
func TestIdle(t *testing.T) {
	w := newWorld(t)
	w.both()
	w.idles()
	conn, err := net.Dial("unix", w.control())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	testenv.Eventually(t, patience, func() error { // what waits for a processor misses some
		woken := w.costs(func() {
			for range 10 * idleWindow / time.Second {
				if _, err := conn.Write([]byte{' '}); err != nil { // which nobody answers
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		t.Logf("woken ten times a second: %v CPU, %d wake-ups", woken.cpu, woken.waits)
		if woken.waits <= idleWaits {
			return errors.New("woken ten times a second it seems to be idle")
		}
		return nil
	})
}

// idles wants the VTEP to do nothing once what has happened is told of.
func (w *world) idles() {
	t := w.t
	t.Helper()
	// Counters and the like of the traffic before are still published; that ends by itself.
	// The hosts are silent, so that nothing new comes in.
	var least effort
	for try, end := 0, time.Now().Add(5*patience); try < 8 || time.Now().Before(end); try++ {
		now := w.costs(func() { time.Sleep(idleWindow) }) // the measured quantity is a rate
		t.Logf("in %v: %v CPU, %d wake-ups", idleWindow, now.cpu, now.waits)
		if now.idle() {
			return
		}
		if try == 0 || now.waits < least.waits {
			least = now
		}
	}
	t.Errorf("when nothing happens, %v CPU and %d wake-ups in %v", least.cpu, least.waits, idleWindow)
}
