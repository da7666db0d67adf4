package trim

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counting returns a Trimmer that counts how often it gives memory back, and collections that
// the test makes.
func counting() (t *Trimmer, times, cycles *atomic.Int64) {
	times, cycles = &atomic.Int64{}, &atomic.Int64{}
	t = New(func() { times.Add(1) })
	t.cycles = func() uint64 { return uint64(cycles.Load()) }
	return t, times, cycles
}

func TestWorth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, times, _ := counting()
		defer x.Close()
		want := func(what string, n int64) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := times.Load(); got != n {
				t.Errorf("%s: memory was given back %d times, want %d", what, got, n)
			}
		}
		for range 1000 {
			x.Note(piece - 1)
		}
		want("small pieces", 0)
		x.Note(worth / 2)
		want("too little", 0)
		x.Note(worth / 2)
		x.NoteAll([][]byte{make([]byte, worth)})
		want("much at once", 1)
		x.Note(worth)
		want("again", 2)
		x.Soon()
		want("asked for", 3)
		x.Now()
		want("now", 4)
		var none *Trimmer
		none.Note(worth)
		none.Soon()
		none.Now()
		x.Close()
		x.Soon()
		want("closed", 4)
	})
}

// TestFollow has garbage be collected after memory was given back: a few more times it is,
// ever more seldom, and not for ever.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, times, cycles := counting()
		defer x.Close()
		x.Soon()
		var at []int // seconds
		for s := range 600 {
			time.Sleep(time.Second)
			synctest.Wait()
			for int64(len(at)) < times.Load() {
				at = append(at, s)
			}
			if s < 40 {
				cycles.Add(1)
			}
		}
		if want := []int{0, 10, 30, 70}; !slices.Equal(at, want) { // and none when nothing was collected since
			t.Errorf("memory was given back in the seconds %v, want %v", at, want)
		}
	})
}

// What is freed in a flow is given back when it has ended, and of one that does not end every few seconds.
func TestFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, times, _ := counting()
		defer x.Close()
		note := func(d time.Duration) {
			for ; d > 0; d -= delay / 2 {
				x.Note(worth)
				time.Sleep(delay / 2)
			}
			synctest.Wait()
		}
		want := func(what string, n int64) {
			t.Helper()
			if got := times.Load(); got != n {
				t.Errorf("%s: memory was given back %d times, want %d", what, got, n)
			}
		}
		note(4 * time.Second)
		want("in a flow", 0)
		time.Sleep(delay)
		synctest.Wait()
		want("after it", 1)
		note(time.Minute)
		if got, most := times.Load()-1, int64(time.Minute/flow); got > most || got < most-2 {
			t.Errorf("in a flow of a minute memory was given back %d times, want %d", got, most)
		}
	})
}

// What is in a pool is given back, too: nobody may need it again.
func TestFreeEmptiesPools(t *testing.T) {
	var pool sync.Pool
	pool.Put(new([1 << 20]byte))
	if free(); pool.Get() != nil {
		t.Error("the pool still has what was put there")
	}
}
