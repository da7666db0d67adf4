package server

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/storage"
)

// The Position of a database grows with every record of its file, is that of the file when it
// is opened again, and is never ahead of it: a copy that lacks the last record is older, a file
// that was compacted is not.
func TestPosition(t *testing.T) {
	fs := &faultyFS{FS: storage.OS}
	r := newRig(t, Options{FS: fs})
	if r.Position("things") != 0 || r.Position("none") != 0 {
		t.Error("an empty database, or none, was written")
	}
	var last ovsdb.Position
	grows := func(what string) {
		t.Helper()
		p := r.Position("things")
		if p <= last {
			t.Errorf("%s: at %d after %d", what, p, last)
		}
		last = p
	}
	reopen := func(change func(text string) string) ovsdb.Position {
		t.Helper()
		path := r.Path("things")
		if err := r.RemoveDatabase("things"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(change(readFile(t, path))), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.AddDatabase(path); err != nil {
			t.Fatal(err)
		}
		return r.Position("things")
	}
	whole := func(text string) string { return text }

	c := r.dial()
	for i := range 20 { // several in a millisecond
		c.insert(fmt.Sprint("a", i), i)
		grows("a commit")
	}
	fs.set(func() error { return syscall.ENOSPC }, nil)
	c.must("transact", `["things",`+insertOp(1)+`]`)
	fs.set(nil, nil)
	if p := r.Position("things"); p != last {
		t.Errorf("at %d by what could not be written", p)
	}
	if p := reopen(whole); p != last {
		t.Errorf("opened again at %d, not at %d", p, last)
	}
	backup := ""
	reopen(func(text string) string {
		backup = text
		return text[:strings.LastIndex(text, "\nOVSDB ")+1]
	})
	if p := r.Position("things"); p >= last {
		t.Errorf("without its last record it is at %d, not before %d", p, last)
	}
	reopen(func(string) string { return backup })
	if err := r.Compact("things"); err != nil {
		t.Fatal(err)
	}
	if p := reopen(whole); p <= last {
		t.Errorf("compacted and opened again at %d, not behind %d", p, last)
	}
	last = r.Position("things")
	r.dial().insert("b", 1)
	grows("a commit after that")
	if p := reopen(func(string) string { return backup }); p >= last {
		t.Errorf("a copy is at %d, not before %d", p, last)
	}
}
