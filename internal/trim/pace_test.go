package trim

import (
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// percent is how often garbage is looked for.
func percent() int {
	p := debug.SetGCPercent(-1)
	debug.SetGCPercent(p)
	return p
}

// From a long message on until memory is given back garbage is looked for less often.
func TestExpect(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	synctest.Test(t, func(t *testing.T) {
		x, times, _ := counting()
		defer x.Close()
		x.Expect(burst - 1)
		if p := percent(); p != 100 {
			t.Errorf("for a short message: %d%%", p)
		}
		for range 3 {
			x.Expect(burst)
			if p := percent(); p <= 100 || p > scarce {
				t.Errorf("for a long message: %d%%", p)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if p := percent(); p != 100 || times.Load() != 1 {
			t.Errorf("afterwards: %d%%, and memory was given back %d times", p, times.Load())
		}
		x.Expect(burst)
		x.Close()
		if p := percent(); p != 100 {
			t.Errorf("closed: %d%%", p)
		}
		x.Expect(burst)
		var none *Trimmer
		none.Expect(burst)
		if p := percent(); p != 100 {
			t.Errorf("after that: %d%%", p)
		}
	})
}

// Of several who want it slow the slowest counts, and who wants none at all keeps that.
func TestSlow(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	check := func(what string, want int) {
		t.Helper()
		if got := percent(); got != want {
			t.Errorf("%s: %d%%, want %d%%", what, got, want)
		}
	}
	first, second := Slow(300), Slow(200)
	check("two", 300)
	first()
	check("the other", 200)
	second()
	check("none", 100)
	defer Slow(50)()
	check("less than usual", 100)
}

func TestSlowest(t *testing.T) {
	for bytes, want := range map[int]int{0: scarce, ample: 200, 10 * ample: 110, 1 << 40: 100} {
		if got := slowest(bytes); got != want {
			t.Errorf("beside %d bytes: %d%%, want %d%%", bytes, got, want)
		}
	}
}

func TestSlowOff(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	end := Slow(300)
	if p := percent(); p != -1 {
		t.Errorf("somebody wants none: %d%%", p)
	}
	end()
	if p := percent(); p != -1 {
		t.Errorf("somebody wanted none: %d%%", p)
	}
}
