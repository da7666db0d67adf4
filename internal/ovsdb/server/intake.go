package server

import "sync"

// intake bounds the memory that requests take which have not been answered, of all sessions
// together: those half read, those in flight, and those kept because they wait or made a
// monitor. One session's own limits leave it a message of any length, which many sessions
// could have at once.
type intake struct {
	limit int

	mu    sync.Mutex // guards what follows
	held  map[*session]*holding
	total int
}

// holding is the long requests of one session, in bytes.
type holding struct{ reading, inFlight, kept int }

func (h *holding) sum() int { return h.reading + h.inFlight + h.kept }

// countedFrom is the size from which on requests count: the others are bounded by their
// number.
const countedFrom = 64 << 10

func newIntake(limit int) *intake { return &intake{limit: limit, held: map[*session]*holding{}} }

// reads says how much a session holds of a request that is half read.
func (in *intake) reads(s *session, bytes int) {
	in.change(s, func(h *holding) { h.reading = bytes })
}

// add counts bytes of a request that has been read and is in flight, or takes them off again.
func (in *intake) add(s *session, bytes int) {
	if max(bytes, -bytes) >= countedFrom {
		in.change(s, func(h *holding) { h.inFlight += bytes })
	}
}

// keeps says how much a session keeps of requests that have been executed.
func (in *intake) keeps(s *session, bytes int) {
	in.change(s, func(h *holding) { h.kept = bytes })
}

func (in *intake) change(s *session, f func(*holding)) {
	if s.access.trusted {
		return
	}
	in.mu.Lock()
	h := in.held[s]
	if h == nil {
		h = &holding{}
		in.held[s] = h
	}
	in.total -= h.sum()
	f(h)
	in.total += h.sum()
	if h.sum() == 0 {
		delete(in.held, s)
	}
	var largest *session
	if in.total > in.limit {
		most := 0
		for s, h := range in.held {
			if n := h.sum(); n > most {
				largest, most = s, n
			}
		}
	}
	in.mu.Unlock()
	if largest != nil {
		largest.abort(errIntake)
	}
}

// forget takes off all that a session holds.
func (in *intake) forget(s *session) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if h := in.held[s]; h != nil {
		in.total -= h.sum()
		delete(in.held, s)
	}
}

// bytes is what all sessions hold.
func (in *intake) bytes() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.total
}
