package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/ovsdbtest"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// walkPeer is a server, ours or the C one, with a client that writes and clients that watch.
type walkPeer struct {
	writer   *client
	watchers []*client
}

// The watchers, by the method they use. The last has conditions, which change.
var watching = []string{"monitor", "monitor_cond", "monitor_cond_since", "monitor_cond"}

func newWalkPeer(t testing.TB, p *process, schema *ovsdb.DatabaseSchema) *walkPeer {
	w := &walkPeer{writer: p.dial(t)}
	for _, method := range watching {
		c := p.dial(t)
		requests := map[string]any{}
		for name, ts := range schema.Tables {
			requests[name] = []any{map[string]any{"columns": columnNames(ts)}}
		}
		params := []any{schema.Name, "m", requests}
		if method == "monitor_cond_since" {
			params = append(params, ovsdb.UUID{}.String())
		}
		c.must(method, marshal(t, params))
		w.watchers = append(w.watchers, c)
	}
	return w
}

func columnNames(ts *ovsdb.TableSchema) []string {
	names := []string{}
	for _, c := range ts.Columns {
		names = append(names, c.Name)
	}
	return names
}

func marshal(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// seen takes what each watcher was told since the last time. An echo makes sure that nothing
// is still to come.
func (w *walkPeer) seen() string {
	var lines []string
	for i, c := range w.watchers {
		c.must("echo", "[]")
		c.mu.Lock()
		for _, n := range c.notes {
			params := n.params
			if n.method == "update3" { // the transaction's id is its server's own
				v, err := wire.ParseString(params)
				if err != nil {
					c.t.Fatal(err)
				}
				params = v.Index(2).String()
			}
			lines = append(lines, fmt.Sprintf("%d %s %s %s", i, watching[i], n.method, params))
		}
		c.notes = nil
		c.mu.Unlock()
	}
	return strings.Join(lines, "\n")
}

// walk compares our server with the C one.
type walk struct {
	t                    *testing.T
	schema               *ovsdb.DatabaseSchema
	text                 string // of the schema
	ours, theirs         *walkPeer
	asked, commits, ends int
}

func (w *walk) startTheirs() {
	w.theirs = newWalkPeer(w.t, startC(w.t, createFile(w.t, w.text)), w.schema)
}

// ask makes a call; false if the C server came to its end, as it does at some weak references.
func (w *walk) ask(p *walkPeer, method, params string) (wire.Value, bool) {
	w.t.Helper()
	v, err := p.writer.call(method, params)
	switch {
	case err == nil:
		return v, true
	case p == w.theirs && !errors.As(err, new(*jsonrpc.RemoteError)):
		w.startTheirs()
		w.ends++
		return v, false
	}
	w.t.Fatalf("%s %s: %v", method, params, err)
	return v, false
}

// check walks once, from the empty database.
func (w *walk) check(t *rapid.T) {
	mirror := db.New(w.schema) // so that the generator knows what there is
	g := ovsdbtest.NewGenerator(w.schema, rapid.Bool().Draw(t, "bad"), func(table string, id ovsdb.UUID) bool {
		return mirror.Table(table).Get(id) != nil
	})
	for _, p := range []*walkPeer{w.ours, w.theirs} {
		if _, ok := w.ask(p, "transact", ovsdbtest.Clear(w.schema)); !ok {
			return
		}
		p.watchers[len(watching)-1].must("monitor_cond_change", w.unconditional())
		p.seen()
	}
	for range rapid.IntRange(5, 20).Draw(t, "transactions") {
		if rapid.IntRange(0, 3).Draw(t, "other condition") == 0 {
			w.changeCondition(t, g)
		}
		request := g.Request(t)
		w.asked++
		got, _ := w.ask(w.ours, "transact", request)
		want, ok := w.ask(w.theirs, "transact", request)
		if !ok {
			return
		}
		dump, ok := w.ask(w.theirs, "transact", ovsdbtest.Dump(w.schema))
		if !ok || ovsdbtest.HasDangling(w.schema, dump) {
			w.ends++
			w.startTheirs()
			return
		}
		if ovsdbtest.Compare(got, want) == ovsdbtest.Different {
			if strings.Contains(got.String(), "weak reference(s)") {
				return // those which the C server does not see
			}
			t.Fatalf("%s\n got %s\nwant %s", request, got, want)
		}
		if mirror.Transact(mustParse(t, request), &db.Env{NoWait: true}).Changes != nil {
			w.commits++
		}
		w.sameSeen(t, request)
	}
}

// unconditional are parameters that give the last watcher the conditions it began with.
func (w *walk) unconditional() string {
	requests := map[string]any{}
	for name := range w.schema.Tables {
		requests[name] = []any{map[string]any{"where": []bool{true}}}
	}
	return marshal(w.t, []any{"m", "m", requests})
}

func (w *walk) sameSeen(t *rapid.T, request string) {
	if got, want := w.ours.seen(), w.theirs.seen(); got != want {
		t.Fatalf("after %s the watchers were told\n%s\nwant\n%s", request, got, want)
	}
}

// changeCondition changes the conditions of the last watcher.
func (w *walk) changeCondition(t *rapid.T, g *ovsdbtest.Generator) {
	ts := w.schema.SortedTables()[rapid.IntRange(0, len(w.schema.Tables)-1).Draw(t, "watched table")]
	where := rapid.SampledFrom([]string{"[]", "[true]", "[false]", ""}).Draw(t, "condition")
	if where == "" {
		where = g.Where(t, ts)
	}
	params := fmt.Sprintf(`["m","m",{%q:[{"where":%s}]}]`, ts.Name, where)
	var answers [2]string
	for i, p := range []*walkPeer{w.ours, w.theirs} {
		v, err := p.watchers[len(watching)-1].call("monitor_cond_change", params)
		answers[i] = v.String()
		if err != nil {
			answers[i] = err.Error()
		}
	}
	if answers[0] != answers[1] {
		t.Fatalf("monitor_cond_change %s\n got %s\nwant %s", params, answers[0], answers[1])
	}
	w.sameSeen(t, params)
}

func mustParse(t *rapid.T, text string) wire.Value {
	v, err := wire.ParseString(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSameUpdates puts random transactions to our server and to the C one: the answers are
// the same, and so is what monitors of all kinds are told.
func TestSameUpdates(t *testing.T) {
	testenv.Program(t, "ovsdb-server")
	for name, file := range map[string]string{
		"hardware_vtep": "internal/hwvtep/vtep.ovsschema",
		"synthetic":     "internal/ovsdb/db/testdata/synthetic.ovsschema",
	} {
		t.Run(name, func(t *testing.T) {
			w := &walk{t: t, text: readFile(t, filepath.Join(testenv.Tree(t), file))}
			w.schema = parseSchema(t, w.text)
			w.ours = newWalkPeer(t, startOurs(t, createFile(t, w.text), "off"), w.schema)
			w.startTheirs()
			rapid.Check(t, w.check)
			t.Logf("%d transactions, %d commits, %d walks without an end", w.asked, w.commits, w.ends)
			if w.commits < w.asked/20 || w.ends > 20 {
				t.Error("too little was compared")
			}
		})
	}
}
