// Package ovsdbtest makes random transactions for OVSDB databases of any schema, and compares
// what two servers make of them. It is for tests.
package ovsdbtest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Generator makes random requests for a schema. Values come from small sets,
// so that rows meet, and some are bad.
type Generator struct {
	schema *ovsdb.DatabaseSchema
	tables []*ovsdb.TableSchema
	ids    map[string][]ovsdb.UUID // by table: the UUIDs of all rows, past, present and future
	bad    bool                    // also make operations that are errors in themselves
	has    func(table string, id ovsdb.UUID) bool
	fresh  map[string][]ovsdb.UUID // by table: rows that the request inserts
	before []string                // operations that the one being made needs before it
}

const idsPerTable = 5

// free returns a UUID for a new row: most often one that is not in use.
func (g *Generator) free(t *rapid.T, table string) ovsdb.UUID {
	id := rapid.SampledFrom(g.ids[table]).Draw(t, "uuid")
	for _, other := range g.ids[table] {
		if !g.has(table, id) && !slices.Contains(g.fresh[table], id) || g.bad && chance(t, 8, "in use") {
			break
		}
		id = other
	}
	g.fresh[table] = append(g.fresh[table], id)
	return id
}

// target returns a UUID to refer to: most often that of a row.
func (g *Generator) target(t *rapid.T, table string) ovsdb.UUID {
	if g.bad && chance(t, 25, "any row") {
		return rapid.SampledFrom(g.ids[table]).Draw(t, "uuid")
	}
	var live []ovsdb.UUID
	for _, id := range g.ids[table] {
		if g.has(table, id) {
			live = append(live, id)
		}
	}
	if fresh := g.fresh[table]; len(fresh) > 0 && (len(live) == 0 || rapid.Bool().Draw(t, "fresh")) {
		return rapid.SampledFrom(fresh).Draw(t, "fresh row")
	}
	if len(live) == 0 {
		// None yet: insert one first.
		op := g.insert(t, g.schema.Tables[table])
		g.before = append(g.before, op)
		return g.fresh[table][0]
	}
	return rapid.SampledFrom(live).Draw(t, "row")
}

// NewGenerator returns a generator. has tells whether there is a row now: so most requests can
// succeed. With bad, there are also requests that are errors in themselves.
func NewGenerator(schema *ovsdb.DatabaseSchema, bad bool, has func(table string, id ovsdb.UUID) bool) *Generator {
	g := &Generator{schema: schema, tables: schema.SortedTables(), ids: map[string][]ovsdb.UUID{},
		bad: bad, has: has, fresh: map[string][]ovsdb.UUID{}}
	for i, ts := range g.tables {
		for k := range idsPerTable {
			var u ovsdb.UUID
			u[0], u[1], u[6], u[8] = byte(i+1), byte(k+1), 0x40, 0x80
			g.ids[ts.Name] = append(g.ids[ts.Name], u)
		}
	}
	return g
}

// Request is the params of a transact call.
func (g *Generator) Request(t *rapid.T) string {
	ops := []string{fmt.Sprintf("%q", g.schema.Name)}
	g.fresh = map[string][]ovsdb.UUID{}
	for range rapid.IntRange(1, 6).Draw(t, "operations") {
		g.before = nil
		op := g.operation(t)
		ops = append(append(ops, g.before...), op)
	}
	return "[" + strings.Join(ops, ",") + "]"
}

// one in n.
func chance(t *rapid.T, n int, label string) bool { return rapid.IntRange(0, n-1).Draw(t, label) == 1 }

func (g *Generator) operation(t *rapid.T) string {
	ts := g.tables[rapid.IntRange(0, len(g.tables)-1).Draw(t, "table")]
	kind := rapid.SampledFrom([]string{
		"insert", "insert", "insert", "insert", "update", "update", "mutate", "mutate", "delete", "select", "wait", "other",
	}).Draw(t, "operation")
	if g.bad && chance(t, 40, "malformed") {
		return rapid.SampledFrom([]string{
			`{"op":"insert","table":"None","row":{}}`, `{"op":"x"}`, `{"op":"insert"}`, `1`, `{}`,
			`{"op":"insert","table":"` + ts.Name + `","row":1}`,
			`{"op":"insert","table":"` + ts.Name + `","row":{"none":1}}`,
			`{"op":"insert","table":"` + ts.Name + `","row":{},"extra":1}`,
			`{"op":"insert","table":"` + ts.Name + `","row":{},"uuid":"x"}`,
			`{"op":"insert","table":"` + ts.Name + `","row":{},"uuid-name":"1x"}`,
			`{"op":"update","table":"` + ts.Name + `","row":{},"where":{}}`,
			`{"op":"update","table":"` + ts.Name + `","row":{"_uuid":["uuid","` + g.ids[ts.Name][0].String() + `"]},"where":[]}`,
			`{"op":"delete","table":"` + ts.Name + `"}`,
			`{"op":"delete","table":"` + ts.Name + `","where":[["none","==",1]]}`,
			`{"op":"delete","table":"` + ts.Name + `","where":[["_uuid","is",1]]}`,
			`{"op":"delete","table":"` + ts.Name + `","where":[1]}`,
			`{"op":"select","table":"` + ts.Name + `","where":[],"columns":["none"]}`,
			`{"op":"select","table":"` + ts.Name + `","where":[],"columns":["_uuid","_uuid"]}`,
			`{"op":"mutate","table":"` + ts.Name + `","where":[],"mutations":[["_uuid","insert",1]]}`,
			`{"op":"mutate","table":"` + ts.Name + `","where":[],"mutations":[1]}`,
			`{"op":"wait","table":"` + ts.Name + `","where":[],"columns":[],"until":"=","rows":[],"timeout":0}`,
			`{"op":"wait","table":"` + ts.Name + `","where":[],"columns":[],"until":"==","rows":[1],"timeout":0}`,
			`{"op":"wait","table":"` + ts.Name + `","where":[],"columns":[],"until":"==","rows":[],"timeout":-1}`,
			`{"op":"abort"}`, `{"op":"assert","lock":"l"}`, `{"op":"assert","lock":1}`, `{"op":"commit"}`,
			`{"op":"commit","durable":1}`, `{"op":"comment"}`, `{"op":"comment","comment":3}`,
		}).Draw(t, "malformed operation")
	}
	switch kind {
	case "insert":
		return g.insert(t, ts)
	case "update":
		return fmt.Sprintf(`{"op":"update","table":%q,"where":%s,"row":%s}`, ts.Name, g.Where(t, ts), g.row(t, ts, true))
	case "mutate":
		return fmt.Sprintf(`{"op":"mutate","table":%q,"where":%s,"mutations":%s}`, ts.Name, g.Where(t, ts), g.mutations(t, ts))
	case "delete":
		return fmt.Sprintf(`{"op":"delete","table":%q,"where":%s}`, ts.Name, g.Where(t, ts))
	case "select":
		return fmt.Sprintf(`{"op":"select","table":%q,"where":%s,"columns":%s}`, ts.Name, g.Where(t, ts), g.columns(t, ts))
	case "wait":
		return fmt.Sprintf(`{"op":"wait","timeout":0,"table":%q,"where":%s,"columns":%s,"until":%q,"rows":[%s]}`, ts.Name,
			g.Where(t, ts), g.columns(t, ts), rapid.SampledFrom([]string{"!=", "!=", "!=", "=="}).Draw(t, "until"),
			strings.Join(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return g.row(t, ts, false) }), 0, 2).Draw(t, "rows"), ","))
	}
	return rapid.SampledFrom([]string{`{"op":"comment","comment":"c"}`, `{"op":"commit","durable":false}`}).Draw(t, "other")
}

func (g *Generator) insert(t *rapid.T, ts *ovsdb.TableSchema) string {
	id := g.free(t, ts.Name)
	return fmt.Sprintf(`{"op":"insert","table":%q,"uuid":"%s","row":%s}`, ts.Name, id, g.row(t, ts, false))
}

// row gives some columns values. At most one is bad, as it is not defined
// which of several is reported.
func (g *Generator) row(t *rapid.T, ts *ovsdb.TableSchema, mutable bool) string {
	var members []string
	bad := g.bad && chance(t, 12, "bad row")
	for _, c := range ts.Columns {
		// A column without a valid default has to be given.
		needed := !mutable && (ovsdb.Default(&c.Type).Check(&c.Type) != nil || c.Type.Min > 0 && c.Type.Key.IsRef())
		if mutable && !c.Mutable && !(bad && len(members) == 0) || !needed && rapid.IntRange(0, 2).Draw(t, "give "+c.Name) == 0 {
			continue
		}
		if bad && !(mutable && !c.Mutable) {
			bad = false
			members = append(members, fmt.Sprintf("%q:%s", c.Name, g.badValue(t, &c.Type)))
			continue
		}
		members = append(members, fmt.Sprintf("%q:%s", c.Name, g.value(t, &c.Type)))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (g *Generator) badValue(t *rapid.T, typ *ovsdb.Type) string {
	return rapid.SampledFrom([]string{
		`"long word"`, `99`, `-99`, `1e9`, `null`, `true`, `["set",[1,1]]`, `["set",[1,2,3,4,5]]`, `["set",[]]`, `["map",[]]`,
		`["map",[["a",-1]]]`, `["map",[["a",1],["a",2]]]`, `["map",[1]]`, `["uuid","x"]`, `["set"]`, `{}`, `["named-uuid","9"]`, `9007199254740993`,
	}).Draw(t, "bad value")
}

// value is one that typ allows.
func (g *Generator) value(t *rapid.T, typ *ovsdb.Type) string {
	n := rapid.IntRange(typ.Min, min(typ.Max, 3)).Draw(t, "n")
	seen := map[string]bool{}
	var elems []string
	for range n {
		key := g.atom(t, &typ.Key)
		if seen[key] || typ.Min == 0 && typ.Key.IsRef() && key == zeroRef {
			continue
		}
		seen[key] = true
		if typ.IsMap() {
			key = "[" + key + "," + g.atom(t, &typ.Value) + "]"
		}
		elems = append(elems, key)
	}
	switch {
	case typ.IsMap():
		return `["map",[` + strings.Join(elems, ",") + `]]`
	case len(elems) == 1:
		return elems[0]
	}
	return `["set",[` + strings.Join(elems, ",") + `]]`
}

var zeroRef = string(ovsdb.AppendUUID(nil, ovsdb.UUID{}))

func (g *Generator) atom(t *rapid.T, b *ovsdb.BaseType) string {
	if b.Enum != nil {
		i := rapid.IntRange(0, b.Enum.Len()-1).Draw(t, "enum")
		return string(ovsdb.AppendAtom(nil, b.Enum.Key(i), b.Type))
	}
	switch b.Type {
	case ovsdb.Integer:
		lo, hi := int64(0), int64(3)
		lo, hi = max(lo, b.MinInt), min(hi, b.MaxInt)
		if lo > hi {
			lo, hi = b.MinInt, min(b.MaxInt, b.MinInt+3)
		}
		if g.bad && chance(t, 20, "huge") && b.MaxInt == math.MaxInt64 {
			return "9223372036854775806"
		}
		return fmt.Sprint(rapid.Int64Range(lo, hi).Draw(t, "integer"))
	case ovsdb.Real:
		return rapid.SampledFrom([]string{"0", "1", "0.5", "-2.25", "1e1"}).Draw(t, "real")
	case ovsdb.Boolean:
		return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "boolean")
	case ovsdb.String:
		return rapid.SampledFrom([]string{`""`, `"a"`, `"b"`, `"c"`, `"d"`, `"e"`, `"f"`, `"\u00e9\n"`}).Draw(t, "string")
	}
	table := b.RefTable
	if table == "" {
		table = g.tables[rapid.IntRange(0, len(g.tables)-1).Draw(t, "any table")].Name
	}
	if g.bad && chance(t, 40, "no row") {
		return `["uuid","ffffffff-0000-4000-8000-000000000000"]`
	}
	return string(ovsdb.AppendUUID(nil, g.target(t, table)))
}

// Where is a condition on the rows of a table.
func (g *Generator) Where(t *rapid.T, ts *ovsdb.TableSchema) string {
	if chance(t, 3, "by uuid") {
		return fmt.Sprintf(`[["_uuid","==",%s]]`, ovsdb.AppendUUID(nil, g.target(t, ts.Name)))
	}
	if len(ts.Indexes) > 0 && chance(t, 4, "by index") {
		var clauses []string
		for _, c := range ts.Indexes[rapid.IntRange(0, len(ts.Indexes)-1).Draw(t, "index")] {
			clauses = append(clauses, fmt.Sprintf(`[%q,"==",%s]`, c.Name, g.value(t, &c.Type)))
		}
		return "[" + strings.Join(clauses, ",") + "]"
	}
	clauses := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		c := ts.Columns[rapid.IntRange(0, len(ts.Columns)-1).Draw(t, "column")]
		f := rapid.SampledFrom([]string{"==", "!=", "includes", "excludes", "<", ">=", ">", "<="}).Draw(t, "function")
		if strings.ContainsAny(f, "<>") && !g.bad && !(c.Type.Key.Type == ovsdb.Integer && c.Type.IsScalar()) {
			f = "!="
		}
		return fmt.Sprintf(`[%q,%q,%s]`, c.Name, f, g.value(t, &c.Type))
	}), 0, 2).Draw(t, "where")
	return "[" + strings.Join(clauses, ",") + "]"
}

func (g *Generator) mutations(t *rapid.T, ts *ovsdb.TableSchema) string {
	ms := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		c := ts.Columns[rapid.IntRange(0, len(ts.Columns)-1).Draw(t, "column")]
		numeric := (c.Type.Key.Type == ovsdb.Integer || c.Type.Key.Type == ovsdb.Real) && !c.Type.IsMap()
		composite := c.Type.IsSet() || c.Type.IsMap()
		if !g.bad && (!c.Mutable || !numeric && !composite) {
			return ""
		}
		if numeric && (!composite || rapid.Bool().Draw(t, "arithmetic")) {
			return fmt.Sprintf(`[%q,%q,%d]`, c.Name, rapid.SampledFrom([]string{"+=", "-=", "*=", "/="}).Draw(t, "mutator"),
				rapid.IntRange(0, 3).Draw(t, "operand"))
		}
		arg := c.Type
		arg.Min = 0
		return fmt.Sprintf(`[%q,%q,%s]`, c.Name, rapid.SampledFrom([]string{"insert", "delete"}).Draw(t, "mutator"), g.value(t, &arg))
	}), 0, 2).Draw(t, "mutations")
	ms = slices.DeleteFunc(ms, func(m string) bool { return m == "" })
	return "[" + strings.Join(ms, ",") + "]"
}

func (g *Generator) columns(t *rapid.T, ts *ovsdb.TableSchema) string {
	var names []string
	for _, c := range append(ovsdb.ColumnSet{ovsdb.UUIDColumn}, ts.Columns...) {
		if rapid.IntRange(0, 2).Draw(t, "column "+c.Name) > 0 {
			names = append(names, fmt.Sprintf("%q", c.Name))
		}
	}
	return "[" + strings.Join(names, ",") + "]"
}

// Clear is a request that deletes everything.
func Clear(schema *ovsdb.DatabaseSchema) string {
	ops := []string{fmt.Sprintf("%q", schema.Name)}
	for _, ts := range schema.SortedTables() {
		ops = append(ops, fmt.Sprintf(`{"op":"delete","table":%q,"where":[]}`, ts.Name))
	}
	return "[" + strings.Join(ops, ",") + "]"
}

// Dump is a request for the whole content, without versions.
func Dump(schema *ovsdb.DatabaseSchema) string {
	ops := []string{fmt.Sprintf("%q", schema.Name)}
	for _, ts := range schema.SortedTables() {
		columns := append(ovsdb.ColumnSet{ovsdb.UUIDColumn}, ts.Columns...)
		ops = append(ops, fmt.Sprintf(`{"op":"select","table":%q,"where":[],"columns":%s}`, ts.Name, columns.AppendJSON(nil)))
	}
	return "[" + strings.Join(ops, ",") + "]"
}
