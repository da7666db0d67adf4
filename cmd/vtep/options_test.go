package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/testenv"
)

// A client by TLS that has no identity is refused: it would try for ever.
func TestTargetWithoutKeys(t *testing.T) {
	e, n := newEVPN(), newNVC()
	e.file, n.targets = "bgp.yaml", []string{"unix:db.sock", "tcp:192.0.2.1:6640,ssl:192.0.2.2:6640"}
	_, asEVPN := e.check(n.targets[1:])
	_, asNVC := n.check()
	for _, err := range []error{asEVPN, asNVC} {
		if err == nil || err.Error() != "ssl:192.0.2.2:6640: ssl: wants --private-key, --certificate and --ca-cert" {
			t.Error(err)
		}
	}
	if err := checkTarget("pssl:6640", &stream.TLSFiles{PrivateKey: "key", Certificate: "certificate", CACert: "none"}); err != nil {
		t.Error(err)
	}
}

// TestRefusedOptions gives the servers what they cannot do: they say so, and do not start.
func TestRefusedOptions(t *testing.T) {
	b := newOVSDBBed(t)
	db := b.create("first")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("no certificate"), 0o666); err != nil {
		t.Fatal(err)
	}
	vtep := filepath.Join(filepath.Dir(b.server), "vtep")
	for option, want := range map[string]string{
		"--remote=foo:bar":                      `unknown connection method "foo"`,
		"--remote=tcp:":                         "host must be specified",
		"--remote=ptcp:x":                       `bad port number "x"`,
		"--remote=nonsense":                     `missing ":"`,
		"--remote=pfd:x":                        `bad file descriptor "x"`,
		"--remote=pfd:77":                       "bad file descriptor",
		"--read-only-remote=foo:bar":            `unknown connection method "foo"`,
		"--remote=pfd:0":                        "not a socket|not a stream socket|socket operation on non-socket",
		"--peer-ca-cert=/nonexistent":           "no such file",
		"--peer-ca-cert=" + file:                "has none in PEM form",
		"--syslog-method=nonsense":              "unsupported syslog method 'nonsense'",
		"--syslog-target=nonsense":              "HOST:PORT is expected",
		"--private-key=" + file:                 "no certificate configured",
		"ovsdb-server --user=nobody-here":       "user nobody-here not found",
		"ovsdb-server --ssl-ciphersuites=TLS_X": `"TLS_X"`,
		"ovsdb-server --ssl-protocols=SSLv3":    "SSLv3",
		"ovsdb-server --ssl-ciphers=RC4":        "no cipher matches",
		"ovsdb-server --sync-from=nonsense":     `missing ":"`,
		"ovsdb-server --sync-exclude-tables=x":  "Can't parse excluded table: x",
		"ovsdb-server relay:db:nonsense":        `missing ":"`,
		"ovsdb-server --record":                 "no replay",
		"ovsdb-server --nonsense":               "unrecognized option",
		"vtep --vxlan-port=":                    "it needs a value",
		"vtep --connect=":                       "it needs a value",
		"vtep --connect=ssl:192.0.2.1:6640":     "--connect: ssl:192.0.2.1:6640: ssl: wants --private-key, --certificate and --ca-cert",
		"vtep --vxlan-port=0":                   "not a UDP port",
		"vtep --vxlan-port=65536":               "not a UDP port",
		"vtep --vxlan-port=vxlan":               "not a UDP port",
		"vtep --underlay-vrf=red":               "--underlay-vrf and --plane=memory exclude each other",
		"vtep --user=nobody":                    "needs the rights of root",
	} {
		only, arg, ok := strings.Cut(option, " ")
		if !ok {
			only, arg = "", option
		}
		commands := map[string]*exec.Cmd{
			"ovsdb-server": b.env.Command(b.server, "--detach", "--remote=punix:x.sock", arg, db),
			"vtep":         b.env.Command(vtep, "run", "br0", "--plane=memory", "--detach", "--rundir="+b.env.RunDir, arg),
		}
		for name, cmd := range commands {
			if only != "" && name != only {
				continue
			}
			out, err := cmd.CombinedOutput()
			said := false
			for one := range strings.SplitSeq(want, "|") {
				said = said || strings.Contains(string(out), one)
			}
			if err == nil || !said {
				t.Errorf("%s %s: %v, %s; want %s", name, arg, err, out, want)
			}
			if strings.Count(string(out), "\n") != 1 {
				t.Errorf("%s %s: more than one line: %s", name, arg, out)
			}
		}
	}
}

// TestQuietStart starts every daemon in the background where it has something to log before
// it is ready: standard output and error stay empty.
func TestQuietStart(t *testing.T) {
	b := newOVSDBBed(t)
	db := b.create("first")
	dir := filepath.Dir(b.server)
	run := []string{"--plane=memory", "--detach", "--pidfile", "--log-file", "br0"}
	for _, c := range []struct {
		name, path, target string
		args               []string
	}{
		{"ovsdb-server", b.server, "ovsdb-server", []string{"--detach", "--pidfile", "--log-file", "--remote=ptcp:0:0.0.0.0", "--remote=punix:db.sock", db}},
		{"ovsdb-server monitored", b.server, "ovsdb-server", []string{"--detach", "--monitor", "--pidfile", "--log-file", "--remote=ptcp:0:0.0.0.0", db}},
		// No server is there: the replica tells it, again and again.
		{"ovs-vtep", filepath.Join(dir, "ovs-vtep"), "ovs-vtep", run},
		{"ovs-vtep, as OVN starts it", filepath.Join(dir, "ovs-vtep"), "ovs-vtep", append([]string{"--no-chdir", "-vfile:dbg"}, run...)},
		{"vtep run", filepath.Join(dir, "vtep"), "vtep", append([]string{"run", "--remote=ptcp:0:0.0.0.0", "--rundir=" + b.env.RunDir}, run...)},
	} {
		for range 3 {
			out, err := b.env.Command(c.path, c.args...).CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Errorf("%s: %v, %q", c.name, err, out)
			}
			b.run("ovs-appctl", "-t", c.target, "exit")
			b.goneBut(".vtep") // the lock file of the directory stays
		}
	}
}

// TestDetachConnected has --detach wait for an external database: whoever comes next finds the rows
// of the VTEP there. A server that does not answer does not keep it for ever.
func TestDetachConnected(t *testing.T) {
	b := newOVSDBBed(t)
	vtep := filepath.Join(filepath.Dir(b.server), "vtep")
	start := func() *exec.Cmd {
		t.Helper()
		cmd := b.env.Command(vtep, "run", "br0", "--plane=memory", "--connect=unix:db.sock", "--rundir="+b.env.RunDir,
			"--tunnel-ip=192.0.2.1", "--port=p0", "--detach", "--pidfile", "--log-file")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	if err := start().Wait(); err != nil {
		t.Errorf("vtep run --detach: %v", err)
	}
	if text := b.run("ovs-appctl", "-t", "vtep", "vtep/problems"); !strings.Contains(text, "no_database: ") {
		t.Errorf("without a server the problems are\n%s", text)
	}
	b.run("ovs-appctl", "-t", "vtep", "exit")
	b.goneBut(".vtep")

	db := filepath.Join(b.env.DBDir, "vtep.db")
	b.run("ovsdb-tool", "create", db, filepath.Join(testenv.Tree(t), "internal/hwvtep/vtep.ovsschema"))
	b.start("--remote=punix:db.sock", db)
	pid, err := os.ReadFile(filepath.Join(b.env.RunDir, "ovsdb-server.pid"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(server, syscall.SIGSTOP); err != nil { // it listens, and is slow
		t.Fatal(err)
	}
	cmd, ended := start(), make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		t.Errorf("--detach does not wait: %v", err)
		ended <- err
	case <-time.After(500 * time.Millisecond):
	}
	if err := syscall.Kill(server, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("vtep run --detach: %v", err)
	}
	if out := b.run("vtep-ctl", "list-ports", "br0"); out != "p0\n" {
		t.Errorf("right after --detach the switch has the ports %q", out)
	}
	b.run("ovs-appctl", "-t", "vtep", "exit")
	b.appctl("exit")
	b.goneBut(".vtep")
}

// TestInheritedSocket serves a socket that listens already, in the background and monitored,
// and again after the server has been ended and started anew.
func TestInheritedSocket(t *testing.T) {
	b := newOVSDBBed(t)
	db := b.create("first")
	path := filepath.Join(b.env.RunDir, "given.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for _, l := range []interface{ File() (*os.File, error) }{l.(*net.UnixListener), tcp.(*net.TCPListener)} {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	l.Close()
	tcp.Close()
	for _, more := range [][]string{{"--detach"}, {"--detach", "--monitor"}} {
		cmd := b.env.Command(b.server, append(more, "--no-chdir", "--pidfile", "--log-file", "--remote=pfd:3", "--remote=pfd:7", db)...)
		cmd.ExtraFiles = []*os.File{files[0], nil, nil, nil, files[1]}
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%v: %s", err, out)
		}
		for _, target := range []string{"unix:" + path, fmt.Sprint("tcp:", tcp.Addr())} {
			if got := b.run("ovsdb-client", "list-dbs", target); got != "_Server\nfirst\n" {
				t.Errorf("%s: %q", target, got)
			}
		}
		if got := b.appctl("ovsdb-server/list-remotes"); got != "pfd:3\npfd:7\n" {
			t.Errorf("remotes %q", got)
		}
		if out, err := b.env.Command("ovs-appctl", "-t", "ovsdb-server", "ovsdb-server/add-remote", "pfd:3").CombinedOutput(); err == nil {
			t.Errorf("added: %s", out)
		}
		b.appctl("exit")
		testenv.Eventually(t, 30e9, func() error {
			if names, _ := filepath.Glob(filepath.Join(b.env.RunDir, "*.pid")); len(names) > 0 {
				return fmt.Errorf("%q", names)
			}
			return nil
		})
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket of somebody else: %v", err)
	}
}

// TestControlCommands compares the commands that every ovsdb-server has with those of the C
// server: the names that exist there exist here, and answers that are compared are the same.
func TestControlCommands(t *testing.T) {
	b := newOVSDBBed(t)
	server := testenv.Program(t, "ovsdb-server")
	answers := map[string]string{}
	db := filepath.Join(b.env.DBDir, "vtep.db")
	b.run("ovsdb-tool", "create", db, filepath.Join(testenv.Tree(t), "internal/hwvtep/vtep.ovsschema"))
	bad := map[string]string{"empty": "", "text": "hello\n", "unknown": "OVSDB FOO 2 0123456789012345678901234567890123456789\n{}"}
	for name, text := range bad {
		if err := os.WriteFile(filepath.Join(b.env.DBDir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names := map[string]string{}
	for i, path := range []string{server, b.server} {
		cmd := b.env.Command(path, "--detach", "--no-chdir", "--pidfile", "--log-file=log"+fmt.Sprint(i), "-vconsole:off", "--remote=punix:db.sock", db)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, command := range []string{"ovsdb-server/tlog-list", "ovsdb-server/tlog-set hardware_vtep:Logical_Switch on", "ovsdb-server/tlog-set hardware_vtep:nix on",
			"ovsdb-server/tlog-set nix:nix on", "ovsdb-server/tlog-set nix on", "ovsdb-server/tlog-set hardware_vtep:Logical_Switch maybe", "vlog/disable-rate-limit nix",
			"vlog/disable-rate-limit", "vlog/enable-rate-limit ANY", "vlog/list-pattern",
			"ovsdb-server/perf-counters-clear", "ovsdb-server/add-db " + b.env.DBDir + "/./vtep.db", "ovsdb-server/add-db " + b.env.DBDir + "/empty",
			"ovsdb-server/add-db " + b.env.DBDir + "/text", "ovsdb-server/add-db " + b.env.DBDir + "/unknown"} {
			out, err := b.env.Command("ovs-appctl", append([]string{"-t", "ovsdb-server"}, strings.Fields(command)...)...).CombinedOutput()
			answer := fmt.Sprintf("%s%v", out, err)
			if i > 0 && answers[command] != answer {
				t.Errorf("%s:\nours   %q\ntheirs %q", command, answer, answers[command])
			}
			answers[command] = answer
		}
		b.run("ovsdb-client", "transact", "unix:db.sock", fmt.Sprintf(`["hardware_vtep",{"op":"insert","table":"Logical_Switch","row":{"name":"a%d"}}]`, i))
		names[path] = b.appctl("list-commands")
		version := b.appctl("version")
		if want := "ovsdb-server ("; !strings.HasPrefix(version, want) || strings.Count(version, " ") < 2 {
			t.Errorf("version %q", version)
		}
		if i > 0 {
			if got := b.appctl("coverage/show"); !strings.Contains(got, "ovsdb_commits") {
				t.Errorf("coverage %q", got)
			}
			log := readText(t, filepath.Join(b.env.RunDir, "log1"))
			if !strings.Contains(log, `|transaction|INFO|hardware_vtep/Logical_Switch: inserted `) || !strings.Contains(log, ` name="a1"`) {
				t.Errorf("log:\n%s", log)
			}
		}
		b.appctl("exit")
		b.goneBut("log")
	}
	for line := range strings.Lines(names[server]) {
		name := strings.Fields(line)[0]
		if name != "The" && !bytes.Contains([]byte(names[b.server]), []byte(" "+name+" ")) {
			t.Errorf("no command %s", name)
		}
	}
}

// TestHelp asks for help about every command, in both ways, and by the name of a link: what it
// offers can be had.
func TestHelp(t *testing.T) {
	b := newOVSDBBed(t)
	dir := filepath.Dir(b.server)
	for _, p := range personalities() {
		about := b.run(filepath.Join(dir, "vtep"), "help", p.name)
		switch p.name {
		case "schema", "version", "help":
			if !strings.Contains(about, p.summary+"\nusage: vtep "+p.name) {
				t.Errorf("help %s: %s", p.name, about)
			}
			continue
		}
		if again := b.run(filepath.Join(dir, "vtep"), p.name, "--help"); again != about || !strings.Contains(strings.ToLower(about), "usage: ") {
			t.Errorf("help %s: %s\n--help: %s", p.name, about, again)
		}
	}
	if out, err := b.env.Command(filepath.Join(dir, "vtep"), "help", "nix").CombinedOutput(); err == nil || !strings.Contains(string(out), `unknown command "nix"`) {
		t.Errorf("%v, %s", err, out)
	}
	about := b.run(filepath.Join(dir, "ovs-vtep"), "--help")
	for option := range strings.FieldsSeq("--db --remote --read-only-remote --no-protect --durability --user") {
		if strings.Contains(about, " "+option+"=") || strings.Contains(about, " "+option+" ") {
			t.Errorf("ovs-vtep offers %s, which it refuses:\n%s", option, about)
		}
	}
	if !strings.Contains(about, "unix:"+b.env.RunDir+"/db.sock") {
		t.Errorf("ovs-vtep does not say where the database is:\n%s", about)
	}
}

// TestFloodedLog has strangers do what is worth a line each, without end: the log does not grow
// with them, and says how much it left out.
func TestFloodedLog(t *testing.T) {
	b := newOVSDBBed(t)
	b.start("--remote=punix:db.sock", b.create("first"))
	const strangers = 1000
	for range strangers {
		c, err := net.Dial("unix", filepath.Join(b.env.RunDir, "db.sock"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("nonsense ")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
		c.Close()
	}
	// So do those who may write: a column of remotes that cannot be served.
	var bad []string
	for i := range strangers {
		bad = append(bad, fmt.Sprintf(`"pfd:%d","nonsense:%d"`, i, i))
	}
	b.appctl("ovsdb-server/add-remote", "db:first,T,remotes")
	b.run("ovsdb-client", "transact", "unix:db.sock", `["first",{"op":"insert","table":"T","row":{"remotes":["set",[`+strings.Join(bad, ",")+`]]}}]`)
	b.run("ovsdb-client", "list-dbs", "unix:db.sock")
	b.appctl("exit")
	b.gone()
	log := readText(t, filepath.Join(b.env.LogDir, "ovsdb-server.log"))
	if n := strings.Count(log, "\n"); n < 100 || n > 800 || !strings.Contains(log, "|WARN|Dropped ") {
		t.Errorf("%d lines of %d strangers:\n%.3000s", n, strangers, log)
	}
}
