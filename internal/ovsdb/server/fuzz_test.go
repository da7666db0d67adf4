package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/ovsdbtest"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// FuzzSession sends any bytes to a server: it lives on, and so does its database.
func FuzzSession(f *testing.F) {
	for _, line := range strings.Split(readFile(f, "testdata/requests.txt"), "\n") {
		if method, params, ok := strings.Cut(line, " "); ok && line[0] != '#' {
			f.Add(fmt.Appendf(nil, `{"id":1,"method":%q,"params":%s}`, method, params))
		}
	}
	f.Add([]byte(`{"id":"echo","result":[],"error":null}{"id":null,"method":"cancel","params":[1]}`))
	f.Add([]byte(strings.Repeat(`[`, 2000)))
	f.Add([]byte(`{"id":1,"method":"monitor_cond","params":["things","m",{"Thing":[{"where":[["n","==",1],true]}]}]}` +
		`{"id":2,"method":"monitor_cond_change","params":["m","n",{"Thing":[{"where":[false]}]}]}{"id":3,"method":"monitor_cancel","params":["n"]}`))
	s, err := New(Options{RunDir: f.TempDir(), Limits: Limits{Message: 1 << 20}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	if err := s.AddMemory(parseSchema(f, testSchema)); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		nc, err := s.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(io.Discard, nc)
		}()
		_ = nc.SetDeadline(time.Now().Add(patience))
		_, _ = nc.Write(bytes) // the server may end the connection
		// Another client finds all well, and the database consistent.
		other := dialPipe(t, s)
		d := s.find("things")
		if !d.do(func() { err = d.db.Check() }) || err != nil {
			t.Fatalf("after %q: %v", bytes, err)
		}
		other.must("transact", ovsdbtest.Clear(d.db.Schema()))
		other.Close()
		nc.Close()
		<-read
	})
}

func dialPipe(t testing.TB, s *Server) *client {
	t.Helper()
	nc, err := s.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, more: make(chan struct{}, 1)}
	c.Client = newClientOn(nc, c)
	return c
}

// fuzzPeers are our server and the C one, with the same content.
type fuzzPeers struct {
	text   string // of the schema
	schema *ovsdb.DatabaseSchema
	ours   *client
	theirs *client
	seeds  []string
}

func (p *fuzzPeers) startTheirs(t testing.TB) { p.theirs = startC(t, createFile(t, p.text)).dial(t) }

// ask makes a call of the C server; false if the server came to its end, or does not answer.
// Then there is another until the end of the test.
func (p *fuzzPeers) ask(t *testing.T, params string) (string, bool) {
	v, err := p.theirs.call("transact", params)
	var remote *jsonrpc.RemoteError
	switch {
	case err == nil:
		return v.String(), true
	case errors.As(err, &remote):
		return remote.Value.String(), true
	}
	p.startTheirs(t)
	return "", false
}

// reset gives both the content that seeds make.
func (p *fuzzPeers) reset(t *testing.T) bool {
	for _, params := range append([]string{ovsdbtest.Clear(p.schema)}, p.seeds...) {
		if _, ok := p.ask(t, params); !ok {
			return false
		}
		answer(p.ours, params)
	}
	return true
}

// FuzzSameAnswers puts any transaction to our server and to the C one, which have the same
// content: the answers and what is left are the same.
func FuzzSameAnswers(f *testing.F) {
	testenv.Program(f, "ovsdb-server")
	p := &fuzzPeers{text: readFile(f, filepath.Join(testenv.Tree(f), "internal/ovsdb/db/testdata/synthetic.ovsschema"))}
	p.schema = parseSchema(f, p.text)
	requests := rapid.Custom(func(t *rapid.T) []string {
		mirror := db.New(p.schema)
		g := ovsdbtest.NewGenerator(p.schema, true, func(table string, id ovsdb.UUID) bool { return mirror.Table(table).Get(id) != nil })
		var all []string
		for range 100 {
			request := g.Request(t)
			mirror.Transact(mustParse(t, request), &db.Env{NoWait: true})
			all = append(all, request)
		}
		return all
	}).Example(1)
	p.seeds = requests[:10]
	for _, request := range requests {
		f.Add([]byte(request))
	}
	p.startTheirs(f)
	s, err := New(Options{RunDir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	if err := s.AddMemory(p.schema); err != nil {
		f.Fatal(err)
	}
	p.ours = dialPipe(f, s)
	f.Cleanup(func() { p.ours.Close() })
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := wire.Parse(text)
		if err != nil || waits(v) || !p.reset(t) {
			return
		}
		params := v.String()
		want, ok := p.ask(t, params)
		if !ok {
			return
		}
		left, ok := p.ask(t, ovsdbtest.Dump(p.schema))
		if !ok || ovsdbtest.HasDangling(p.schema, parseJSON(t, left)) {
			return
		}
		got := answer(p.ours, params)
		if !alike(t, got, want) && !strings.Contains(got, "weak reference(s)") { // which the C server does not see
			t.Fatalf("%s\n got %s\nwant %s", params, got, want)
		}
		if now := answer(p.ours, ovsdbtest.Dump(p.schema)); !alike(t, now, left) {
			t.Fatalf("after %s\n got %s\nwant %s", params, now, left)
		}
	})
}

// waits says whether a transaction may wait.
func waits(v wire.Value) bool {
	for op := range v.Elems() {
		if timeout := op.Get("timeout"); op.Get("op").Str() == "wait" && (timeout.Kind() != wire.Integer || timeout.Int() != 0) {
			return true
		}
	}
	return false
}

func answer(c *client, params string) string {
	v, err := c.call("transact", params)
	var remote *jsonrpc.RemoteError
	switch {
	case errors.As(err, &remote):
		return remote.Value.String()
	case errors.Is(err, net.ErrClosed), err != nil:
		return err.Error()
	}
	return v.String()
}

func parseJSON(t *testing.T, text string) wire.Value {
	t.Helper()
	v, err := wire.ParseString(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// alike compares answers, whose new UUIDs are random.
func alike(t *testing.T, got, want string) bool {
	t.Helper()
	if got == want {
		return true
	}
	got, want = uuidText.ReplaceAllString(got, "U"), uuidText.ReplaceAllString(want, "U")
	return ovsdbtest.Compare(parseJSON(t, got), parseJSON(t, want)) != ovsdbtest.Different
}
