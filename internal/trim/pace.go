package trim

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// Garbage is looked for whenever as much memory was taken as was in use the last time. Of a burst of work nearly all is
// garbage when it has ended, and is given back then anyway: until then it is looked for less often. How often is the
// process's, whoever asks for it.

const (
	ample  = 64 << 20 // garbage that there may be beside that
	burst  = 1 << 20  // a message from which on it is worth while
	needs  = 8        // times its length is what a message has others take
	scarce = 400      // percent at most
)

// pace is how often garbage is looked for in this process.
var pace struct {
	mu    sync.Mutex
	usual int   // percent, while somebody wants other than that
	wants []int // percent
}

// Slow has garbage be looked for only when so many percent were taken of what is in use, until end is called.
func Slow(percent int) (end func()) {
	pace.mu.Lock()
	defer pace.mu.Unlock()
	if len(pace.wants) == 0 {
		pace.usual = int(read("/gc/gogc:percent")) // of a negative one it is the largest number
	}
	pace.wants = append(pace.wants, percent)
	setPace()
	return func() {
		pace.mu.Lock()
		defer pace.mu.Unlock()
		for i, p := range pace.wants {
			if p == percent {
				pace.wants = append(pace.wants[:i], pace.wants[i+1:]...)
				break
			}
		}
		setPace()
	}
}

// setPace sets the slowest that is wanted. The caller holds pace.mu.
func setPace() {
	percent := pace.usual
	if percent >= 0 { // else somebody wants none at all
		for _, p := range pace.wants {
			percent = max(percent, p)
		}
	}
	debug.SetGCPercent(percent)
}

// Expect notes that a message of so many bytes is coming: until memory is given back, garbage is looked for less often.
func (t *Trimmer) Expect(bytes int) {
	if t == nil || bytes < burst {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	percent := slowest(int(read("/gc/heap/live:bytes")) + needs*bytes)
	t.usual()
	t.hurry = Slow(percent)
	t.plan()
}

// usual has garbage be looked for as ever. The caller holds mu.
func (t *Trimmer) usual() {
	if t.hurry != nil {
		t.hurry()
		t.hurry = nil
	}
}

// slowest is how many percent leave ample garbage beside so many bytes that are in use.
func slowest(bytes int) int { return min(100+100*ample/max(bytes, 1), scarce) }

// read reads a number of the runtime's.
func read(name string) uint64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
