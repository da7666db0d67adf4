package ovsdbtest

import (
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// HasDangling reports whether a dump has references to rows that it does not have.
func HasDangling(schema *ovsdb.DatabaseSchema, dump wire.Value) bool {
	tables := schema.SortedTables()
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

// Likeness is how far two answers are the same.
type Likeness int

const (
	Different Likeness = iota
	Similar            // the same kind of error about another row
	Equal
)

// Compare compares the results of two transactions. The order of rows
// means nothing.
func Compare(a, b wire.Value) Likeness {
	if a.Kind() != wire.Array || b.Kind() != wire.Array {
		if a.String() == b.String() {
			return Equal
		}
		return Different
	}
	if a.Len() != b.Len() {
		return Different
	}
	result := Equal
	for i := range a.Len() {
		result = min(result, compareResults(a.Index(i), b.Index(i)))
	}
	return result
}

func compareResults(a, b wire.Value) Likeness {
	if canonical(a) == canonical(b) {
		return Equal
	}
	x, y := a.Get("details").Str(), b.Get("details").Str()
	if containsAny(x, mutationErrors) && containsAny(y, mutationErrors) {
		return Similar
	}
	if tag := a.Get("error").Str(); tag == "" || tag != b.Get("error").Str() {
		return Different
	}
	if a.Get("error").Str() == "timed out" {
		return Similar // how long it took is in the text, and whether that was no time
	}
	for _, kind := range manyErrors {
		if strings.Contains(x, kind) && strings.Contains(y, kind) {
			return Similar
		}
	}
	// The two texts of a weak reference column that became empty.
	if strings.Contains(x, "column to become empty") && strings.Contains(y, "not allowed to be empty") ||
		strings.Contains(y, "column to become empty") && strings.Contains(x, "not allowed to be empty") {
		return Similar
	}
	return Different
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
