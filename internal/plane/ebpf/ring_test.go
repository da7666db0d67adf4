package ebpf

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// breaks has a ring fail, for as long as again is not called.
func (r *ring) breaks() (again func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	open := r.open
	r.open = func() (*ringbuf.Reader, error) { return nil, errors.New("no memory") }
	r.reader.Close()
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.open = open
	}
}

// unread waits until it is told that a ring can't be read, or no more.
func (w *world) unread(p *Plane, want bool) {
	w.t.Helper()
	w.reports(p, func(r plane.Report) error {
		told := 0
		for _, q := range r.Problems {
			if q.Kind == problem.Unread && q.Remedy != "" {
				told++
			}
		}
		if told > 0 != want {
			return fmt.Errorf("told: %v", r.Problems)
		}
		return nil
	})
}

// A ring buffer that can't be read is told of, and opened again; what came meanwhile is not lost.
func TestUnreadRing(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.unread(p, false)
	again := p.ring.breaks()
	w.unread(p, true)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	again()
	w.event(p, "a MAC learned meanwhile", func(e plane.Event) bool {
		seen, ok := e.(plane.Seen)
		return ok && seen.Key.MAC == macA
	})
	w.unread(p, false)

	p.ring.breaks()
	p.punts.breaks()
	w.unread(p, true)
	if err := p.Close(); err != nil { // with rings that can't be read
		t.Fatal(err)
	}
}
