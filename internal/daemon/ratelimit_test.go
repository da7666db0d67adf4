package daemon

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// flood logs in one place, wherever it is called.
//
//go:noinline
func flood(log *slog.Logger, n int) {
	for i := range n {
		log.Warn("from outside", "n", i)
	}
}

// TestRateLimit logs much from two places in the program: each has a burst, then so many for
// each minute; what is left out is counted, and told with the next message or in time.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, console := newTestLog(t)
		log := l.Logger("agent")
		flood := func(n int) { flood(log, n) }
		lines := func() string {
			l.mu.Lock()
			defer l.mu.Unlock()
			defer console.Reset()
			return console.String()
		}
		flood(5000)
		log.Info("from another place")
		if got := lines(); strings.Count(got, "from outside") != rateBurst || !strings.Contains(got, "another place") {
			t.Errorf("%d lines of 5000", strings.Count(got, "\n"))
		}
		time.Sleep(10 * time.Second)
		flood(20)
		const told = "|WARN|Dropped 4900 log messages in last 10 seconds (most recently, 10 seconds ago) due to excessive rate\n"
		if got := lines(); strings.Count(got, "from outside") != 10*ratePerMinute/60 || !strings.Contains(got, told) {
			t.Errorf("after ten seconds: %s", got)
		}
		time.Sleep(reportAfter)
		synctest.Wait()
		if got := lines(); !strings.Contains(got, "Dropped 10 log messages in last 60 seconds") {
			t.Errorf("after a minute of silence: %q", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := lines(); got != "" {
			t.Errorf("told again: %s", got)
		}
		flood(rateBurst + 5)
		l.limiter.reportAll()
		if got := lines(); !strings.Contains(got, "Dropped 5 log messages") {
			t.Errorf("at the end: %d lines", strings.Count(got, "\n"))
		}

		// Debug messages, and modules of which somebody wants all, have no limit.
		if err := l.Set("agent:dbg"); err != nil {
			t.Fatal(err)
		}
		for range 500 {
			log.Debug("wanted")
		}
		if got := lines(); strings.Count(got, "wanted") != 500 {
			t.Errorf("%d of 500 debug messages", strings.Count(got, "wanted"))
		}
		if err := l.limitRate([]string{"agent"}, false); err != nil {
			t.Fatal(err)
		}
		flood(500)
		if got := lines(); strings.Count(got, "from outside") != 500 {
			t.Errorf("%d of 500 messages without limit", strings.Count(got, "from outside"))
		}
		if list := l.list(); strings.Count(list, "(rate limiting disabled)") != 1 {
			t.Errorf("list:\n%s", list)
		}
		if err := l.limitRate([]string{"nix"}, false); fmt.Sprint(err) != "unknown module" {
			t.Errorf("error %v", err)
		}
		if err := l.limitRate(nil, true); err != nil {
			t.Fatal(err)
		}
		flood(500)
		if got := lines(); strings.Count(got, "from outside") == 500 {
			t.Error("the limit is not back")
		}
	})
}
