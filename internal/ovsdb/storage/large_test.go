package storage

import (
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/storage/disktest"
)

// TestLargeRecord has a large record, which is prepared while it is checked, be corrupt: it is
// not applied.
func TestLargeRecord(t *testing.T) {
	large := []byte(`{"x":"` + strings.Repeat("y", 2*largeRecord) + `"}`)
	whole := AppendRecord(AppendRecord(nil, []byte(`{"schema":1}`)), large)
	for _, corrupt := range []bool{false, true} {
		content := slices.Clone(whole)
		if corrupt {
			content[len(content)-largeRecord] = 'z'
		}
		fs := newMemFS()
		fs.Names["db"] = &disktest.Inode{Data: content}
		l, err := Open("db", Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		prepared, applied := 0, 0
		rec, err := l.ReplayPrepared(func([]byte) (func() error, error) {
			prepared++
			return func() error { applied++; return nil }, nil
		})
		if err != nil || (rec != nil) != corrupt || prepared != 2 || (applied == 2) == corrupt {
			t.Errorf("corrupt %v: %v, %v; %d prepared, %d applied", corrupt, rec, err, prepared, applied)
		}
	}
}
