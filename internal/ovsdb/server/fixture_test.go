package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// patience is how long tests wait for what must happen.
const patience = 90 * time.Second

// testSchema is small and has one of everything that the server looks at.
const testSchema = `{"name":"things","version":"1.0.0","tables":{
	"Thing":{"isRoot":true,"indexes":[["name"]],"columns":{
		"name":{"type":"string"},
		"n":{"type":"integer"},
		"opt":{"type":{"key":"integer","min":0,"max":1}},
		"set":{"type":{"key":"integer","min":0,"max":"unlimited"}},
		"map":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
		"note":{"type":"string","ephemeral":true}}},
	"Config":{"isRoot":true,"maxRows":1,"columns":{
		"managers":{"type":{"key":{"type":"uuid","refTable":"Manager"},"min":0,"max":"unlimited"}},
		"targets":{"type":{"key":"string","min":0,"max":"unlimited"}}}},
	"Manager":{"indexes":[["target"]],"columns":{
		"target":{"type":"string"},
		"max_backoff":{"type":{"key":{"type":"integer","minInteger":1000},"min":0,"max":1}},
		"inactivity_probe":{"type":{"key":"integer","min":0,"max":1}},
		"other_config":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
		"is_connected":{"type":"boolean","ephemeral":true},
		"status":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"},"ephemeral":true}}}}}`

func parseSchema(t testing.TB, text string) *ovsdb.DatabaseSchema {
	t.Helper()
	v, err := wire.ParseString(text)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := ovsdb.ParseSchema(v)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// rig is a server under test.
type rig struct {
	*Server
	t   testing.TB
	dir string // run directory of the server
	log *testenv.Output
}

// newRig starts a server with the database "things" in a file.
func newRig(t testing.TB, opts Options) *rig {
	t.Helper()
	r := newEmptyRig(t, opts)
	if _, err := r.AddDatabase(r.create("things.db", testSchema)); err != nil {
		t.Fatal(err)
	}
	return r
}

// watched are the tests that are watched for leaks: by their first server.
var watched sync.Map

func newEmptyRig(t testing.TB, opts Options) *rig {
	t.Helper()
	if _, second := watched.LoadOrStore(t, true); !second {
		testenv.NoLeaks(t)
	}
	r := &rig{t: t, dir: t.TempDir(), log: &testenv.Output{}}
	opts.RunDir = r.dir
	opts.Logger = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if r.Server, err = New(opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", r.log)
		}
	})
	return r
}

// create makes a database file.
func (r *rig) create(name, schema string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	log, err := storage.Create(path, parseSchema(r.t, schema).AppendJSON(nil), storage.Options{FS: r.opts.FS})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// client is a peer of the server that keeps the notifications it gets.
type client struct {
	t testing.TB
	*jsonrpc.Client

	mu    sync.Mutex
	notes []note
	more  chan struct{} // cap 1: notes has grown
}

type note struct{ method, params string }

// dial connects within the process.
func (r *rig) dial() *client {
	r.t.Helper()
	nc, err := r.Pipe()
	if err != nil {
		r.t.Fatal(err)
	}
	c := &client{t: r.t, more: make(chan struct{}, 1)}
	c.Client = newClientOn(nc, c)
	r.t.Cleanup(func() { c.Close() })
	return c
}

// newClientOn speaks over a connection and has c keep the notifications.
func newClientOn(nc net.Conn, c *client) *jsonrpc.Client {
	return jsonrpc.NewClient(nc, jsonrpc.Options{}, c.note)
}

func (c *client) note(m jsonrpc.Message) {
	c.mu.Lock()
	c.notes = append(c.notes, note{m.Method, string(m.Params.AppendTo(nil, true))})
	c.mu.Unlock()
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// next takes the next notification.
func (c *client) next() note {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		if len(c.notes) > 0 {
			n := c.notes[0]
			c.notes = c.notes[1:]
			c.mu.Unlock()
			return n
		}
		c.mu.Unlock()
		select {
		case <-c.more:
		case <-c.Done():
			c.t.Fatalf("connection ended: %v", c.Err())
		case <-deadline:
			c.t.Fatal("no notification")
		}
	}
}

// quiet checks that no notification has come. An echo makes sure that it would have.
func (c *client) quiet() {
	c.t.Helper()
	c.must("echo", "[]")
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.notes) > 0 {
		c.t.Errorf("unexpected %v", c.notes)
	}
}

// must makes a call that succeeds.
func (c *client) must(method, params string) wire.Value {
	c.t.Helper()
	v, err := c.call(method, params)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, params, err)
	}
	return v
}

func (c *client) call(method, params string) (wire.Value, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.Call(ctx, method, []byte(params))
}

// transact executes operations that must all succeed.
func (c *client) transact(ops ...string) wire.Value {
	c.t.Helper()
	v := c.must("transact", `["things",`+strings.Join(ops, ",")+`]`)
	for e := range v.Elems() {
		if e.Get("error").Exists() {
			c.t.Fatalf("transact %s: %s", ops, v)
		}
	}
	return v
}

// fails checks that a call is answered with the error whose JSON is given.
func (c *client) fails(method, params, want string) {
	c.t.Helper()
	v, err := c.call(method, params)
	remote, ok := err.(*jsonrpc.RemoteError)
	if !ok {
		c.t.Errorf("%s %s: %v, %v; want error %s", method, params, v, err, want)
		return
	}
	sameJSON(c.t, method+" "+params, remote.Value.String(), want)
}

// insert inserts a Thing and returns its UUID.
func (c *client) insert(name string, n int) string {
	c.t.Helper()
	v := c.transact(fmt.Sprintf(`{"op":"insert","table":"Thing","row":{"name":%q,"n":%d}}`, name, n))
	return v.Index(0).Get("uuid").Index(1).Str()
}

// count is the number of rows in a table.
func (c *client) count(table string) int {
	c.t.Helper()
	v := c.transact(fmt.Sprintf(`{"op":"select","table":%q,"where":[],"columns":["_uuid"]}`, table))
	return v.Index(0).Get("rows").Len()
}

// sameJSON compares JSON texts.
func sameJSON(t testing.TB, what, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Errorf("%s: got %s: %v", what, got, err)
		return
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: want %s: %v", what, want, err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func appendFile(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// pipeThrough sends text, closes the sending side and returns all that comes.
func pipeThrough(t testing.TB, addr, text string) string {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}
