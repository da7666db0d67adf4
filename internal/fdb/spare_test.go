package fdb

import (
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// An entry that is spared stays until then, is as idle as it was, and goes on as any other when it is
// seen, or goes.
func TestSpare(t *testing.T) {
	epoch := time.Unix(1000, 0)
	at := func(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }
	table := NewTable(epoch, Config{Age: 10 * time.Second})
	p0, p1 := intent.BindingKey{Port: "p0"}, intent.BindingKey{Port: "p1"}
	key := func(n byte) intent.MACKey { return intent.MACKey{MAC: intent.MAC{2, n}} }
	for n := byte(1); n <= 4; n++ {
		table.Sight(at(float64(n)/10), key(n), p0)
	}
	asked := map[intent.MACKey]int{}
	spare := func(until time.Time) func(intent.MACKey) time.Time {
		return func(k intent.MACKey) time.Time {
			asked[k]++
			if k == key(3) {
				return time.Time{}
			}
			return until
		}
	}
	expire := func(now, until time.Time, want ...intent.MACKey) {
		t.Helper()
		if gone := table.Expire(now, spare(until)); !slices.Equal(gone, want) {
			t.Fatalf("%v are gone, want %v", gone, want)
		}
	}
	expire(at(10.35), at(14.5), key(3))
	if asked[key(1)] != 1 || asked[key(4)] != 0 {
		t.Errorf("asked for %v", asked)
	}
	if next, ok := table.NextExpiry(); !ok || next != at(10.4) {
		t.Errorf("something goes at %v, want %v", next, at(10.4))
	}
	if seen := table.Seen(key(1)); seen != at(0.1) {
		t.Errorf("it was seen at %v", seen)
	}
	for e := range table.Entries(at(11)) {
		if e.Key == key(2) && e.Idle != 10800*time.Millisecond {
			t.Errorf("it is idle for %v", e.Idle)
		}
	}
	table.Sight(at(0.1), key(1), p0) // is no news
	table.Sight(at(12), key(4), p0)
	expire(at(14), at(15))
	if r := table.Sight(at(14), key(2), p1); r.Verdict != Moved {
		t.Errorf("it is %v on another port", r)
	}
	expire(at(14.6), time.Time{}, key(1))
	expire(at(22), time.Time{}, key(4))
	expire(at(24), time.Time{}, key(2))
	if !table.Seen(key(1)).IsZero() {
		t.Error("who is gone was seen")
	}
}
