package ovsdb

import "testing"

func TestConditionOrderAndPrint(t *testing.T) {
	ts := testTable(t)
	for _, test := range []struct{ name, where, want string }{
		{"empty", `[]`, `[]`},
		{"equality first", `[["b","!=",1],["b",">",0],["b","==",2]]`, `[["b","==",2],["b",">",0],["b","!=",1]]`},
		{"by column", `[["c","==",1],["b","==",1],["a","==","x"]]`, `[["a","==","x"],["b","==",1],["c","==",1]]`},
		{"by argument", `[["b","==",3],["b","==",-1]]`, `[["b","==",-1],["b","==",3]]`},
		{"_uuid first", `[["a","==","x"],["_uuid","==",["uuid","00000000-0000-0000-0000-000000000001"]]]`,
			`[["_uuid","==",["uuid","00000000-0000-0000-0000-000000000001"]],["a","==","x"]]`},
		{"booleans", `[["b","==",1],true,false]`, `[false,true,["b","==",1]]`},
		{"set argument", `[["a","includes",["set",["y","x"]]]]`, `[["a","includes",["set",["x","y"]]]]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := ParseCondition(parse(t, test.where), ts, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := string(c.AppendJSON(nil))
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			again, err := ParseCondition(parse(t, got), ts, nil)
			if err != nil || !again.Equal(c) {
				t.Errorf("not equal after a round trip: %v", err)
			}
		})
	}
}

func TestConditionAny(t *testing.T) {
	ts := testTable(t)
	row := NewRow(NewUUID(), []Datum{NewSet(String, StringAtom("x")), Scalar(IntAtom(5)), {}})
	for _, test := range []struct {
		where           string
		all, any        bool
		isTrue, isFalse bool
	}{
		{where: `[]`, all: true, any: true, isTrue: true},
		{where: `[true]`, all: true, any: true, isTrue: true},
		{where: `[false]`, isFalse: true},
		{where: `[false,false]`, isFalse: true},
		{where: `[false,true]`, any: true, isTrue: true},
		{where: `[false,["b","==",5]]`, any: true},
		{where: `[["b","==",5],["b","==",6]]`, any: true},
		{where: `[["b","==",5],["a","includes","x"]]`, all: true, any: true},
		{where: `[["c","<",5],["c",">=",5]]`},
	} {
		t.Run(test.where, func(t *testing.T) {
			c, err := ParseCondition(parse(t, test.where), ts, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.Matches(row) != test.all || c.MatchesAny(row) != test.any {
				t.Errorf("all %v, any %v", c.Matches(row), c.MatchesAny(row))
			}
			if c.IsTrue() != test.isTrue || c.IsFalse() != test.isFalse {
				t.Errorf("true %v, false %v", c.IsTrue(), c.IsFalse())
			}
		})
	}
}

func TestConditionErrors(t *testing.T) {
	ts := testTable(t)
	for _, test := range []struct{ where, want string }{
		{`{}`, `syntax "{}": syntax error: array expected`},
		{`[["b","true",1]]`, "unknown function: No function named true."},
		{`[["x","==",1]]`, `syntax "["x","==",1]": unknown column: No column x in table t.`},
		{`[["a","<","x"]]`, `syntax "["a","<","x"]": syntax error: Type mismatch: "<" operator may not be applied to column a of type set of strings.`},
	} {
		if _, err := ParseCondition(parse(t, test.where), ts, nil); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.where, err, test.want)
		}
	}
}
