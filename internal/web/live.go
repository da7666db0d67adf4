package web

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"net/http"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/idl"
)

const (
	// livePeriod is how often open pages are compared with how the VTEP does.
	livePeriod = 2 * time.Second
	// liveAlive is after how long without news a page is told that there are none, which finds out
	// those that have gone.
	liveAlive = 20 * time.Second
	// mostLive bounds how many pages are told of news at once. More stay as they were made.
	mostLive = 32
	// statusAge is how old a status may be that a page is made of: many that look cost as one.
	statusAge = time.Second
)

// live tells open pages that there is something new. While there is none it does nothing: the
// counters can only be asked for.
type live struct {
	source Source
	seed   maphash.Seed

	mu       sync.Mutex // guards what follows
	pages    map[chan struct{}]struct{}
	watching bool
	status   Status
	at       time.Time // of status; zero: there is none

	reading sync.Mutex // held while the source is asked for the status
}

func newLive(source Source) *live {
	return &live{source: source, seed: maphash.MakeSeed(), pages: map[chan struct{}]struct{}{}}
}

// now returns the status, asked for within statusAge.
func (l *live) now(ctx context.Context) (Status, error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.mu.Lock()
	s, at := l.status, l.at
	l.mu.Unlock()
	if !at.IsZero() && time.Since(at) < statusAge {
		return s, nil
	}
	s, err := l.source.Status(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.status, l.at = s, time.Now(); err != nil || len(l.pages) == 0 {
		l.status, l.at = Status{}, time.Time{} // nobody else will want it
	}
	return s, err
}

// serve tells one page of news until it goes. The first one starts to look, the last one ends it.
func (l *live) serve(w http.ResponseWriter, r *http.Request) {
	news := make(chan struct{}, 1)
	l.mu.Lock()
	if len(l.pages) == mostLive {
		l.mu.Unlock()
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	l.pages[news] = struct{}{}
	if !l.watching {
		l.watching = true
		go l.watch()
	}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.pages, news)
		if len(l.pages) == 0 {
			l.status, l.at = Status{}, time.Time{}
		}
	}()

	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	say := func(text string) bool {
		if control.SetWriteDeadline(time.Now().Add(liveAlive)) != nil {
			return false
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	if !say("retry: 3000\n\n") {
		return
	}
	alive := time.NewTicker(liveAlive)
	defer alive.Stop()
	for {
		text := ":\n\n"
		select {
		case <-r.Context().Done():
			return
		case <-news:
			text = "data: changed\n\n"
		case <-alive.C:
		}
		if !say(text) {
			return
		}
	}
}

// watch looks for news as long as a page is open.
func (l *live) watch() {
	period := time.NewTicker(livePeriod)
	defer period.Stop()
	var last uint64
	var rows *idl.Snapshot
	for first := true; ; first = false {
		<-period.C
		if !l.open() {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), livePeriod)
		s, err := l.now(ctx)
		cancel()
		is, now := l.sum(s, err), l.source.Rows()
		if is == last && rows == now && !first {
			continue
		}
		last, rows = is, now
		l.mu.Lock()
		for page := range l.pages {
			select {
			case page <- struct{}{}:
			default:
			}
		}
		l.mu.Unlock()
	}
}

// open says whether a page is, and otherwise that nobody watches from now on.
func (l *live) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watching = len(l.pages) > 0
	return l.watching
}

// sum is a number that is another one if the status shows something else.
func (l *live) sum(s Status, err error) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	if s.RatesOver > 0 { // what matters is whether they are known
		s.RatesOver = 1
	}
	if s.RoseOver > 0 {
		s.RoseOver = 1
	}
	if err != nil {
		_, _ = h.WriteString(err.Error())
	} else if err := json.NewEncoder(&h).Encode(s); err != nil {
		_, _ = h.WriteString(err.Error())
	}
	return h.Sum64()
}
