package ebpf

import (
	"sync"

	"github.com/vtep/vtep/internal/plane"
)

// queueLength is how many events wait for a slow agent before they are dropped. A port may have as many of them as there
// is room for more: the last half is left to the others, and so on, so that none keeps them from being heard.
const queueLength = 16384

// queue takes events without ever blocking the taker, and tells of those that it dropped.
type queue struct {
	out  chan plane.Event
	wake chan struct{} // capacity 1: there is something
	stop chan struct{}
	done chan struct{} // pump has ended

	mu     sync.Mutex // guards what follows
	events []plane.Event
	of     map[string]int // how many of events tell of what came in at a port
	lost   plane.Lost
}

func newQueue() *queue {
	return &queue{
		out:  make(chan plane.Event),
		wake: make(chan struct{}, 1),
		stop: make(chan struct{}),
		done: make(chan struct{}),
		of:   map[string]int{},
	}
}

func (q *queue) add(e plane.Event) {
	port := portOf(e)
	q.mu.Lock()
	switch lost, ok := e.(plane.Lost); {
	case ok:
		q.lose(lost)
	case len(q.events) >= queueLength, port != "" && !fair(q.of[port], queueLength-len(q.events)):
		q.lose(plane.Lost{Count: 1, MACs: ofMAC(e)})
	default:
		q.events = append(q.events, e)
		if port != "" {
			q.of[port]++
		}
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// lose adds to what is lost.
func (q *queue) lose(l plane.Lost) {
	q.lost = plane.Lost{Count: q.lost.Count + l.Count, MACs: l.MACs && (q.lost.MACs || q.lost.Count == 0)}
}

// ofMAC says whether a Sweep tells what the event does.
func ofMAC(e plane.Event) bool {
	switch e.(type) {
	case plane.Seen, plane.Gone, plane.Address:
		return true
	}
	return false
}

// fair says whether somebody who has that many places of what all share, of which some are left, may have one more.
func fair(has, left int) bool { return has < left }

// portOf gives the port that the event is of, if it is by what hosts send; else "".
func portOf(e plane.Event) string {
	switch e := e.(type) {
	case plane.Seen:
		return e.At.Port
	case plane.Address:
		return e.At.Port
	case plane.Punted:
		return e.At.Port
	}
	return ""
}

// pump hands the events out, in order, and the number of those lost after them.
func (q *queue) pump() {
	defer close(q.done)
	defer close(q.out)
	for {
		select {
		case <-q.wake:
		case <-q.stop:
			return
		}
		q.mu.Lock()
		events := q.events
		if q.lost.Count > 0 {
			events = append(events, q.lost)
		}
		q.events, q.lost = nil, plane.Lost{}
		clear(q.of)
		q.mu.Unlock()
		for _, e := range events {
			select {
			case q.out <- e:
			case <-q.stop:
				return
			}
		}
	}
}

func (q *queue) close() {
	close(q.stop)
	<-q.done
}
