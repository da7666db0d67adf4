// Package trim gives memory back to the system after much of it became free at once: by a
// large deletion, message or answer, a compaction, a start. The runtime would do so within
// minutes, by and by; but a daemon is judged by what it holds when it is idle, and whoever has
// sent it something large wants to see that go.
package trim

import (
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// Trimmer gives memory of this process back. One serves all of it. A nil Trimmer does nothing.
// The methods may be called by any goroutine.
type Trimmer struct {
	release func()        // constant
	cycles  func() uint64 // collections of garbage so far; constant

	mu     sync.Mutex    // guards what follows
	freed  int           // bytes since the last time
	timer  *time.Timer   // nil: nothing is due
	due    time.Time     // when it is, which may be later than the timer's time
	latest time.Time     // due is no later
	follow *time.Timer   // looks whether it is worth another time; nil: nothing does
	times  int           // that follow-ups have given memory back
	last   time.Time     // end of the last time
	took   time.Duration // by the last time
	hurry  func()        // has garbage be looked for as ever; nil: it is
	closed bool
}

const (
	worth = 16 << 20         // bytes that are worth a collection of garbage
	piece = 256 << 10        // smaller ones are left to the runtime
	delay = time.Second      // for what frees more right behind: memory that is needed again is not given back in between
	flow  = 5 * time.Second  // for how long more may come right behind
	share = 10               // the time between two is at least so many times what one takes
	pause = 20 * time.Second // but no more than this
	after = 10 * time.Second // to the first follow-up; each further one takes twice as long
	most  = 4                // follow-ups
)

// New returns a Trimmer that gives memory back by release; nil: all that the runtime can.
func New(release func()) *Trimmer {
	if release == nil {
		release = free
	}
	return &Trimmer{release: release, cycles: cycles}
}

// free gives back all that nobody uses. What is in a sync.Pool outlives one collection.
func free() {
	runtime.GC()
	debug.FreeOSMemory()
}

func cycles() uint64 { return read("/gc/cycles/total:gc-cycles") }

// Note notes that so many bytes are, or will soon be, free.
func (t *Trimmer) Note(bytes int) {
	if t == nil || bytes < piece {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.freed += bytes; t.freed >= worth {
		t.plan()
	}
}

// NoteAll is Note for a message in pieces that is about to be sent.
func (t *Trimmer) NoteAll(pieces [][]byte) {
	for _, p := range pieces {
		t.Note(cap(p))
	}
}

// Soon has memory given back whatever became free.
func (t *Trimmer) Soon() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plan()
}

// plan starts the timer, or has what is due wait a little more. The caller holds mu.
func (t *Trimmer) plan() {
	now := time.Now()
	if t.timer != nil {
		t.due = later(t.due, earlier(now.Add(delay), t.latest))
		return
	}
	if t.closed {
		return
	}
	if t.follow != nil {
		t.follow.Stop()
		t.follow = nil
	}
	t.times = 0
	t.due = later(now.Add(delay), t.last.Add(min(share*t.took, pause)))
	t.latest = t.due.Add(flow - delay)
	t.timer = time.AfterFunc(t.due.Sub(now), t.trim)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// trim is what the timer runs.
func (t *Trimmer) trim() {
	t.mu.Lock()
	if wait := time.Until(t.due); wait > 0 && !t.closed {
		t.timer.Reset(wait)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	t.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = nil
	if t.freed >= worth { // meanwhile
		t.plan()
		return
	}
	t.lookAgain()
}

// lookAgain plans a follow-up: what became large in one part of the process often passes
// through others, which free theirs later. The caller holds mu.
func (t *Trimmer) lookAgain() {
	if t.times == most || t.closed {
		return
	}
	seen := t.cycles()
	t.follow = time.AfterFunc(after<<t.times, func() {
		t.mu.Lock()
		if t.follow = nil; t.timer != nil || t.cycles() == seen {
			t.mu.Unlock()
			return // it is done anyway, or nothing much has happened
		}
		t.times++
		t.mu.Unlock()
		t.Now()
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.timer == nil {
			t.lookAgain()
		}
	})
}

// Now gives memory back, and returns when that is done.
func (t *Trimmer) Now() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.freed = 0
	t.usual()
	t.mu.Unlock()
	began := time.Now()
	t.release()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Now()
	t.took = t.last.Sub(began)
}

// Close ends it: nothing more is given back but by Now.
func (t *Trimmer) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.usual()
	for _, timer := range []*time.Timer{t.timer, t.follow} {
		if timer != nil {
			timer.Stop()
		}
	}
}
