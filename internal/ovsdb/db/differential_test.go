package db

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// TestDifferential runs random transactions here and on the C server, and
// compares every reply and the content of the database.
func TestDifferential(t *testing.T) {
	for _, c := range []struct {
		name, schema string
		empty        func(testing.TB) *Database
	}{
		{"synthetic", "testdata/synthetic.ovsschema", syntheticDatabase},
		{"hardware_vtep", "../../hwvtep/vtep.ovsschema", vtepDatabase},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := startCServer(t, absolute(t, c.schema))
			schema := c.empty(t).schema
			exact, loose, commits := 0, 0, 0
			rapid.Check(t, func(rt *rapid.T) {
				d, g := c.empty(t), newGenerator(schema, rapid.Bool().Draw(rt, "bad"))
				reply, err := server.transact(g.clear())
				if err != nil || reply.Len() != len(g.tables) || strings.Contains(reply.String(), "error") {
					rt.Fatalf("clear: %v %s", err, reply.Raw())
				}
				for range rapid.IntRange(1, 15).Draw(rt, "transactions") {
					request := g.request(rt)
					out := d.Transact(parseText(request), &Env{NoWait: true})
					if out.Changes != nil {
						commits++
					}
					got := parseText(string(out.Reply))
					want, err := server.transact(request)
					if err != nil {
						rt.Fatalf("%s: %v", request, err)
					}
					switch compareReplies(got, want) {
					case equal:
						exact++
					case similar:
						loose++
					default:
						rt.Fatalf("request %s\n got %s\nwant %s", request, got.Raw(), want.Raw())
					}
					got = parseText(string(d.Transact(parseText(g.dump()), &Env{}).Reply))
					if want, err = server.transact(g.dump()); err != nil {
						rt.Fatal(err)
					}
					if compareReplies(got, want) != equal {
						rt.Fatalf("after %s\n got %s\nwant %s", request, got.Raw(), want.Raw())
					}
					if err := d.Check(); err != nil {
						rt.Fatalf("after %s: %v", request, err)
					}
				}
			})
			t.Logf("%d replies equal, %d similar; %d commits", exact, loose, commits)
			if loose > exact/5 || commits < exact/10 {
				t.Error("too few replies could be compared exactly, or too few transactions committed")
			}
		})
	}
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
	if tag := a.Get("error").Str(); tag == "" || tag != b.Get("error").Str() {
		return different
	}
	x, y := a.Get("details").Str(), b.Get("details").Str()
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
	"column to become empty", "not allowed to be empty", "Attempted to store", "is out of range", "contains duplicates",
	"than maximum allowed", "than minimum allowed", "not in the valid range",
	"is not one of the allowed values",
	"This UUID would duplicate", // the text has changed between versions
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
