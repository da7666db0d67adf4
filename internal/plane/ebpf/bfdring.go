package ebpf

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"
)

// reopenPause is how long a ring buffer that can't be read is left alone.
const reopenPause = time.Second

// listen takes the packets that have come, or waits for some: until next if there is something to
// be done then, or until it is woken. Without the ring, sessions whose peers say something new get
// nothing to hear of it and go down in their time; those that only repeat stay, by bfd_heard.
func (w *watchman) listen(next time.Duration, some bool) {
	if w.ring == nil && !w.reopen() {
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
	w.ring.SetDeadline(time.Time{})
	if some {
		// Whole milliseconds are what the kernel waits; less would be a busy loop.
		w.ring.SetDeadline(time.Now().Add(max(next-monotonic(), 0) + time.Millisecond))
	}
	rec := &w.record
	switch err := w.ring.ReadInto(rec); {
	case err == nil:
		w.work.Lock()
		w.receive(rec)
		for n := 1; n < atOnce && w.ring.AvailableBytes() > 0 && w.ring.ReadInto(rec) == nil; n++ {
			w.receive(rec)
		}
		w.work.Unlock()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ringbuf.ErrFlushed):
	default:
		w.deafen(err)
	}
}

// deafen notes that the ring can't be read.
func (w *watchman) deafen(err error) {
	w.mu.Lock()
	if w.ring != nil {
		w.ring.Close()
		w.ring = nil
	}
	w.mu.Unlock()
	w.lack(func(l *bfdLacks) { l.ring = fmt.Errorf("read the ring buffer of BFD: %w", err) })
}

// reopen opens the ring that could not be read once more. What the programs have put in meanwhile is
// still there.
func (w *watchman) reopen() bool {
	now := monotonic()
	if w.reopened != 0 && now < w.reopened+reopenPause {
		return false
	}
	w.reopened = now
	w.mu.Lock()
	open := w.open
	w.mu.Unlock()
	ring, err := open()
	if err != nil {
		w.deafen(err)
		return false
	}
	w.mu.Lock()
	w.ring = ring
	w.mu.Unlock()
	w.lack(func(l *bfdLacks) { l.ring = nil })
	return true
}
