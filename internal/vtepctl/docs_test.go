package vtepctl_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/vtepctl"
)

// TestEverythingIsDescribed: each command is in the help and in the manual page, with a line
// that says what it does.
func TestEverythingIsDescribed(t *testing.T) {
	help := inProcess(t, false, "--help").stdout
	committed, err := os.ReadFile(filepath.Join(testenv.Tree(t), "docs", "man", "vtep-ctl.8"))
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(committed), `\-`, "-")
	for name, brief := range commands() {
		if brief == "" || strings.HasSuffix(brief, ".") {
			t.Errorf("%s: bad description %q", name, brief)
		}
		if !strings.Contains(help, "  "+name) || !strings.Contains(page, name) {
			t.Errorf("%s is missing in the help or in the manual page", name)
		}
		about := inProcess(t, false, "help", name)
		if about.status != 0 || !strings.Contains(about.stdout, name) {
			t.Errorf("help %s: %+v", name, about)
		}
		if again := inProcess(t, false, "--help", name); again.stdout != about.stdout {
			t.Errorf("--help %s differs from help %s", name, name)
		}
	}
}

func TestHints(t *testing.T) {
	for _, tt := range []struct{ typed, want string }{
		{"ad-ps", "did you mean add-ps"},
		{"ps-add", "did you mean add-ps?"},
		{"lst-ports", "did you mean list-ports?"},
		{"bnid-ls", "did you mean bind-ls"},
		{"xyzzy-foo-bar", ""},
	} {
		r := inProcess(t, true, tt.typed)
		want := "vtep-ctl: unknown command '" + tt.typed + "'; use --help for help\n"
		if r.status != 1 || !strings.HasPrefix(r.stderr, want) {
			t.Errorf("%s: %+v", tt.typed, r)
		}
		hint := strings.TrimPrefix(r.stderr, want)
		if tt.want == "" && hint != "" || !strings.Contains(hint, tt.want) {
			t.Errorf("%s: hint %q, want %q", tt.typed, hint, tt.want)
		}
		if r := inProcess(t, false, tt.typed); r.stderr != want {
			t.Errorf("%s: hint without a terminal: %q", tt.typed, r.stderr)
		}
	}
	r := inProcess(t, true, "--db=unix:/nonexistent/db.sock", "list-ps")
	want := "vtep-ctl: unix:/nonexistent/db.sock: database connection failed (No such file or directory)\n"
	if !strings.HasPrefix(r.stderr, want) || !strings.Contains(r.stderr, "--db=SERVER") {
		t.Errorf("no server: %q", r.stderr)
	}
	if r := inProcess(t, false, "--db=unix:/nonexistent/db.sock", "list-ps"); r.stderr != want {
		t.Errorf("no server, no terminal: %q", r.stderr)
	}
}

// TestHintsOfDatabase refuses what a person may not know the reason of.
func TestHintsOfDatabase(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	d.must(t, "add-ps", "br0", "--", "add-port", "br0", "p0", "--", "add-ls", "ls0", "--", "add-ls", "ls1", "--", "bind-ls", "br0", "p0", "7", "ls0",
		"--", "add-ucast-remote", "ls0", "02:00:00:00:00:01", "192.0.2.2", "--", "add-mcast-remote", "ls0", "unknown-dst", "192.0.2.2")
	for _, tt := range []struct{ typed, want string }{
		{"bind-ls br0 p0 7 ls1", "unbind-ls br0 p0 7 -- bind-ls br0 p0 7 ls1"},
		{"del-ls ls0", "it is used by Mcast_Macs_Remote unknown-dst, Physical_Port p0, Ucast_Macs_Remote 02:00:00:00:00:01. Bindings go with unbind-ls"},
	} {
		args := append([]string{"--db=" + d.remote}, strings.Fields(tt.typed)...)
		if r := inProcess(t, true, args...); r.status != 1 || strings.Count(r.stderr, "\n") < 2 || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%s: %q, want %q", tt.typed, r.stderr, tt.want)
		}
		if r := inProcess(t, false, args...); !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%s: no hint without a terminal: %q", tt.typed, r.stderr)
		}
	}
	var many []string
	for i := range 9 {
		many = append(many, "--", "add-ucast-remote", "ls0", fmt.Sprintf("02:00:00:00:01:%02d", i), "192.0.2.2")
	}
	d.must(t, many[1:]...)
	if r := inProcess(t, true, "--db="+d.remote, "del-ls", "ls0"); !strings.Contains(r.stderr, ", and 7 more") {
		t.Errorf("many: %q", r.stderr)
	}

	var stdout, stderr bytes.Buffer
	o := options([]string{"list-ps"}, &stdout, &stderr)
	o.RunDir, o.OtherRunDir = t.TempDir(), "/nowhere"
	if vtepctl.Run(o); !strings.Contains(stderr.String(), o.RunDir+"/db.sock") || !strings.Contains(stderr.String(), "unix:/nowhere/db.sock") {
		t.Errorf("nothing runs: %q", stderr.String())
	}
}

// commands returns the names and one-line descriptions of all commands.
func commands() map[string]string {
	all := map[string]string{}
	for _, g := range vtepctl.Groups() {
		for _, c := range g.Commands {
			all[c.Name] = c.Brief
		}
	}
	return all
}
