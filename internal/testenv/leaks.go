package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// leakDeadline is how long things may take to go away after a test.
const leakDeadline = 90 * time.Second

// NoLeaks fails the test if goroutines or file descriptors that it made outlive it. Call it
// first, in a test that is not parallel.
func NoLeaks(t testing.TB) {
	t.Helper()
	supervise(t) // what it opens stays
	goroutinesBefore, filesBefore := goroutines(), files()
	t.Cleanup(func() {
		if t.Failed() {
			return // the cause of the failure is the cause of the leak
		}
		Eventually(t, leakDeadline, func() error {
			for id, stack := range goroutines() {
				if _, was := goroutinesBefore[id]; !was {
					return fmt.Errorf("leaked goroutine:\n%s", stack)
				}
			}
			for fd, name := range files() {
				if filesBefore[fd] != name {
					return fmt.Errorf("leaked file descriptor %s: %s", fd, name)
				}
			}
			return nil
		})
	})
}

// Eventually calls check until it returns nil; the last error fails the test when the
// deadline, which should be generous, has passed.
func Eventually(t testing.TB, deadline time.Duration, check func() error) {
	t.Helper()
	end := time.Now().Add(deadline)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %v", deadline, err)
		}
		time.Sleep(pause)
	}
}

// goroutines gives the stack of every goroutine but those of the test framework, by id.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := map[string]string{}
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		id, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
		if strings.Contains(stack, "testing.(*") || strings.Contains(stack, "os/signal.loop") {
			continue
		}
		all[id] = stack
	}
	return all
}

// files gives what every descriptor of the process is, but for those of the Go runtime.
func files() map[string]string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	all := map[string]string{}
	for _, e := range entries {
		name, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err != nil || strings.HasPrefix(name, "anon_inode:[event") {
			continue // the descriptor of the listing itself, or the poller's
		}
		all[e.Name()] = name
	}
	return all
}
