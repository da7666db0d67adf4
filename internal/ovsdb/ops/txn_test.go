package ops_test

import (
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/ops"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

const idA = "11111111-1111-4111-8111-111111111111"

func TestTxn(t *testing.T) {
	a, _ := ovsdb.ParseUUID(idA)
	ref := `["uuid","` + idA + `"]`
	where := `"where":[["_uuid","==",` + ref + `]]`
	for _, tt := range []struct {
		name string
		add  func(*ops.Txn)
		want string
	}{
		{"insert", func(tx *ops.Txn) {
			iface := tx.Insert("Interface", ops.Values{"name": "p\"0", "options": map[string]string{"b": "2", "a": "1"}}.Append)
			port := tx.Insert("Port", ops.Values{"interfaces": []ovsdb.UUID{iface, a}, "tag": 7}.Append)
			tx.Mutate("Bridge", a, ops.Mutation{Column: "ports", Mutator: "insert", Value: ops.Value(port)},
				ops.Mutation{Column: "ports", Mutator: "delete", Value: ops.Value([]ovsdb.UUID{})})
		}, `{"op":"insert","table":"Interface","uuid-name":"r0","row":{"name":"p\"0","options":["map",[["a","1"],["b","2"]]]}},` +
			`{"op":"insert","table":"Port","uuid-name":"r1","row":{"interfaces":["set",[["named-uuid","r0"],` + ref + `]],"tag":7}},` +
			`{"op":"mutate","table":"Bridge",` + where + `,"mutations":[["ports","insert",["named-uuid","r1"]],["ports","delete",["set",[]]]]}`},
		{"update", func(tx *ops.Txn) {
			tx.Update("T", a, ops.Values{"b": true, "i": int64(-1), "r": 0.5, "s": []string{"x"}, "u": a,
				"n": []int64{1, 2}, "m": map[int64]string{2: "b", 1: "a"}, "k": map[string]ovsdb.UUID{"x": a}, "l": map[int64]ovsdb.UUID{1: a}}.Append)
		}, `{"op":"update","table":"T",` + where + `,"row":{"b":true,"i":-1,"k":["map",[["x",` + ref + `]]],"l":["map",[[1,` + ref + `]]],` +
			`"m":["map",[[1,"a"],[2,"b"]]],"n":["set",[1,2]],"r":0.5,"s":"x","u":` + ref + `}}`},
		{"empty row", func(tx *ops.Txn) { tx.Insert("T", ops.Values{}.Append) }, `{"op":"insert","table":"T","uuid-name":"r0","row":{}}`},
		{"delete", func(tx *ops.Txn) { tx.Delete("T", a) }, `{"op":"delete","table":"T",` + where + `}`},
		{"wait", func(tx *ops.Txn) {
			tx.Wait("T", a, []string{"x", "y"}, ops.Values{"x": 1, "y": []string(nil)}.Append)
		}, `{"op":"wait","table":"T",` + where + `,"timeout":0,"until":"==","columns":["x","y"],"rows":[{"x":1,"y":["set",[]]}]}`},
		{"the rest", func(tx *ops.Txn) { tx.Comment("why"); tx.Assert("lock") },
			`{"op":"comment","comment":"why"},{"op":"assert","lock":"lock"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tx ops.Txn
			tt.add(&tx)
			if got := string(tx.Ops()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if v, err := wire.ParseString("[" + string(tx.Ops()) + "]"); err != nil || v.Len() != tx.Len() {
				t.Errorf("Len() = %d for %d operations (%v)", tx.Len(), v.Len(), err)
			}
		})
	}
}

func TestOpOf(t *testing.T) {
	var tx, other ops.Txn
	tx.Comment("first")
	omitted := tx.Omit()
	id := tx.Insert("T", ops.Values{}.Append)
	if op, ok := tx.OpOf(id); !ok || op != 1 {
		t.Errorf("OpOf() = %d, %v", op, ok)
	}
	other.Insert("T", ops.Values{}.Append)
	other.Insert("T", ops.Values{}.Append)
	if _, ok := tx.OpOf(omitted); ok {
		t.Error("a row that was left out has an operation")
	}
	if _, ok := tx.OpOf(ovsdb.NewUUID()); ok {
		t.Error("a row's UUID is no token")
	}
	if _, ok := other.OpOf(id); ok {
		t.Error("another transaction's token is no token")
	}
	if _, ok := new(ops.Txn).OpOf(ovsdb.UUID{}); ok {
		t.Error("the zero UUID is no token")
	}
}
