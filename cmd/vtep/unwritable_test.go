package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnwritableFile has something else write to the file of the database: who is refused and who looks for
// problems is told why and what to do, and by that it is over.
func TestUnwritableFile(t *testing.T) {
	b := newVTEPBed(t)
	db := "unix:" + filepath.Join(b.env.RunDir, "db.sock")
	file, problems := b.fileProblems("unwritable_file")
	b.mustCtl(db, "add-ls", "before")
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("strange\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	problems(false)
	if out, err := b.ctl(db, "add-ls", "between").CombinedOutput(); err == nil || !strings.Contains(string(out), "I/O error") {
		t.Errorf("add-ls: %v, %s", err, out)
	}
	problems(true)
	b.vtep("appctl", "--rundir", b.env.RunDir, "ovsdb-server/compact")
	problems(false)
	b.mustCtl(db, "add-ls", "after")
	if out := b.mustCtl(db, "list-ls"); out != "after\nbefore\n" {
		t.Errorf("list-ls: %q", out)
	}
}

// TestLostFile has the file of the database deleted and replaced while it is written: a problem tells it, and ends
// with what it says is to be done, by which nothing is lost.
func TestLostFile(t *testing.T) {
	b := newVTEPBed(t)
	db := "unix:" + filepath.Join(b.env.RunDir, "db.sock")
	file, problems := b.fileProblems("lost_file")
	written := 0
	write := func() {
		t.Helper()
		written++
		b.mustCtl(db, "add-ls", fmt.Sprint("ls", written))
	}
	for name, lose := range map[string]func() error{
		"deleted":  func() error { return os.Remove(file) },
		"replaced": func() error { return os.WriteFile(file+".new", []byte("another\n"), 0o600) },
	} {
		write()
		if err := lose(); err != nil {
			t.Fatal(name, err)
		}
		if name == "replaced" {
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
		}
		write() // the last one for a while
		problems(true)
		b.vtep("appctl", "--rundir", b.env.RunDir, "ovsdb-server/compact")
		problems(false)
		kept, err := os.ReadFile(file)
		if last := fmt.Sprintf("%q", fmt.Sprint("ls", written)); err != nil || !strings.Contains(string(kept), last) {
			t.Errorf("%s: %s is not in the file: %v", name, last, err)
		}
	}
}

// fileProblems returns the file of the database, and what waits until a problem of a kind with it is there, or is not.
func (b *vtepBed) fileProblems(kind string) (file string, wait func(want bool)) {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(b.env.DBDir, "*.db"))
	if err != nil || len(files) != 1 {
		b.t.Fatalf("files %v, %v", files, err)
	}
	return files[0], func(want bool) {
		b.t.Helper()
		b.eventually(func() error { return b.problem(kind, files[0], want) })
	}
}

// problem returns an error if there is a problem of a kind with the file, or is not, other than wanted.
func (b *vtepBed) problem(kind, file string, want bool) error {
	out := b.vtep("appctl", "--rundir", b.env.RunDir, "vtep/problems")
	if strings.Contains(out, kind+": database "+file+": ") != want || want && !strings.Contains(out, "ovsdb-server/compact") {
		return fmt.Errorf("problems:\n%s", out)
	}
	return nil
}
