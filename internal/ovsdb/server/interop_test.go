package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// vtepSchema is the text of the hardware_vtep schema.
func vtepSchema(t testing.TB) string {
	t.Helper()
	return readFile(t, filepath.Join(testenv.Tree(t), "internal/hwvtep/vtep.ovsschema"))
}

// run runs a program and returns its output and exit status as text.
func run(env []string, program string, args ...string) string {
	cmd := exec.Command(program, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	status := "0"
	if err != nil {
		status = err.Error()
	}
	return fmt.Sprintf("%s[%s]", out, status)
}

// runUntil runs a program until the line of its output that has the word, and ends it then.
func runUntil(t *testing.T, word, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), word) {
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !strings.Contains(text.String(), word) {
		t.Errorf("%q ended without %q: %s", args, word, &text)
	}
	return text.String()
}

// unordered brings what has no order of its own, lines and members of JSON objects, into
// one, and leaves out what must differ.
func unordered(out string) string {
	var lines []string
	for _, line := range strings.Split(hideUUIDs(out), "\n") {
		var v any
		if strings.HasPrefix(line, "OVSDB JSON") {
			continue // a checksum
		}
		if json.Unmarshal([]byte(line), &v) == nil {
			if m, ok := v.(map[string]any); ok {
				delete(m, "_date")
			}
			if b, err := json.Marshal(v); err == nil {
				line = string(b)
			}
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestVtepCtl runs a script of the real vtep-ctl against our server and the C one: the
// outputs are the same, but for the order that comes of random UUIDs.
func TestVtepCtl(t *testing.T) {
	program := testenv.Program(t, "vtep-ctl")
	ours, theirs := startOurs(t, createFile(t, vtepSchema(t)), "always"), startC(t, createFile(t, vtepSchema(t)))
	env := append(os.Environ(), "OVS_SYSLOG_METHOD=null")
	for _, line := range strings.Split(strings.TrimSpace(readFile(t, "testdata/vtep-ctl.txt")), "\n") {
		args := strings.Fields(line)
		var got [2]string
		for i, p := range []*process{ours, theirs} {
			out := run(env, program, append([]string{"-vconsole:off", "--db=unix:" + p.socket, "--timeout=60"}, args...)...)
			got[i] = unordered(out)
		}
		if got[0] != got[1] {
			t.Errorf("vtep-ctl %s:\nours   %s\ntheirs %s", line, got[0], got[1])
		}
	}
}

// TestOvsdbClient compares what the real ovsdb-client says.
func TestOvsdbClient(t *testing.T) {
	program := testenv.Program(t, "ovsdb-client")
	ours, theirs := startOurs(t, createFile(t, vtepSchema(t)), "always"), startC(t, createFile(t, vtepSchema(t)))
	for _, args := range [][]string{
		{"list-dbs"}, {"get-schema"}, {"get-schema-version"}, {"get-schema-cksum"}, {"list-tables"}, {"list-columns"},
		{"transact", `["hardware_vtep",{"op":"insert","table":"Logical_Switch","row":{"name":"ls0","tunnel_key":7}}]`},
		{"transact", `["hardware_vtep",{"op":"insert","table":"Logical_Switch","row":{"name":"ls0"}}]`},
		{"dump"}, {"dump", "_Server", "Database", "name", "model", "leader"},
		{"needs-conversion", filepath.Join(testenv.Tree(t), "internal/hwvtep/vtep.ovsschema")},
		{"backup"}, {"query", `["hardware_vtep",{"op":"select","table":"Logical_Switch","where":[],"columns":["name"]}]`},
		{"wait", "hardware_vtep", "connected"},
		// These go on until they are ended: when they have said the first word that each is for.
		{"monitor", "hardware_vtep", "Logical_Switch"}, {"monitor-cond", "hardware_vtep", "[true]", "Logical_Switch"},
		{"monitor-cond-since", "hardware_vtep", "[true]", "Logical_Switch"}, {"lock", "x"},
	} {
		var got [2]string
		for i, p := range []*process{ours, theirs} {
			arguments := append([]string{"-vconsole:off", args[0], "unix:" + p.socket}, args[1:]...)
			out := ""
			switch args[0] {
			case "monitor", "monitor-cond", "monitor-cond-since":
				out = runUntil(t, "ls0", program, arguments...)
			case "lock":
				out = runUntil(t, "locked", program, arguments...)
			default:
				out = run(os.Environ(), program, arguments...)
			}
			got[i] = unordered(strings.ReplaceAll(out, p.socket, "SOCKET"))
		}
		if got[0] != got[1] {
			t.Errorf("ovsdb-client %v:\nours   %s\ntheirs %s", args, got[0], got[1])
		}
	}
}

// TestPythonIDL has the real Python library follow a database and change it.
func TestPythonIDL(t *testing.T) {
	testenv.Program(t, "ovsdb-client") // the library comes with it
	python, err := exec.LookPath("python3")
	if err != nil {
		testenv.Skip(t, "needs python3")
	}
	if out, err := exec.Command(python, "-c", "import ovs.db.idl").CombinedOutput(); err != nil {
		testenv.Skip(t, "needs the Python library of Open vSwitch: %s", out)
	}
	p := startOurs(t, createFile(t, vtepSchema(t)), "always")
	schema := filepath.Join(testenv.Tree(t), "internal/hwvtep/vtep.ovsschema")
	cmd := exec.Command(python, "testdata/idl.py", "unix:"+p.socket, schema)
	cmd.Env = append(os.Environ(), "OVS_SYSLOG_METHOD=null")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "ok") {
		t.Errorf("%v\n%s", err, out)
	}
}
