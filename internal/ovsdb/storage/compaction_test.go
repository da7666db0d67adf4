package storage

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// some are the schema and the records named.
func some(ids ...int) []Record {
	records := []Record{Whole([]byte(schemaRecord))}
	for _, i := range ids {
		records = append(records, Whole([]byte(record(i))))
	}
	return records
}

// TestCompactionWithTail appends while the snapshot is written.
func TestCompactionWithTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	l := mustCreate(t, path, 100, Options{})
	before := l.Size()
	c, err := l.StartCompact()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.StartCompact(); err == nil {
		t.Error("a second compaction starts")
	}
	var wg sync.WaitGroup
	var writeErr error
	wg.Go(func() { writeErr = c.Write(some(99)...) })
	for i := 100; i < 2000; i++ {
		if err := l.Append([]byte(record(i))); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if writeErr != nil {
		t.Fatal(writeErr)
	}
	if err := l.Append([]byte(record(2000))); err != nil {
		t.Fatal(err)
	}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	if l.records != 1901 || l.Size() >= before+1901*int64(len(record(2000))+70) {
		t.Errorf("%d records, size %d, was %d", l.records, l.Size(), before)
	}
	if err := l.Append([]byte(record(2001))); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l, records, rec := mustReplay(t, path, Options{})
	l.Close()
	want := []string{schemaRecord}
	for i := 99; i <= 2001; i++ {
		want = append(want, record(i))
	}
	if rec != nil || !slices.Equal(records, want) {
		t.Errorf("%d records, want %d; %v", len(records), len(want), rec)
	}
}

func TestShouldCompact(t *testing.T) {
	l := mustCreate(t, "db", 0, Options{FS: newMemFS()})
	big := []byte(`{"_comment":"` + string(make([]byte, 110<<10)) + `"}`)
	for i := range 100 {
		if l.ShouldCompact() {
			t.Fatalf("after %d records, %d bytes", i, l.Size())
		}
		if err := l.Append(big); err != nil {
			t.Fatal(err)
		}
	}
	if !l.ShouldCompact() {
		t.Errorf("not with %d records, %d bytes", l.records, l.Size())
	}
}

// TestCompactionAfterCut: a compaction that copied records which were cut off
// since must not bring them back.
func TestCompactionAfterCut(t *testing.T) {
	fs := newMemFS()
	l := mustCreate(t, "db", 2, Options{FS: fs})
	c, err := l.StartCompact()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]byte(record(2))); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(some(0, 1)...); err != nil {
		t.Fatal(err)
	}
	fs.fail = func(e string) error { return errPower }
	if err := l.Sync(); err == nil {
		t.Fatal("no error")
	}
	fs.fail = nil
	if err := c.Finish(); err == nil {
		t.Error("the compaction ends well")
	}
	if fs.Names["db.tmp"] != nil {
		t.Error("the new file is left over")
	}
	if l.Err() == nil {
		t.Error("the log is not broken")
	}
}

// TestEdges breaks each edge of appends, syncs, compactions and recovery once,
// and looks at what is promised.
func TestEdges(t *testing.T) {
	for name, habit := range map[string]int{"without room": 0, "with room": roomHabit} {
		t.Run(name, func(t *testing.T) { breakEdges(t, habit) })
	}
}

func breakEdges(t *testing.T, habit int) {
	broken := errors.New("broken edge")
	run := func(fs *memFS) (l *Log, acked []string, err error) {
		l, err = Create("db", []byte(schemaRecord), Options{FS: fs})
		if err != nil {
			return nil, nil, err
		}
		l.habit = habit
		acked = []string{schemaRecord}
		for i := range 6 {
			if i == 3 {
				ids := []int{0, 1, 2}[:len(acked)-1]
				if cerr := l.Compact(some(ids...)...); cerr != nil {
					err = cerr
				}
			}
			if aerr := l.Append([]byte(record(i))); aerr != nil {
				err = aerr
				break
			}
			if serr := l.Sync(); serr != nil {
				err = serr
				break
			}
			acked = append(acked, record(i))
		}
		return l, acked, err
	}
	fs := newMemFS()
	if _, _, err := run(fs); err != nil {
		t.Fatal(err)
	}
	edges := slices.Clone(fs.edges)
	for n, edge := range edges {
		for _, failure := range []error{broken, errShortWrite} {
			fs := newMemFS()
			at := 0
			fs.fail = func(e string) error {
				if at++; at == n+1 {
					return failure
				}
				return nil
			}
			l, acked, err := run(fs)
			if roomless := err == nil && habit > 0 && strings.HasPrefix(edge, "write"); !roomless && !errors.Is(err, failure) {
				t.Errorf("edge %d (%s): got %v", n, edge, err)
			}
			fs.fail = nil
			if l == nil {
				// Create failed: the file is not there, or whole.
				if fs.Names["db"] != nil {
					if err := Check("db", fs, nil); err != nil {
						t.Errorf("edge %d (%s): %v", n, edge, err)
					}
				}
				continue
			}
			if l.Err() == nil || strings.HasPrefix(edge, "sync") {
				// What failed is gone from the file.
				r, records, rec := mustReplay(t, "db", Options{FS: fs, ReadOnly: true})
				r.Close()
				if rec != nil || !slices.Equal(records, acked) || l.Size()+int64(l.room) != int64(len(fs.Names["db"].Data)) {
					t.Errorf("edge %d (%s): got %q, want %q; %v; size %d", n, edge, records, acked, rec, l.Size())
				}
			}
			if l.Err() != nil {
				if err := l.Append([]byte(record(9))); !errors.Is(err, ErrBroken) || !errors.Is(err, failure) {
					t.Errorf("edge %d (%s): append to a broken log: %v", n, edge, err)
				}
				// A compaction makes it whole again.
				ids := make([]int, len(acked)-1)
				for i := range ids {
					ids[i] = i
				}
				if err := l.Compact(some(ids...)...); err != nil || l.Err() != nil {
					t.Errorf("edge %d (%s): compact a broken log: %v", n, edge, err)
				}
			}
			if err := l.Append([]byte(record(9))); err != nil {
				t.Errorf("edge %d (%s): append afterwards: %v", n, edge, err)
			}
			l.Close()
			l, records, rec := mustReplay(t, "db", Options{FS: fs})
			l.Close()
			if rec != nil || !slices.Equal(records, append(acked, record(9))) {
				t.Errorf("edge %d (%s): got %q, want %q and one more; %v", n, edge, records, acked, rec)
			}
		}
	}
}
