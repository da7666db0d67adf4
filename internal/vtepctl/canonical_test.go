package vtepctl_test

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"net"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
)

// dump asks for all rows of the database, in a JSON array of the answers to a select for each
// table.
func (d *database) dump(t *testing.T) string {
	t.Helper()
	if d.observer == nil {
		conn, err := net.Dial("unix", strings.TrimPrefix(d.remote, "unix:"))
		if err != nil {
			t.Fatal(err)
		}
		d.observer = jsonrpc.NewClient(conn, jsonrpc.Options{}, nil)
		t.Cleanup(func() { d.observer.Close() })
	}
	v, err := d.observer.Call(t.Context(), "transact", dumpRequest)
	if err != nil {
		t.Fatalf("dump: %v", err)
	}
	return string(v.Raw())
}

// dumpRequest are the parameters of the call, tableNames the tables in their order.
var dumpRequest, tableNames = func() ([]byte, []string) {
	var names []string
	params := []any{hwvtep.Database}
	for _, table := range hwvtep.Schema().SortedTables() {
		names = append(names, table.Name)
		params = append(params, map[string]any{"op": "select", "table": table.Name, "where": []any{}})
	}
	text, err := json.Marshal(params)
	if err != nil {
		panic(err)
	}
	return text, names
}()

// canon is the canonical form of a database. Two databases are equal up to UUIDs if their
// canonical forms are equal: each row gets a label made of its table, its values, and the labels
// of the rows it refers to, in place of their UUIDs. References have no cycles in this schema, so
// as many rounds as there are tables settle the labels.
type canon struct {
	dump   string            // what it was made of
	rows   string            // one a line
	labels map[string]string // by UUID
}

// canonical returns the rows of the database, one a line, in a form that does not depend on
// UUIDs; and the label of each UUID.
func (d *database) canonical(t *testing.T) (rows string, labels map[string]string) {
	t.Helper()
	if dump := d.dump(t); dump != d.canon.dump { // most commands change nothing
		d.canon = newCanon(t, dump)
	}
	return d.canon.rows, d.canon.labels
}

func newCanon(t *testing.T, dump string) canon {
	t.Helper()
	var tables []struct{ Rows []map[string]any }
	if err := json.Unmarshal([]byte(dump), &tables); err != nil || len(tables) != len(tableNames) {
		t.Fatalf("dump: %v in %s", err, dump)
	}
	labels := map[string]string{}
	var lines []string
	for range len(tables) {
		next := map[string]string{}
		lines = lines[:0]
		for i, table := range tables {
			for _, row := range table.Rows {
				line := canonicalRow(tableNames[i], row, labels)
				next[row["_uuid"].([]any)[1].(string)] = fmt.Sprintf("<%x>", maphash.String(labelSeed, line))
				lines = append(lines, line)
			}
		}
		settled := maps.Equal(labels, next)
		labels = next
		if settled {
			break
		}
	}
	sort.Strings(lines)
	return canon{dump, strings.Join(lines, "\n"), labels}
}

var labelSeed = maphash.MakeSeed()

func canonicalRow(table string, row map[string]any, labels map[string]string) string {
	var b strings.Builder
	b.WriteString(table)
	for _, column := range slices.Sorted(maps.Keys(row)) {
		if column != "_uuid" && column != "_version" {
			fmt.Fprintf(&b, " %s=%s", column, canonicalValue(row[column], labels))
		}
	}
	return b.String()
}

// canonicalValue prints a value in the notation of RFC 7047.
func canonicalValue(v any, labels map[string]string) string {
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		return fmt.Sprintf("%#v", v)
	}
	switch list[0] {
	case "uuid":
		return "ref" + labels[list[1].(string)]
	case "set", "map":
		var elements []string
		for _, e := range list[1].([]any) {
			if list[0] == "map" {
				pair := e.([]any)
				elements = append(elements, canonicalValue(pair[0], labels)+":"+canonicalValue(pair[1], labels))
				continue
			}
			elements = append(elements, canonicalValue(e, labels))
		}
		sort.Strings(elements)
		return fmt.Sprintf("%v%q", list[0], elements)
	}
	return fmt.Sprintf("%#v", v)
}
