package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// backedUpVTEP is a VTEP on the database of an active server and its backup.
type backedUpVTEP struct {
	*modelBed
	name, rundir string
}

func (b *modelBed) vtep(name, targets string) *backedUpVTEP {
	b.t.Helper()
	v := &backedUpVTEP{b, name, filepath.Join(b.env.RunDir, "of-"+name)}
	if err := os.Mkdir(v.rundir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	cmd := b.env.Command(filepath.Join(testenv.Binary(b.t), "vtep"), "run", name, "--plane=memory", "--tunnel-ip=192.0.2.1", "--port=p0",
		"--rundir="+v.rundir, "--connect="+targets, "--log-file="+filepath.Join(b.env.LogDir, name+".log"), "-vconsole:off")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			b.t.Errorf("vtep run: %v\n%s", err, &output)
		}
		if b.t.Failed() {
			b.t.Logf("log of %s:\n%s", name, readText(b.t, filepath.Join(b.env.LogDir, name+".log")))
		}
	})
	return v
}

// problem waits until there is a line with these words, or with none of them any more.
func (v *backedUpVTEP) problem(want bool, words ...string) {
	v.t.Helper()
	v.eventually(func() error {
		out, err := v.env.Command(filepath.Join(testenv.Binary(v.t), "vtep"), "appctl", "--rundir", v.rundir, "vtep/problems").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		found := false
		for line := range strings.Lines(string(out)) {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			found = found || all
		}
		if found != want {
			return fmt.Errorf("a line with %q: %v, want %v; there is\n%s", words, found, want, out)
		}
		return nil
	})
}

// serves has a switch bound at a server, and waits until the VTEP has written what follows there.
func (v *backedUpVTEP) serves(server, ls string, vlan int) {
	v.t.Helper()
	ctl := func(args ...string) string {
		return v.run("vtep-ctl", append([]string{"--timeout=90", "--db=" + v.target(server)}, args...)...)
	}
	v.eventually(func() error {
		if out := ctl("list-ps"); !strings.Contains(out, v.name) {
			return fmt.Errorf("the switches at %s are %q", server, out)
		}
		return nil
	})
	ctl("add-ls", ls, "--", "bind-ls", v.name, "p0", fmt.Sprint(vlan), ls)
	v.told(server, ls)
}

// told waits until a server has what the VTEP writes of a switch.
func (v *backedUpVTEP) told(server, ls string) {
	v.t.Helper()
	v.eventually(func() error {
		if out := v.run("vtep-ctl", "--timeout=90", "--db="+v.target(server), "list-local-macs", ls); !strings.Contains(out, "unknown-dst") {
			return fmt.Errorf("%s at %s has no row of this VTEP:\n%s", ls, server, out)
		}
		return nil
	})
}

// TestReadOnlyServers: a VTEP with several servers uses the one that can be written, waits where none
// can be, and follows the role wherever it goes; with one alone it says what is missing.
func TestReadOnlyServers(t *testing.T) {
	for _, kind := range []string{"C", "ours"} {
		t.Run(kind, func(t *testing.T) {
			b := newModelBed(t)
			db, schema := filepath.Join(b.env.DBDir, "a.db"), filepath.Join(b.env.DBDir, "schema")
			if err := os.WriteFile(schema, []byte(hwvtep.SchemaText), 0o644); err != nil {
				t.Fatal(err)
			}
			b.run("ovsdb-tool", "create", db, schema)
			copied := filepath.Join(b.env.DBDir, "b.db")
			b.run("cp", db, copied)
			b.start(kind, "a", db)
			b.start(kind, "b", "--sync-from="+b.target("a"), copied)
			v := b.vtep("br0", b.target("b")+","+b.target("a"))
			v.serves("a", "ls0", 0)
			v.problem(false, "read only")
			// So does vtep-ctl; to be read the backup will do.
			both := "--db=" + b.target("b") + "," + b.target("a")
			b.run(filepath.Join(testenv.Binary(t), "vtep-ctl"), both, "add-ls", "ls9")

			b.stop("a")
			if out := b.run(filepath.Join(testenv.Binary(t), "vtep-ctl"), both, "list-ls"); !strings.Contains(out, "ls0") {
				t.Errorf("the backup has %q", out)
			}
			v.problem(true, "no_database", "none of its servers will do", "read only mode", "disconnect-active-ovsdb-server")
			b.says("b", "", "ovsdb-server/disconnect-active-ovsdb-server")
			v.serves("b", "ls1", 1)
			v.problem(false, "no_database")

			// The role goes back, and nobody tells those who are connected.
			b.start(kind, "a", "--sync-from="+b.target("b"), db)
			b.eventually(func() error {
				if out := b.run("vtep-ctl", "--timeout=90", "--db="+b.target("a"), "list-ls"); !strings.Contains(out, "ls1") {
					return fmt.Errorf("a has the switches %q", out)
				}
				return nil
			})
			b.says("a", "", "ovsdb-server/disconnect-active-ovsdb-server")
			b.says("b", "", "ovsdb-server/set-active-ovsdb-server", b.target("a"))
			b.says("b", "", "ovsdb-server/connect-active-ovsdb-server")
			v.serves("a", "ls2", 2)

			if kind == "ours" {
				return
			}
			// Who has no other stays, and says what is missing.
			one := b.vtep("br1", b.target("a"))
			one.serves("a", "ls3", 3)
			b.eventually(func() error {
				if out := b.run("vtep-ctl", "--timeout=90", "--db="+b.target("b"), "list-ls"); !strings.Contains(out, "ls3") {
					return fmt.Errorf("b has the switches %q", out)
				}
				return nil
			})
			b.says("b", "", "ovsdb-server/disconnect-active-ovsdb-server")
			b.says("a", "", "ovsdb-server/set-active-ovsdb-server", b.target("b"))
			b.says("a", "", "ovsdb-server/connect-active-ovsdb-server")
			b.run("vtep-ctl", "--timeout=90", "--db="+b.target("b"), "add-ls", "ls4", "--", "bind-ls", "br1", "p0", "4", "ls4")
			one.problem(true, "read_only", "br1", "read only mode")
			b.says("a", "", "ovsdb-server/disconnect-active-ovsdb-server")
			one.problem(false, "read_only")
			one.told("a", "ls4")
		})
	}
}
