package db

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Rows to which a transaction gives the same set may have the memory of it together. They are what they would be
// without, also when the names in it get their UUIDs between two of them, and what becomes of one is nothing to the others.
func TestAlikeSets(t *testing.T) {
	const n, rows = 12, 4
	set := func(turn int) string {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf(`['named-uuid','x%d']`, (i+turn)%n))
		}
		return `['set',[` + strings.Join(names, ",") + `]]`
	}
	id := func(i int) string { return fmt.Sprintf("%08d-0000-4000-8000-%012d", 7*(i+1)%n, i) }
	for _, namedAt := range []int{0, 2, rows} { // before that row
		sets := func(turn int) (all [rows][]string) {
			d := New(parseSchema(t, `{"name":"alike","tables":{"T":{"isRoot":true,"columns":{
				"name":{"type":"string"},"some":{"type":{"key":"uuid","min":0,"max":"unlimited"}}}}}}`))
			var ops, named []string
			for i := range rows {
				ops = append(ops, fmt.Sprintf(`{'op':'insert','table':'T','row':{'name':'%d','some':%s}}`, i, set(turn*i)))
			}
			for i := range n {
				named = append(named, fmt.Sprintf(`{'op':'insert','table':'T','uuid':'%s','uuid-name':'x%d','row':{}}`, id(i), i))
			}
			ops = append(slices.Insert(ops, namedAt, named...),
				`{'op':'mutate','table':'T','where':[['name','==','2']],'mutations':[['some','delete',['named-uuid','x4']]]}`)
			if out := transact(t, d, &Env{}, ops...); out.Failed {
				t.Fatalf("%s", out.Reply)
			}
			table := d.tables["T"]
			for _, st := range table.rows.all {
				name, value := st.row.Field(table.schema.Column("name")), st.row.Field(table.schema.Column("some"))
				if value.Len() == 0 {
					continue
				}
				var text []string
				for i := range value.Len() {
					text = append(text, value.Key(i).UUID().String())
				}
				if !slices.IsSorted(text) {
					t.Errorf("named before row %d: row %v is out of order: %v", namedAt, name.Key(0).Str(), text)
				}
				all[name.Key(0).Str()[0]-'0'] = text
			}
			return all
		}
		got, want := sets(0), sets(5)
		for i := range rows {
			whole := n
			if i == 2 && i >= namedAt {
				whole--
			}
			if len(got[i]) != whole || i >= namedAt && !slices.Equal(got[i], want[i]) {
				t.Errorf("named before row %d: row %d has %d elements, want %d: %v; where they are given in other orders %v", namedAt, i, len(got[i]), whole, got[i], want[i])
			}
		}
	}
}
