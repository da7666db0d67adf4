package agent

import (
	"time"

	"github.com/vtep/vtep/internal/plane"
)

const (
	// memory is how far back the readings of counters are remembered.
	memory = time.Minute
	// ratePeriod is the least time that a rate is worked out over.
	ratePeriod = time.Second
)

// readings are the last readings of the counters: those that the loop makes for the rows, and
// those of whoever asks. So rates and what was dropped of late are known at once, and nobody
// reads anything for their sake while nobody asks.
type readings []reading

type reading struct {
	at    time.Time
	ports map[string]plane.Counters // sums of their bindings; nil: it is not one of the last two
	drops map[string]uint64
}

func newReading(at time.Time, s plane.Stats) reading {
	r := reading{at: at, ports: map[string]plane.Counters{}, drops: s.Drops}
	for key, c := range s.Bindings {
		sum := r.ports[key.Port]
		sum.PacketsFromLocal += c.PacketsFromLocal
		sum.BytesFromLocal += c.BytesFromLocal
		sum.PacketsToLocal += c.PacketsToLocal
		sum.BytesToLocal += c.BytesToLocal
		r.ports[key.Port] = sum
	}
	return r
}

// add remembers a reading, if it is not too close to the last one.
func (all *readings) add(r reading) {
	list := *all
	if n := len(list); n > 0 && r.at.Sub(list[n-1].at) < ratePeriod {
		return
	}
	for len(list) > 1 && r.at.Sub(list[1].at) >= memory { // the first is no less than memory old, if any is
		list = list[1:]
	}
	if n := len(list); n > 1 {
		list[n-2].ports = nil
	}
	*all = append(list, r)
}

// rates returns the last reading that is old enough to work out rates by; false: there is none.
func (all readings) rates(now time.Time) (reading, bool) {
	for i := len(all) - 1; i >= 0; i-- {
		if now.Sub(all[i].at) >= ratePeriod && all[i].ports != nil {
			return all[i], true
		}
	}
	return reading{}, false
}

// oldest returns the reading that was a minute ago, or the first since; false: there is none.
func (all readings) oldest(now time.Time) (reading, bool) {
	for i := len(all) - 1; i >= 0; i-- {
		if now.Sub(all[i].at) >= memory || i == 0 {
			return all[i], true
		}
	}
	return reading{}, false
}

// rose returns by how much each reason of drops grew between two readings.
func rose(before, now map[string]uint64) map[string]uint64 {
	grown := map[string]uint64{}
	for reason, n := range now {
		if n > before[reason] {
			grown[reason] = n - before[reason]
		}
	}
	return grown
}
