package ovsdb

import (
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func parse(t testing.TB, text string) wire.Value {
	t.Helper()
	v, err := wire.ParseString(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestTypeEnglish(t *testing.T) {
	for _, test := range []struct{ typ, want string }{
		{`"integer"`, "integer"},
		{`{"key":"real","min":0}`, "set of up to 1 reals"},
		{`{"key":"uuid","min":0,"max":"unlimited"}`, "set of uuids"},
		{`{"key":"string","min":1,"max":"unlimited"}`, "set of 1 or more strings"},
		{`{"key":"boolean","min":1,"max":2}`, "set of 1 to 2 booleans"},
		{`{"key":"string","value":"integer","min":0,"max":"unlimited"}`, "map of (string, integer) pairs"},
		{`{"key":"string","value":"integer"}`, "map of 1 to 1 (string, integer) pairs"},
	} {
		typ, err := ParseType(parse(t, test.typ))
		if err != nil {
			t.Fatal(err)
		}
		if got := typ.English(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.typ, got, test.want)
		}
	}
}

func TestTypeKinds(t *testing.T) {
	for _, test := range []struct {
		typ  string
		want string // the predicates that are true
	}{
		{`"integer"`, "scalar"},
		{`{"key":"integer"}`, "scalar"},
		{`{"key":"integer","min":0}`, "optional optional-scalar set"},
		{`{"key":"integer","min":0,"max":2}`, "optional composite set"},
		{`{"key":"integer","min":1,"max":2}`, "composite set"},
		{`{"key":"integer","value":"real"}`, "map"},
		{`{"key":"integer","value":"real","min":0}`, "optional map"},
		{`{"key":"integer","value":"real","min":0,"max":2}`, "optional composite map"},
		{`{"key":{"type":"uuid","refTable":"t"}}`, "scalar"},
		{`{"key":"integer","value":{"type":"uuid","refTable":"t","refType":"weak"},"min":0,"max":9}`, "optional composite map weak"},
		{`{"key":{"type":"uuid","refTable":"t"},"value":{"type":"uuid","refTable":"t","refType":"weak"}}`, "map weak"},
	} {
		typ, err := ParseType(parse(t, test.typ))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range []struct {
			is   bool
			name string
		}{
			{typ.IsScalar(), "scalar"}, {typ.IsOptional(), "optional"}, {typ.IsOptionalScalar(), "optional-scalar"}, {typ.IsComposite(), "composite"},
			{typ.IsSet(), "set"}, {typ.IsMap(), "map"}, {typ.HasWeakRefs(), "weak"},
		} {
			if p.is {
				got = append(got, p.name)
			}
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%s: got %s, want %s", test.typ, got, test.want)
		}
	}
}

func TestTypeEqual(t *testing.T) {
	types := []string{
		`"integer"`, `"real"`, `{"key":"integer","min":0}`, `{"key":"integer","max":2}`, `{"key":"integer","value":"real"}`,
		`{"key":{"type":"integer","minInteger":1}}`, `{"key":{"type":"integer","enum":1}}`, `{"key":{"type":"integer","enum":2}}`,
		`{"key":{"type":"real","maxReal":1}}`, `"string"`, `{"key":{"type":"string","minLength":1}}`, `"uuid"`,
		`{"key":{"type":"uuid","refTable":"a"}}`, `{"key":{"type":"uuid","refTable":"b"}}`, `{"key":{"type":"uuid","refTable":"a","refType":"weak"}}`,
	}
	for i, a := range types {
		for j, b := range types {
			ta, errA := ParseType(parse(t, a))
			tb, errB := ParseType(parse(t, b))
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if got := ta.Equal(&tb); got != (i == j) {
				t.Errorf("%s equals %s: %v", a, b, got)
			}
		}
	}
}

func testTable(t testing.TB) *TableSchema {
	t.Helper()
	s, err := ParseSchema(parse(t, `{"name":"d","tables":{"t":{"columns":{
		"b":{"type":"integer"},"a":{"type":{"key":"string","min":0,"max":"unlimited"}},"c":{"type":{"key":"integer","min":0}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return s.Tables["t"]
}

func TestColumnSet(t *testing.T) {
	ts := testTable(t)
	for _, test := range []struct{ name, set, english, err string }{
		{"none", `[]`, "no columns", ""},
		{"one", `["b"]`, `column "b"`, ""},
		{"two", `["b","a"]`, `columns "b" and "a"`, ""},
		{"three", `["b","a","_uuid"]`, `columns "b", "a", and "_uuid"`, ""},
		{"twice", `["b","b"]`, "", `syntax "["b","b"]": syntax error: array of distinct column names expected`},
		{"no string", `["b",1]`, "", `syntax "["b",1]": syntax error: array of distinct column names expected`},
		{"no array", `"b"`, "", `syntax ""b"": syntax error: array of distinct column names expected`},
		{"unknown", `["x"]`, "", `syntax "["x"]": syntax error: x is not a valid column name`},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, err := ParseColumnSet(parse(t, test.set), ts)
			if err != nil {
				if err.Error() != test.err {
					t.Errorf("got %v, want %s", err, test.err)
				}
				return
			}
			if got := set.English(); got != test.english {
				t.Errorf("got %s, want %s", got, test.english)
			}
			if got := string(set.AppendJSON(nil)); got != test.set {
				t.Errorf("got %s, want %s", got, test.set)
			}
		})
	}
	all, err := ParseColumnSet(wire.Value{}, ts)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(all.AppendJSON(nil)), `["_uuid","_version","a","b","c"]`; got != want {
		t.Errorf("all columns: got %s, want %s", got, want)
	}
}

func TestColumnIndexes(t *testing.T) {
	ts := testTable(t)
	var values []Datum
	for i, c := range ts.Columns {
		if c.Index != i || ts.Column(c.Name) != c {
			t.Errorf("column %s has index %d at position %d", c.Name, c.Index, i)
		}
		values = append(values, Default(&c.Type))
	}
	row := NewRow(NewUUID(), values).Renew()
	for _, test := range []struct{ column, want string }{
		{"_uuid", `["uuid","` + row.UUID.String() + `"]`},
		{"_version", `["uuid","` + row.Version().String() + `"]`},
		{"a", `["set",[]]`},
		{"b", "0"},
	} {
		c := ts.Column(test.column)
		if got := string(AppendDatum(nil, row.Field(c), &c.Type)); got != test.want {
			t.Errorf("%s: got %s, want %s", test.column, got, test.want)
		}
		if got := string(row.AppendField(nil, c)); got != test.want {
			t.Errorf("%s: got %s, want %s", test.column, got, test.want)
		}
	}
	if ts.Column("x") != nil {
		t.Error("there is a column x")
	}
}

func TestMembers(t *testing.T) {
	v := parse(t, `{"i":1,"s":"a b","id":"x_1","n":null}`)
	for _, test := range []struct {
		name string
		use  func(m *Members)
		want string // the details; "": no error
	}{
		{"all used", func(m *Members) {
			m.Get("i", OpInteger)
			m.Get("s", OpString)
			m.Get("id", OpID)
			m.Get("n", OpNull)
			m.Get("x", OpAny|OpOptional)
			m.Get("i", OpNumber)
		}, ""},
		{"missing", func(m *Members) { m.Get("x", OpAny) }, "Parsing thing failed: Required 'x' member is missing."},
		{"wrong type", func(m *Members) { m.Get("i", OpString|OpReal) }, "Parsing thing failed: Type mismatch for member 'i'."},
		{"no id", func(m *Members) { m.Get("s", OpID) }, "Parsing thing failed: Type mismatch for member 's'."},
		{"the first error stays", func(m *Members) { m.Get("x", OpAny); m.Get("i", OpNull); m.Raise("more") }, "Parsing thing failed: Required 'x' member is missing."},
		{"one unused", func(m *Members) { m.Get("i", OpAny); m.Get("s", OpAny); m.Get("id", OpAny) }, "Parsing thing failed: Member 'n' is present but not allowed here."},
		{"two unused", func(m *Members) { m.Get("i", OpAny); m.Get("s", OpAny) }, "Parsing thing failed: Member 'id' and 1 other member are present but not allowed here."},
		{"all unused", func(*Members) {}, "Parsing thing failed: Member 'i' and 3 other members are present but not allowed here."},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := NewMembers(v, "thing")
			test.use(m)
			err := m.Finish()
			if test.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if e := AsError(err); e == nil || e.Details != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	m := NewMembers(parse(t, `[]`), "thing")
	if m.Get("a", OpAny).Exists() {
		t.Error("an array has a member")
	}
	if err := m.Finish(); err == nil || err.Error() != "syntax error: Parsing thing failed: Object expected." {
		t.Errorf("got %v", err)
	}
}
