package agent

import (
	"testing"
	"time"
)

// TestDropHistory keeps an hour of readings, at least 20 s apart, however often the counters are read.
func TestDropHistory(t *testing.T) {
	var h dropHistory
	began := time.Now()
	var now time.Time
	for i := range 3 * 3600 { // each second, for three hours
		now = began.Add(time.Duration(i) * time.Second)
		h.add(reading{at: now, drops: map[string]uint64{"x": uint64(i), "never": 0}})
	}
	all := h.since(now.Add(-historyStep * historyLength))
	if len(all) < historyLength-1 || len(all) > historyLength {
		t.Fatalf("%d readings", len(all))
	}
	for i, r := range all {
		if len(r.Drops) != 1 || r.Drops["x"] != uint64(r.At.Sub(began).Seconds()) {
			t.Fatalf("%v", r)
		}
		if i > 0 && r.At.Sub(all[i-1].At) != historyStep {
			t.Fatalf("%v after %v", r.At, all[i-1].At)
		}
	}
	if old := h.since(now); len(old) != 0 {
		t.Errorf("%d readings are newer than the newest", len(old))
	}
}
