package storage

import (
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/storage/disktest"
)

// FuzzReplay reads any file. What is found in it must be found again after
// another record was appended.
func FuzzReplay(f *testing.F) {
	var whole []byte
	for _, r := range wantRecords(3) {
		whole = AppendRecord(whole, []byte(r))
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(append(slices.Clone(whole), "OVSDB JSON 3 0123456789012345678901234567890123456789\n{}\n"...))
	f.Add([]byte("OVSDB CLUSTER 3 0123456789012345678901234567890123456789\n{}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		fs := newMemFS()
		fs.Names["db"] = &disktest.Inode{Data: slices.Clone(content)}
		l, err := Open("db", Options{FS: fs})
		if err != nil {
			return
		}
		var records []string
		rec, err := l.Replay(func(r []byte) error { records = append(records, string(r)); return nil })
		if err != nil {
			return
		}
		if rec != nil && string(fs.Names[rec.SavedAs].Data) != string(content[rec.Offset:]) {
			t.Fatalf("%v, but that file holds %q", rec, fs.Names[rec.SavedAs].Data)
		}
		if err := l.Append([]byte(`{"x":1}`)); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l, again, rec := mustReplay(t, "db", Options{FS: fs})
		l.Close()
		if rec != nil || !slices.Equal(again, append(records, `{"x":1}`)) {
			t.Fatalf("got %q, had %q; %v", again, records, rec)
		}
	})
}
