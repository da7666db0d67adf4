package ebpf

import (
	"errors"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/vtep/vtep/internal/plane"
)

// listen takes the packets that have come, or waits for some: until next if there is something to
// be done then, or until it is woken. It waits for nothing after the ring was opened anew: what it was
// woken for meanwhile is still to be done. Without the ring, sessions whose peers say something new get
// nothing to hear of it and go down in their time; those that only repeat stay, by bfd_heard.
func (w *watchman) listen(next time.Duration, some bool) {
	ring := w.ring.current()
	if ring == nil {
		if w.reopen() {
			return
		}
		wait := reopenPause
		if some {
			wait = min(wait, max(next-monotonic(), 0)+time.Millisecond)
		}
		select {
		case <-w.woken:
		case <-time.After(wait):
		}
		return
	}
	ring.SetDeadline(time.Time{})
	if some {
		// Whole milliseconds are what the kernel waits; less would be a busy loop.
		ring.SetDeadline(time.Now().Add(max(next-monotonic(), 0) + time.Millisecond))
	}
	rec := &w.record
	switch err := ring.ReadInto(rec); {
	case err == nil:
		w.work.Lock()
		w.receive(rec)
		for n := 1; n < atOnce && rec.Remaining > 0 && ring.ReadInto(rec) == nil; n++ {
			w.receive(rec)
		}
		w.work.Unlock()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ringbuf.ErrFlushed):
	default:
		w.ring.fail(err)
		w.queue.add(plane.ReportChanged{})
	}
}

// reopen opens the ring that could not be read once more.
func (w *watchman) reopen() bool {
	now := monotonic()
	if w.reopened != 0 && now < w.reopened+reopenPause {
		return false
	}
	w.reopened = now
	if w.ring.reopen() != nil {
		return false
	}
	w.queue.add(plane.ReportChanged{})
	return true
}
