package server

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// countTrims counts how often memory is given back.
func (r *rig) countTrims() *atomic.Int32 {
	n := &atomic.Int32{}
	r.trim.mu.Lock()
	defer r.trim.mu.Unlock()
	r.trim.release = func() { n.Add(1) }
	return n
}

// TestTrim frees much memory in each of the ways there are: it is given back once each time.
// What frees little gives nothing back.
func TestTrim(t *testing.T) {
	r := newRig(t, Options{})
	n := r.countTrims()
	c := r.dial()
	c.insert("small", 1)
	c.transact(`{"op":"delete","table":"Thing","where":[]}`)
	long := strings.Repeat("x", trimWorth+1)
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
		if got := n.Load(); got != int32(i) {
			t.Fatalf("before step %d memory was given back %d times", i, got)
		}
		step()
		testenv.Eventually(t, patience, func() error {
			if got := n.Load(); got == int32(i) {
				return fmt.Errorf("memory was given back %d times", got)
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
	r := newRig(t, Options{})
	n := r.countTrims()
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
