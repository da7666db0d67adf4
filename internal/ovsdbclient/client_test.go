package ovsdbclient_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// world is a server with a hardware_vtep database, and both clients.
type world struct {
	*testenv.Env
	ours, theirs string // the programs
}

// newWorld starts a server: ours or the C one.
func newWorld(t *testing.T, cServer bool) *world {
	t.Helper()
	w := &world{Env: testenv.OVS(t), ours: filepath.Join(testenv.Binary(t), "ovsdb-client"), theirs: testenv.Program(t, "ovsdb-client")}
	schema := hwvtep.Schema().AppendJSON(nil)
	newer := bytes.Replace(schema, []byte(`"version":"1.7.0"`), []byte(`"version":"1.7.1"`), 1)
	for name, text := range map[string][]byte{"schema": schema, "newer": newer, "nojson": []byte("x")} {
		if err := os.WriteFile(filepath.Join(w.RunDir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.Output(t, filepath.Join(testenv.Binary(t), "ovsdb-tool"), "create", "db", "schema")
	server := filepath.Join(testenv.Binary(t), "ovsdb-server")
	if cServer {
		server = testenv.Program(t, "ovsdb-server")
	}
	// In the foreground: a test that is killed must not leave it.
	cmd := w.Command(server, "--remote=punix:db.sock", "-vconsole:off", "--unixctl=none", "db")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	w.Output(t, w.ours, "--timeout=90", "wait", "hardware_vtep", "added")
	return w
}

var (
	uuids    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	logLines = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT.*\|(WARN|INFO)\|.*\n`)
)

// run runs a client and returns all it said, without what differs between two runs. Lines and
// members are sorted, because the C program prints them in the order of a hash.
func (w *world) run(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := w.Command(program, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	text := out.String() + logLines.ReplaceAllString(errs.String(), "")
	lines := strings.Split(uuids.ReplaceAllString(strings.ReplaceAll(text, program, "ovsdb-client"), "<uuid>"), "\n")
	slices.Sort(lines)
	return fmt.Sprintf("exit %d\n%s", cmd.ProcessState.ExitCode(), strings.Join(lines, "\n"))
}

const selectName = `["hardware_vtep",{"op":"select","table":"Logical_Switch","where":[],"columns":["name","tunnel_key"]}]`

// TestSameAsC has both clients run the same commands on both servers.
func TestSameAsC(t *testing.T) {
	for _, cServer := range []bool{false, true} {
		t.Run(fmt.Sprintf("C server %t", cServer), func(t *testing.T) {
			w := newWorld(t, cServer)
			w.Output(t, w.ours, "transact", `["hardware_vtep",{"op":"insert","table":"Logical_Switch","row":{"name":"a b","tunnel_key":5}},`+
				`{"op":"insert","table":"Logical_Switch","row":{"name":"c","other_config":["map",[["k","v\"w"]]]}}]`)
			for _, args := range [][]string{
				{}, {"nosuch"}, {"list-dbs"}, {"list-dbs", "unix:db.sock"}, {"list-dbs", "unix:nosuch"}, {"list-dbs", "a", "b"},
				{"get-schema"}, {"get-schema", "unix:db.sock", "hardware_vtep"}, {"--pretty", "get-schema", "hardware_vtep"},
				{"get-schema", "unix:db.sock", "nosuch"}, {"get-schema-version"}, {"get-schema-cksum", "hardware_vtep"},
				{"list-tables"}, {"list-columns"}, {"list-columns", "Tunnel"}, {"-f", "csv", "list-columns", "hardware_vtep", "ACL"},
				{"query", selectName}, {"transact", selectName}, {"transact", "unix:db.sock", selectName}, {"transact", "{"}, {"transact", "[]"},
				{"query", `["hardware_vtep",{"op":"insert","table":"Logical_Switch","row":{"name":"c"}}]`},
				{"query", `["hardware_vtep",{"op":"nosuch"}]`}, {"transact", `["nosuch"]`},
				{"query", `["hardware_vtep",{"op":"delete","table":"Logical_Switch","where":[]}]`}, {"query", selectName},
				{"dump"}, {"dump", "Logical_Switch"}, {"dump", "Logical_Switch", "name", "tunnel_key"}, {"dump", "nosuch"}, {"dump", "ACL", "nosuch"},
				{"-f", "csv", "dump", "Logical_Switch"}, {"-f", "json", "dump", "Logical_Switch", "name", "other_config"},
				{"--bare", "dump", "Logical_Switch", "name"}, {"-f", "html", "dump", "Logical_Switch", "name"},
				{"--no-headings", "-d", "json", "dump", "Logical_Switch", "name"}, {"--max-column-width=2", "dump", "Logical_Switch", "name"},
				{"-f", "nosuch", "dump"}, {"-d", "nosuch", "dump"}, {"-t", "0", "list-dbs"},
				{"needs-conversion", "schema"}, {"needs-conversion", "unix:db.sock", "newer"}, {"needs-conversion", "nojson"},
				{"wait", "hardware_vtep", "added"}, {"wait", "hardware_vtep", "connected"}, {"wait", "unix:db.sock", "nosuch", "removed"},
				{"wait", "hardware_vtep", "nosuch"},
				{"monitor", "nosuch"}, {"monitor"}, {"monitor", "Logical_Switch", "nosuch"}, {"monitor", "Logical_Switch", "name,name"},
				{"monitor-cond", "{", "ACL"}, {"monitor-cond", "[]", "nosuch"}, {"monitor-cond", "[]"},
			} {
				if mine, other := w.run(t, w.ours, args...), w.run(t, w.theirs, args...); mine != other {
					t.Errorf("ovsdb-client %q gives\n%s\nthe C program\n%s", args, mine, other)
				}
			}
		})
	}
}

// follow starts a client in the background, as the tests of other projects do, and returns
// the file that gets its output.
func (w *world) follow(t *testing.T, program, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(w.RunDir, name+".out")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := w.Command(program, append([]string{"--detach", "--no-chdir", "--pidfile=" + name + ".pid", "--log-file=" + name + ".log"}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(path)
		t.Fatalf("%q: %v\n%s", args, err, text)
	}
	t.Cleanup(func() { w.appctl(t, name, "exit") })
	return path
}

// appctl gives the client called name a command; its text is the answer.
func (w *world) appctl(t *testing.T, name string, args ...string) string {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(w.RunDir, name+".pid"))
	if err != nil {
		return err.Error()
	}
	socket := filepath.Join(w.RunDir, "ovsdb-client."+strings.TrimSpace(string(pid))+".ctl")
	out, _ := w.Command(testenv.Program(t, "ovs-appctl"), append([]string{"-t", socket}, args...)...).Output()
	return string(out)
}

// await waits until the output of both clients is the same and has a text.
func await(t *testing.T, mine, other, text string) {
	t.Helper()
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(uuids.ReplaceAllString(logLines.ReplaceAllString(string(b), ""), "<uuid>"), "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		a, b := read(mine), read(other)
		if a == b && strings.Contains(a, text) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no %q in the output, or it differs:\n%s\nthe C program:\n%s", text, a, b)
		}
	}
}

// TestMonitor has both clients follow changes, by each of the methods.
func TestMonitor(t *testing.T) {
	w := newWorld(t, false)
	const since = "00000000-0000-0000-0000-000000000000"
	for i, args := range [][]string{
		{"monitor", "Logical_Switch"},
		{"-f", "csv", "-d", "json", "monitor", "unix:db.sock", "hardware_vtep", "Logical_Switch", "name,!initial", "tunnel_key,!delete"},
		{"monitor", "ALL"},
		{"monitor-cond", `[["tunnel_key",">",3],["name","==","x"]]`, "Logical_Switch", "name,tunnel_key"},
		{"--no-headings", "monitor-cond-since", since, "[]", "Logical_Switch", "name,tunnel_key"},
	} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			last := fmt.Sprintf("last%d", i)
			mine := w.follow(t, w.ours, fmt.Sprintf("ours%d", i), args...)
			other := w.follow(t, w.theirs, fmt.Sprintf("theirs%d", i), args...)
			for _, ops := range []string{
				`{"op":"insert","table":"Logical_Switch","row":{"name":"x","tunnel_key":9,"other_config":["map",[["a","b"]]]}}`,
				`{"op":"update","table":"Logical_Switch","where":[["name","==","x"]],"row":{"tunnel_key":7,"other_config":["map",[["c","d"]]]}}`,
				`{"op":"delete","table":"Logical_Switch","where":[]}`,
				`{"op":"insert","table":"Logical_Switch","row":{"name":"` + last + `","tunnel_key":4}}`,
			} {
				w.Output(t, w.ours, "transact", `["hardware_vtep",`+ops+`]`)
				// Each change by itself: what comes together may be shown together.
				time.Sleep(50 * time.Millisecond)
			}
			await(t, mine, other, last)
		})
	}
}

// TestControl steers a monitor in the background.
func TestControl(t *testing.T) {
	w := newWorld(t, false)
	mine := w.follow(t, w.ours, "ours", "monitor-cond", `[["name","==","nobody"]]`, "Logical_Switch", "name")
	other := w.follow(t, w.theirs, "theirs", "monitor-cond", `[["name","==","nobody"]]`, "Logical_Switch", "name")
	insert := func(name string) {
		w.Output(t, w.ours, "transact", `["hardware_vtep",{"op":"insert","table":"Logical_Switch","row":{"name":"`+name+`"}}]`)
	}
	insert("first")
	for _, name := range []string{"ours", "theirs"} {
		if got := w.appctl(t, name, "ovsdb-client/cond_change", "Logical_Switch", `[["name","!=","nobody"]]`); got != "condition changed\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	await(t, mine, other, "first")
	for _, name := range []string{"ours", "theirs"} {
		if got := w.appctl(t, name, "ovsdb-client/block") + w.appctl(t, name, "ovsdb-client/block"); got != "already blocking\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	insert("second")
	for _, name := range []string{"ours", "theirs"} {
		w.appctl(t, name, "ovsdb-client/unblock")
	}
	await(t, mine, other, "second")
}

// TestLocks has the clients take a lock from each other.
func TestLocks(t *testing.T) {
	w := newWorld(t, false)
	has := func(path, text string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if logLines.ReplaceAllString(string(b), "") == text {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s has\n%s\nnot\n%s", path, b, text)
			}
		}
	}
	mine := w.follow(t, w.ours, "ours", "lock", "l")
	has(mine, "{\"locked\":true}\n")
	other := w.follow(t, w.theirs, "theirs", "lock", "l")
	has(other, "{\"locked\":false}\n")
	w.appctl(t, "ours", "unlock", "l")
	has(mine, "{\"locked\":true}\n{}\n")
	has(other, "{\"locked\":false}\nlocked\n[\"l\"]\n")
	w.appctl(t, "ours", "steal", "l")
	has(mine, "{\"locked\":true}\n{}\n{\"locked\":true}\n")
	has(other, "{\"locked\":false}\nlocked\n[\"l\"]\nstolen\n[\"l\"]\n")
}

// TestBackup saves, loses and restores a database whose rows refer to each other, between all
// programs.
func TestBackup(t *testing.T) {
	w := newWorld(t, false)
	w.Output(t, w.ours, "transact", `["hardware_vtep",{"op":"insert","table":"Logical_Switch","row":{"name":"ls","tunnel_key":5},"uuid-name":"ls"},`+
		`{"op":"insert","table":"Physical_Port","row":{"name":"p0","vlan_bindings":["map",[[0,["named-uuid","ls"]],[7,["named-uuid","ls"]]]]},"uuid-name":"p0"},`+
		`{"op":"insert","table":"Physical_Switch","row":{"name":"ps","ports":["named-uuid","p0"]},"uuid-name":"ps"},`+
		`{"op":"insert","table":"Global","row":{"switches":["named-uuid","ps"]}}]`)
	content := func() string {
		lines := strings.Split(uuids.ReplaceAllString(w.Output(t, w.ours, "-f", "csv", "dump"), "<uuid>"), "\n")
		return strings.Join(lines, "\n")
	}
	before := content()
	for i, program := range []string{w.ours, w.theirs} {
		saved := w.Output(t, program, "backup")
		path := filepath.Join(w.RunDir, fmt.Sprintf("saved%d", i))
		if err := os.WriteFile(path, []byte(saved), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, tool := range []string{filepath.Join(testenv.Binary(t), "ovsdb-tool"), testenv.Program(t, "ovsdb-tool")} {
			if got := w.Output(t, tool, "query", path, `["hardware_vtep",{"op":"select","table":"Physical_Port","where":[],"columns":["name"]}]`); !strings.Contains(got, "p0") {
				t.Errorf("%s finds no port in the backup: %s", tool, got)
			}
		}
		for _, restorer := range []string{w.ours, w.theirs} {
			w.Output(t, w.ours, "transact", `["hardware_vtep",{"op":"delete","table":"Global","where":[]},{"op":"delete","table":"Logical_Switch","where":[]}]`)
			cmd := w.Command(restorer, "restore")
			if restorer == w.theirs { // it wants a file that it can seek in
				f, err := os.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				cmd.Stdin = f
			} else {
				cmd.Stdin = strings.NewReader(saved)
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s restore: %v\n%s", restorer, err, out)
			}
			if after := content(); after != before {
				t.Errorf("%s restored\n%s\nnot\n%s", restorer, after, before)
			}
		}
	}
	w.Output(t, w.ours, "convert", "newer")
	cmd := w.Command(w.ours, "restore")
	cmd.Stdin = strings.NewReader(w.Output(t, w.ours, "backup"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("restore: %v\n%s", err, out)
	}
	old, err := os.ReadFile(filepath.Join(w.RunDir, "saved0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"restore"}, {"--force", "restore"}} {
		cmd := w.Command(w.ours, args...)
		cmd.Stdin = bytes.NewReader(old)
		out, err := cmd.CombinedOutput()
		if forced := len(args) > 1; forced != (err == nil) || !forced && !strings.Contains(string(out), "use --force") {
			t.Errorf("%q of another version: %v\n%s", args, err, out)
		}
	}
	for text, want := range map[string]string{"garbage\n": "/dev/stdin: unexpected file format", "": "/dev/stdin: cannot identify file type"} {
		cmd := w.Command(w.ours, "restore")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
			t.Errorf("restore of %q: %v\n%s", text, err, out)
		}
	}
}

// TestTimeout wants the end of a C program whose alarm rings.
func TestTimeout(t *testing.T) {
	w := newWorld(t, false)
	cmd := w.Command(w.ours, "--timeout=1", "wait", "nosuch", "added")
	err := cmd.Run()
	if got := fmt.Sprint(err); got != "signal: alarm clock" {
		t.Errorf("ended with %s", got)
	}
}

// TestRemotes tries servers until one is good.
func TestRemotes(t *testing.T) {
	w := newWorld(t, true)
	if got := w.Output(t, w.ours, "list-tables", "unix:nosuch,unix:db.sock,unix:no", "hardware_vtep"); !strings.Contains(got, "Tunnel") {
		t.Error(got)
	}
	for _, args := range [][]string{{"list-tables", "unix:a,unix:b", "x"}, {"list-tables", "unix:db.sock,unix:db.sock", "nosuch"}} {
		out, err := w.Command(w.ours, args...).CombinedOutput()
		if err == nil || !strings.HasSuffix(string(out), "ovsdb-client: no servers were available\n") {
			t.Errorf("%q: %v %s", args, err, out)
		}
	}
}
