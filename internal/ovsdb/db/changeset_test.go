package db

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
)

// changesText lists a change-set.
func changesText(cs *ChangeSet) string {
	if cs == nil {
		return "nothing"
	}
	var s []string
	for i := range cs.Tables {
		ts := cs.Tables[i].Schema
		for j := range cs.Tables[i].Rows {
			r := &cs.Tables[i].Rows[j]
			what := "modify"
			switch {
			case r.Old == nil:
				what = "insert"
			case r.New == nil:
				what = "delete"
			default:
				for _, c := range ts.Columns {
					if r.Changed(c) {
						what += " " + c.Name
					}
				}
				if !r.Changed(ovsdb.VersionColumn) || r.Changed(ovsdb.UUIDColumn) || r.Old.SameVersion(r.New) {
					what += " with a wrong version"
				}
			}
			s = append(s, ts.Name+" "+what)
		}
	}
	return strings.Join(s, "; ")
}

func TestChanges(t *testing.T) {
	d := smallDatabase(t)
	for _, c := range []struct{ op, want, record string }{
		{`{'op':'insert','table':'A','uuid':'00000000-0000-4000-8000-000000000001','row':{'name':'a','now':'x'}}`, "A insert",
			`{"A":{"00000000-0000-4000-8000-000000000001":{"name":"a"}},"_date":0}`},
		{`{'op':'update','table':'A','where':[],'row':{'name':'a'}}`, "nothing", ``},
		{`{'op':'update','table':'A','where':[],'row':{'name':'b','n':1}}`, "A modify n name",
			`{"A":{"00000000-0000-4000-8000-000000000001":{"n":1,"name":"b"}},"_date":0}`},
		{`{'op':'update','table':'A','where':[],'row':{'now':'y'}}`, "A modify now", ``},
		{`{'op':'mutate','table':'A','where':[],'mutations':[['n','+=',1],['n','-=',1]]}`, "nothing", ``},
		{`{'op':'insert','table':'B','uuid':'00000000-0000-4000-8000-000000000002','row':{}},` +
			`{'op':'update','table':'A','where':[],'row':{'bs':['uuid','00000000-0000-4000-8000-000000000002']}}`, "B insert; A modify bs",
			`{"B":{"00000000-0000-4000-8000-000000000002":{}},"A":{"00000000-0000-4000-8000-000000000001":{"bs":["uuid","00000000-0000-4000-8000-000000000002"]}},"_is_diff":true,"_date":0}`},
		{`{'op':'update','table':'A','where':[],'row':{'bs':['set',[]]}}`, "A modify bs; B delete",
			`{"A":{"00000000-0000-4000-8000-000000000001":{"bs":["uuid","00000000-0000-4000-8000-000000000002"]}},"B":{"00000000-0000-4000-8000-000000000002":null},"_is_diff":true,"_date":0}`},
		{`{'op':'insert','table':'B','row':{}}`, "nothing", ``},
		{`{'op':'insert','table':'A','row':{'name':'x'}},{'op':'delete','table':'A','where':[['name','==','x']]}`, "nothing", ``},
		{`{'op':'delete','table':'A','where':[]}`, "A delete", `{"A":{"00000000-0000-4000-8000-000000000001":null},"_date":0}`},
	} {
		out := transact(t, d, &Env{}, c.op)
		if got := changesText(out.Changes); got != c.want {
			t.Errorf("%s: got %s, want %s", c.op, got, c.want)
		}
		if out.Changes == nil {
			continue
		}
		if got := string(out.Changes.AppendRecord(nil, time.UnixMilli(0))); got != c.record {
			t.Errorf("%s: record %s, want %s", c.op, got, c.record)
		}
	}
}

// TestOddDifference has a difference with more elements than the column may have, which not
// every version of ovsdb-server reads: the record holds new values instead.
func TestOddDifference(t *testing.T) {
	d := New(parseSchema(t, `{"name":"o","tables":{"T":{"isRoot":true,"columns":{
		"few":{"type":{"key":"integer","min":0,"max":2}},"some":{"type":{"key":"integer","min":1,"max":3}},"many":{"type":{"key":"integer","min":0,"max":"unlimited"}}}}}}`))
	transact(t, d, &Env{}, `{'op':'insert','table':'T','uuid':'00000000-0000-4000-8000-000000000001','row':{'few':['set',[1,2]],'some':['set',[1,2]],'many':['set',[1,2]]}}`)
	copied := New(d.Schema())
	record := d.Snapshot().AppendRecord(nil, "", time.UnixMilli(0))
	for _, c := range []struct{ row, columns string }{
		{"", ""},
		{`'few':['set',[1]],'many':['set',[2,3]]`, `"few":2,"many":["set",[1,3]]}},"_is_diff":true`},
		{`'few':['set',[3,4]],'many':['set',[3,4]]`, `"few":["set",[3,4]],"many":["set",[3,4]]}}`},
		{`'some':['set',[1,2,3]],'many':['set',[3]]`, `"many":4,"some":3}},"_is_diff":true`},
		{`'some':4,'many':['set',[]]`, `"many":["set",[]],"some":4}}`},
	} {
		if c.row != "" {
			out := transact(t, d, &Env{}, `{'op':'update','table':'T','where':[],'row':{`+c.row+`}}`)
			record = out.Changes.AppendRecord(nil, time.UnixMilli(0))
			if want := `{"T":{"00000000-0000-4000-8000-000000000001":{` + c.columns + `,"_date":0}`; string(record) != want {
				t.Errorf("%s: record %s, want %s", c.row, record, want)
			}
		}
		if err := copied.ReplayRecord(parseBytes(t, record)); err != nil {
			t.Errorf("%s: %v", record, err)
		}
		if got, want := dumpOf(copied).String(), dumpOf(d).String(); got != want {
			t.Errorf("%s leads to %s, want %s", record, got, want)
		}
	}
}

// TestWeakReferenceToNothing: what cleaning takes back is no change.
func TestWeakReferenceToNothing(t *testing.T) {
	d := New(parseSchema(t, `{"name":"w","tables":{"T":{"columns":{"t":{"type":{"key":{"type":"uuid","refTable":"T","refType":"weak"},"min":0,"max":2}}}}}}`))
	transact(t, d, &Env{}, `{'op':'insert','table':'T','row':{}}`)
	out := transact(t, d, &Env{}, `{'op':'update','table':'T','where':[],'row':{'t':['uuid','00000000-0000-4000-8000-000000000001']}}`)
	if out.Failed || out.Changes != nil {
		t.Errorf("%s, changes: %s", out.Reply, changesText(out.Changes))
	}
}

// TestRowsAreImmutable: what a change-set shows stays as it is.
func TestRowsAreImmutable(t *testing.T) {
	d := smallDatabase(t)
	first := transact(t, d, &Env{}, `{'op':'insert','table':'A','row':{'name':'a'}}`).Changes.Tables[0].Rows[0].New
	transact(t, d, &Env{}, `{'op':'update','table':'A','where':[],'row':{'name':'b'}}`, `{'op':'update','table':'A','where':[],'row':{'name':'c'}}`)
	transact(t, d, &Env{}, `{'op':'update','table':'A','where':[],'row':{'name':'d'}}`, `{'op':'abort'}`)
	name := d.schema.Tables["A"].Column("name")
	if got := first.At(name.Index).Key(0).Str(); got != "a" {
		t.Errorf("the first version now has the name %q", got)
	}
	for row := range d.Table("A").All() {
		if got := row.At(name.Index).Key(0).Str(); got != "c" {
			t.Errorf("the row has the name %q", got)
		}
	}
}

// TestMessageMayBeReused: nothing of a request is kept.
func TestMessageMayBeReused(t *testing.T) {
	d := vtepDatabase(t)
	request := []byte(macInserts(3, 0))
	if out := d.Transact(parseBytes(t, request), &Env{}); out.Failed {
		t.Fatalf("%s", out.Reply)
	}
	before := dumpOf(d).String()
	for i := range request {
		request[i] = 'x'
	}
	if after := dumpOf(d).String(); after != before {
		t.Errorf("got %s, want %s", after, before)
	}
}

func TestUndoOrder(t *testing.T) {
	d := smallDatabase(t)
	one := transact(t, d, &Env{}, `{'op':'insert','table':'A','row':{'name':'a'}}`).Changes
	two := transact(t, d, &Env{}, `{'op':'insert','table':'A','row':{'name':'b'}}`).Changes
	func() {
		defer func() {
			if recover() == nil {
				t.Error("undo in the wrong order is accepted")
			}
		}()
		d.Undo(one)
	}()
	d.Undo(two)
	d.Undo(one)
	if err := d.Check(); err != nil || d.Table("A").Len() != 0 || d.Atoms() != 0 {
		t.Errorf("%v, %d rows, %d atoms", err, d.Table("A").Len(), d.Atoms())
	}
}

// TestManyColumns: a table may have more columns than a word has bits.
func TestManyColumns(t *testing.T) {
	var columns []string
	for i := range 200 {
		columns = append(columns, fmt.Sprintf(`"c%03d":{"type":"integer"}`, i))
	}
	d := New(parseSchema(t, `{"name":"wide","tables":{"T":{"columns":{`+strings.Join(columns, ",")+`}}}}`))
	transact(t, d, &Env{}, `{'op':'insert','table':'T','row':{}}`)
	out := transact(t, d, &Env{}, `{'op':'update','table':'T','where':[],'row':{'c000':1,'c063':1,'c064':1,'c127':1,'c128':1,'c199':1}}`)
	if got, want := changesText(out.Changes), "T modify c000 c063 c064 c127 c128 c199"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := out.Changes.Tables[0].Rows[0].Columns.Len(); n != 6 {
		t.Errorf("%d columns", n)
	}
}
