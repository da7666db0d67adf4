package server

import "sync"

// job is something to be done by the loop of a database.
type job struct {
	run func(*batch)
	// alone makes the loop end the batch before the job and after it: the job sees nothing
	// that is not durable, and what it sends comes after what was before.
	alone bool

	// Of the request of a session, which counts as in flight until answered.
	sess *session // nil: a job of the server itself
	size int      // bytes of the message
	gone func()   // answers in place of run when there is no database any more
}

// queue holds the jobs of a database: those of each session in their order, and the sessions
// in turn, so that none waits for more than one request of each other. It has no limit of its
// own: sessions limit what they have in it.
type queue struct {
	wake chan struct{} // cap 1: there are jobs, or the queue is closed

	mu     sync.Mutex // guards what follows
	lanes  map[*session]*lane
	turns  []*lane // those that have jobs; the first is next
	closed bool
}

// lane is the jobs of one session, or those of the server itself.
type lane struct {
	sess *session
	jobs []job
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1), lanes: map[*session]*lane{}}
}

// put appends jobs of one session, and has the loop serve them; false if the queue is closed.
func (q *queue) put(jobs ...job) bool {
	ok := q.add(jobs...)
	if ok {
		q.poke()
	}
	return ok
}

// add is put for a caller who sees to it that they are served.
func (q *queue) add(jobs ...job) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	l := q.lane(jobs[0].sess)
	l.jobs = append(l.jobs, jobs...)
	q.mu.Unlock()
	return true
}

// putBack puts jobs of a session, which were taken, before those that it has in the queue.
func (q *queue) putBack(jobs []job) {
	if len(jobs) == 0 {
		return
	}
	q.mu.Lock()
	l := q.lane(jobs[0].sess)
	l.jobs = append(jobs, l.jobs...)
	q.mu.Unlock()
	q.poke()
}

// lane returns the lane of a session, which is about to get jobs. The caller holds mu.
func (q *queue) lane(s *session) *lane {
	l := q.lanes[s]
	if l == nil {
		l = &lane{sess: s}
		q.lanes[s] = l
		q.turns = append(q.turns, l)
	}
	return l
}

// next takes the next job; false if there is none, or if it has to be alone, but alone is false.
func (q *queue) next(alone bool) (job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.turns) == 0 {
		return job{}, false
	}
	l := q.turns[0]
	j := l.jobs[0]
	if j.alone && !alone {
		return job{}, false
	}
	l.jobs[0] = job{}
	l.jobs = l.jobs[1:]
	if len(l.jobs) == 0 {
		delete(q.lanes, l.sess)
	}
	if len(l.jobs) == 0 || len(q.turns) > 1 {
		q.turns[0] = nil
		q.turns = q.turns[1:]
		if len(l.jobs) > 0 {
			q.turns = append(q.turns, l)
		}
	}
	return j, true
}

// requests counts those of sessions.
func (q *queue) requests() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for s, l := range q.lanes {
		if s != nil {
			n += len(l.jobs)
		}
	}
	return n
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
	return q.closed && len(q.turns) == 0
}

func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.turns) == 0
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
