package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// ovsdbBed is an environment in which our ovsdb-server meets the programs of Open vSwitch.
type ovsdbBed struct {
	t      *testing.T
	env    *testenv.Env
	server string
}

func newOVSDBBed(t *testing.T) *ovsdbBed {
	t.Helper()
	b := &ovsdbBed{t: t, env: testenv.OVS(t), server: filepath.Join(testenv.Binary(t), "ovsdb-server")}
	for _, program := range []string{"ovsdb-tool", "ovsdb-client", "ovs-appctl"} {
		testenv.Program(t, program)
	}
	return b
}

// create makes a database file with a schema of one table.
func (b *ovsdbBed) create(name string) string {
	b.t.Helper()
	schema := filepath.Join(b.t.TempDir(), "schema")
	text := fmt.Sprintf(`{"name":%q,"version":"1.0.0","tables":{"T":{"isRoot":true,"columns":{
		"n":{"type":"integer"},"remotes":{"type":{"key":"string","min":0,"max":"unlimited"}}}}}}`, name)
	if err := os.WriteFile(schema, []byte(text), 0o666); err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(b.env.DBDir, name+".db")
	b.run("ovsdb-tool", "create", path, schema)
	return path
}

// run runs a program that must succeed and returns its output.
func (b *ovsdbBed) run(program string, args ...string) string {
	b.t.Helper()
	out, err := b.env.Command(program, args...).CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// start starts the daemon and has it ended with the test.
func (b *ovsdbBed) start(args ...string) {
	b.t.Helper()
	b.run(b.server, append([]string{"--detach", "--no-chdir", "--pidfile", "--log-file", "-vconsole:off"}, args...)...)
	b.t.Cleanup(func() { _ = b.env.Command("ovs-appctl", "-t", "ovsdb-server", "exit").Run() })
}

func (b *ovsdbBed) appctl(args ...string) string {
	b.t.Helper()
	return b.run("ovs-appctl", append([]string{"-t", "ovsdb-server"}, args...)...)
}

// gone waits until the daemon has left nothing behind.
func (b *ovsdbBed) gone() { b.goneBut("nothing") }

// goneBut waits until the daemon has left nothing behind but files whose names begin so.
func (b *ovsdbBed) goneBut(prefix string) {
	b.t.Helper()
	testenv.Eventually(b.t, 90*time.Second, func() error {
		names, err := filepath.Glob(filepath.Join(b.env.RunDir, "*"))
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(filepath.Base(name), prefix) })
		if err == nil && len(names) > 0 {
			err = fmt.Errorf("left behind: %v", names)
		}
		return err
	})
}

func TestOVSDBServerDaemon(t *testing.T) {
	b := newOVSDBBed(t)
	first, second := b.create("first"), b.create("second")
	b.start("--remote=punix:db.sock", "--remote=ptcp:0:127.0.0.1", first)
	log, err := os.ReadFile(filepath.Join(b.env.LogDir, "ovsdb-server.log"))
	if err != nil || !strings.Contains(string(log), "0:127.0.0.1: listening on port ") {
		t.Errorf("log: %v\n%s", err, log)
	}
	if got := b.appctl("ovsdb-server/list-dbs"); got != "_Server\nfirst\n" {
		t.Errorf("databases %q", got)
	}
	b.appctl("ovsdb-server/add-db", second)
	if got := b.run("ovsdb-client", "list-dbs", "unix:db.sock"); got != "_Server\nfirst\nsecond\n" {
		t.Errorf("databases %q", got)
	}
	for command, want := range map[string]string{
		"ovsdb-server/add-db " + second:             "already open",
		"ovsdb-server/add-db /nonexistent":          "open failed (No such file or directory)",
		"ovsdb-server/remove-db nix":                "Failed to find the database.",
		"ovsdb-server/remove-db _Server":            "Cannot remove reserved database.",
		"ovsdb-server/remove-remote punix:nix":      "no such remote",
		"ovsdb-server/compact nix":                  "no database by that name",
		"ovsdb-server/add-remote db:first,T,absent": `"db:first,T,absent": table "T" has no column "absent"`,
		"ovsdb-server/get-db-storage-status nix":    "Failed to find the database.",
	} {
		out, err := b.env.Command("ovs-appctl", append([]string{"-t", "ovsdb-server"}, strings.Fields(command)...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, %s", command, err, out)
		}
	}
	b.appctl("ovsdb-server/add-remote", "db:second,T,remotes")
	b.run("ovsdb-client", "transact", "unix:db.sock", `["second",{"op":"insert","table":"T","row":{"remotes":"punix:more.sock"}}]`)
	testenv.Eventually(t, 90*time.Second, func() error {
		return b.env.Command("ovsdb-client", "list-dbs", "unix:more.sock").Run()
	})
	if got := b.appctl("ovsdb-server/list-remotes"); got != "db:second,T,remotes\nptcp:0:127.0.0.1\npunix:db.sock\n" {
		t.Errorf("remotes %q", got)
	}
	b.appctl("ovsdb-server/compact")
	b.appctl("ovsdb-server/reconnect")
	if got := b.appctl("memory/show"); !strings.Contains(got, "rows:") {
		t.Errorf("memory %q", got)
	}
	b.appctl("ovsdb-server/remove-db", "second")
	b.appctl("exit")
	b.gone()
	b.run("ovsdb-tool", "query", second, `["second",{"op":"select","table":"T","where":[]}]`)
}

// TestOVSDBServerMonitor has the daemon crash: what it was told since its start holds.
func TestOVSDBServerMonitor(t *testing.T) {
	b := newOVSDBBed(t)
	first, second := b.create("first"), b.create("second")
	b.start("--monitor", first)
	b.appctl("ovsdb-server/add-db", second)
	b.appctl("ovsdb-server/add-remote", "punix:db.sock")
	b.appctl("ovsdb-server/remove-db", "first")
	pidfile := filepath.Join(b.env.RunDir, "ovsdb-server.pid")
	before, err := os.ReadFile(pidfile)
	if err != nil {
		t.Fatal(err)
	}
	b.run("kill", "-SEGV", strings.TrimSpace(string(before)))
	testenv.Eventually(t, 90*time.Second, func() error {
		if now, err := os.ReadFile(pidfile); err != nil || string(now) == string(before) {
			return fmt.Errorf("still pid %s, %v", now, err)
		}
		return b.env.Command("ovs-appctl", "-t", "ovsdb-server", "version").Run()
	})
	if got := b.run("ovsdb-client", "list-dbs", "unix:db.sock"); got != "_Server\nsecond\n" {
		t.Errorf("databases %q", got)
	}
	b.appctl("exit")
	b.gone()
}

func TestOVSDBServerRun(t *testing.T) {
	b := newOVSDBBed(t)
	path := b.create("first")
	args := []string{"--remote=punix:db.sock", "-vconsole:off", path}
	if got := b.run(b.server, append(args, "--run=ovsdb-client list-dbs unix:db.sock")...); got != "_Server\nfirst\n" {
		t.Errorf("output %q", got)
	}
	if out, err := b.env.Command(b.server, append(args, "--run=exit 7")...).CombinedOutput(); err == nil {
		t.Errorf("a command that failed: %s", out)
	}
	// The default database.
	if err := os.Rename(path, filepath.Join(b.env.DBDir, "conf.db")); err != nil {
		t.Fatal(err)
	}
	if got := b.run(b.server, "--remote=punix:db.sock", "-vconsole:off", "--run=ovsdb-client list-dbs unix:db.sock"); got != "_Server\nfirst\n" {
		t.Errorf("output %q", got)
	}
}

func TestOVSDBServerRefuses(t *testing.T) {
	b := newOVSDBBed(t)
	path := b.create("first")
	for _, args := range [][]string{
		{"/nonexistent"}, {path, path}, {"--nonsense", path}, {"--durability=maybe", path},
		{"--remote=db:first,T,absent", path}, {"--private-key=/nonexistent", path},
	} {
		args = append([]string{"--detach", "--no-chdir", "--pidfile", "-vconsole:off"}, args...)
		if out, err := b.env.Command(b.server, args...).CombinedOutput(); err == nil || len(out) == 0 {
			t.Errorf("%v: %v, %q", args, err, out)
		}
	}
	b.gone()
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
