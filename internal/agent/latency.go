package agent

import "time"

// latencyBounds are the upper bounds of the buckets of a Latency, in seconds.
var latencyBounds = [...]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// latency counts how long something took. It belongs to the loop.
type latency struct {
	buckets [len(latencyBounds)]uint64 // how many fell in each, and in none below
	count   uint64
	sum     float64
}

func (l *latency) observe(took time.Duration) {
	s := took.Seconds()
	l.count++
	l.sum += s
	for i, bound := range latencyBounds {
		if s <= bound {
			l.buckets[i]++
			return
		}
	}
}

// Latency is how long something took, as often as it happened. Times are in seconds.
type Latency struct {
	Count   uint64          `json:"count"`
	Sum     float64         `json:"sum"`
	Buckets []LatencyBucket `json:"buckets"`
}

// LatencyBucket is how often it took no longer than LE.
type LatencyBucket struct {
	LE    float64 `json:"le"`
	Count uint64  `json:"count"`
}

func (l *latency) read() Latency {
	all := Latency{Count: l.count, Sum: l.sum}
	n := uint64(0)
	for i, bound := range latencyBounds {
		n += l.buckets[i]
		all.Buckets = append(all.Buckets, LatencyBucket{bound, n})
	}
	return all
}
