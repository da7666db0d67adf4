package agent

import (
	"context"
	"time"
)

const (
	// historyStep is the least time between two of the readings that are remembered for long,
	historyStep = 20 * time.Second
	// historyLength how many they are: those of an hour.
	historyLength = 180
)

// dropHistory is how many frames were dropped, for longer than readings go back. It is made of the
// readings that are made for other reasons: nothing is read for its sake.
type dropHistory struct {
	ring [historyLength]DropReading
	next int // where the next one goes
}

// DropReading is the counters of dropped frames at one time, by reason; of those that are not 0. It does not change.
type DropReading struct {
	At    time.Time
	Drops map[string]uint64
}

func (h *dropHistory) add(r reading) {
	last := &h.ring[(h.next+historyLength-1)%historyLength]
	if !last.At.IsZero() && r.at.Sub(last.At) < historyStep {
		return
	}
	drops := map[string]uint64{} // most reasons never come up
	for reason, n := range r.drops {
		if n > 0 {
			drops[reason] = n
		}
	}
	h.ring[h.next] = DropReading{r.at, drops}
	h.next = (h.next + 1) % historyLength
}

// DropHistory returns the readings of the last hour, the oldest first, at least 20 s apart. While nobody
// asks for numbers and nothing is bound there are none.
func (a *Agent) DropHistory(ctx context.Context) ([]DropReading, error) {
	return ask(ctx, a, func(context.Context) ([]DropReading, error) {
		return a.history.since(time.Now().Add(-historyStep * historyLength)), nil
	})
}

func (h *dropHistory) since(t time.Time) (all []DropReading) {
	for i := range h.ring {
		if r := h.ring[(h.next+i)%historyLength]; r.At.After(t) {
			all = append(all, r)
		}
	}
	return all
}
