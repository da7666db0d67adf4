package storage

import (
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRecordsInParts writes records in parts, small and more than what waits to be written, beside
// one that is whole.
func TestRecordsInParts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	l := mustCreate(t, path, 5, Options{})
	c, err := l.StartCompact()
	if err != nil {
		t.Fatal(err)
	}
	part := strings.Repeat("x", 300<<10)
	long := func(yield func([]byte) bool) {
		if !yield([]byte(`{"_comment":"`)) {
			return
		}
		buf := make([]byte, 0, len(part))
		for range 2*writeBehind/len(part) + 1 {
			buf = append(buf[:0], part...)
			if !yield(buf) {
				return
			}
			clear(buf[:cap(buf)]) // void, as it may be
		}
		yield([]byte(`"}`))
	}
	short := slices.Values([][]byte{[]byte(record(1))[:3], nil, []byte(record(1))[3:]})
	if err := c.Write(Whole([]byte(schemaRecord)), long, short); err != nil {
		t.Fatal(err)
	}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	l.Close()
	l, records, rec := mustReplay(t, path, Options{})
	l.Close()
	want := []string{schemaRecord, string(slices.Concat(slices.Collect(clones(long))...)), record(1)}
	if rec != nil || !slices.Equal(records, want) {
		t.Errorf("%d records, want %d; %v", len(records), len(want), rec)
	}
}

func clones(parts iter.Seq[[]byte]) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for part := range parts {
			if !yield(slices.Clone(part)) {
				return
			}
		}
	}
}

// TestRecordThatDiffers is not the same twice: its sum would be wrong.
func TestRecordThatDiffers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	l := mustCreate(t, path, 3, Options{})
	before := l.Size()
	times := 0
	err := l.Compact(func(yield func([]byte) bool) {
		times++
		yield([]byte(`{"n":"` + strings.Repeat("x", times) + `"}`))
	})
	if err == nil || times != 2 {
		t.Errorf("after %d times: %v", times, err)
	}
	if l.Size() != before || l.Err() != nil {
		t.Errorf("the log has %d bytes, had %d; %v", l.Size(), before, l.Err())
	}
	l.Close()
}
