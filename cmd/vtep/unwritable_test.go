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
	files, err := filepath.Glob(filepath.Join(b.env.DBDir, "*.db"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	problems := func(want bool) {
		t.Helper()
		b.eventually(func() error {
			out := b.vtep("appctl", "--rundir", b.env.RunDir, "vtep/problems")
			if strings.Contains(out, "unwritable_file: database "+files[0]+": ") != want || want && !strings.Contains(out, "ovsdb-server/compact") {
				return fmt.Errorf("problems:\n%s", out)
			}
			return nil
		})
	}
	b.mustCtl(db, "add-ls", "before")
	f, err := os.OpenFile(files[0], os.O_WRONLY|os.O_APPEND, 0)
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
