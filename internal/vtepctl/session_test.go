package vtepctl_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/vtepctl"
)

// TestRaces has many tools at once change the same sets, maps and locators: every change must
// survive, none may fail.
func TestRaces(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	d.must(t, "add-ps", "ps", "--", "add-ls", "ls")
	const n = 12
	var group sync.WaitGroup
	for i := range n {
		group.Add(1)
		go func() {
			defer group.Done()
			r := run(t, d.ours(t, "add-port", "ps", fmt.Sprintf("p%d", i),
				"--", "add-ucast-remote", "ls", fmt.Sprintf("00:00:5e:00:53:%02x", i), "192.0.2.1",
				"--", "add-mcast-remote", "ls", "unknown-dst", fmt.Sprintf("192.0.2.%d", 10+i),
				"--", "add", "Physical_Switch", "ps", "tunnel_ips", fmt.Sprintf("192.0.2.%d", 100+i),
				"--", "set", "Physical_Switch", "ps", fmt.Sprintf("other_config:k%d=v", i)))
			if r.status != 0 || r.stderr != "" {
				t.Errorf("%+v", r)
			}
		}()
	}
	group.Wait()
	if t.Failed() {
		return
	}
	if got := strings.Count(d.must(t, "list-ports", "ps"), "\n"); got != n {
		t.Errorf("%d ports of %d", got, n)
	}
	if got := strings.Count(d.must(t, "list-remote-macs", "ls"), " -> "); got != 2*n {
		t.Errorf("%d addresses of %d", got, 2*n)
	}
	for _, column := range []string{"tunnel_ips", "other_config"} {
		if got := strings.Count(d.must(t, "get", "Physical_Switch", "ps", column), ","); got != n-1 {
			t.Errorf("%d elements of %s are missing", n-1-got, column)
		}
	}
}

// TestUniqueName: of many that make the same switch, one succeeds and the others say why not;
// with --may-exist all do.
func TestUniqueName(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	for _, option := range []string{"", "--may-exist"} {
		const n = 8
		results := make(chan result, n)
		for range n {
			go func() {
				results <- run(t, d.ours(t, append(strings.Fields(option), "--", "add-ls", "name"+option)...))
			}()
		}
		made := 0
		for range n {
			switch r := <-results; {
			case r.status == 0:
				made++
			case r.stderr != "vtep-ctl: cannot create logical switch name because it already exists\n":
				t.Errorf("%+v", r)
			}
		}
		if want := map[string]int{"": 1, "--may-exist": n}[option]; made != want {
			t.Errorf("%q: %d succeeded, want %d", option, made, want)
		}
	}
}

// TestWaitUntil waits for what another makes.
func TestWaitUntil(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	waited := make(chan result, 1)
	go func() {
		waited <- run(t, d.ours(t, "wait-until", "Logical_Switch", "ls", "tunnel_key=7", "--", "get", "Logical_Switch", "ls", "name"))
	}()
	d.must(t, "add-ls", "ls")
	select {
	case r := <-waited:
		t.Fatalf("did not wait: %+v", r)
	case <-time.After(50 * time.Millisecond):
	}
	d.must(t, "set", "Logical_Switch", "ls", "tunnel_key=7")
	if r := <-waited; r.stdout != "ls\n" || r.status != 0 {
		t.Errorf("%+v", r)
	}
}

// TestTimeout: the tool dies of SIGALRM, as the C tool does.
func TestTimeout(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	for _, tt := range []struct{ env, option string }{{"OVS_CTL_TIMEOUT=1", "-vconsole:warn"}, {"OVS_CTL_TIMEOUT=", "-t1"}} {
		cmd := d.ours(t, tt.option, "wait-until", "Logical_Switch", "nope")
		cmd.Env = append(cmd.Env, tt.env)
		r := run(t, cmd)
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !status.Signaled() || status.Signal() != syscall.SIGALRM {
			t.Errorf("%+v: ended with %v", tt, cmd.ProcessState)
		}
		if want := "TIME|N|fatal_signal|WARN|terminating with signal 14 (Alarm clock)\n"; message(r.stderr) != want {
			t.Errorf("%+v: %q", tt, r.stderr)
		}
	}
}

// TestServerGone: an error names the server and the reason, before and after connecting.
func TestServerGone(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Read(make([]byte, 64<<10)) // all of the request
			conn.Close()
		}
	}()
	defer l.Close()
	for _, tt := range []struct{ db, want string }{
		{"unix:" + socket, "End of file"},
		{"unix:/nonexistent", "No such file or directory"},
		{"unix:nonexistent", "No such file or directory"},
		{"tcp:127.0.0.1:1", "Connection refused"},
		{"foo:bar", "Address family not supported by protocol"},
		{"", "Address family not supported by protocol"}, // and not the default
		{"unix:/nonexistent,", "No such file or directory"},
		{"tcp:host.invalid:1", "host.invalid: no such host"},
	} {
		r := run(t, d.ours(t, "--db="+tt.db, "list-ps"))
		want := "vtep-ctl: " + tt.db + ": database connection failed (" + tt.want + ")\n"
		if r.status != 1 || r.stderr != want {
			t.Errorf("%s: status %d, %q, want %q", tt.db, r.status, r.stderr, want)
		}
	}
	// Of several servers the first that answers counts.
	if got := d.must(t, "--db=unix:/nonexistent,"+d.remote, "--", "add-ps", "x", "--", "list-ps"); got != "x\n" {
		t.Errorf("list of servers: %q", got)
	}
}

// TestOtherRunDir: where there is no socket in the default place, the one of "vtep run" is
// taken, but no other.
func TestOtherRunDir(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	d.must(t, "add-ps", "here")
	for _, tt := range []struct{ dir, other, want string }{
		{t.TempDir(), d.env.RunDir, "here\n"},
		{d.env.RunDir, t.TempDir(), "here\n"},
		{t.TempDir(), t.TempDir(), ""},
		{t.TempDir(), "", ""},
	} {
		var stdout, stderr bytes.Buffer
		o := options([]string{"list-ps"}, &stdout, &stderr)
		o.RunDir, o.OtherRunDir = tt.dir, tt.other
		status := vtepctl.Run(o)
		if stdout.String() != tt.want || (status == 0) != (tt.want != "") {
			t.Errorf("%+v: status %d, %q, %q", tt, status, stdout.String(), stderr.String())
		}
		if tt.want == "" && !strings.Contains(stderr.String(), "unix:"+tt.dir+"/db.sock: database") {
			t.Errorf("%+v: %q", tt, stderr.String())
		}
	}
}

// TestPassive waits for a server to connect.
func TestPassive(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	d.must(t, "add-ps", "there")
	listening := "punix:" + filepath.Join(d.env.RunDir, "passive.sock")
	listed := make(chan result, 1)
	go func() { listed <- run(t, d.ours(t, "--db="+listening, "list-ps")) }()
	d.must(t, "set-manager", strings.TrimPrefix(listening, "p"))
	d.env.Output(t, testenv.Program(t, "ovs-appctl"), "-t", d.control(t), "ovsdb-server/add-remote", strings.TrimPrefix(listening, "p"))
	if r := <-listed; r.stdout != "there\n" || r.status != 0 {
		t.Errorf("%+v", r)
	}
}

// control is the control socket of the server.
func (d *database) control(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(d.env.RunDir, "*.ctl"))
	if err != nil || len(found) != 1 {
		t.Fatalf("control socket: %v %v", found, err)
	}
	return found[0]
}

// TestOldSchema: tables and columns that an older database does not have read as empty.
func TestOldSchema(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal([]byte(hwvtep.SchemaText), &schema); err != nil {
		t.Fatal(err)
	}
	tables := schema["tables"].(map[string]any)
	column := func(table, name string) { delete(tables[table].(map[string]any)["columns"].(map[string]any), name) }
	column("Logical_Switch", "replication_mode")
	column("Logical_Switch", "other_config")
	column("Physical_Locator", "tunnel_key")
	tables["Physical_Locator"].(map[string]any)["indexes"] = [][]string{{"encapsulation_type", "dst_ip"}}
	column("Physical_Switch", "tunnels")
	delete(tables, "Tunnel")
	text, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	d := newDatabaseOf(t, testenv.Program(t, "ovsdb-server"), string(text))
	d.must(t, "add-ps", "ps", "--", "add-ls", "ls", "--", "add-ucast-remote", "ls", "00:00:5e:00:53:01", "192.0.2.1")
	for _, tt := range []struct{ args, want string }{
		{"list-ps", "ps\n"},
		{"get-replication-mode ls", "(null)\n"},
		{"list-remote-macs ls", "ucast-mac-remote\n  00:00:5e:00:53:01 -> vxlan_over_ipv4/192.0.2.1\n\nmcast-mac-remote\n\n"},
		{"--bare list-tunnels", ""},
		{"--bare --columns=name,replication_mode list Logical_Switch", "ls\n\n"},
	} {
		if got := d.must(t, strings.Fields(tt.args)...); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.args, got, tt.want)
		}
	}
	r := run(t, d.ours(t, "set-replication-mode", "ls", "source_node"))
	if r.status != 1 || !strings.Contains(r.stderr, "transaction error: ") {
		t.Errorf("a column that is not there: %+v", r)
	}
}

// TestOtherDatabase: a server without the database.
func TestOtherDatabase(t *testing.T) {
	d := newDatabaseOf(t, testenv.Program(t, "ovsdb-server"), `{"name":"other","version":"1.0.0","tables":{"T":{"columns":{"a":{"type":"string"}}}}}`)
	r := run(t, d.ours(t, "list-ps"))
	if want := "vtep-ctl: " + d.remote + ": server does not have hardware_vtep database\n"; r.status != 1 || r.stderr != want {
		t.Errorf("%+v, want %q", r, want)
	}
}

// TestLogFile: the call and what ended it are in the log.
func TestLogFile(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	run(t, d.ours(t, "--log-file", "add-port", "no such", "p"))
	log, err := os.ReadFile(filepath.Join(d.env.LogDir, "vtep-ctl.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`|vtep_ctl|INFO|Called as vtep-ctl --log-file add-port "no such" p`, "|db_ctl_base|ERR|no physical switch named no such"} {
		if !strings.Contains(string(log), want) {
			t.Errorf("no %q in the log\n%s", want, log)
		}
	}
	r := run(t, d.ours(t, "--log-file=/nonexistent/log", "list-ps"))
	if want := "TIME|N|vlog|WARN|failed to open /nonexistent/log for logging: No such file or directory\n"; r.status != 1 || message(r.stderr) != want {
		t.Errorf("%+v", r)
	}
}

// TestComment: the call is in the log of the database.
func TestComment(t *testing.T) {
	d := newDatabase(t, testenv.Program(t, "ovsdb-server"))
	d.must(t, "add-ps", `q"uo te`)
	file := filepath.Join(d.env.DBDir, "vtep.db")
	if log := d.env.Output(t, testenv.Program(t, "ovsdb-tool"), "show-log", file); !strings.Contains(log, `"vtep-ctl: vtep-ctl add-ps "q\"uo te""`) {
		t.Errorf("no comment in\n%s", log)
	}
}
