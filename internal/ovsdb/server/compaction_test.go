package server

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/testenv"
)

// TestCompactAfterStart opens a file that is worth a compaction: there is one a while after the start, not with the first
// transaction.
func TestCompactAfterStart(t *testing.T) {
	r := newRig(t, Options{})
	path := r.Path("things")
	if err := r.RemoveDatabase("things"); err != nil {
		t.Fatal(err)
	}
	file := []byte(readFile(t, path))
	record := fmt.Appendf(nil, `{"Thing":{"%036d":{"note":"%s"}}}`, 0, strings.Repeat("x", 110_000))
	copy(record[len(`{"Thing":{"`):], "00000000-0000-4000-8000-000000000000")
	for range 100 {
		file = storage.AppendRecord(file, record)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddDatabase(path); err != nil {
		t.Fatal(err)
	}
	d, c := r.find("things"), r.dial()
	c.insert("a", 0)
	d.do(func() {
		if !d.file.ShouldCompact() || d.compact != nil || d.compacts > 0 {
			t.Errorf("worth a compaction %v, which is under way %v, or was %d times", d.file.ShouldCompact(), d.compact != nil, d.compacts)
		}
		d.lastTry = d.lastTry.Add(-startPause)
	})
	c.insert("b", 1)
	testenv.Eventually(t, patience, func() (err error) {
		d.do(func() {
			if d.compacts != 1 {
				err = errors.New("not compacted")
			}
		})
		return err
	})
}
