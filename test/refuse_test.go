package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// TestRefuse gives the program what it can't work with. Each is refused by one line that
// names the thing and, where there is one, the remedy; nothing is left behind.
func TestRefuse(t *testing.T) {
	env := testenv.OVS(t)
	bin := filepath.Join(testenv.Binary(t), "vtep")
	junk := filepath.Join(env.DBDir, "junk.db")
	other := filepath.Join(env.DBDir, "other.db")
	if err := os.WriteFile(junk, []byte("this is not a database\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	schema := filepath.Join(env.DBDir, "other.ovsschema")
	if err := os.WriteFile(schema, []byte(`{"name":"other","version":"1.0.0","tables":{}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	env.Output(t, testenv.Program(t, "ovsdb-tool"), "create", other, schema)

	db := "--db=" + filepath.Join(env.DBDir, "vtep.db")
	for _, c := range []struct {
		name string
		args []string
		want []string // in the line
	}{
		{"no command", nil, nil},
		{"unknown command", []string{"walk"}, []string{`"walk"`, "vtep help"}},
		{"bad flag", []string{"run", "--colour", "ps"}, []string{"--colour"}},
		{"flag without argument", []string{"run", "ps", "--db"}, []string{"--db"}},
		{"unknown plane", []string{"run", "ps", db, "--plane=carrier-pigeon"}, []string{"--plane", "carrier-pigeon", "ebpf"}},
		{"no name", []string{"run", db}, []string{"name of the physical switch"}},
		{"two names", []string{"run", db, "a", "b"}, []string{"a", "b"}},
		{"empty name", []string{"run", db, ""}, []string{"name of the physical switch"}},
		{"junk tunnel IP", []string{"run", "ps", db, "--tunnel-ip=junk"}, []string{"--tunnel-ip", "junk", "IPv4"}},
		{"IPv6 tunnel IP", []string{"run", "ps", db, "--tunnel-ip=2001:db8::1"}, []string{"--tunnel-ip", "2001:db8::1", "IPv4"}},
		{"link-local tunnel IP", []string{"run", "ps", db, "--plane=ebpf", "--tunnel-ip=fe80::1"}, []string{"--tunnel-ip", "fe80::1", "one link"}},
		{"broadcast tunnel IP", []string{"run", "ps", db, "--tunnel-ip=255.255.255.255"}, []string{"--tunnel-ip", "255.255.255.255"}},
		{"multicast tunnel IP", []string{"run", "ps", db, "--tunnel-ip=224.0.0.1"}, []string{"--tunnel-ip", "224.0.0.1"}},
		{"bad remote", []string{"run", "ps", db, "--remote=carrier:pigeon"}, []string{"carrier:pigeon"}},
		{"bad durability", []string{"run", "ps", db, "--durability=maybe"}, []string{"--durability", "maybe", "always"}},
		{"not a database", []string{"run", "ps", "--db=" + junk}, []string{junk, "not an OVSDB file", "--db"}},
		{"other database", []string{"run", "ps", "--db=" + other}, []string{other, "other", "hardware_vtep", "--db"}},
		{"database in no directory", []string{"run", "ps", "--db=/dev/null/vtep.db"}, []string{"/dev/null/vtep.db"}},
		{"both databases", []string{"run", "ps", db, "--connect=unix:x"}, []string{"--db", "--connect"}},
		{"bad log level", []string{"run", "ps", db, "-vloud"}, []string{"loud"}},
		{"lab, unknown command", []string{"lab", "fly"}, []string{`"fly"`, "vtep lab --help"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if len(args) > 0 && args[0] == "run" {
				args = append([]string{"run", "--rundir=" + env.RunDir, "--plane=memory"}, args[1:]...)
			}
			status, stderr := fails(t, env.Command(bin, args...))
			if status <= 0 {
				t.Errorf("exit status %d", status)
			}
			if c.args == nil {
				return // it prints its usage
			}
			oneLine(t, stderr, c.want...)
			if left, _ := filepath.Glob(filepath.Join(env.RunDir, "*.sock")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
	if b, err := os.ReadFile(junk); err != nil || !bytes.Equal(b, []byte("this is not a database\n")) {
		t.Errorf("the file that is no database is now %q, %v", b, err)
	}
}

// oneLine checks that a program said one line, with all these words.
func oneLine(t testing.TB, stderr string, words ...string) {
	t.Helper()
	if n := strings.Count(stderr, "\n"); n != 1 {
		t.Errorf("%d lines, not one:\n%s", n, stderr)
	}
	for _, word := range words {
		if !strings.Contains(stderr, word) {
			t.Errorf("it does not say %q: %s", word, stderr)
		}
	}
}

// TestSecondInstance starts a VTEP where one runs: in its run directory, with its database,
// or for its switch. Each is refused and the first one does not feel it.
func TestSecondInstance(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.reach(lab.Host1, lab.Host3)
	stop := w.startPing(lab.H1, lab.Host3)
	bin := filepath.Join(w.bin, "vtep")
	elsewhere := filepath.Join(w.env.DBDir, "elsewhere")
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"run directory", []string{"run", "other", "--rundir=" + w.env.RunDir, "--db=" + elsewhere + ".db", "--plane=memory"},
			[]string{w.env.RunDir, "--rundir"}},
		{"database", []string{"run", "other", "--rundir=" + elsewhere, "--db=" + w.database(), "--plane=memory"},
			[]string{w.database(), "--db"}},
		{"pins", []string{"run", w.name, "--rundir=" + elsewhere, "--db=" + elsewhere + ".db", "--pin-dir=" + w.pins},
			[]string{w.pins, "running"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := w.env.Command(bin, c.args...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := w.lab.Namespace(lab.VTEP).Run(cmd); err == nil || cmd.ProcessState.ExitCode() <= 0 {
				t.Errorf("it ended with %v", err)
			}
			oneLine(t, stderr.String(), c.want...)
		})
	}
	stop()
	w.ctl("set Logical_Switch ls0 tunnel_key=6000")
	w.floods(6000, lab.RemoteIP)
}

// TestUnprivileged runs the program as nobody in particular.
func TestUnprivileged(t *testing.T) {
	testenv.Root(t)
	bin := filepath.Join(testenv.Binary(t), "vtep")
	b, err := os.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	// Where that user can read it, and write.
	dir, err := os.MkdirTemp("", "vtep")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	const nobody = 65534
	bin = filepath.Join(dir, "vtep")
	if err := os.WriteFile(bin, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"eBPF plane", []string{"run", "ps", "--rundir=" + dir + "/run", "--db=" + dir + "/vtep.db"}, []string{"CAP_"}},
		{"run directory", []string{"run", "ps", "--rundir=/proc/vtep", "--db=" + dir + "/vtep.db"}, []string{"/proc/vtep"}},
		{"database", []string{"run", "ps", "--rundir=" + dir + "/run", "--db=/root-of-all/vtep.db", "--plane=memory"}, []string{"/root-of-all"}},
		{"lab", []string{"lab", "up"}, []string{"root"}},
		{"demo", []string{"lab", "demo"}, []string{"root"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(bin, c.args...)
			cmd.Dir = dir
			cmd.Env = []string{"PATH=/usr/bin:/bin"}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			status, stderr := fails(t, cmd)
			if status <= 0 {
				t.Errorf("exit status %d", status)
			}
			oneLine(t, stderr, c.want...)
		})
	}
}

// TestVersions asks every personality for its version and its help: status 0, nothing on
// standard error.
func TestVersions(t *testing.T) {
	env := testenv.OVS(t)
	bin := testenv.Binary(t)
	for _, c := range [][]string{
		{"vtep", "version"}, {"vtep", "help"}, {"vtep", "--help"}, {"vtep", "run", "--help"}, {"vtep", "run", "--version"},
		{"vtep", "lab", "--help"}, {"vtep-ctl", "--version"}, {"vtep-ctl", "--help"},
		{"ovsdb-server", "--version"}, {"ovsdb-server", "--help"}, {"ovs-vtep", "--version"}, {"ovs-vtep", "--help"},
	} {
		cmd := env.Command(filepath.Join(bin, c[0]), c[1:]...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || len(out) == 0 || stderr.Len() > 0 {
			t.Errorf("%s: %v, %d bytes of output, on standard error %q", fmt.Sprint(c), err, len(out), stderr.String())
		}
	}
}
