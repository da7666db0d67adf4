package ebpf

import (
	"sync"

	"github.com/vtep/vtep/internal/plane"
)

// queueLength is how many events wait for a slow agent before they are dropped.
const queueLength = 16384

// queue takes events without ever blocking the taker, and tells of those that it dropped.
type queue struct {
	out  chan plane.Event
	wake chan struct{} // capacity 1: there is something
	stop chan struct{}
	done chan struct{} // pump has ended

	mu     sync.Mutex // guards what follows
	events []plane.Event
	lost   uint64
}

func newQueue() *queue {
	return &queue{
		out:  make(chan plane.Event),
		wake: make(chan struct{}, 1),
		stop: make(chan struct{}),
		done: make(chan struct{}),
	}
}

func (q *queue) add(e plane.Event) {
	q.mu.Lock()
	switch lost, ok := e.(plane.Lost); {
	case ok:
		q.lost += lost.Count
	case len(q.events) >= queueLength:
		q.lost++
	default:
		q.events = append(q.events, e)
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
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
		if q.lost > 0 {
			events = append(events, plane.Lost{Count: q.lost})
		}
		q.events, q.lost = nil, 0
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
