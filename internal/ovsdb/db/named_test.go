package db

import (
	"maps"
	"slices"
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

// What is read after it does, also where the row before had the same reference, and where another column or table has it.
func TestNamedAfterUUID(t *testing.T) {
	d := New(parseSchema(t, `{"name":"n","tables":{
		"T":{"isRoot":true,"columns":{"n":{"type":"integer"},"one":{"type":"uuid"},"other":{"type":"uuid"}}},
		"U":{"isRoot":true,"columns":{"n":{"type":"integer"},"one":{"type":"uuid"}}}}}`))
	const (
		refers = `{'op':'insert','table':'T','row':{'n':1,'one':['named-uuid','x'],'other':['named-uuid','x']}}`
		swaps  = `{'op':'insert','table':'T','row':{'other':['named-uuid','x'],'n':2,'one':['named-uuid','x']}}`
		inU    = `{'op':'insert','table':'U','row':{'n':3,'one':['named-uuid','x']}}`
		zero   = `{'op':'insert','table':'T','row':{'n':4,'one':['uuid','00000000-0000-0000-0000-000000000000'],'other':['named-uuid','y']}}`
	)
	transact(t, d, &Env{}, refers, refers, `{'op':'insert','table':'T','uuid':'00000000-0000-4000-8000-000000000001','uuid-name':'x','row':{}}`,
		refers, refers, swaps, inU, refers, zero)
	x := ovsdb.UUID{6: 0x40, 8: 0x80, 15: 1}
	named := map[ovsdb.UUID]int{}
	for _, table := range d.tables {
		for row := range table.All() {
			for _, c := range table.schema.Columns {
				if c.Type.Key.Type == ovsdb.UUIDType {
					named[row.Field(c).Key(0).UUID()]++
				}
			}
		}
	}
	// Of x, four before it had its UUID, and nine after that; of the row itself, and of the last one, the zero UUID; y.
	counts := slices.Sorted(maps.Values(named))
	if named[x] != 9 || named[ovsdb.UUID{}] != 3 || !slices.Equal(counts, []int{1, 3, 4, 9}) {
		t.Errorf("got %v", named)
	}
}
