package storage

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestPowerCut appends, syncs and compacts at random, cuts the power at any
// point, and looks whether the log holds all that was durable, in order, and
// nothing that was never appended.
func TestPowerCut(t *testing.T) {
	for seed := range uint64(1000 * testenv.Effort(t)) {
		if err := powerCut(rand.New(rand.NewPCG(seed, 1))); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func powerCut(r *rand.Rand) error {
	fs := newMemFS()
	left := r.IntN(60) // edges until the power fails
	fs.fail = func(string) error {
		if left--; left < 0 {
			return errPower
		}
		return nil
	}
	var appended []string // ever
	durable := -1         // records of appended that are certain to survive; -1: not even the file
	l, err := Create("db", []byte(schemaRecord), Options{FS: fs})
	var ids []int
	if err == nil {
		durable = 0
	}
	habit := r.IntN(2) * roomHabit // with room from the beginning, or hardly ever
	for i := 0; err == nil; i++ {
		l.habit = max(l.habit, habit)
		switch n := r.IntN(10); {
		case n == 0:
			c, cerr := l.StartCompact()
			if cerr != nil {
				return cerr
			}
			all := slices.Clone(ids)
			err = c.Write(some(all...)...)
			for range r.IntN(3) { // meanwhile
				if err == nil {
					ids = append(ids, len(ids))
					appended = append(appended, record(len(ids)-1))
					err = l.Append([]byte(record(len(ids) - 1)))
				}
			}
			if err == nil {
				if err = c.Finish(); err == nil {
					durable = len(ids)
				}
			}
		case n < 4:
			if err = l.Sync(); err == nil {
				durable = len(ids)
			}
		default:
			var batch [][]byte
			for range 1 + r.IntN(3) {
				ids = append(ids, len(ids))
				appended = append(appended, record(len(ids)-1))
				batch = append(batch, []byte(record(len(ids)-1)))
			}
			err = l.Append(batch...)
		}
	}
	after := fs.powerCut(r)
	if after.Names["db"] == nil {
		if durable >= 0 {
			return fmt.Errorf("the file is gone")
		}
		return nil
	}
	l, err = Open("db", Options{FS: after})
	if err != nil {
		return err
	}
	var records []string
	if _, err := l.Replay(func(b []byte) error { records = append(records, string(b)); return nil }); err != nil {
		return err
	}
	want := append([]string{schemaRecord}, appended...)
	if len(records) > len(want) || !slices.Equal(records, want[:len(records)]) {
		return fmt.Errorf("found %q, which is no beginning of %q", records, want)
	}
	if len(records)-1 < durable {
		return fmt.Errorf("found %d records, %d were durable", len(records)-1, durable)
	}
	if err := l.Append([]byte(`{}`)); err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	return Check("db", after, nil)
}
