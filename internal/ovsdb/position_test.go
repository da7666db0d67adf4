package ovsdb

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A Position grows with every record, wherever the clock stands, and a file that has more in
// it is never behind one that has less.
func TestPosition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		date := rapid.OneOf(rapid.Int64Range(-2, 5), rapid.Int64Range(1700000000000, 1700000000005), rapid.Int64())
		var p, q Position // q misses some records
		for range rapid.IntRange(1, 30).Draw(t, "records") {
			d := date.Draw(t, "date")
			before := p
			if p = p.After(d); p <= before {
				t.Fatalf("%d after %d, date %d", p, before, d)
			}
			if rapid.Bool().Draw(t, "both") {
				q = q.After(d)
			}
			if q > p {
				t.Fatalf("%d has less, and is after %d", q, p)
			}
		}
		// What is written in place of all records is later than them.
		now := time.UnixMilli(rapid.Int64Range(0, 1700000000009).Draw(t, "now"))
		next := p.NextDate(now)
		if snapshot := Position(0).After(next.UnixMilli()); snapshot <= p || next.Before(now) || !snapshot.Time().Equal(next) {
			t.Fatalf("a snapshot of %v is at %d, not after %d", next, snapshot, p)
		}
	})
}
