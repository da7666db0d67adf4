package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// modelBed are servers of both kinds that have to do with one another.
type modelBed struct {
	*ovsdbBed
	programs map[string]string // by kind
	running  map[string]*exec.Cmd
}

func newModelBed(t *testing.T) *modelBed {
	b := &modelBed{newOVSDBBed(t), map[string]string{"C": "ovsdb-server"}, map[string]*exec.Cmd{}}
	testenv.Program(t, "ovsdb-server")
	b.programs["ours"] = b.server
	t.Cleanup(func() {
		for name := range b.running {
			b.stop(name)
		}
	})
	return b
}

func (b *modelBed) target(name string) string {
	return "unix:" + filepath.Join(b.env.RunDir, name+".sock")
}

// start starts a server, and waits until it answers.
func (b *modelBed) start(kind, name string, args ...string) {
	b.t.Helper()
	cmd := b.env.Command(b.programs[kind], append([]string{"-vconsole:off", "--log-file=" + filepath.Join(b.env.LogDir, name+".log"),
		"--unixctl=" + filepath.Join(b.env.RunDir, name+".ctl"), "--remote=p" + b.target(name)}, args...)...)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.running[name] = cmd
	b.eventually(func() error { _, err := b.control(name, "version"); return err })
}

func (b *modelBed) stop(name string) {
	cmd := b.running[name]
	delete(b.running, name)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait() // the C program ends by the signal
	if b.t.Failed() {
		b.t.Logf("%s:\n%s", name, readText(b.t, filepath.Join(b.env.LogDir, name+".log")))
	}
}

func (b *modelBed) control(name string, args ...string) (string, error) {
	out, err := b.env.Command("ovs-appctl", append([]string{"-t", filepath.Join(b.env.RunDir, name+".ctl")}, args...)...).CombinedOutput()
	return string(out), err
}

// says wants an answer to a control command, sooner or later.
func (b *modelBed) says(name, want string, args ...string) {
	b.t.Helper()
	b.eventually(func() error {
		got, err := b.control(name, args...)
		if err != nil || got != want {
			return fmt.Errorf("%s: %q answers %q, not %q (%w)", name, args, got, want, err)
		}
		return nil
	})
}

// insert inserts a number, and returns what came of it.
func (b *modelBed) insert(name string, n int) string {
	b.t.Helper()
	out, _ := b.env.Command("ovsdb-client", "transact", b.target(name),
		fmt.Sprintf(`["db",{"op":"insert","table":"T","row":{"n":%d}}]`, n)).CombinedOutput()
	return string(out)
}

// has waits until a server has the numbers.
func (b *modelBed) has(name string, want ...int) {
	b.t.Helper()
	b.eventually(func() error {
		out, err := b.env.Command("ovsdb-client", "--no-headings", "-f", "csv", "dump", b.target(name), "db", "T", "n").CombinedOutput()
		var lines []string
		for _, n := range want {
			lines = append(lines, fmt.Sprint(n))
		}
		if got := strings.Fields(string(out)); err != nil || strings.Join(got[min(2, len(got)):], " ") != strings.Join(lines, " ") {
			return fmt.Errorf("%s has %q, want %q (%w)", name, got, lines, err)
		}
		return nil
	})
}

// modern says whether the C server tells the state of each database, as it does since configuration files.
func (b *modelBed) modern() bool {
	return strings.Contains(b.run("ovsdb-server", "--help"), "--config-file")
}

const notAllowed = `[{"details":"insert operation not allowed when database server is in read only mode","error":"not allowed"}]`

// kinds are the pairs of servers that have to do with one another: one is always ours.
var kinds = [][2]string{{"ours", "ours"}, {"ours", "C"}, {"C", "ours"}}

// TestActiveBackup: the backup has what the active server has and is not written, the roles change, and
// nothing is lost by it.
func TestActiveBackup(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind[0]+" to "+kind[1], func(t *testing.T) {
			b := newModelBed(t)
			db := b.create("db")
			b.start(kind[0], "a", "--sync-from="+b.target("b"), "--active", db)
			copied := filepath.Join(b.env.DBDir, "copy.db")
			b.run("cp", db, copied)
			b.insert("a", 1)
			b.start(kind[1], "b", "--sync-from="+b.target("a"), copied)
			b.has("b", 1)
			b.insert("a", 2)
			b.has("b", 1, 2)
			if got := b.insert("b", 9); !strings.Contains(got, notAllowed) {
				t.Errorf("the backup is written: %s", got)
			}
			for _, server := range []struct{ kind, name, old, state string }{
				{kind[0], "a", "state: active\n", "database: db\nstate: active\n"},
				{kind[1], "b", "state: backup\nreplicating: " + b.target("a") + "\ndatabase: db\n",
					"database: db\nstate: backup\nreplicating: " + b.target("a") + "\n"},
			} {
				want := server.state
				if server.kind == "C" && !b.modern() {
					want = server.old
				}
				b.says(server.name, want, "ovsdb-server/sync-status")
			}
			b.says("b", b.target("a")+"\n", "ovsdb-server/get-active-ovsdb-server")

			// The active one dies; the backup takes over, and the other one becomes its backup.
			b.stop("a")
			b.says("b", "", "ovsdb-server/disconnect-active-ovsdb-server")
			b.insert("b", 3)
			b.start(kind[0], "a", "--sync-from="+b.target("b"), db)
			b.has("a", 1, 2, 3)
			if got := b.insert("a", 9); !strings.Contains(got, notAllowed) {
				t.Errorf("the backup is written: %s", got)
			}
			// And back again.
			b.says("a", "", "ovsdb-server/disconnect-active-ovsdb-server")
			b.says("b", "", "ovsdb-server/set-active-ovsdb-server-probe-interval", "7000")
			b.says("b", "", "ovsdb-server/connect-active-ovsdb-server")
			b.insert("a", 4)
			b.has("b", 1, 2, 3, 4)
		})
	}
}

// TestReplicationCommands: the control commands answer as those of the C server.
func TestReplicationCommands(t *testing.T) {
	b := newModelBed(t)
	paths := map[string]string{"ours": b.create("db")}
	paths["C"] = filepath.Join(b.env.DBDir, "c.db")
	b.run("cp", paths["ours"], paths["C"])
	for kind, path := range paths {
		b.start(kind, kind, path)
	}
	for _, command := range []string{
		"sync-status", "get-active-ovsdb-server", "get-sync-exclude-tables", "connect-active-ovsdb-server", "disconnect-active-ovsdb-server",
		"set-sync-exclude-tables db:T,other:U", "get-sync-exclude-tables", "set-active-ovsdb-server-probe-interval 6000",
		"set-active-ovsdb-server unix:/nonexistent", "get-active-ovsdb-server", "connect-active-ovsdb-server",
		"disconnect-active-ovsdb-server",
	} {
		answers := map[string]string{}
		for kind := range paths {
			answers[kind], _ = b.control(kind, strings.Fields("ovsdb-server/"+command)...)
		}
		if answers["ours"] != answers["C"] {
			t.Errorf("%s: ours answers %q, the C server %q", command, answers["ours"], answers["C"])
		}
	}
	// Those that the C server of some versions answers otherwise, or does not have.
	for command, want := range map[string]string{
		"set-sync-exclude-tables x":                "Can't parse excluded table: x",
		"set-active-ovsdb-server-probe-interval x": "Invalid probe interval, integer value expected",
		"set-relay-source-probe-interval x":        "Invalid probe interval, integer value expected",
		"sync-status":                              "database: db\nstate: active\n",
	} {
		if got, _ := b.control("ours", strings.Fields("ovsdb-server/"+command)...); !strings.HasPrefix(got, want) {
			t.Errorf("%s: answered with %q, want %q", command, got, want)
		}
	}
}

// TestRelays: many readers before one database, which is written through them; a relay without its source
// is one that clients leave.
func TestRelays(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind[0]+" to "+kind[1], func(t *testing.T) {
			b := newModelBed(t)
			b.start(kind[0], "a", b.create("db"))
			b.insert("a", 1)
			b.start(kind[1], "b", "relay:db:"+b.target("a"))
			b.has("b", 1)
			b.start("ours", "c", "relay:db:"+b.target("b")+",unix:/nonexistent")
			b.has("c", 1)
			if got := b.insert("c", 2); !strings.Contains(got, `"uuid"`) {
				t.Errorf("an insertion at the relay gives %s", got)
			}
			b.has("a", 1, 2)
			b.has("b", 1, 2)
			b.has("c", 1, 2)
			b.says("c", "_Server\ndb\n", "ovsdb-server/list-dbs")
			if out := b.run("ovsdb-client", "--no-leader-only", "dump", b.target("c")+",unix:/nonexistent", "db", "T", "n"); !strings.Contains(out, "2") {
				t.Errorf("a client that takes any server gets %s", out)
			}
			out, err := b.env.Command(filepath.Join(testenv.Binary(t), "ovsdb-client"), "dump", b.target("c")+",unix:/nonexistent", "db").CombinedOutput()
			if err == nil || !strings.Contains(string(out), "no servers were available") {
				t.Errorf("a client that wants the leader gets %s", out)
			}

			// The source goes and comes: the relay has what it had, then what is new.
			b.stop("a")
			b.has("c", 1, 2)
			b.start(kind[0], "a", filepath.Join(b.env.DBDir, "db.db"))
			b.insert("a", 3)
			b.has("c", 1, 2, 3)
			b.says("c", "", "ovsdb-server/remove-db", "db")
			b.says("c", "_Server\n", "ovsdb-server/list-dbs")
			b.says("c", "", "ovsdb-server/add-db", "relay:db:"+b.target("a"))
			b.has("c", 1, 2, 3)
		})
	}
}

// TestVTEPAtRelay: a VTEP whose server is a relay, ours or the C one, writes its rows and follows those of others.
func TestVTEPAtRelay(t *testing.T) {
	for _, kind := range []string{"ours", "C"} {
		t.Run(kind, func(t *testing.T) {
			b := newModelBed(t)
			schema, db := filepath.Join(b.env.DBDir, "vtep.ovsschema"), filepath.Join(b.env.DBDir, "vtep.db")
			if err := os.WriteFile(schema, []byte(hwvtep.SchemaText), 0o644); err != nil {
				t.Fatal(err)
			}
			b.run("ovsdb-tool", "create", db, schema)
			b.start("ours", "a", db)
			b.start(kind, "r", "relay:hardware_vtep:"+b.target("a"))
			rundir := filepath.Join(b.env.RunDir, "v")
			if err := os.Mkdir(rundir, 0o755); err != nil {
				t.Fatal(err)
			}
			vtep := filepath.Join(filepath.Dir(b.server), "vtep")
			log := filepath.Join(b.env.LogDir, "vtep.log")
			cmd := b.env.Command(vtep, "run", "br0", "--plane=memory", "--tunnel-ip=192.0.2.1", "--port=p0", "--rundir="+rundir,
				"--connect="+b.target("r"), "--no-leader-only", "--log-file="+log, "-vconsole:off")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Signal(syscall.SIGTERM)
				if err := cmd.Wait(); err != nil || t.Failed() {
					t.Errorf("vtep run: %v\n%s", err, readText(t, log))
				}
			})
			ctl := func(want string, args ...string) {
				t.Helper()
				b.eventually(func() error {
					out, err := b.env.Command(vtep, append([]string{"ctl", "--db=" + b.target("a")}, args...)...).CombinedOutput()
					if err != nil || !strings.Contains(string(out), want) {
						return fmt.Errorf("%q: %s (%w)", args, out, err)
					}
					return nil
				})
			}
			ctl("p0", "list-ports", "br0")
			ctl("", "add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33", "--", "bind-ls", "br0", "p0", "0", "ls0",
				"--", "add-ucast-remote", "ls0", "00:00:5e:00:53:01", "198.51.100.1")
			ctl("198.51.100.1", "list-tunnels", "br0")
		})
	}
}

// TestRelayOfCluster: a relay goes on with the members of a cluster that are left, and answers what it has when
// there is no majority.
func TestRelayOfCluster(t *testing.T) {
	c := testenv.NewCluster(t, "db", `{"name":"db","version":"1.0.0","tables":{"T":{"isRoot":true,"indexes":[["n"]],"columns":{"n":{"type":"integer"}}}}}`, 3)
	b := newModelBed(t)
	b.start("ours", "r", "relay:db:"+c.Targets())
	b.start("ours", "s", "--sync-from="+c.Targets(), b.create("db"))
	n := 0
	var all []int
	insert := func() {
		t.Helper()
		n++
		all = append(all, n)
		// One that was on the way when its connection ended is answered with "canceled"; if it was executed
		// nevertheless the next attempt violates the index.
		testenv.Eventually(t, 60*time.Second, func() error {
			if got := b.insert("r", n); !strings.Contains(got, `"uuid"`) && !strings.Contains(got, "constraint violation") {
				return fmt.Errorf("an insertion at the relay gives %s", got)
			}
			return nil
		})
		b.has("r", all...)
		b.has("s", all...)
	}
	insert()
	leader := c.Leader(t)
	leader.Kill(t)
	insert()
	leader.Start(t)
	leader = c.Leader(t)
	gone := []*testenv.Member{leader, c.Followers(leader)[0]}
	for _, m := range gone {
		m.Kill(t)
	}
	b.has("r", all...)
	b.has("s", all...)
	for _, m := range gone {
		m.Start(t)
	}
	insert()
}
