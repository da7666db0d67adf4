package db

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
)

// cascadeSchema has what holds a row by one reference, by a set of them, and what is held by
// the holder.
const cascadeSchema = `{"name":"small","version":"1.0.0","tables":{
	"Held":{"isRoot":true,"columns":{"n":{"type":"integer"}}},
	"Holder":{"isRoot":true,"columns":{
		"name":{"type":"string"},
		"held":{"type":{"key":{"type":"uuid","refTable":"Held"},"min":0,"max":"unlimited"}},
		"part":{"type":{"key":{"type":"uuid","refTable":"Part"},"min":0,"max":1}}}},
	"Part":{"columns":{"n":{"type":"integer"}}}}}`

func TestCascade(t *testing.T) {
	const h1, h2, p1 = `00000000-0000-4000-8000-000000000001`, `00000000-0000-4000-8000-000000000002`, `00000000-0000-4000-8000-000000000003`
	asked := 0
	env := &Env{Cascade: []Cascade{
		{Table: "Absent", Column: "held"}, {Table: "Holder", Column: "absent"},
		{Table: "Holder", Column: "held", Begin: func(d *Database) func(*ovsdb.Row) bool {
			name := d.Table("Holder").Schema().Column("name")
			return func(row *ovsdb.Row) bool {
				asked++
				return strings.HasPrefix(row.Field(name).Key(0).Str(), "goes")
			}
		}},
	}}
	for _, c := range []struct {
		holders string // name: what it holds
		ops     string
		want    string // rows of Held, Holder and Part that are left
		asked   int
	}{
		{"goes:1 goes:1,2", `{'op':'delete','table':'Held','where':[['n','==',1]]}`, "1 0 0", 2},
		{"goes:1 goes:2", `{'op':'delete','table':'Held','where':[['n','==',1]]}`, "1 1 1", 1},
		{"goes:1 goes:2", `{'op':'delete','table':'Held','where':[]}`, "0 0 0", 2},
		{"goes:1 stays:1", `{'op':'delete','table':'Held','where':[]}`, "error", 2},
		{"stays:1 stays:2", `{'op':'delete','table':'Holder','where':[]},{'op':'delete','table':'Held','where':[]}`, "0 0 0", 0},
		{"stays:1", `{'op':'update','table':'Holder','where':[],'row':{'held':['uuid','` + h2 + `']}},{'op':'delete','table':'Held','where':[['n','==',1]]}`, "1 1 1", 0},
		{"goes:1", `{'op':'update','table':'Holder','where':[],'row':{'held':['uuid','` + h2 + `']}},{'op':'delete','table':'Held','where':[]}`, "0 0 0", 1},
		{"stays:1", `{'op':'update','table':'Holder','where':[],'row':{'name':'goes'}},{'op':'delete','table':'Held','where':[]}`, "0 0 0", 1},
		// What the transaction itself inserts is meant to stay.
		{"", `{'op':'insert','table':'Holder','row':{'name':'goes','held':['uuid','` + h1 + `']}},{'op':'delete','table':'Held','where':[]}`, "error", 0},
	} {
		d := New(parseSchema(t, cascadeSchema))
		ops := []string{`{'op':'insert','table':'Held','uuid':'` + h1 + `','row':{'n':1}}`, `{'op':'insert','table':'Held','uuid':'` + h2 + `','row':{'n':2}}`,
			`{'op':'insert','table':'Part','uuid':'` + p1 + `','row':{}}`}
		for _, holder := range strings.Fields(c.holders) {
			name, held, _ := strings.Cut(holder, ":")
			held = strings.NewReplacer("1", `['uuid','`+h1+`']`, "2", `['uuid','`+h2+`']`).Replace(held)
			ops = append(ops, `{'op':'insert','table':'Holder','row':{'name':'`+name+`','held':['set',[`+held+`]],'part':['uuid','`+p1+`']}}`)
		}
		if out := transact(t, d, &Env{}, ops...); out.Failed {
			t.Fatalf("%s", out.Reply)
		}
		asked = 0
		out := transact(t, d, env, c.ops)
		got := fmt.Sprintf("%d %d %d", d.Table("Held").Len(), d.Table("Holder").Len(), d.Table("Part").Len())
		if out.Failed {
			got = "error"
		}
		if got != c.want || asked != c.asked {
			t.Errorf("%s: %s: %s left, asked %d times; want %s, %d; %s", c.holders, c.ops, got, asked, c.want, c.asked, out.Reply)
		}
		if err := d.Check(); err != nil {
			t.Errorf("%s: %v", c.holders, err)
		}
	}
}
