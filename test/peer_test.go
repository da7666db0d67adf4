package test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// lines starts a program and gives what it prints, line by line. It is ended with the test.
func (w *world) lines(program string, args ...string) (next func(want string) string) {
	w.t.Helper()
	cmd := w.env.Command(program, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	errs, err := os.CreateTemp(w.env.LogDir, filepath.Base(program)+".err")
	if err != nil {
		w.t.Fatal(err)
	}
	defer errs.Close()
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	all := make(chan string, 1000)
	go func() {
		defer close(all)
		for s := bufio.NewScanner(out); s.Scan(); {
			all <- s.Text()
		}
		_, _ = io.Copy(io.Discard, out) // if a line was too long
	}()
	w.t.Cleanup(func() {
		in.Close()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		for range all {
		}
		_ = cmd.Wait() // killed or not, it has ended
	})
	return func(want string) string {
		w.t.Helper()
		deadline := time.After(patience)
		var seen []string
		for {
			select {
			case line, ok := <-all:
				if !ok {
					w.t.Fatalf("%s ended without %q; it printed %q", program, want, seen)
				}
				if strings.Contains(line, want) {
					return line
				}
				seen = append(seen, line)
			case <-deadline:
				w.t.Fatalf("%s did not print %q, but %q", program, want, seen)
			}
		}
	}
}

// TestOVSDBClient asks the embedded server with the C ovsdb-client.
func TestOVSDBClient(t *testing.T) {
	w := newWorld(t)
	w.basic()
	client, server := testenv.Program(t, "ovsdb-client"), "unix:"+w.socket()
	if got := w.env.Output(t, client, "list-dbs", server); !strings.Contains(got, "hardware_vtep\n") {
		t.Errorf("list-dbs: %q", got)
	}
	if got := w.env.Output(t, client, "get-schema-version", server, "hardware_vtep"); got != "1.7.0\n" {
		t.Errorf("get-schema-version: %q", got)
	}
	// The schema is the public one.
	root := os.Getenv("VTEP_TESTROOT")
	if public := filepath.Join(root, "usr/share/openvswitch/vtep.ovsschema"); exists(public) {
		needs := w.env.Output(t, client, "needs-conversion", server, public)
		if needs != "no\n" {
			t.Errorf("needs-conversion to the public schema: %q", needs)
		}
	}

	next := w.lines(client, "monitor", server, "hardware_vtep", "Ucast_Macs_Local", "MAC")
	cond := w.lines(client, "monitor-cond-since", server, "hardware_vtep", "[true]", "Ucast_Macs_Local", "MAC")
	first, second := station(0xd1), station(0xd2)
	w.h1().Send(frame(broadcast, first, "hello"))
	next(first.String())
	cond(first.String())
	w.h2().Send(frame(broadcast, second, "hello"))
	if line := next(second.String()); !strings.Contains(line, "insert") {
		t.Errorf("monitor says %q of a new row", line)
	}
	cond(second.String())
	dump := w.env.Output(t, client, "dump", server, "hardware_vtep")
	for _, want := range []string{first.String(), "Physical_Switch table", w.name, "vxlan_over_ipv4"} {
		if !strings.Contains(dump, want) {
			t.Errorf("dump lacks %q", want)
		}
	}

	// The rules of the schema hold: references, constraints, unique names.
	for name, c := range map[string]struct{ op, want string }{
		"referenced":  {`{"op":"delete","table":"Logical_Switch","where":[["name","==","ls0"]]}`, "referential integrity violation"},
		"not unique":  {`{"op":"insert","table":"Logical_Switch","row":{"name":"ls0"}}`, "constraint violation"},
		"not in enum": {`{"op":"update","table":"Logical_Switch","where":[],"row":{"replication_mode":"no_node"}}`, "constraint violation"},
		"immutable":   {`{"op":"update","table":"Physical_Locator","where":[],"row":{"dst_ip":"10.9.9.9"}}`, "constraint violation"},
	} {
		got := w.env.Output(t, client, "transact", server, `["hardware_vtep",`+c.op+`]`)
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	w.reach(lab.Host1, lab.Host3)
}

// TestManager makes the embedded server listen by a Manager row, as set-manager does.
func TestManager(t *testing.T) {
	w := newWorld(t)
	w.start(usual...)
	w.ctl("set-manager ptcp:0:127.0.0.1")
	var port string
	w.await(func(v view) error {
		for m := range v.Managers() {
			if port = m.Status["bound_port"]; port != "" {
				return nil
			}
		}
		return errors.New("no Manager has a port")
	})
	client := w.env.Command(testenv.Program(t, "ovsdb-client"), "monitor", "tcp:127.0.0.1:"+port, "hardware_vtep", "Manager")
	p := launch(t, w.lab.Namespace(lab.VTEP), client, filepath.Join(w.env.LogDir, "monitor.log"))
	w.await(func(v view) error {
		for m := range v.Managers() {
			if m.IsConnected {
				return nil
			}
		}
		return errors.New("no Manager is connected")
	})
	if err := client.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
	w.await(func(v view) error {
		for m := range v.Managers() {
			if m.IsConnected {
				return errors.New("a Manager is connected still")
			}
		}
		return nil
	})
	w.ctl("del-manager")
	w.await(func(v view) error {
		if n := v.Len("Manager"); n > 0 {
			return fmt.Errorf("%d Managers are left", n)
		}
		return nil
	})
	late := w.env.Command(testenv.Program(t, "ovsdb-client"), "-t", "5", "list-dbs", "tcp:127.0.0.1:"+port)
	if err := w.lab.Namespace(lab.VTEP).Run(late); err == nil {
		t.Error("the server still listens for the Manager that was deleted")
	}
}

// TestPythonIDL has a controller on Python's ovs.db.idl.
func TestPythonIDL(t *testing.T) {
	w := newWorld(t)
	w.start(usual...)
	python := testenv.Program(t, "python3")
	schema := filepath.Join(w.env.DBDir, "schema.json")
	text := w.env.Output(t, testenv.Program(t, "ovsdb-client"), "get-schema", "unix:"+w.socket(), "hardware_vtep")
	if err := os.WriteFile(schema, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/follow.py")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.env.Command(python, "-c", "import ovs.db.idl").Run(); err != nil {
		testenv.Skip(t, "needs the Python package ovs: run scripts/testdeps")
	}
	next := w.lines(python, script, "unix:"+w.socket(), schema, w.name, "p0", lab.RemoteIP.String(), fmt.Sprint(lab.VNIUntagged))
	next("committed success")
	w.reach(lab.Host1, lab.Host3)
	next("learned " + lab.Host1.MAC.String())
	w.h1().Send(frame(broadcast, station(0xd3), "hello"))
	next("learned " + station(0xd3).String())
	w.ctl("set Physical_Switch " + w.name + " other_config:mac_aging_time=1")
	next("withdrawn " + station(0xd3).String())
}

// TestExternalServer runs the VTEP on the C ovsdb-server. Forwarding does not need it.
func TestExternalServer(t *testing.T) {
	w := newWorld(t)
	w.external = "c.sock"
	start := w.externalServer()
	server := start()
	w.basic()
	w.reach(lab.Host1, lab.Host3)
	w.learned("ls0", lab.Host1.MAC.String())

	// The server goes, and with it the ephemeral columns; it comes back, and they too.
	w.closeReplica()
	if err := server.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	server.wait(t)
	os.Remove(w.socket())
	traffic := w.startPing(lab.H1, lab.Host3)
	w.problem("no_database: database unix:"+w.socket(), true)
	w.breathe(500 * time.Millisecond)
	w.h1().Send(frame(broadcast, station(0xd4), "hello"))
	start()
	w.learned("ls0", lab.Host1.MAC.String(), station(0xd4).String())
	w.problem("no_database", false)
	traffic()
	w.cs().run("set", "Logical_Switch", "ls0", "tunnel_key=6000")
	w.floods(6000, lab.RemoteIP)
	w.cs().run("set", "Logical_Switch", "ls0", fmt.Sprintf("tunnel_key=%d", lab.VNIUntagged))
	w.reach(lab.Host2, lab.Host3)
}

// TestClusteredServer has the database on a cluster of C servers, of which one is killed, and then one more: nothing
// that is forwarded is lost, and what was learned meanwhile is in the database when there is a majority again.
func TestClusteredServer(t *testing.T) {
	w := newWorld(t)
	w.cluster = testenv.NewCluster(t, hwvtep.Database, hwvtep.SchemaText, 3)
	w.basic()
	w.reach(lab.Host1, lab.Host3)
	w.learned("ls0", lab.Host1.MAC.String())
	traffic := w.startPing(lab.H1, lab.Host3)

	leader := w.cluster.Leader(t)
	leader.Kill(t)
	w.h1().Send(frame(broadcast, station(0xd4), "hello"))
	w.learned("ls0", lab.Host1.MAC.String(), station(0xd4).String())

	second := w.cluster.Leader(t)
	second.Kill(t)
	w.problem("no_database", true)
	w.h1().Send(frame(broadcast, station(0xd5), "hello"))
	w.breathe(500 * time.Millisecond)
	second.Start(t)
	w.learned("ls0", lab.Host1.MAC.String(), station(0xd4).String(), station(0xd5).String())
	w.problem("no_database", false)
	traffic()
	w.cluster.Leader(t)
	w.cs().run("set", "Logical_Switch", "ls0", "tunnel_key=6000")
	w.floods(6000, lab.RemoteIP)
}

// TestOVSVTEP runs the program under the name and with the command line of Open vSwitch's
// emulator: the database is at the usual socket, the switch is the operator's.
func TestOVSVTEP(t *testing.T) {
	w := newWorld(t)
	w.external = "db.sock"
	w.externalServer()()
	ctl := w.cs()
	ctl.run("add-ps", w.name, "--", "set", "Physical_Switch", w.name, "tunnel_ips="+lab.TunnelIP.String(),
		"--", "add-port", w.name, "p0", "--", "add-port", w.name, "p1")
	pidfile := filepath.Join(w.env.RunDir, "ovs-vtep.pid")
	cmd := w.env.Command(filepath.Join(w.bin, "ovs-vtep"), "--plane=ebpf", "--pin-dir="+w.pins, "--pidfile", "--log-file", "-vconsole:info", w.name)
	w.vtep = w.launchIn(cmd)
	w.ready()
	w.howto(ctl)
	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host2Tagged, lab.Host4)
	w.learned("ls0", lab.Host1.MAC.String())
	if !exists(pidfile) || !exists(filepath.Join(w.env.LogDir, "ovs-vtep.log")) {
		t.Error("no pidfile or no log file")
	}
	w.env.Output(t, testenv.Program(t, "ovs-appctl"), "-t", "ovs-vtep", "exit", "--cleanup")
	if status := w.vtep.wait(t); status != 0 {
		t.Errorf("it ended with status %d", status)
	}
	w.vtep = nil
}

// externalServer makes a database of the public schema. The result starts a C ovsdb-server.
func (w *world) externalServer() (start func() *process) {
	w.t.Helper()
	schema := filepath.Join(os.Getenv("VTEP_TESTROOT"), "usr/share/openvswitch/vtep.ovsschema")
	if !exists(schema) {
		testenv.Skip(w.t, "needs vtep.ovsschema of Open vSwitch: run scripts/testdeps")
	}
	server, db := testenv.Program(w.t, "ovsdb-server"), filepath.Join(w.env.DBDir, "c.db")
	w.env.Output(w.t, testenv.Program(w.t, "ovsdb-tool"), "create", db, schema)
	var running *process
	start = func() *process {
		w.t.Helper()
		running = launch(w.t, nil, w.env.Command(server, "--remote=punix:"+w.socket(), "--unixctl="+filepath.Join(w.env.RunDir, "c.ctl"),
			"--remote=db:hardware_vtep,Global,managers", db), filepath.Join(w.env.LogDir, "c-server.log"))
		testenv.Eventually(w.t, patience, func() error {
			if running.ended() {
				w.t.Fatalf("ovsdb-server ended: %s", running.output(w.t))
			}
			return listens(w.socket())
		})
		return running
	}
	w.atEnd(func() {
		if running != nil {
			_ = running.cmd.Process.Signal(syscall.SIGTERM)
			running.wait(w.t)
		}
	})
	return start
}
