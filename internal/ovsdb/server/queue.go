package server

import "sync"

// job is something to be done by the loop of a database.
type job struct {
	run func(*batch)
	// alone makes the loop end the batch before the job and after it: the job sees nothing
	// that is not durable, and what it sends comes after what was before.
	alone bool
}

// queue holds the jobs of a database. It has no limit of its own: sessions limit what they
// have in it.
type queue struct {
	wake chan struct{} // cap 1: there are jobs, or the queue is closed

	mu     sync.Mutex // guards what follows
	jobs   []job
	closed bool
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put appends a job; false if the queue is closed.
func (q *queue) put(j job) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.jobs = append(q.jobs, j)
	q.mu.Unlock()
	q.poke()
	return true
}

// take removes up to limit jobs, those before the first that is alone, or that one.
func (q *queue) take(limit int, dst []job) []job {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(q.jobs) && n < limit {
		if q.jobs[n].alone {
			if n == 0 {
				n = 1
			}
			break
		}
		n++
	}
	dst = append(dst, q.jobs[:n]...)
	clear(q.jobs[:n])
	q.jobs = q.jobs[n:]
	if len(q.jobs) == 0 {
		q.jobs = nil
	}
	return dst
}

// close refuses further jobs. Those in the queue are still taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.poke()
}

// finished says whether the queue is closed and empty.
func (q *queue) finished() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && len(q.jobs) == 0
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
