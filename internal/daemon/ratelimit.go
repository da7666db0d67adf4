package daemon

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// What outsiders do can make a program log without end. So each call that logs may send so
// many messages at once, and gains so many more with each minute. Debug messages have no
// limit: whoever turned them on wants them all.
const (
	rateBurst     = 100
	ratePerMinute = 60
)

// reportAfter is how long after the first message left out their number is told at the latest.
const reportAfter = time.Minute

// limiter counts the messages of each call in the program that logs.
type limiter struct {
	tell func(m *module, level slog.Level, text string) // constant

	mu    sync.Mutex // guards what follows
	calls map[call]*bucket
}

// call is one place in the program, and what it logs there.
type call struct {
	pc     uintptr
	module *module
	level  slog.Level
}

// bucket is what one call may still send, and what it could not.
type bucket struct {
	tokens      float64
	filled      time.Time
	dropped     int
	first, last time.Time   // of the messages left out
	timer       *time.Timer // runs while dropped is not 0
}

// take says whether a call may send a message now. Before that it tells how many it could not.
func (l *limiter) take(c call, now time.Time) bool {
	l.mu.Lock()
	b := l.calls[c]
	if b == nil {
		b = &bucket{tokens: rateBurst, filled: now}
		l.calls[c] = b
	}
	b.tokens = min(rateBurst, b.tokens+now.Sub(b.filled).Minutes()*ratePerMinute)
	b.filled = now
	if b.tokens < 1 {
		if b.dropped == 0 {
			b.first = now
			b.timer = time.AfterFunc(reportAfter, func() { l.report(c, time.Now()) })
		}
		b.dropped++
		b.last = now
		l.mu.Unlock()
		return false
	}
	b.tokens--
	l.mu.Unlock()
	l.report(c, now)
	return true
}

// report tells how many messages of a call have been left out, if any.
func (l *limiter) report(c call, now time.Time) {
	l.mu.Lock()
	b := l.calls[c]
	n, first, last := b.dropped, b.first, b.last
	b.dropped = 0
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	l.mu.Unlock()
	if n > 0 {
		l.tell(c.module, c.level, fmt.Sprintf("Dropped %d log messages in last %d seconds (most recently, %d seconds ago) due to excessive rate",
			n, int(now.Sub(first).Seconds()), int(now.Sub(last).Seconds())))
	}
}

// reportAll tells of all that has been left out so far.
func (l *limiter) reportAll() {
	l.mu.Lock()
	var late []call
	for c, b := range l.calls {
		if b.dropped > 0 {
			late = append(late, c)
		}
	}
	l.mu.Unlock()
	for _, c := range late {
		l.report(c, time.Now())
	}
}
