package idl_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// between is a connection on which something is done once, before the client asks for the contents of its database: the
// schema has been told then, and nothing is monitored.
type between struct {
	net.Conn
	do func()
}

func (c between) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(`"monitor_cond_since"`)) {
		c.do()
	}
	return c.Conn.Write(b)
}

// A database can be converted between the reply that tells its schema and the monitor: a replica that shares rows with the
// server never reads those of one schema by the other.
func TestConvertedBeforeMonitor(t *testing.T) {
	const (
		before = `{"name":"d","tables":{"T":{"columns":{"a":{"type":"string"},"c":{"type":"string"}}}}}`
		after  = `{"name":"d","tables":{"T":{"columns":{"a":{"type":"string"},"b":{"type":"integer"},"c":{"type":"string"}}}}}`
		insert = `["d",{"op":"insert","table":"T","row":{"c":"here"}}]`
	)
	for _, test := range []struct {
		name  string
		wants map[string][]string
		late  bool // the row is there only after the replica is
	}{
		{"whole rows", nil, false},
		{"some columns", map[string][]string{"T": {"c"}}, false},
		{"whole rows, later", nil, true},
		{"some columns, later", map[string][]string{"T": {"c"}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			schema, err := wire.ParseString(before)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := ovsdb.SharedSchema(schema)
			if err != nil {
				t.Fatal(err)
			}
			s, err := server.New(server.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			if err := s.AddMemory(parsed); err != nil {
				t.Fatal(err)
			}
			nc, err := s.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			other := jsonrpc.NewClient(nc, jsonrpc.Options{}, nil)
			t.Cleanup(func() { other.Close() })
			call := func(method, params string) {
				if _, err := other.Call(context.Background(), method, []byte(params)); err != nil {
					t.Errorf("%s: %v", method, err)
				}
			}
			call("set_db_change_aware", "[true]") // else a conversion ends the session
			if !test.late {
				call("transact", insert)
			}
			convert := sync.OnceFunc(func() { call("convert", `["d",`+after+`]`) })
			c := run(t, idl.Options{Database: "d", Tables: test.wants, Dial: func(context.Context) (net.Conn, error) {
				nc, err := s.Pipe()
				if local, ok := nc.(*client.Local); ok {
					local.Conn = between{local.Conn, convert}
				}
				return nc, err
			}})
			ready(t, c)
			if test.late {
				call("transact", insert)
			}
			testenv.Eventually(t, deadline, func() error {
				now := c.Snapshot()
				schema := now.Schema().Tables["T"]
				for row := range now.Table("T").All() {
					if got := string(row.AppendField(nil, schema.Column("c"))); got != `"here"` {
						t.Fatalf("the row has %s in the column, of %d", got, len(schema.Columns))
					}
					if schema.Column("b") == nil {
						return errors.New("the replica has the schema of before")
					}
					return nil
				}
				return errors.New("there is no row")
			})
		})
	}
}
