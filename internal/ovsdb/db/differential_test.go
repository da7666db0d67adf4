package db

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/ovsdbtest"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// TestDifferential runs random transactions here and on the C server, and
// compares every reply and the content of the database.
//
// The C server loses track of weak references in some sequences of inserts
// and deletes: then it keeps some to rows that are gone, or aborts. There a
// sequence ends without a verdict.
func TestDifferential(t *testing.T) {
	for name, schema := range map[string]string{
		"synthetic":      "testdata/synthetic.ovsschema",
		"hardware_vtep":  "../../hwvtep/vtep.ovsschema",
		"Open_vSwitch":   installed(t, "openvswitch/vswitch.ovsschema"),
		"OVN_Northbound": installed(t, "ovn/ovn-nb.ovsschema"),
		"OVN_Southbound": installed(t, "ovn/ovn-sb.ovsschema"),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(schema); err != nil {
				testenv.Skip(t, "needs a schema that scripts/testdeps provides: %v", err)
			}
			d := &differential{schema: emptyDatabase(t, schema).schema}
			d.start = func() { d.server = startCServer(t, absolute(t, schema)) }
			d.start()
			rapid.Check(t, d.check)
			t.Logf("%d replies equal, %d similar; %d commits; %d sequences without a verdict", d.exact, d.loose, d.commits, len(d.undecided))
			for _, request := range d.undecided {
				t.Logf("without a verdict: %s", request)
			}
			if d.loose > d.exact/5 || d.commits < d.exact/20 || len(d.undecided) > d.exact/50 {
				t.Error("too few replies could be compared exactly, or too few transactions committed")
			}
		})
	}
}

// installed returns the path of a schema that other people's packages bring.
func installed(t *testing.T, name string) string {
	return filepath.Join(testenv.Tree(t), ".cache/testroot/usr/share", name)
}

// differential compares with one C server.
type differential struct {
	schema *ovsdb.DatabaseSchema
	start  func() // starts another server
	server *cServer

	exact, loose, commits int
	undecided             []string // the last requests of sequences without a verdict
}

// check runs one sequence of transactions.
func (d *differential) check(t *rapid.T) {
	db := New(d.schema)
	g := ovsdbtest.NewGenerator(d.schema, rapid.Bool().Draw(t, "bad"), db.has)
	if reply, ok := d.ask(t, ovsdbtest.Clear(d.schema)); ok && (reply.Len() != len(d.schema.Tables) || strings.Contains(reply.String(), "error")) {
		t.Fatalf("clear: %s", reply.Raw())
	}
	for range rapid.IntRange(1, 15).Draw(t, "transactions") {
		request := g.Request(t)
		out := db.Transact(parseText(request), &Env{NoWait: true})
		if out.Changes != nil {
			d.commits++
		}
		if err := db.Check(); err != nil {
			t.Fatalf("after %s: %v", request, err)
		}
		if !d.compare(t, db, request, parseText(string(out.Reply))) {
			d.undecided = append(d.undecided, request)
			return
		}
	}
}

// compare runs a request on the C server, and compares its reply and the
// content of the database. It reports whether that came to a verdict.
func (d *differential) compare(t *rapid.T, db *Database, request string, got wire.Value) bool {
	want, ok := d.ask(t, request)
	if !ok {
		return false
	}
	dump, ok := d.ask(t, ovsdbtest.Dump(d.schema))
	if !ok || ovsdbtest.HasDangling(d.schema, dump) {
		return false
	}
	switch ovsdbtest.Compare(got, want) {
	case ovsdbtest.Equal:
		d.exact++
	case ovsdbtest.Similar:
		d.loose++
	default:
		if strings.Contains(got.String(), "weak reference(s)") {
			return false // those which the C server does not see
		}
		t.Fatalf("request %s\n got %s\nwant %s", request, got.Raw(), want.Raw())
	}
	if ours := parseText(string(db.Transact(parseText(ovsdbtest.Dump(d.schema)), &Env{}).Reply)); ovsdbtest.Compare(ours, dump) != ovsdbtest.Equal {
		t.Fatalf("after %s\n got %s\nwant %s", request, ours.Raw(), dump.Raw())
	}
	return true
}

// ask runs a request on the C server. If that comes to its end, it is replaced
// by another, and the answer is false.
func (d *differential) ask(t *rapid.T, request string) (wire.Value, bool) {
	v, err := d.server.transact(request)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		d.start()
		return v, false
	case err != nil:
		t.Fatalf("%s: %v", request, err)
	}
	return v, true
}
