package vtep

import (
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// pace bounds how fast rows of groups change.
type pace struct {
	free    int       // so many may change now
	filled  time.Time // when free was last added to
	waiting map[intent.MACKey]struct{}
	due     time.Time // when those that wait are looked at again; zero: nobody waits
}

const (
	paceBurst  = 1000 // changes at once
	paceEvery  = 10 * time.Millisecond
	pacePeriod = time.Second // between looks at those that wait
)

// allows says whether one more may change now.
func (p *pace) allows(now time.Time) bool {
	if n := now.Sub(p.filled) / paceEvery; p.filled.IsZero() || n >= paceBurst {
		p.free, p.filled = paceBurst, now
	} else if n > 0 {
		p.free, p.filled = min(p.free+int(n), paceBurst), p.filled.Add(n*paceEvery)
	}
	return p.free > 0
}

// take notes that one has changed.
func (p *pace) take() { p.free-- }

// wait puts a group off.
func (p *pace) wait(now time.Time, key intent.MACKey) {
	if len(p.waiting) == 0 {
		p.due = now.Add(pacePeriod)
	}
	p.waiting[key] = struct{}{}
}

func (p *pace) isDue(now time.Time) bool { return len(p.waiting) > 0 && !now.Before(p.due) }

// next returns when it is due; zero: never.
func (p *pace) next() time.Time {
	if len(p.waiting) == 0 {
		return time.Time{}
	}
	return p.due
}
