package server

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/trim"
)

// newTrimRig is newRig with a count of how often memory is given back.
func newTrimRig(t *testing.T) (r *rig, times *atomic.Int32) {
	times = &atomic.Int32{}
	x := trim.New(func() { times.Add(1) })
	t.Cleanup(x.Close)
	return newRig(t, Options{Trim: x}), times
}

// TestTrim frees much memory in each of the ways there are: it is given back. What frees
// little gives nothing back.
func TestTrim(t *testing.T) {
	r, n := newTrimRig(t)
	c := r.dial()
	c.insert("small", 1)
	c.transact(`{"op":"delete","table":"Thing","where":[]}`)
	time.Sleep(1500 * time.Millisecond) // for what must not happen
	if n.Load() != 0 {
		t.Error("memory is given back after a small change")
	}
	long := strings.Repeat("x", 16<<20)
	for i, step := range []func(){
		func() { // a large request
			c.transact(fmt.Sprintf(`{"op":"insert","table":"Thing","row":{"name":"long","map":["map",[["k",%q]]]}}`, long))
		},
		func() { // a large answer
			c.transact(`{"op":"select","table":"Thing","where":[]}`)
		},
		func() { // the first answer to a monitor
			c.must("monitor", `["things","m",{"Thing":{"columns":["map"]}}]`)
		},
		func() { // an update, and old values
			c.transact(`{"op":"delete","table":"Thing","where":[]}`)
		},
		func() { // a compaction
			r.find("things").do(func() { r.find("things").startCompaction(nil) })
		},
	} {
		before := n.Load()
		step()
		testenv.Eventually(t, patience, func() error {
			if n.Load() == before {
				return fmt.Errorf("step %d: memory is not given back", i)
			}
			return nil
		})
	}
	if got := len(r.find("things").history.past); got != 1 {
		t.Errorf("the history holds %d states after a large deletion", got)
	}
}

// TestTrimOnCompaction compacts with memory-trim-on-compaction on, and off.
func TestTrimOnCompaction(t *testing.T) {
	r, n := newTrimRig(t)
	for _, c := range []struct {
		on   bool
		want int32
	}{{true, 1}, {false, 1}, {true, 2}} {
		r.TrimOnCompaction(c.on)
		if err := r.Compact("things"); err != nil {
			t.Fatal(err)
		}
		if got := n.Load(); got != c.want {
			t.Errorf("memory was given back %d times, want %d", got, c.want)
		}
	}
}

// TestTrimAfterLoading opens a large file, whose records were in memory as it was read.
func TestTrimAfterLoading(t *testing.T) {
	large := newRig(t, Options{})
	large.dial().insert(strings.Repeat("x", 17<<20), 1)
	path := large.Path("things")
	if err := large.RemoveDatabase("things"); err != nil {
		t.Fatal(err)
	}
	r, n := newTrimRig(t)
	if err := r.RemoveDatabase("things"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddDatabase(path); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error {
		if n.Load() == 0 {
			return fmt.Errorf("memory is not given back")
		}
		return nil
	})
}
