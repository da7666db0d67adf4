package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestSocketGroup lets a group in, who may read and change nothing: over the control socket, and over that of
// the database. Others get in nowhere, and root may do everything.
func TestSocketGroup(t *testing.T) {
	const group = "4242"
	setpriv := testenv.Program(t, "setpriv")
	b := newVTEPBed(t, "--socket-group="+group, "--socket-mode=0660")
	// What is of the test's user alone must be reached by others, too: copies of the programs, and the run directory.
	dir, err := os.MkdirTemp("", "vtep-share")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, err := os.ReadFile(filepath.Join(filepath.Dir(b.server), "vtep"))
	if err != nil {
		t.Fatal(err)
	}
	vtep := filepath.Join(dir, "vtep")
	if err := os.WriteFile(vtep, program, 0o755); err != nil {
		t.Fatal(err)
	}
	for path := b.env.RunDir; path != filepath.Dir(os.TempDir()) && path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	as := func(groups string, args ...string) (string, bool) {
		t.Helper()
		cmd := exec.Command(setpriv, append([]string{"--reuid=4343", "--regid=4343", groups, "--inh-caps=-all", vtep}, args...)...)
		cmd.Dir, cmd.Env = "/", b.env.Env
		out, err := cmd.CombinedOutput()
		return string(out), err == nil
	}
	member, stranger := "--groups="+group, "--clear-groups"
	rundir, db := "--rundir="+b.env.RunDir, "--db=unix:"+filepath.Join(b.env.RunDir, "db.sock")
	for _, c := range []struct {
		groups string
		args   []string
		good   bool
		want   string
	}{
		{member, []string{"status", rundir}, true, "root: all rows; group " + group + ": reading only"},
		{member, []string{"appctl", rundir, "vtep/problems"}, true, ""},
		{member, []string{"appctl", rundir, "list-commands"}, true, "vtep/status"},
		{member, []string{"appctl", rundir, "exit"}, false, `"exit" is for the user of the daemon and root: others may only read`},
		{member, []string{"appctl", rundir, "vlog/set", "dbg"}, false, "others may only read"},
		{member, []string{"appctl", rundir, "fdb/flush"}, false, "others may only read"},
		{member, []string{"ctl", db, "list-ports", "br0"}, true, "p0"},
		{member, []string{"ctl", db, "add-ls", "ls0"}, false, "not allowed"},
		{stranger, []string{"status", rundir}, false, "no permission"},
		{stranger, []string{"ctl", "--timeout=5", db, "list-ports", "br0"}, false, ""},
	} {
		out, good := as(c.groups, c.args...)
		if good != c.good || !strings.Contains(out, c.want) {
			t.Errorf("%s %q: %v, want %v: %s", c.groups, c.args, good, c.good, out)
		}
	}
	if out, err := b.ctl("unix:db.sock", "add-ls", "ls0").CombinedOutput(); err != nil {
		t.Errorf("root may not write: %v: %s", err, out)
	}
	for _, name := range []string{"db.sock", "vtep.*.ctl"} {
		paths, err := filepath.Glob(filepath.Join(b.env.RunDir, name))
		if err != nil || len(paths) != 1 {
			t.Fatal(paths, err)
		}
		if info, err := os.Stat(paths[0]); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("%s has the mode %v, %v", paths[0], info.Mode(), err)
		}
	}
	for option, want := range map[string]string{"--socket-group=no-such-group": "there is no group", "--socket-mode=0777": "goes with --socket-group", "--socket-mode=9": "is no mode in octal"} {
		out, err := b.env.Command(vtep, "run", "br1", "--plane=memory", "--rundir="+t.TempDir(), option).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v: %s", option, err, out)
		}
	}
}

// TestReadable wants every command that is said to change nothing to exist: AllowReaders would panic otherwise.
func TestReadable(t *testing.T) {
	r := newVTEP()
	r.registerControl()
}
