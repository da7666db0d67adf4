package db

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// cServer is an ovsdb-server of Open vSwitch that serves one database, and a
// connection to it.
type cServer struct {
	conn   net.Conn
	reader *wire.Reader
	nextID int
	stop   func()
}

// startCServer starts a server with an empty database that has the schema in
// the file named.
func startCServer(t testing.TB, schema string) *cServer {
	t.Helper()
	env := testenv.OVS(t)
	file := filepath.Join(env.DBDir, "db")
	env.Output(t, testenv.Program(t, "ovsdb-tool"), "create", file, schema)
	return serveFile(t, file)
}

// serveFile starts a server with the database in file.
func serveFile(t testing.TB, file string) *cServer {
	t.Helper()
	env := testenv.OVS(t)
	socket := filepath.Join(env.RunDir, "db.sock")
	cmd := env.Command(testenv.Program(t, "ovsdb-server"), "--no-chdir", "--remote=punix:"+socket, "-vconsole:off", file)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	stop := sync.OnceFunc(func() {
		cmd.Process.Kill()
		<-exited
	})
	t.Cleanup(stop)
	deadline := time.Now().Add(90 * time.Second)
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			return &cServer{conn: conn, reader: wire.NewReader(conn, 64<<20), stop: stop}
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("ovsdb-server: %v\n%s", err, output.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("ovsdb-server does not listen: %v", err)
		}
	}
}

// transact makes a "transact" call and returns its result.
func (c *cServer) transact(params string) (wire.Value, error) {
	c.nextID++
	c.conn.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := fmt.Fprintf(c.conn, `{"id":%d,"method":"transact","params":%s}`, c.nextID, params); err != nil {
		return wire.Value{}, err
	}
	for {
		text, err := c.reader.Next()
		if err != nil {
			return wire.Value{}, err
		}
		m, err := wire.Parse(text)
		if err != nil {
			return wire.Value{}, err
		}
		switch {
		case m.Get("method").Str() == "echo":
			if _, err := fmt.Fprintf(c.conn, `{"id":"echo","result":[],"error":null}`); err != nil {
				return wire.Value{}, err
			}
		case m.Get("id").Int() == int64(c.nextID):
			if e := m.Get("error"); e.Kind() != wire.Null {
				return wire.Value{}, fmt.Errorf("transact: %s", e.Raw())
			}
			return m.Get("result"), nil
		}
	}
}

// syntheticDatabase returns an empty database with the synthetic schema.
func syntheticDatabase(tb testing.TB) *Database {
	return emptyDatabase(tb, "testdata/synthetic.ovsschema")
}

// emptyDatabase returns an empty database with the schema in a file.
func emptyDatabase(tb testing.TB, schema string) *Database {
	tb.Helper()
	text, err := os.ReadFile(schema)
	if err != nil {
		tb.Fatal(err)
	}
	return New(parseSchema(tb, string(text)))
}

func absolute(t testing.TB, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func parseText(s string) wire.Value {
	v, err := wire.ParseString(s)
	if err != nil {
		panic(err)
	}
	return v
}

// has reports whether there is a row.
func (d *Database) has(table string, id ovsdb.UUID) bool { return d.Table(table).Get(id) != nil }
