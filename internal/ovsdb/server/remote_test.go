package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/testenv"
)

// connect connects over a stream.
func (r *rig) connect(target string) *client {
	r.t.Helper()
	nc, err := stream.Options{RunDir: r.dir}.Dial(context.Background(), target)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &client{t: r.t, more: make(chan struct{}, 1)}
	c.Client = jsonrpc.NewClient(nc, jsonrpc.Options{}, c.note)
	r.t.Cleanup(func() { c.Close() })
	return c
}

// port reads from the log which port a ptcp:0 remote listens on.
func (r *rig) port() string {
	r.t.Helper()
	_, rest, ok := strings.Cut(r.log.String(), "listening on port ")
	if !ok {
		r.t.Fatal("no port in the log")
	}
	port, _, _ := strings.Cut(rest, `"`)
	return port
}

func TestRemotes(t *testing.T) {
	r := newRig(t, Options{})
	for _, name := range []string{"punix:db.sock", "ptcp:0:127.0.0.1"} {
		if err := r.AddRemote(name); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(r.log.String(), `"0:127.0.0.1: listening on port `) {
		t.Errorf("no line about the port")
	}
	a, b := r.connect("unix:db.sock"), r.connect("tcp:127.0.0.1:"+r.port())
	a.insert("a", 1)
	if n := b.count("Thing"); n != 1 {
		t.Errorf("%d rows", n)
	}
	if err := r.AddRemote("punix:db.sock"); err == nil {
		t.Error("added a remote twice")
	}
	if err := r.AddRemote("nonsense"); err == nil {
		t.Error("added nonsense")
	}
	if got := fmt.Sprint(r.Remotes()); got != "[ptcp:0:127.0.0.1 punix:db.sock]" {
		t.Errorf("remotes %s", got)
	}
	if err := r.RemoveRemote("punix:db.sock"); err != nil {
		t.Fatal(err)
	}
	<-a.Done()
	b.must("echo", "[]")
	if err := r.RemoveRemote("punix:db.sock"); err == nil {
		t.Error("removed a remote twice")
	}
	if strings.Contains(r.log.String(), "level=WARN") {
		t.Error("a warning without reason")
	}
}

func TestWarnsOfOpenPort(t *testing.T) {
	r := newRig(t, Options{})
	if err := r.AddRemote("ptcp:0"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.log.String(), "no TLS") {
		t.Error("no warning")
	}
}

// TestListenLater adds a remote that cannot be listened on yet.
func TestListenLater(t *testing.T) {
	r := newRig(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	if err := r.AddRemote(fmt.Sprintf("ptcp:%d:127.0.0.1", addr.Port)); stream.Reason(err) != "Address already in use" {
		t.Errorf("AddRemote: %v", err)
	}
	l.Close()
	testenv.Eventually(t, patience, func() error {
		c, err := net.Dial("tcp", addr.String())
		if err == nil {
			c.Close()
		}
		return err
	})
}

func TestProbe(t *testing.T) {
	r := newRig(t, Options{})
	if err := r.AddRemote("ptcp:0:127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	r.remotes.find("ptcp:0:127.0.0.1").setOptions(remoteOptions{probe: time.Second, dscp: stream.DefaultDSCP})
	alive := r.connect("tcp:127.0.0.1:" + r.port())
	// A peer that is silent gets a probe, then the connection ends.
	nc, err := net.Dial("tcp", "127.0.0.1:"+r.port())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(nc)
	if err != nil {
		t.Errorf("read: %v", err)
	}
	sameJSON(t, "probe", string(got), `{"id":"echo","method":"echo","params":[]}`)
	alive.must("echo", "[]") // it has answered probes meanwhile
	if !strings.Contains(r.log.String(), "no response to inactivity probe") {
		t.Error("nothing in the log")
	}
}

// controller is a peer that waits for the server to connect.
type controller struct {
	l     net.Listener
	conns chan *jsonrpc.Client
}

func newController(t *testing.T) *controller {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &controller{l: l, conns: make(chan *jsonrpc.Client, 10)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			n.conns <- jsonrpc.NewClient(nc, jsonrpc.Options{}, nil)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for {
			select {
			case c := <-n.conns:
				c.Close()
			default:
				return
			}
		}
	})
	return n
}

func (n *controller) target() string { return "tcp:" + n.l.Addr().String() }

// managerRow reads the Manager row of a target.
func (c *client) managerRow(target string) (connected bool, status map[string]string) {
	c.t.Helper()
	v := c.transact(fmt.Sprintf(`{"op":"select","table":"Manager","where":[["target","==",%q]],"columns":["is_connected","status"]}`, target))
	row := v.Index(0).Get("rows").Index(0)
	status = map[string]string{}
	for pair := range row.Get("status").Index(1).Elems() {
		status[pair.Index(0).Str()] = pair.Index(1).Str()
	}
	return row.Get("is_connected").Bool(), status
}

func TestManagers(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial()
	if err := r.AddRemote("db:things,Config,managers"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"db:things":               "invalid syntax",
		"db:x,Config,managers":    "no database named x",
		"db:things,X,managers":    "no table named X",
		"db:things,Config,nought": `has no column "nought"`,
	} {
		if err := r.AddRemote(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := newController(t)
	c.transact(`{"op":"insert","table":"Config","row":{"managers":["set",[["named-uuid","a"],["named-uuid","p"]]]}}`,
		fmt.Sprintf(`{"op":"insert","table":"Manager","uuid-name":"a","row":{"target":%q,"max_backoff":1000,"other_config":["map",[["dscp","10"]]]}}`, n.target()),
		`{"op":"insert","table":"Manager","uuid-name":"p","row":{"target":"ptcp:0:127.0.0.1"}}`)
	peer := <-n.conns
	ctx := context.Background()
	if v, err := peer.Call(ctx, "list_dbs", []byte("[]")); err != nil || v.Len() != 2 {
		t.Errorf("list_dbs over an outbound connection: %v, %v", v, err)
	}
	if _, err := peer.Call(ctx, "lock", []byte(`["l1"]`)); err != nil {
		t.Error(err)
	}
	testenv.Eventually(t, patience, func() error {
		connected, status := c.managerRow(n.target())
		if !connected || status["state"] != "ACTIVE" && status["state"] != "IDLE" || status["sec_since_connect"] == "" || status["locks_held"] != "l1" {
			return fmt.Errorf("connected %v, status %v", connected, status)
		}
		return nil
	})
	var port string
	testenv.Eventually(t, patience, func() error {
		connected, status := c.managerRow("ptcp:0:127.0.0.1")
		port = status["bound_port"]
		if connected || port == "" {
			return fmt.Errorf("connected %v, status %v", connected, status)
		}
		return nil
	})
	for range 2 {
		r.connect("tcp:127.0.0.1:"+port).must("echo", "[]")
	}
	testenv.Eventually(t, patience, func() error {
		if connected, status := c.managerRow("ptcp:0:127.0.0.1"); !connected || status["n_connections"] != "2" {
			return fmt.Errorf("connected %v, status %v", connected, status)
		}
		return nil
	})
	// The server comes back when the peer has dropped it.
	peer.Close()
	peer = <-n.conns
	if _, err := peer.Call(ctx, "echo", []byte("[]")); err != nil {
		t.Error(err)
	}
	testenv.Eventually(t, patience, func() error {
		if connected, status := c.managerRow(n.target()); !connected || status["sec_since_disconnect"] == "" {
			return fmt.Errorf("connected %v, status %v", connected, status)
		}
		return nil
	})
	// A row that goes takes its connection with it.
	c.transact(`{"op":"update","table":"Config","where":[],"row":{"managers":["set",[]]}}`)
	<-peer.Done()
	testenv.Eventually(t, patience, func() error {
		if nc, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			nc.Close()
			return fmt.Errorf("still listening")
		}
		return nil
	})
}

func TestUnreachableManager(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := "tcp:" + l.Addr().String()
	l.Close()
	c.transact(`{"op":"insert","table":"Config","row":{"managers":["named-uuid","a"]}}`,
		fmt.Sprintf(`{"op":"insert","table":"Manager","uuid-name":"a","row":{"target":%q}}`, target))
	if err := r.AddRemote("db:things,Config,managers"); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() error {
		if connected, status := c.managerRow(target); connected || status["state"] != "BACKOFF" || status["last_error"] != "Connection refused" {
			return fmt.Errorf("connected %v, status %v", connected, status)
		}
		return nil
	})
}

// TestTargets follows a column that holds the targets themselves.
func TestTargets(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial()
	if err := r.AddRemote("db:things,Config,targets"); err != nil {
		t.Fatal(err)
	}
	c.transact(`{"op":"insert","table":"Config","row":{"targets":["set",["punix:x.sock","pfd:3"]]}}`)
	testenv.Eventually(t, patience, func() error {
		nc, err := stream.Options{RunDir: r.dir}.Dial(context.Background(), "unix:x.sock")
		if err == nil {
			nc.Close()
		}
		return err
	})
}

// TestNetworkOnly: who may write the database may not make files with it.
func TestNetworkOnly(t *testing.T) {
	r := newRig(t, Options{NetworkOnly: true})
	c := r.dial()
	if err := r.AddRemote("db:things,Config,targets"); err != nil {
		t.Fatal(err)
	}
	c.transact(`{"op":"insert","table":"Config","row":{"targets":["set",["punix:x.sock","unix:y.sock","ptcp:0:127.0.0.1"]]}}`)
	testenv.Eventually(t, patience, func() error {
		if !strings.Contains(r.log.String(), "listening on port") {
			return errors.New("the TCP target is not served")
		}
		return nil
	})
	if _, err := os.Lstat(filepath.Join(r.dir, "x.sock")); err == nil {
		t.Error("there is a socket")
	}
	if n := strings.Count(r.log.String(), "can only be specified on the command line"); n != 2 {
		t.Errorf("%d warnings", n)
	}
}

func TestRoles(t *testing.T) {
	r := newRig(t, Options{Roles: func(role string, d *db.Database, table *ovsdb.TableSchema, row *db.RowChange) error {
		if d.Schema().Name == "things" && table.Name == "Thing" && row.Changed(table.Column("n")) {
			return ovsdb.PermissionError("n is not for others")
		}
		return nil
	}})
	for _, name := range []string{"ptcp:0:127.0.0.1", "punix:db.sock"} {
		if err := r.AddRemote(name); err != nil {
			t.Fatal(err)
		}
	}
	remote, local := r.connect("tcp:127.0.0.1:"+r.port()), r.connect("unix:db.sock")
	local.insert("a", 1)
	remote.transact(`{"op":"update","table":"Thing","where":[],"row":{"note":"hello","n":1}}`)
	v := remote.must("transact", `["things",{"op":"update","table":"Thing","where":[],"row":{"n":2}}]`)
	sameJSON(t, "update", v.String(), `[{"count":1},{"error":"permission error","details":"n is not for others"}]`)
}

func TestReconnect(t *testing.T) {
	r := newRig(t, Options{})
	a := r.dial()
	a.must("echo", "[]")
	r.Reconnect("a test asks")
	<-a.Done()
	r.dial().must("echo", "[]")
}
