package ebpf

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
)

// A program that has found a path watched notes that it is used, without an event, after the
// agent has put it to rest: its way is looked up all the same.
func TestPathUsedAtRest(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.settled(p)
	w.forwards()
	state := func(f func(*uint32) error) func() error {
		return func() error {
			p.mu.Lock()
			defer p.mu.Unlock()
			return f(&p.paths[p.contents.Peers[peerIP].Number].State)
		}
	}
	testenv.Eventually(t, patience, state(func(s *uint32) error {
		if got := atomic.LoadUint32(s); got != layout.PathWatched {
			return fmt.Errorf("its state is %d", got)
		}
		return nil
	}))
	testenv.Eventually(t, patience, state(func(s *uint32) error {
		if !atomic.CompareAndSwapUint32(s, layout.PathIdle, layout.PathUsed) {
			return fmt.Errorf("its state is %d", atomic.LoadUint32(s))
		}
		return nil
	}))
	testenv.Eventually(t, patience, state(func(s *uint32) error {
		if atomic.LoadUint32(s) == layout.PathUsed {
			return fmt.Errorf("nobody looks")
		}
		return nil
	}))
}
