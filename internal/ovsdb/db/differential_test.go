package db

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/ovsdb"
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
	g := newGenerator(d.schema, rapid.Bool().Draw(t, "bad"))
	g.db = db
	if reply, ok := d.ask(t, g.clear()); ok && (reply.Len() != len(g.tables) || strings.Contains(reply.String(), "error")) {
		t.Fatalf("clear: %s", reply.Raw())
	}
	for range rapid.IntRange(1, 15).Draw(t, "transactions") {
		request := g.request(t)
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
	g := newGenerator(d.schema, false)
	want, ok := d.ask(t, request)
	if !ok {
		return false
	}
	dump, ok := d.ask(t, g.dump())
	if !ok || hasDangling(g.tables, dump) {
		return false
	}
	switch compareReplies(got, want) {
	case equal:
		d.exact++
	case similar:
		d.loose++
	default:
		if strings.Contains(got.String(), "weak reference(s)") {
			return false // those which the C server does not see
		}
		t.Fatalf("request %s\n got %s\nwant %s", request, got.Raw(), want.Raw())
	}
	if ours := parseText(string(db.Transact(parseText(g.dump()), &Env{}).Reply)); compareReplies(ours, dump) != equal {
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

// hasDangling reports whether a dump has references to rows that it does not have.
func hasDangling(tables []*ovsdb.TableSchema, dump wire.Value) bool {
	rows := make(map[string]bool)
	for i, ts := range tables {
		for row := range dump.Index(i).Get("rows").Elems() {
			rows[ts.Name+row.Get("_uuid").Index(1).Str()] = true
		}
	}
	for i, ts := range tables {
		for row := range dump.Index(i).Get("rows").Elems() {
			for _, c := range ts.Columns {
				value, err := ovsdb.ParseDatum(row.Get(c.Name), &c.Type, nil)
				if err != nil {
					return false
				}
				for k := range value.Len() {
					if c.Type.Key.IsRef() && !rows[c.Type.Key.RefTable+value.Key(k).UUID().String()] ||
						c.Type.Value.IsRef() && !rows[c.Type.Value.RefTable+value.Value(k).UUID().String()] {
						return true
					}
				}
			}
		}
	}
	return false
}

type likeness int

const (
	different likeness = iota
	similar            // the same kind of error about another row
	equal
)

// compareReplies compares the results of two transactions. The order of rows
// means nothing.
func compareReplies(a, b wire.Value) likeness {
	if a.Kind() != wire.Array || b.Kind() != wire.Array {
		if a.String() == b.String() {
			return equal
		}
		return different
	}
	if a.Len() != b.Len() {
		return different
	}
	result := equal
	for i := range a.Len() {
		result = min(result, compareResults(a.Index(i), b.Index(i)))
	}
	return result
}

func compareResults(a, b wire.Value) likeness {
	if canonical(a) == canonical(b) {
		return equal
	}
	x, y := a.Get("details").Str(), b.Get("details").Str()
	if containsAny(x, mutationErrors) && containsAny(y, mutationErrors) {
		return similar
	}
	if tag := a.Get("error").Str(); tag == "" || tag != b.Get("error").Str() {
		return different
	}
	for _, kind := range manyErrors {
		if strings.Contains(x, kind) && strings.Contains(y, kind) {
			return similar
		}
	}
	// The two texts of a weak reference column that became empty.
	if strings.Contains(x, "column to become empty") && strings.Contains(y, "not allowed to be empty") ||
		strings.Contains(y, "column to become empty") && strings.Contains(x, "not allowed to be empty") {
		return similar
	}
	return different
}

// manyErrors are parts of errors that there may be several of in a
// transaction. Which one is reported depends on the order of hash tables.
var manyErrors = []string{
	"references nonexistent row", "remaining reference(s)", "transaction causes \"", "Transaction causes multiple rows",
	"column to become empty", "not allowed to be empty", "is not one of the allowed values",
	"This UUID would duplicate", // the text has changed between versions
}

// mutationErrors are parts of errors of a mutation, each of which depends on
// the row that is mutated first.
var mutationErrors = []string{
	"Attempted to store", "is out of range", "contains duplicates", "Division by zero",
	"than maximum allowed", "than minimum allowed", "not in the valid range",
}

func containsAny(s string, parts []string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(s, p) })
}

// canonical returns v with sorted members, and the rows of a select sorted.
func canonical(v wire.Value) string {
	rows := v.Get("rows")
	if rows.Kind() != wire.Array {
		return v.String()
	}
	var list []string
	for r := range rows.Elems() {
		list = append(list, r.String())
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}
