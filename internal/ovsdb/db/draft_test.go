package db

import (
	"testing"
)

// TestSetOfOneThatGrows has a set of one, of the memory of a transaction and its text, become a larger one in the same
// transaction: the row keeps nothing of that memory, which others use then.
func TestSetOfOneThatGrows(t *testing.T) {
	d := New(parseSchema(t, `{"name":"d","tables":{"t":{"columns":{"s":{"type":{"key":"string","min":0,"max":"unlimited"}},
		"u":{"type":{"key":"uuid","min":0,"max":"unlimited"}},"m":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}}`))
	const (
		grow = `{"op":"mutate","table":"t","where":[["_uuid","==",["named-uuid","r"]]],"mutations":[["s","insert","two"],["u","insert",["uuid","00000000-0000-4000-8000-000000000002"]],["m","insert",["map",[["a","b"]]]]]}`
		row  = `{"s":"one","u":["uuid","00000000-0000-4000-8000-000000000001"]}`
		want = `"row":{"m":["map",[["a","b"]]],"s":["set",["one","two"]],"u":["set",[["uuid","00000000-0000-4000-8000-000000000001"],["uuid","00000000-0000-4000-8000-000000000002"]]]}`
	)
	for _, request := range []string{
		`["d",{"op":"insert","table":"t","uuid-name":"r","row":` + row + `},` + grow + `]`,
		`["d",{"op":"insert","table":"t","uuid-name":"r","row":{}},{"op":"update","table":"t","where":[["_uuid","==",["named-uuid","r"]]],"row":` + row + `},` + grow + `]`,
	} {
		text := []byte(request)
		out := d.Transact(parseBytes(t, text), &Env{})
		if out.Failed {
			t.Fatalf("%s", out.Reply)
		}
		clear(text)
		if other := d.Transact(parseText(`["d",{"op":"insert","table":"t","row":{"u":["uuid","00000000-0000-4000-8000-000000000009"]}}]`), &Env{}); other.Failed {
			t.Fatalf("%s", other.Reply)
		}
		id := out.Changes.Tables[0].Rows[0].UUID()
		table := d.Table("t")
		if got := `"row":` + string(appendRow(nil, table.Get(id), table.Schema().Columns)); got != want {
			t.Errorf("after %s\nthe row is %s\nwant %s", request, got, want)
		}
	}
}
