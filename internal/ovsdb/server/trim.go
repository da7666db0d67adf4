package server

import (
	"runtime/debug"
	"sync"
	"time"
)

// trimmer gives memory back to the system after much of it became free at once: by a large
// deletion, message or answer, or a compaction. The runtime would do so within minutes, by
// and by; but a server is judged by what it holds when it is idle.
type trimmer struct {
	release func() // constant

	mu     sync.Mutex    // guards what follows
	freed  int           // bytes since the last time
	timer  *time.Timer   // nil: nothing is due
	last   time.Time     // end of the last time
	took   time.Duration // by the last time
	closed bool
}

const (
	trimWorth = 16 << 20    // bytes that are worth a collection of garbage
	trimPiece = 256 << 10   // smaller ones are left to the runtime
	trimDelay = time.Second // for what frees more right behind
	trimShare = 50          // the time between two is at least so many times what one takes
)

func newTrimmer() *trimmer { return &trimmer{release: debug.FreeOSMemory} }

// note notes that so many bytes are, or will soon be, free.
func (t *trimmer) note(bytes int) {
	if bytes < trimPiece {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.freed += bytes; t.freed >= trimWorth {
		t.plan()
	}
}

// notePieces is note for a message that is about to be sent.
func (t *trimmer) notePieces(pieces [][]byte) {
	for _, p := range pieces {
		t.note(cap(p))
	}
}

// soon has memory given back whatever became free.
func (t *trimmer) soon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plan()
}

// plan starts the timer, if it is not running. The caller holds mu.
func (t *trimmer) plan() {
	if t.timer != nil || t.closed {
		return
	}
	wait := max(trimDelay, time.Until(t.last.Add(trimShare*t.took)))
	t.timer = time.AfterFunc(wait, t.trim)
}

// trim is what the timer runs.
func (t *trimmer) trim() {
	t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = nil
	if t.freed >= trimWorth { // meanwhile
		t.plan()
	}
}

// now gives memory back.
func (t *trimmer) now() {
	t.mu.Lock()
	t.freed = 0
	t.mu.Unlock()
	began := time.Now()
	t.release()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Now()
	t.took = t.last.Sub(began)
}

// close ends it.
func (t *trimmer) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
}
