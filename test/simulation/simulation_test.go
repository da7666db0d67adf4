package simulation

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the first seed")
	seeds     = flag.Int("seeds", 0, "how many seeds; 0: 200, or 20 with the race detector")
	again     = flag.Int("again", 1, "how often each is simulated")
	verbose   = flag.Bool("trace", false, "tell what happens, also where nothing fails")
)

const (
	steps   = 30 // of a run, before everything is repaired
	tooMany = 5  // seeds that fail end the test
)

func TestMain(m *testing.M) {
	flag.Parse()
	runtime.GOMAXPROCS(1)   // goroutines that become ready in one step run one after another
	debug.SetGCPercent(800) // a run leaves all its memory behind
	os.Exit(m.Run())
}

// TestSeeds simulates. The seed decides all that the scheduler draws.
func TestSeeds(t *testing.T) {
	n := *seeds
	if n == 0 {
		n = 200
		if raceDetector {
			n = 20
		}
	}
	began, failed := cpuTime(), 0
	for i := range n {
		seed := *firstSeed + uint64(i)
		fmt.Printf("seed %d\n", seed) // go test shows it if the program dies
		for range *again {
			w := run(t, seed, nothing)
			if *verbose {
				t.Log(strings.Join(w.trace, "\n"))
			}
			if failure := w.failure(); failure != "" {
				t.Errorf("seed %d: %s\n\nagain: make simulate SEED=%d", seed, failure, seed)
				failed++
				break
			}
		}
		if failed == tooMany {
			t.Fatalf("%d of %d seeds fail: that will do", failed, i+1)
		}
	}
	t.Logf("%d seeds, %v of CPU", n, (cpuTime() - began).Round(time.Millisecond))
}

// TestFinds breaks what the invariants are about, and wants that to be found.
func TestFinds(t *testing.T) {
	for s, want := range map[sabotage]string{
		lostSyncs:     "is lost|came back",
		staleBindings: "by the rows it is in",
		missedResync:  "do not agree|older than the one before",
	} {
		found := ""
		for seed := uint64(1); seed <= 60 && found == ""; seed++ {
			if found = run(t, seed, s).failure(); found != "" {
				first, _, _ := strings.Cut(found, "\n")
				t.Logf("seed %d: %s", seed, first)
			}
		}
		if !regexp.MustCompile(want).MatchString(found) {
			t.Errorf("sabotage %d: found is %q, want %q", s, found, want)
		}
	}
}

// TestRepeats wants a seed to have the same happen again: it is its own reproducer. Go has the last word on the order
// of goroutines and of maps, so that it is not so for every seed.
func TestRepeats(t *testing.T) {
	n, same := 10, 0
	if raceDetector {
		n = 3
	}
	for i := range n {
		seed := uint64(i)
		if slices.Equal(run(t, seed, nothing).trace, run(t, seed, nothing).trace) {
			same++
		}
	}
	if 3*same < n {
		t.Errorf("of %d seeds only %d have the same happen again", n, same)
	}
}

// run simulates one seed.
func run(t *testing.T, seed uint64, s sabotage) *world {
	var w *world
	random := rand.New(rand.NewPCG(seed, 17))
	var mu sync.Mutex
	ovsdb.Random = func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		return random.Uint64()
	}
	defer func() { ovsdb.Random = rand.Uint64 }()
	synctest.Test(t, func(*testing.T) {
		w = newWorld(seed, s)
		for range 8 { // most of a run is about VTEPs that are up
			w.net.progress(w.r, true)
			w.check()
		}
		for range steps {
			if w.step(); len(w.violations) > 0 {
				break
			}
		}
		if len(w.violations) == 0 {
			w.settle()
		}
		w.close()
	})
	return w
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
