package agent

import (
	"context"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// A sweep reads all that the plane has learned, which takes a while where that is a lot. The loop
// goes on meanwhile: another goroutine reads, and what it has read is taken note of piece by
// piece, between the loop's other work. What has happened since the reading began counts more
// than the reading.
type sweep struct {
	began   time.Time                  // the last one, under way or not
	results chan swept                 // of the one whose reading is under way; cap 1
	reading bool                       // results will have something
	rest    []plane.Sighting           // read, and to be taken note of
	next    chan struct{}              // always ready; nil: there is no rest
	failed  bool                       // the last one
	wasLost bool                       // events were lost before it began
	gone    map[intent.MACKey]struct{} // what was forgotten since it began

	addressed map[intent.MACKey]struct{} // of whose IP addresses was told since it began

	// what is due when it is over
	age     bool // entries that it has not seen for too long are dropped
	unadopt bool // so are rows of an earlier process of which it has seen nothing
}

// swept is what a sweep has read.
type swept struct {
	sightings []plane.Sighting
	err       error
}

// ready is a channel from which anybody can receive at any time.
var ready = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

const (
	// sweepPiece is how many sightings are taken note of before the rest of the loop has its turn.
	sweepPiece = 1024
	// lostPause is the least time between sweeps for lost events: hosts that seem to move with
	// every frame, as in a loop, must not keep the agent from its other work.
	lostPause = time.Second
)

// sweepPeriod is the least time between sweeps. A MAC may live longer by it.
func (a *Agent) sweepPeriod() time.Duration { return max(a.aging/10, time.Second) }

// sweeping says whether a sweep is under way.
func (a *Agent) sweeping() bool { return a.sweep.reading || len(a.sweep.rest) > 0 }

// startSweep begins a sweep, if none is under way.
func (a *Agent) startSweep(ctx context.Context, now time.Time) {
	if a.sweeping() {
		return
	}
	s := &a.sweep
	s.began, s.reading, s.gone, s.addressed = now, true, map[intent.MACKey]struct{}{}, map[intent.MACKey]struct{}{}
	s.wasLost, a.lost = a.lost, false // what is lost from now on may be missing in it
	go func() {
		sightings, err := a.opts.Plane.Sweep(ctx)
		s.results <- swept{sightings, err}
	}()
}

// handleSweep takes what a sweep has read. An error is logged once, until there is none.
func (a *Agent) handleSweep(got swept) {
	s := &a.sweep
	s.reading = false
	if got.err != nil {
		if !s.failed {
			a.log.Warn("learned MACs not read: none are aged out until they are", "err", got.err)
		}
		if s.unadopt { // nobody knows which of them live
			a.adopted = a.adopted.Add(a.sweepPeriod())
		}
		a.lost = a.lost || s.wasLost
		s.failed, s.age, s.unadopt, s.gone, s.addressed = true, false, false, nil, nil
		return
	}
	s.failed, s.rest = false, got.sightings
	a.takeSightings()
}

// takeSightings takes note of the next piece of what was read, and ends the sweep after the last.
func (a *Agent) takeSightings() {
	s := &a.sweep
	n := min(len(s.rest), sweepPiece)
	for _, seen := range s.rest[:n] {
		if _, gone := s.gone[seen.Key]; !gone {
			a.learn(s.began, seen)
		}
	}
	if s.rest, s.next = s.rest[n:], ready; len(s.rest) == 0 {
		s.rest, s.next = nil, nil
		a.endSweep()
	}
	a.checkFull()
}

// endSweep does what was waiting for the sweep.
func (a *Agent) endSweep() {
	s := &a.sweep
	s.gone, s.addressed = nil, nil
	a.forgetProbes()
	if s.age {
		s.age = false
		a.dropped(a.table.Expire(s.began, a.spare))
	}
	if s.unadopt {
		s.unadopt, a.adopted = false, time.Time{}
		a.reporter.Unadopt()
		a.forgetUnconfirmed(true)
	}
}

// sweepNow does all of a sweep at once, as after an Apply from scratch.
func (a *Agent) sweepNow(ctx context.Context) {
	a.awaitSweep()
	a.startSweep(ctx, time.Now())
	a.awaitSweep()
	a.lost = a.lost || a.sweep.failed // whatever is learned may be missing: another one is due soon
}

// awaitSweep ends the sweep that is under way, if one is.
func (a *Agent) awaitSweep() {
	if a.sweep.reading {
		a.handleSweep(<-a.sweep.results)
	}
	for len(a.sweep.rest) > 0 {
		a.takeSightings()
	}
}
