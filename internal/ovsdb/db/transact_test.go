package db

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// smallSchema is for tests of single operations.
const smallSchema = `{"name":"small","version":"1.0.0","tables":{
	"A":{"isRoot":true,"indexes":[["name"]],"columns":{
		"name":{"type":"string"},
		"n":{"type":{"key":"integer","min":0,"max":1}},
		"set":{"type":{"key":"integer","min":0,"max":"unlimited"}},
		"bs":{"type":{"key":{"type":"uuid","refTable":"B"},"min":0,"max":"unlimited"}},
		"now":{"type":"string","ephemeral":true}}},
	"B":{"columns":{"x":{"type":"integer"}}}}}`

func smallDatabase(t testing.TB, operations ...string) *Database {
	t.Helper()
	d := New(parseSchema(t, smallSchema))
	if len(operations) > 0 {
		if out := transact(t, d, &Env{}, operations...); out.Failed {
			t.Fatalf("%s", out.Reply)
		}
	}
	return d
}

// transact runs operations, in which ' stands for ".
func transact(t testing.TB, d *Database, env *Env, operations ...string) Outcome {
	t.Helper()
	request := `["` + d.schema.Name + `"`
	for _, op := range operations {
		request += "," + strings.ReplaceAll(op, "'", `"`)
	}
	out := d.Transact(mustParse(t, request+"]"), env)
	if err := d.Check(); err != nil {
		t.Fatalf("after %s: %v", request, err)
	}
	return out
}

var uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

// reply is the reply with ' for ", and U for UUIDs.
func (o Outcome) reply() string {
	return strings.ReplaceAll(uuidPattern.ReplaceAllString(string(o.Reply), "U"), `"`, "'")
}

func TestReplies(t *testing.T) {
	const insertA = `{'op':'insert','table':'A','row':{'name':'a','n':1,'set':['set',[3,1]]}}`
	for _, c := range []struct {
		name string
		ops  []string
		want string
	}{
		{"nothing", nil, `[]`},
		{"insert", []string{insertA}, `[{'uuid':['uuid','U']}]`},
		{"select", []string{insertA, `{'op':'select','table':'A','where':[],'columns':['name','n','set','now']}`},
			`[{'uuid':['uuid','U']},{'rows':[{'name':'a','n':1,'set':['set',[1,3]],'now':''}]}]`},
		{"select all columns", []string{insertA, `{'op':'select','table':'A','where':[]}`},
			`[{'uuid':['uuid','U']},{'rows':[{'_uuid':['uuid','U'],'_version':['uuid','U'],'bs':['set',[]],'n':1,'name':'a','now':'','set':['set',[1,3]]}]}]`},
		{"named uuid", []string{`{'op':'insert','table':'A','row':{'bs':['named-uuid','b']}}`,
			`{'op':'insert','table':'B','row':{},'uuid-name':'b'}`,
			`{'op':'select','table':'B','where':[['_uuid','==',['named-uuid','b']]],'columns':['x']}`},
			`[{'uuid':['uuid','U']},{'uuid':['uuid','U']},{'rows':[{'x':0}]}]`},
		{"named uuid twice", []string{`{'op':'insert','table':'B','row':{},'uuid-name':'b'}`, `{'op':'insert','table':'B','row':{},'uuid-name':'b'}`},
			`[{'uuid':['uuid','U']},{'details':'This \'uuid-name\' appeared on an earlier \'insert\' operation.','error':'duplicate uuid-name','syntax':'\'b\''}]`},
		{"named uuid of no row", []string{`{'op':'insert','table':'A','row':{'bs':['named-uuid','b']}}`},
			`[{'uuid':['uuid','U']},{'details':'Table A column bs row U references nonexistent row U in table B.','error':'referential integrity violation'}]`},
		{"garbage at once", []string{`{'op':'insert','table':'B','row':{}}`}, `[{'uuid':['uuid','U']}]`},
		{"after an error", []string{`{'op':'abort'}`, insertA, insertA}, `[{'details':'aborted by request','error':'aborted'},null,null]`},
		{"comment and commit", []string{`{'op':'comment','comment':'x'}`, `{'op':'commit','durable':true}`}, `[{},{}]`},
		{"assert", []string{`{'op':'assert','lock':'l'}`}, `[{'details':'Asserted lock l not held.','error':'not owner'}]`},
		{"no such operation", []string{`{'op':'fly'}`},
			`[{'details':'Parsing ovsdb operation 1 of 1 failed: No operation \'fly\'','error':'syntax error','syntax':'{\'op\':\'fly\'}'}]`},
		{"no such table", []string{`{'op':'delete','where':[],'table':'C'}`},
			`[{'details':'Parsing ovsdb operation 1 of 1 failed: No table named C.','error':'syntax error','syntax':'{\'op\':\'delete\',\'table\':\'C\',\'where\':[]}'}]`},
		{"member too many wins", []string{`{'op':'insert','table':'A','row':{'n':'x'},'more':1}`},
			`[{'details':'Parsing ovsdb operation 1 of 1 failed: Member 'more' is present but not allowed here.','error':'syntax error','syntax':'{\'more\':1,\'op\':\'insert\',\'row\':{\'n\':\'x\'},\'table\':\'A\'}'}]`},
		{"index", []string{insertA, insertA},
			`[{'uuid':['uuid','U']},{'uuid':['uuid','U']},{'details':'Transaction causes multiple rows in \'A\' table to have identical values (a) for index on column \'name\'.  First row, with UUID U, was inserted by this transaction.  Second row, with UUID U, was inserted by this transaction.','error':'constraint violation'}]`},
		{"wait without a match", []string{`{'op':'wait','table':'A','where':[],'columns':['name'],'until':'==','rows':[{'name':'x'}],'timeout':0}`},
			`[{'details':'\'where\' clause test failed','error':'timed out'}]`},
		{"no columns are distinct once", []string{insertA, `{'op':'insert','table':'A','row':{}}`, `{'op':'select','table':'A','where':[],'columns':[]}`},
			`[{'uuid':['uuid','U']},{'uuid':['uuid','U']},{'rows':[{}]}]`},
		{"sorted", []string{insertA, `{'op':'insert','table':'A','row':{'name':'b'}}`, `{'op':'insert','table':'A','row':{'name':'','n':2}}`,
			`{'op':'select','table':'A','where':[],'columns':['name'],'sort':['name']}`,
			`{'op':'select','table':'A','where':[],'columns':['name'],'sort':['n']}`},
			`[{'uuid':['uuid','U']},{'uuid':['uuid','U']},{'uuid':['uuid','U']},{'rows':[{'name':''},{'name':'a'},{'name':'b'}]},{'rows':[{'name':'b'},{'name':'a'},{'name':''}]}]`},
		{"mutate nothing", []string{insertA, `{'op':'mutate','table':'A','where':[],'mutations':[]}`, `{'op':'mutate','table':'A','where':[['name','==','b']],'mutations':[]}`},
			`[{'uuid':['uuid','U']},{'count':1},{'count':0}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := transact(t, smallDatabase(t), &Env{}, c.ops...).reply()
			if got = strings.ReplaceAll(got, `\\'`, `\'`); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestParams(t *testing.T) {
	d := smallDatabase(t)
	for params, want := range map[string]string{
		`{}`:                `{"details":"array expected","error":"syntax error","syntax":"{}"}`,
		`[]`:                `{"details":"database name expected as first parameter","error":"syntax error","syntax":"[]"}`,
		`["other"]`:         `{"details":"database name expected as first parameter","error":"syntax error","syntax":"[\"other\"]"}`,
		`["small"]`:         `[]`,
		`["small",1,"x"]`:   `[{"details":"Parsing ovsdb operation 1 of 2 failed: Object expected.","error":"syntax error"},null]`,
		`["small",{"a":1}]`: `[{"details":"Parsing ovsdb operation 1 of 1 failed: Required 'op' member is missing.","error":"syntax error","syntax":"{\"a\":1}"}]`,
	} {
		if out := d.Transact(mustParse(t, params), &Env{}); string(out.Reply) != want || out.Changes != nil {
			t.Errorf("%s: got %s, want %s", params, out.Reply, want)
		}
	}
}

func TestWait(t *testing.T) {
	d := smallDatabase(t, `{'op':'insert','table':'A','row':{'name':'a'}}`)
	wait := func(env *Env, timeout string) Outcome {
		return transact(t, d, env, `{'op':'select','table':'B','where':[]}`,
			`{'op':'wait','table':'A','where':[],'columns':['name'],'until':'==','rows':[{'name':'b'}]`+timeout+`}`,
			`{'op':'insert','table':'A','row':{'name':'never'}}`)
	}
	out := wait(&Env{}, `,'timeout':100`)
	if out.Wait == nil || out.Reply != nil || out.Wait.Timeout != 100*time.Millisecond {
		t.Fatalf("got %+v", out)
	}
	var tables []string
	for _, ts := range out.Wait.Tables {
		tables = append(tables, ts.Name)
	}
	if !slices.Equal(tables, []string{"B", "A"}) {
		t.Errorf("waits for %q", tables)
	}
	if out := wait(&Env{}, ``); out.Wait == nil || out.Wait.Timeout >= 0 {
		t.Errorf("without a timeout: %+v", out)
	}
	if out := wait(&Env{Elapsed: 99 * time.Millisecond}, `,'timeout':100`); out.Wait == nil {
		t.Errorf("shortly before the timeout: %s", out.reply())
	}
	if got, want := wait(&Env{Elapsed: 101 * time.Millisecond}, `,'timeout':100`).reply(),
		`[{'rows':[]},{'details':'\'wait\' timed out after 101 ms','error':'timed out'},null]`; got != want {
		t.Errorf("after the timeout: got %s, want %s", got, want)
	}
	if got, want := wait(&Env{NoWait: true}, ``).reply(),
		`[{'rows':[]},{'details':'triggers not supported','error':'not supported'},null]`; got != want {
		t.Errorf("NoWait: got %s, want %s", got, want)
	}
	if out := wait(&Env{}, `,'timeout':9223372036854775807`); out.Wait == nil || out.Wait.Timeout <= 0 {
		t.Errorf("a huge timeout: %+v", out)
	}
	transact(t, d, &Env{}, `{'op':'update','table':'A','where':[],'row':{'name':'b'}}`)
	if out := wait(&Env{}, ``); out.Wait != nil || out.Failed || out.Changes == nil {
		t.Errorf("when it is met: %s", out.reply())
	}
}

func TestWaitByUUID(t *testing.T) {
	d := smallDatabase(t, `{'op':'insert','table':'A','uuid':'00000000-0000-4000-8000-000000000001','row':{'name':'a'}}`)
	const wait = `{'op':'wait','timeout':0,'table':'A','where':[],'columns':['_uuid'],'until':'==','rows':[{'_uuid':['uuid','00000000-0000-4000-8000-00000000000N']}]}`
	if out := transact(t, d, &Env{}, strings.Replace(wait, "N", "1", 1)); out.Failed {
		t.Errorf("%s", out.Reply)
	}
	if out := transact(t, d, &Env{}, strings.Replace(wait, "N", "2", 1)); !out.Failed {
		t.Errorf("%s", out.Reply)
	}
}

func TestReadOnly(t *testing.T) {
	d := smallDatabase(t, `{'op':'insert','table':'A','row':{'name':'a'}}`)
	env := &Env{ReadOnly: true}
	for _, op := range []string{
		`{'op':'insert','table':'A','row':{}}`, `{'op':'update','table':'A','where':[],'row':{}}`,
		`{'op':'mutate','table':'A','where':[],'mutations':[]}`, `{'op':'delete','table':'A','where':[]}`, `{'op':'commit','durable':false}`,
	} {
		out := transact(t, d, env, op)
		name := mustParse(t, strings.ReplaceAll(op, "'", `"`)).Get("op").Str()
		if want := `[{'details':'` + name + ` operation not allowed when database server is in read only mode','error':'not allowed'}]`; out.reply() != want {
			t.Errorf("got %s, want %s", out.reply(), want)
		}
	}
	if out := transact(t, d, env, `{'op':'select','table':'A','where':[],'columns':['name']}`, `{'op':'comment','comment':''}`); out.Failed {
		t.Errorf("%s", out.Reply)
	}
	if d.Table("A").Len() != 1 {
		t.Error("something changed")
	}
}

func TestReservedDatabase(t *testing.T) {
	schema := strings.Replace(smallSchema, `"small"`, `"_small"`, 1)
	d := New(parseSchema(t, schema))
	out := transact(t, d, &Env{}, `{'op':'insert','table':'A','row':{}}`)
	if want := `[{'details':'insert operation not allowed on table in reserved database _small','error':'not allowed'}]`; out.reply() != want {
		t.Errorf("got %s", out.reply())
	}
	if out := transact(t, d, &Env{Internal: true}, `{'op':'insert','table':'A','row':{}}`); out.Failed {
		t.Errorf("%s", out.Reply)
	}
}

// Permit is asked about the rows that the operations together change, and about no others.
func TestPermit(t *testing.T) {
	const b1 = `00000000-0000-4000-8000-0000000000b1`
	d := smallDatabase(t, `{'op':'insert','table':'B','uuid':'`+b1+`','row':{'x':1}}`,
		`{'op':'insert','table':'A','row':{'name':'a','n':1,'bs':['uuid','`+b1+`']}}`)
	var asked []string
	env := &Env{Permit: func(d *Database, ts *ovsdb.TableSchema, row *RowChange) error {
		text := ts.Name
		switch {
		case row.Old == nil:
			text += " inserted"
		case row.New == nil:
			text += " deleted"
		}
		for _, c := range ts.Columns {
			if row.Old != nil && row.New != nil && row.Changed(c) {
				text += "." + c.Name
			}
		}
		if now := d.Table(ts.Name).Get(row.UUID()); now != row.New {
			t.Errorf("%s: the database shows %v", text, now)
		}
		asked = append(asked, text)
		if text == "A.n" {
			return ovsdb.PermissionError("n is not yours")
		}
		return nil
	}}
	for _, c := range []struct {
		ops  []string
		want []string
	}{
		{[]string{`{'op':'update','table':'A','where':[],'row':{'n':1,'name':'a'}}`}, nil}, // an echo
		{[]string{`{'op':'update','table':'A','where':[],'row':{'n':0}}`, `{'op':'mutate','table':'A','where':[],'mutations':[['n','+=',1]]}`}, nil},
		{[]string{`{'op':'delete','table':'B','where':[['x','==',7]]}`}, nil},
		{[]string{`{'op':'update','table':'A','where':[],'row':{'n':1,'name':'b'}}`}, []string{"A.name"}},
		{[]string{`{'op':'insert','table':'A','row':{}}`, `{'op':'delete','table':'A','where':[['name','==','']]}`}, nil},
		{[]string{`{'op':'insert','table':'B','row':{}}`}, []string{"B inserted"}}, // garbage
		{[]string{`{'op':'mutate','table':'A','where':[],'mutations':[['bs','delete',['uuid','` + b1 + `']]]}`}, []string{"A.bs"}},
		{[]string{`{'op':'delete','table':'A','where':[]}`}, []string{"A deleted"}},
	} {
		asked = nil
		if out := transact(t, d, env, c.ops...); out.Failed || !slices.Equal(asked, c.want) {
			t.Errorf("%s: asked %q, want %q; %s", c.ops, asked, c.want, out.Reply)
		}
	}
	if d.has("B", ovsdb.UUID{}) || d.Table("B").Len() != 0 {
		t.Error("garbage is left")
	}
	transact(t, d, &Env{}, `{'op':'insert','table':'A','row':{'name':'a','n':1}}`)
	got := transact(t, d, env, `{'op':'update','table':'A','where':[],'row':{'n':['set',[]]}}`).reply()
	if want := `[{'count':1},{'details':'n is not yours','error':'permission error'}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if row := transact(t, d, &Env{}, `{'op':'select','table':'A','where':[],'columns':['n']}`).reply(); row != `[{'rows':[{'n':1}]}]` {
		t.Errorf("what was refused is done: %s", row)
	}
}

func TestAssert(t *testing.T) {
	env := &Env{HasLock: func(name string) bool { return name == "mine" }}
	if out := transact(t, smallDatabase(t), env, `{'op':'assert','lock':'mine'}`); out.Failed {
		t.Errorf("%s", out.Reply)
	}
	if out := transact(t, smallDatabase(t), env, `{'op':'assert','lock':'other'}`); !out.Failed {
		t.Errorf("%s", out.Reply)
	}
}

func TestCommitOptions(t *testing.T) {
	d := smallDatabase(t)
	out := transact(t, d, &Env{}, `{'op':'comment','comment':'one'}`, `{'op':'insert','table':'A','row':{}}`,
		`{'op':'commit','durable':true}`, `{'op':'comment','comment':'two'}`)
	if !out.Durable || out.Changes == nil || out.Changes.Comment != "one\ntwo" || out.Changes.TxnID.IsZero() {
		t.Errorf("got %+v", out)
	}
	record := string(out.Changes.AppendRecord(nil, time.UnixMilli(7)))
	if !strings.HasSuffix(record, `"_comment":"one\ntwo","_date":7}`) {
		t.Errorf("record %s", record)
	}
}

func TestAppendCommitError(t *testing.T) {
	err := ovsdb.IOError(wire.ErrTooLong, "write")
	if got, want := string(AppendCommitError([]byte(`[{}]`), err)), `[{},{"details":"write","error":"I/O error","io-error":"JSON text too long"}]`; got != want {
		t.Errorf("got %s", got)
	}
	if got, want := string(AppendCommitError([]byte(`[]`), err)), `[{"details":"write","error":"I/O error","io-error":"JSON text too long"}]`; got != want {
		t.Errorf("got %s", got)
	}
}
