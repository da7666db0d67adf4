package db

import (
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
)

// A name stands for the UUID that it has when it is read: what was read before the row had one of its own does not follow.
func TestNamedBeforeUUID(t *testing.T) {
	d := New(parseSchema(t, `{"name":"n","tables":{"T":{"isRoot":true,"columns":{"one":{"type":"uuid"},"more":{"type":{"key":"uuid","min":0,"max":"unlimited"}}}}}}`))
	const row = `{'op':'insert','table':'T','row':{'one':['named-uuid','x'],'more':['set',[['named-uuid','x'],['named-uuid','y']]]}}`
	transact(t, d, &Env{}, row, `{'op':'insert','table':'T','uuid':'00000000-0000-4000-8000-000000000001','uuid-name':'x','row':{}}`)
	table := d.tables["T"]
	one, more := table.rows.all[0].row.Field(table.schema.Column("one")), table.rows.all[0].row.Field(table.schema.Column("more"))
	if _, found := more.Find(one.Key(0), ovsdb.UUIDType); !found {
		t.Errorf("x is %v, and %v and %v in a set", one.Key(0).UUID(), more.Key(0).UUID(), more.Key(1).UUID())
	}
}
