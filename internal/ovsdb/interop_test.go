package ovsdb_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// The tests of this file give the same work to the C implementation, by way of
// ovsdb-tool and a file, and compare values and errors.

// manyTypes is a schema with a column of about every type.
const manyTypes = `{"name": "d", "version": "1.2.3", "tables": {"t": {"columns": {
	"n": {"type": "integer"},
	"i": {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 10}}},
	"imin": {"type": {"key": {"type": "integer", "minInteger": 5}, "min": 0}},
	"imax": {"type": {"key": {"type": "integer", "maxInteger": 5}}},
	"ie": {"type": {"key": {"type": "integer", "enum": ["set", [0, 4, 8]]}, "min": 0, "max": "unlimited"}},
	"r": {"type": "real"},
	"rr": {"type": {"key": {"type": "real", "minReal": -1.5, "maxReal": 2.5}}},
	"rmin": {"type": {"key": {"type": "real", "minReal": 0.1}, "min": 0}},
	"rmax": {"type": {"key": {"type": "real", "maxReal": 1e20}}},
	"b": {"type": "boolean"},
	"s": {"type": "string"},
	"sl": {"type": {"key": {"type": "string", "minLength": 2, "maxLength": 4}, "min": 0}},
	"se": {"type": {"key": {"type": "string", "enum": ["set", ["", "a b", "c", "true"]]}}},
	"u": {"type": "uuid"},
	"oi": {"type": {"key": "integer", "min": 0, "max": 1}},
	"or": {"type": {"key": "real", "min": 0, "max": 1}},
	"i3": {"type": {"key": "integer", "min": 0, "max": 3}},
	"is": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
	"is1": {"type": {"key": "integer", "min": 1, "max": "unlimited"}},
	"rs": {"type": {"key": "real", "min": 0, "max": "unlimited"}},
	"ss": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
	"bs": {"type": {"key": "boolean", "min": 0, "max": 2}},
	"us": {"type": {"key": "uuid", "min": 0, "max": "unlimited"}},
	"m": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
	"mi": {"type": {"key": "integer", "value": {"type": "integer", "maxInteger": 9}, "min": 0, "max": 2}},
	"m1": {"type": {"key": "integer", "value": "boolean"}},
	"fixed": {"type": "integer", "mutable": false}}}}}`

type cTool struct {
	env    *testenv.Env
	file   string
	schema *ovsdb.DatabaseSchema
	table  *ovsdb.TableSchema
}

func newCTool(t *testing.T) *cTool {
	testenv.Program(t, "ovsdb-tool")
	c := &cTool{env: testenv.OVS(t)}
	dir := t.TempDir()
	c.file = filepath.Join(dir, "db")
	schema := filepath.Join(dir, "schema")
	if err := os.WriteFile(schema, []byte(manyTypes), 0o600); err != nil {
		t.Fatal(err)
	}
	c.env.Output(t, "ovsdb-tool", "create", c.file, schema)
	c.schema = mustSchema(t, manyTypes)
	c.table = c.schema.Tables["t"]
	return c
}

// query runs ops, the elements of an array of operations, without effect on
// the file, and returns the results.
func (c *cTool) query(t *testing.T, ops ...string) []wire.Value {
	t.Helper()
	out := c.env.Output(t, "ovsdb-tool", "query", c.file, `["d",`+strings.Join(ops, ",")+`]`)
	v := mustParse(t, out)
	return slices.Collect(v.Elems())
}

func mustParse(t testing.TB, s string) wire.Value {
	t.Helper()
	v, err := wire.ParseString(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

func mustSchema(t testing.TB, s string) *ovsdb.DatabaseSchema {
	t.Helper()
	schema, err := ovsdb.ParseSchema(mustParse(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func errorText(err error) string { return string(ovsdb.AsError(err).AppendJSON(nil)) }

var interopValues = []struct{ column, value string }{
	{"n", `0`}, {"n", `-9223372036854775808`}, {"n", `9223372036854775807`}, {"n", `9223372036854775808`},
	{"n", `1.0`}, {"n", `1e3`}, {"n", `15e-1`}, {"n", `-0.0`}, {"n", `"1"`}, {"n", `null`}, {"n", `true`},
	{"n", `[]`}, {"n", `{}`}, {"n", `{"b":1,"a":[1.50]}`}, {"n", `["set",[7]]`}, {"n", `["set",[]]`}, {"n", `["set",[1,2]]`},
	{"n", `["set",7]`}, {"n", `["set"]`}, {"n", `["set",[1],2]`}, {"n", `["map",[]]`}, {"n", `["set",["x"]]`}, {"n", `[["set"]]`},
	{"n", `["uuid","550e8400-e29b-41d4-a716-446655440000"]`},
	{"i", `0`}, {"i", `10`}, {"i", `-1`}, {"i", `11`}, {"imin", `5`}, {"imin", `4`}, {"imax", `5`}, {"imax", `6`},
	{"ie", `4`}, {"ie", `3`}, {"ie", `["set",[8,0]]`}, {"ie", `["set",[0,4,5]]`}, {"ie", `["set",[4,4]]`},
	{"r", `0`}, {"r", `-0.0`}, {"r", `1.5`}, {"r", `0.1`}, {"r", `1e300`}, {"r", `1e-300`}, {"r", `123456789.123456789`},
	{"r", `9223372036854775807`}, {"r", `12345678901234567890`}, {"r", `"x"`}, {"r", `1e-5`}, {"r", `100000`}, {"r", `1e15`},
	{"rr", `-1.5`}, {"rr", `2.5`}, {"rr", `2.50001`}, {"rr", `-1e9`}, {"rmin", `0.1`}, {"rmin", `0.05`}, {"rmax", `1e20`}, {"rmax", `1e21`},
	{"b", `true`}, {"b", `false`}, {"b", `0`}, {"b", `"true"`},
	{"s", `""`}, {"s", `"abc"`}, {"s", `"\"\\\/\b\f\n\r\t\u0001\u00e9\ud834\udd1e"`}, {"s", `1`}, {"s", `["set",["x"]]`},
	{"s", "\"\xc0\""}, {"s", "\"ab\xed\xa0\x80\""}, {"s", "\"\xe2\x82\""}, {"s", "\"é\xf0\x9d\""}, {"s", "\"\xff\""}, {"s", `"\udc00"`},
	{"s", "\"\xf5\x80\x80\x80\""}, {"s", "\"\xf4\x90\x80\x80\""}, {"s", "\"\xe0\x80\x80\""}, {"s", "\"\xc3(\""},
	{"sl", `"ab"`}, {"sl", `"éé"`}, {"sl", `"a"`}, {"sl", `"é"`}, {"sl", `"éééé"`}, {"sl", `"ééééé"`}, {"sl", `["set",[]]`}, {"sl", `["set",["ab","cd"]]`},
	{"se", `""`}, {"se", `"a b"`}, {"se", `"x"`}, {"se", `"x y"`}, {"se", `"false"`}, {"se", `"550e8400-e29b-41d4-a716-446655440000"`},
	{"u", `["uuid","550E8400-e29b-41d4-a716-446655440000"]`}, {"u", `["uuid","550e8400-e29b-41d4-a716-44665544000"]`},
	{"u", `["uuid","550e8400-e29b-41d4-a716-4466554400000"]`}, {"u", `["uuid",1]`}, {"u", `["uuid"]`}, {"u", `"x"`},
	{"u", `["named-uuid","a-b"]`}, {"u", `["named-uuid",1]`}, {"u", `["named-uuid",""]`}, {"u", `["uuid","550e8400ee29b-41d4-a716-446655440000"]`},
	{"oi", `["set",[]]`}, {"oi", `5`}, {"oi", `["set",[5,6]]`}, {"i3", `["set",[3,1,2]]`}, {"i3", `["set",[3,1,2,4]]`}, {"i3", `["set",[3,1,3]]`},
	{"is", `["set",[5,-1,3]]`}, {"is", `["set",[1.0,1]]`}, {"is1", `["set",[]]`}, {"is1", `4`}, {"rs", `["set",[0.5,-0.5,0]]`}, {"rs", `["set",[0,-0.0]]`},
	{"ss", `["set",["b","a","B",""]]`}, {"ss", `["set",["b","b"]]`}, {"bs", `["set",[true,false]]`}, {"bs", `["set",[true,false,true]]`},
	{"us", `["set",[["uuid","550e8400-e29b-41d4-a716-446655440000"],["uuid","00000000-0000-0000-0000-000000000000"]]]`},
	{"us", `["set",["uuid","550e8400-e29b-41d4-a716-446655440000"]]`},
	{"m", `["map",[]]`}, {"m", `["map",[["k","v"],["a","b"]]]`}, {"m", `["map",[["k","v"],["k","w"]]]`}, {"m", `["map",[["k"]]]`}, {"m", `["map",["k","v"]]`},
	{"m", `["set",[]]`}, {"m", `{}`}, {"m", `{"k":"v"}`}, {"m", `"k"`}, {"m", `["map",[["k",1]]]`}, {"m", `["map",[[1,"v"]]]`}, {"m", `["map",{}]`},
	{"mi", `["map",[[1,9],[0,-1]]]`}, {"mi", `["map",[[1,10]]]`}, {"mi", `["map",[[1,1],[2,2],[3,3]]]`}, {"m1", `["map",[]]`}, {"m1", `["map",[[1,true]]]`},
	{"m1", `["map",[[1,true],[2,false]]]`},
}

func TestInteropValues(t *testing.T) {
	c := newCTool(t)
	for _, test := range interopValues {
		t.Run(test.column+"="+test.value, func(t *testing.T) {
			column := c.table.Column(test.column)
			results := c.query(t,
				fmt.Sprintf(`{"op":"insert","table":"t","row":{"%s":%s}}`, test.column, test.value),
				fmt.Sprintf(`{"op":"select","table":"t","where":[],"columns":["%s"]}`, test.column))
			d, err := ovsdb.ParseDatum(mustParse(t, test.value), &column.Type, new(ovsdb.SymbolTable))
			if err != nil {
				if got, want := errorText(err), results[0].String(); got != want {
					t.Errorf("got error %s\nC has    %s", got, want)
				}
				return
			}
			if results[0].Get("error").Exists() {
				t.Fatalf("no error; C has %s", results[0])
			}
			got := string(ovsdb.AppendDatum(nil, d, &column.Type))
			if want := string(results[1].Get("rows").Index(0).Get(test.column).Raw()); got != want {
				t.Errorf("got %s, C has %s", got, want)
			}
		})
	}
}

// interopRows are the rows that conditions are tried on; n tells them apart.
var interopRows = []string{
	`{"n":1}`,
	`{"n":2,"i":5,"r":-0.5,"b":true,"s":"x","oi":5,"or":1.5,"is":["set",[1,2]],"ss":["set",["a","b"]],"m":["map",[["k","v"],["l","w"]]]}`,
	`{"n":3,"i":6,"r":0.5,"s":"y","oi":6,"or":2.5,"is":2,"ss":"b","m":["map",[["k","w"]]],"u":["uuid","550e8400-e29b-41d4-a716-446655440000"]}`,
	`{"n":4,"i":10,"r":7,"s":"","oi":-6,"is":["set",[1,2,3]],"bs":["set",[true,false]],"m1":["map",[[4,true]]]}`,
}

var interopConditions = []string{
	`[]`, `[true]`, `[false]`, `[true,false]`, `[["i","==",5]]`, `[["i","!=",5]]`, `[["i","<",6]]`, `[["i","<=",6]]`, `[["i",">",5]]`, `[["i",">=",5]]`,
	`[["i","==",11]]`, `[["i","<",11]]`, `[["i","includes",5]]`, `[["i","excludes",5]]`, `[["i",">=",5],["i","<",10]]`, `[["i","==","x"]]`,
	`[["r","<",0.5]]`, `[["r","<=",0.5]]`, `[["r",">",0]]`, `[["r","==",7]]`, `[["b","==",true]]`, `[["b","<",true]]`, `[["s","==","x"]]`, `[["s","<","x"]]`,
	`[["oi","<",6]]`, `[["oi","<",["set",[]]]]`, `[["oi","==",["set",[]]]]`, `[["oi","!=",["set",[]]]]`, `[["oi","includes",5]]`, `[["oi","excludes",5]]`,
	`[["oi","includes",["set",[]]]]`, `[["oi","excludes",["set",[5,6]]]]`, `[["oi","includes",["set",[5,6]]]]`, `[["or",">=",2]]`, `[["or","==",1.5]]`,
	`[["is","==",["set",[2,1]]]]`, `[["is","!=",["set",[2,1]]]]`, `[["is","includes",2]]`, `[["is","includes",["set",[1,3]]]]`, `[["is","excludes",["set",[1,3]]]]`,
	`[["is","<",3]]`, `[["is","==",["set",[2,2]]]]`, `[["i3","includes",["set",[1,2,3,4]]]]`, `[["i3","excludes",["set",[1,2,3,4]]]]`,
	`[["ss","includes","b"]]`, `[["m","includes",["map",[["k","v"]]]]]`, `[["m","excludes",["map",[["k","v"]]]]]`, `[["m","==",["map",[["k","w"]]]]]`,
	`[["m","includes","k"]]`, `[["m","<",["map",[]]]]`, `[["m1","==",["map",[[4,true]]]]]`, `[["u","==",["uuid","550e8400-e29b-41d4-a716-446655440000"]]]`,
	`[["_uuid","==",["uuid","550e8400-e29b-41d4-a716-446655440000"]]]`, `[["_uuid","!=",["uuid","550e8400-e29b-41d4-a716-446655440000"]]]`,
	`[["_uuid","includes",["uuid","550e8400-e29b-41d4-a716-446655440000"]]]`, `[["_uuid","<",["uuid","550e8400-e29b-41d4-a716-446655440000"]]]`,
	`[["_version","==",["uuid","550e8400-e29b-41d4-a716-446655440000"]]]`, `[["nope","==",1]]`, `[["i","=",1]]`, `[["i"]]`, `[["i","==",1,2]]`, `[[1,"==",1]]`,
	`[["i",1,1]]`, `[1]`, `["i"]`, `[{"b":1,"a":2}]`, `[["bs","<",true]]`, `[["is1","includes",["set",[]]]]`, `[["sl","==","toolong"]]`, `[["se","!=","a"]]`,
}

func TestInteropConditions(t *testing.T) {
	c := newCTool(t)
	var ops []string
	var rows []*ovsdb.Row
	for i, r := range interopRows {
		ops = append(ops, fmt.Sprintf(`{"op":"insert","table":"t","row":%s}`, r))
		rows = append(rows, makeRow(t, c.table, r))
		rows[i].UUID = ovsdb.NewUUID()
	}
	for _, where := range interopConditions {
		t.Run(where, func(t *testing.T) {
			results := c.query(t, append(slices.Clone(ops), fmt.Sprintf(`{"op":"select","table":"t","where":%s,"columns":["n"]}`, where))...)
			result := results[len(rows)]
			cond, err := ovsdb.ParseCondition(mustParse(t, where), c.table, nil)
			if err != nil {
				if got, want := errorText(err), result.String(); got != want {
					t.Errorf("got error %s\nC has    %s", got, want)
				}
				return
			}
			if result.Get("error").Exists() {
				t.Fatalf("no error; C has %s", result)
			}
			var got, want []int64
			for _, r := range rows {
				if cond.Matches(r) {
					got = append(got, r.Field(c.table.Column("n")).Key(0).Int())
				}
			}
			for r := range result.Get("rows").Elems() {
				want = append(want, r.Get("n").Int())
			}
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got rows %v, C has %v", got, want)
			}
		})
	}
}

// makeRow builds a row of ts from an RFC 7047 <row>.
func makeRow(t testing.TB, ts *ovsdb.TableSchema, text string) *ovsdb.Row {
	t.Helper()
	values := make([]ovsdb.Datum, len(ts.Columns))
	for i, c := range ts.Columns {
		values[i] = ovsdb.Default(&c.Type)
	}
	for name, v := range mustParse(t, text).Members() {
		c := ts.Column(name)
		d, err := ovsdb.ParseDatum(v, &c.Type, nil)
		if err != nil {
			t.Fatal(err)
		}
		values[c.Index] = d
	}
	return ovsdb.NewRow(ovsdb.NewUUID(), values)
}

var interopMutations = []struct{ row, mutations string }{
	{`{"n":7}`, `[["n","+=",3]]`}, {`{"n":7}`, `[["n","-=",3]]`}, {`{"n":7}`, `[["n","*=",-3]]`}, {`{"n":7}`, `[["n","/=",2]]`}, {`{"n":-7}`, `[["n","/=",2]]`},
	{`{"n":7}`, `[["n","%=",4]]`}, {`{"n":-7}`, `[["n","%=",4]]`}, {`{"n":7}`, `[["n","/=",0]]`}, {`{"n":7}`, `[["n","%=",0]]`},
	{`{"n":9223372036854775807}`, `[["n","+=",1]]`}, {`{"n":9223372036854775807}`, `[["n","+=",0]]`}, {`{"n":-9223372036854775808}`, `[["n","+=",-1]]`},
	{`{"n":-9223372036854775808}`, `[["n","-=",1]]`}, {`{"n":-9223372036854775808}`, `[["n","-=",-9223372036854775808]]`}, {`{"n":0}`, `[["n","-=",-9223372036854775808]]`},
	{`{"n":-9223372036854775808}`, `[["n","/=",-1]]`}, {`{"n":-9223372036854775808}`, `[["n","%=",-1]]`},
	{`{"n":9223372036854775807}`, `[["n","*=",1]]`}, {`{"n":1}`, `[["n","*=",9223372036854775807]]`}, {`{"n":-1}`, `[["n","*=",9223372036854775807]]`},
	{`{"n":4611686018427387904}`, `[["n","*=",2]]`}, {`{"n":4611686018427387904}`, `[["n","*=",-2]]`}, {`{"n":0}`, `[["n","*=",-9223372036854775808]]`},
	// Not here: what old servers get wrong, or die of. See TestMutationArithmetic.
	{`{"n":1}`, `[["n","+=",1],["n","*=",10],["n","-=",5]]`}, {`{"n":1}`, `[["n","+=",1.5]]`}, {`{"n":1}`, `[["n","+=",["set",[1]]]]`},
	{`{"n":1}`, `[["n","+=",["set",[1,2]]]]`}, {`{"n":1}`, `[["n","insert",1]]`}, {`{"n":1}`, `[["n","^=",1]]`}, {`{"n":1}`, `[["nope","+=",1]]`}, {`{"n":1}`, `[["n","+="]]`},
	{`{"n":1}`, `[1]`}, {`{"n":1}`, `[]`}, {`{"n":1}`, `[["fixed","+=",1]]`}, {`{"n":1}`, `[["_uuid","+=",1]]`}, {`{"n":1}`, `[["_version","+=",1]]`},
	{`{"i":7}`, `[["i","+=",3]]`}, {`{"i":7}`, `[["i","+=",4]]`}, {`{"i":7}`, `[["i","+=",100],["i","-=",100]]`}, {`{"i":7}`, `[["i","-=",8]]`},
	{`{"r":1.5}`, `[["r","+=",0.25]]`}, {`{"r":1.5}`, `[["r","/=",0]]`}, {`{"r":1.5}`, `[["r","%=",1]]`}, {`{"r":1e300}`, `[["r","*=",1e300]]`}, {`{"r":1e300}`, `[["r","*=",-1e10]]`},
	{`{"r":1.5}`, `[["r","/=",-2]]`}, {`{"rr":1}`, `[["rr","+=",2]]`}, {`{"s":"x"}`, `[["s","+=",1]]`}, {`{"b":true}`, `[["b","*=",1]]`},
	{`{"is":["set",[1,2,3]]}`, `[["is","+=",10]]`}, {`{"is":["set",[-2,0,2]]}`, `[["is","/=",3]]`}, {`{"is":["set",[1,2,3]]}`, `[["is","*=",-1]]`}, {`{"is":["set",[]]}`, `[["is","+=",1]]`},
	{`{"is":["set",[1,2,3]]}`, `[["is","insert",["set",[3,4,0]]]]`}, {`{"is":["set",[1,2,3]]}`, `[["is","delete",["set",[3,4]]]]`}, {`{"is":["set",[1,2,3]]}`, `[["is","insert",["set",[]]]]`},
	{`{"is":["set",[1,2,3]]}`, `[["is","delete",["set",[3,3]]]]`}, {`{"i3":["set",[1,2]]}`, `[["i3","insert",["set",[2,3]]]]`}, {`{"i3":["set",[1,2]]}`, `[["i3","insert",["set",[3,4]]]]`},
	{`{"i3":["set",[1,2]]}`, `[["i3","insert",["set",[3,4,5,6]]]]`}, {`{"i3":["set",[1,2]]}`, `[["i3","delete",["set",[3,4,5,6,1]]]]`}, {`{"is1":["set",[1,2]]}`, `[["is1","delete",["set",[1,2]]]]`},
	{`{"oi":["set",[]]}`, `[["oi","insert",1]]`}, {`{"oi":1}`, `[["oi","insert",2]]`}, {`{"oi":1}`, `[["oi","delete",1]]`}, {`{"oi":1}`, `[["oi","+=",1]]`},
	{`{"rs":["set",[0.5,1.5]]}`, `[["rs","*=",0]]`}, {`{"ss":["set",["a","b"]]}`, `[["ss","delete","a"],["ss","insert",["set",["c","B"]]]]`}, {`{"ss":"a"}`, `[["ss","insert",5]]`},
	{`{"ie":["set",[0,4]]}`, `[["ie","+=",4]]`}, {`{"ie":["set",[0,4]]}`, `[["ie","+=",1]]`}, {`{"ie":["set",[0]]}`, `[["ie","insert",3]]`},
	{`{"m":["map",[["k","v"],["l","w"]]]}`, `[["m","insert",["map",[["k","x"],["n","y"]]]]]`}, {`{"m":["map",[["k","v"],["l","w"]]]}`, `[["m","delete",["map",[["k","x"],["l","w"]]]]]`},
	{`{"m":["map",[["k","v"],["l","w"]]]}`, `[["m","delete",["set",["k","z"]]]]`}, {`{"m":["map",[["k","v"],["l","w"]]]}`, `[["m","delete","k"]]`}, {`{"m":["map",[["k","v"]]]}`, `[["m","delete",5]]`},
	{`{"m":["map",[["k","v"]]]}`, `[["m","insert","k"]]`}, {`{"m":["map",[["k","v"]]]}`, `[["m","+=",1]]`}, {`{"m":["map",[["k","v"]]]}`, `[["m","delete",["map",[["k"]]]]]`},
	{`{"mi":["map",[[1,1],[2,2]]]}`, `[["mi","insert",["map",[[3,3]]]]]`}, {`{"mi":["map",[[1,1],[2,2]]]}`, `[["mi","delete",["set",[1,2,3]]]]`},
	{`{"m1":["map",[[1,true]]]}`, `[["m1","delete",1]]`}, {`{"m1":["map",[[1,true]]]}`, `[["m1","insert",["map",[[2,true]]]]]`},
}

func TestInteropMutations(t *testing.T) {
	c := newCTool(t)
	for _, test := range interopMutations {
		t.Run(test.row+test.mutations, func(t *testing.T) {
			results := c.query(t,
				fmt.Sprintf(`{"op":"insert","table":"t","row":%s}`, test.row),
				fmt.Sprintf(`{"op":"mutate","table":"t","where":[],"mutations":%s}`, test.mutations),
				`{"op":"select","table":"t","where":[]}`)
			row := makeRow(t, c.table, test.row)
			before := row.AppendValues(nil)
			values := slices.Clone(before)
			ms, err := ovsdb.ParseMutations(mustParse(t, test.mutations), c.table, nil)
			if err == nil {
				err = ms.Apply(values)
			}
			if err != nil {
				if got, want := errorText(err), results[1].String(); got != want {
					t.Errorf("got error %s\nC has    %s", got, want)
				}
				return
			}
			if results[1].Get("error").Exists() {
				t.Fatalf("no error; C has %s", results[1])
			}
			want := results[2].Get("rows").Index(0)
			original := makeRow(t, c.table, test.row)
			row = ovsdb.NewRow(row.UUID, values)
			for i, col := range c.table.Columns {
				if got, want := string(row.AppendField(nil, col)), string(want.Get(col.Name).Raw()); got != want {
					t.Errorf("%s: got %s, C has %s", col.Name, got, want)
				}
				if !before[i].Equal(original.At(i), &col.Type) {
					t.Errorf("%s: the mutation changed the datum in place", col.Name)
				}
			}
		})
	}
}

var interopSchemas = []struct{ name, schema string }{
	{"many types", manyTypes},
	{"no name", `{"tables":{}}`}, {"name is no id", `{"name":"a-b","tables":{}}`}, {"no tables", `{"name":"d"}`}, {"empty", `{"name":"d","tables":{}}`},
	{"array", `[]`}, {"version", `{"name":"d","version":"1.2","tables":{}}`}, {"version with text", `{"name":"d","version":"1.2.3a","tables":{}}`}, {"cksum", `{"name":"d","version":"1.2.3","cksum":"12 34","tables":{}}`},
	{"one other member", `{"name":"d","tables":{},"x":1}`}, {"tables array", `{"name":"d","tables":[]}`},
	{"table name reserved", `{"name":"d","tables":{"_t":{"columns":{"a":{"type":"integer"}}}}}`}, {"table name no id", `{"name":"d","tables":{"a b":{"columns":{"a":{"type":"integer"}}}}}`},
	{"table no object", `{"name":"d","tables":{"t":[]}}`}, {"no columns", `{"name":"d","tables":{"t":{"columns":{}}}}`}, {"columns missing", `{"name":"d","tables":{"t":{}}}`},
	{"maxRows 0", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"maxRows":0}}}`}, {"maxRows", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"maxRows":7}}}`},
	{"maxRows above 32 bits", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"maxRows":99999999999}}}`}, {"maxRows real", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"maxRows":1.5}}}`},
	{"immutable table", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"mutable":false}}}`}, {"isRoot all", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"isRoot":true}}}`},
	{"isRoot one", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"isRoot":true},"u":{"columns":{"a":{"type":"integer"}}}}}`}, {"isRoot string", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"isRoot":"x"}}}`},
	{"column reserved", `{"name":"d","tables":{"t":{"columns":{"_a":{"type":"integer"}}}}}`}, {"column no id", `{"name":"d","tables":{"t":{"columns":{"a.":{"type":"integer"}}}}}`}, {"column no object", `{"name":"d","tables":{"t":{"columns":{"a":"integer"}}}}`},
	{"column flags", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer","mutable":false,"ephemeral":true},"b":{"type":"real","mutable":true,"ephemeral":false}}}}}`},
	{"column other members", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer","x":1}}}}}`}, {"type missing", `{"name":"d","tables":{"t":{"columns":{"a":{}}}}}`}, {"type number", `{"name":"d","tables":{"t":{"columns":{"a":{"type":1}}}}}`},
	{"void", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"void"}}}}}`}, {"type without key", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{}}}}}}`},
	{"base type without type", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{}}}}}}}`}, {"base type void", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"void"}}}}}}}`},
	{"min above max", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"integer","minInteger":5,"maxInteger":3}}}}}}}`}, {"minReal", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"real","minReal":5,"maxReal":3.5}}}}}}}`},
	{"reals", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"real","minReal":-0.1,"maxReal":1e30}}}}}}}`}, {"minLength", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"string","minLength":5,"maxLength":3}}}}}}}`},
	{"negative length", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"string","maxLength":-1}}}}}}}`}, {"length above 32 bits", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"string","minLength":4294967296}}}}}}}`},
	{"minInteger for string", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"string","minInteger":1}}}}}}}`}, {"enum and range", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"integer","enum":3,"minInteger":1}}}}}}}`},
	{"bad enum", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"integer","enum":["set",[1,"x"]]}}}}}}}`}, {"empty enum", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"integer","enum":["set",[]]}}}}}}}`},
	{"duplicate enum", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"integer","enum":["set",[1,1]]}}}}}}}`}, {"boolean enum", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"boolean","enum":true}}}}}}}`},
	{"refTable unknown", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"uuid","refTable":"x"}}}}}}}`}, {"value refTable unknown", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":"string","value":{"type":"uuid","refTable":"x"}}}}}}}`},
	{"refTable no id", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"uuid","refTable":"x-y"}}}}}}}`}, {"refType", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"uuid","refTable":"t","refType":"x"}}}}}}}`},
	{"refType without refTable", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"uuid","refType":"weak"}}}}}}}`},
	{"weak is mutable", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"uuid","refTable":"t","refType":"weak"}},"mutable":false}}}}}`},
	{"ephemeral strong reference", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":{"type":"uuid","refTable":"u"}},"ephemeral":true}},"isRoot":true},"u":{"columns":{"a":{"type":{"key":{"type":"uuid","refTable":"t","refType":"strong"}},"ephemeral":true}}}}}`},
	{"counts", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":"integer","min":0,"max":1}},"b":{"type":{"key":"integer","min":1,"max":1}},"c":{"type":{"key":"integer","min":0,"max":"unlimited"}}}}}}`},
	{"min 2", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":"integer","min":2,"max":3}}}}}}`}, {"max 0", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":"integer","max":0}}}}}}`}, {"max text", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":"integer","max":"many"}}}}}}`},
	{"min negative", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":"integer","min":-1}}}}}}`}, {"max 32 bits", `{"name":"d","tables":{"t":{"columns":{"a":{"type":{"key":"integer","max":4294967295}}}}}}`},
	{"indexes", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"},"b":{"type":"string"}},"indexes":[["b","a"],["a"]]}}}`}, {"index of nothing", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"indexes":[[]]}}}`},
	{"index number", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"indexes":[[0]]}}}`}, {"index twice", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"indexes":[["a","a"]]}}}`}, {"index unknown", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"indexes":[["x"]]}}}`},
	{"index ephemeral", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer","ephemeral":true}},"indexes":[["a"]]}}}`}, {"index no array", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"indexes":["a"]}}}`}, {"indexes no array", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"indexes":{}}}}`},
	{"index of _uuid", `{"name":"d","tables":{"t":{"columns":{"a":{"type":"integer"}},"indexes":[["_uuid"]]}}}`},
}

func TestInteropSchemas(t *testing.T) {
	testenv.Program(t, "ovsdb-tool")
	env := testenv.OVS(t)
	dir := t.TempDir()
	for i, test := range interopSchemas {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(dir, fmt.Sprintf("s%d", i))
			if err := os.WriteFile(file, []byte(test.schema), 0o600); err != nil {
				t.Fatal(err)
			}
			out, cErr := env.Command("ovsdb-tool", "create", file+".db", file).CombinedOutput()
			schema, err := ovsdb.ParseSchema(mustParse(t, test.schema))
			if err != nil {
				said := *ovsdb.AsError(err)
				said.Details = fmt.Sprintf(`failed to parse "%s" as ovsdb schema: %s`, file, said.Details)
				got := "ovsdb-tool: " + said.Error()
				if want := strings.TrimSpace(string(out)); got != want {
					t.Errorf("got error %s\nC has    %s", got, want)
				}
				return
			}
			if cErr != nil {
				t.Fatalf("no error; C has %s", out)
			}
			db, err := os.ReadFile(file + ".db")
			if err != nil {
				t.Fatal(err)
			}
			_, record, _ := bytes.Cut(db, []byte("\n"))
			got := string(schema.AppendJSON(nil))
			if want := mustParse(t, string(record)).String(); got != want {
				t.Errorf("got schema %s\nC has     %s", got, want)
			}
			again := mustSchema(t, got)
			if !again.Equal(schema) {
				t.Error("not equal to itself after a round trip")
			}
		})
	}
}

// TestRealSchemas reads the schemas that come with Open vSwitch and OVN.
func TestRealSchemas(t *testing.T) {
	testenv.Program(t, "ovsdb-tool")
	env := testenv.OVS(t)
	files, err := filepath.Glob(filepath.Join(testenv.Tree(t), ".cache/testroot/usr/share/*/*.ovsschema"))
	if err != nil || len(files) == 0 {
		testenv.Skip(t, "no schema files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			schema := mustSchema(t, string(text))
			dbFile := filepath.Join(t.TempDir(), "db")
			env.Output(t, "ovsdb-tool", "create", dbFile, file)
			db, err := os.ReadFile(dbFile)
			if err != nil {
				t.Fatal(err)
			}
			_, record, _ := bytes.Cut(db, []byte("\n"))
			if got, want := string(schema.AppendJSON(nil)), mustParse(t, string(record)).String(); got != want {
				t.Errorf("got %s\nC has %s", got, want)
			}
			for _, ts := range schema.Tables {
				if !slices.IsSortedFunc(ts.Columns, func(a, b *ovsdb.ColumnSchema) int { return cmp.Compare(a.Name, b.Name) }) {
					t.Errorf("columns of %s are not sorted", ts.Name)
				}
			}
		})
	}
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
