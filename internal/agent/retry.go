package agent

import "time"

// retry spaces the attempts at something that fails: the second comes at once, for what was
// a race, the others after pauses that double.
type retry struct {
	first, most time.Duration // constant
	failures    int
	at          time.Time // no attempt before
}

func (r *retry) succeeded() { r.failures, r.at = 0, time.Time{} }

func (r *retry) failed(now time.Time) {
	pause := time.Duration(0)
	if r.failures > 0 {
		pause = min(r.first<<min(r.failures-1, 20), r.most)
	}
	r.failures++
	r.at = now.Add(pause)
}

func (r *retry) due(now time.Time) bool { return !now.Before(r.at) }
