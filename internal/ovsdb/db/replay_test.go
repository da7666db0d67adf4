package db

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/ovsdbtest"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func parseBytes(t testing.TB, b []byte) wire.Value {
	t.Helper()
	v, err := wire.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func replay(t testing.TB, d *Database, record string) error {
	t.Helper()
	err := d.ReplayRecord(mustParse(t, strings.ReplaceAll(record, "'", `"`)))
	if cerr := d.Check(); cerr != nil {
		t.Fatalf("after %s: %v", record, cerr)
	}
	return err
}

func TestReplay(t *testing.T) {
	d := smallDatabase(t)
	for _, record := range []string{
		`{'A':{'00000000-0000-4000-8000-000000000001':{'name':'a','set':['set',[1,2,3]]}},'_date':1,'_comment':'c'}`,
		`{'_is_diff':true,'A':{'00000000-0000-4000-8000-000000000001':{'name':'b','set':['set',[2,4]],'n':7}}}`,
		`{'_is_diff':false,'A':{'00000000-0000-4000-8000-000000000002':{'set':['set',[5]]}}}`,
		`{'_is_diff':true,'A':{'00000000-0000-4000-8000-000000000002':null,'00000000-0000-4000-8000-000000000003':{'name':'c'}}}`,
		`{'_date':3}`,
	} {
		if err := replay(t, d, record); err != nil {
			t.Fatalf("%s: %v", record, err)
		}
	}
	out := transact(t, d, &Env{}, `{'op':'select','table':'A','where':[],'columns':['name','n','set'],'sort':['name']}`)
	if want := `[{'rows':[{'name':'b','n':7,'set':['set',[1,3,4]]},{'name':'c','n':['set',[]],'set':['set',[]]}]}]`; out.reply() != want {
		t.Errorf("got %s, want %s", out.reply(), want)
	}
}

func TestReplayRefuses(t *testing.T) {
	for record, want := range map[string]string{
		`[]`:             "object expected",
		`{'C':{}}`:       "No table named C",
		`{'_date':'x'}`:  "No table named _date",
		`{'A':1}`:        "object expected",
		`{'A':{'1':{}}}`: `"1" is not a valid UUID`,
		`{'A':{'00000000-0000-4000-8000-00000000000a':null}}`:                                                     "does not exist",
		`{'A':{'00000000-0000-4000-8000-000000000001':{'none':1}}}`:                                               "No column none",
		`{'A':{'00000000-0000-4000-8000-000000000001':{'name':1}}}`:                                               "expected string",
		`{'A':{'00000000-0000-4000-8000-000000000001':3}}`:                                                        "row must be JSON object",
		`{'B':{'00000000-0000-4000-8000-000000000001':3}}`:                                                        "row must be JSON object",
		`{'A':{'00000000-0000-4000-8000-00000000000b':{'name':'a'}}}`:                                             "Transaction causes multiple rows",
		`{'_is_diff':true,'A':{'00000000-0000-4000-8000-000000000001':{'none':1}}}`:                               "No column none",
		`{'_is_diff':true,'A':{'00000000-0000-4000-8000-000000000001':[]}}`:                                       "row must be JSON object",
		`{'A':{'00000000-0000-4000-8000-000000000001':{'bs':['uuid','00000000-0000-4000-8000-00000000000c']}}}`:   "references nonexistent row",
		`{'A':{'0000000A-0000-4000-8000-000000000001':{},'0000000a-0000-4000-8000-000000000001':null}}`:           "",
		`{'A':{'00000000-0000-4000-8000-00000000000d':{'name':'d'},'00000000-0000-4000-8000-00000000000D':null}}`: "",
	} {
		d := smallDatabase(t, `{'op':'insert','table':'A','uuid':'00000000-0000-4000-8000-000000000001','row':{'name':'a'}}`)
		before := dumpOf(d).String()
		err := replay(t, d, record)
		if want == "" {
			continue // either way will do, as long as nothing breaks
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", record, err, want)
		}
		if after := dumpOf(d).String(); after != before {
			t.Errorf("%s: something changed: %s", record, after)
		}
	}
}

func TestConvert(t *testing.T) {
	d := smallDatabase(t,
		`{'op':'insert','table':'A','row':{'name':'a','n':5,'set':['set',[1,2]],'bs':['named-uuid','b'],'now':'x'}}`,
		`{'op':'insert','table':'B','row':{'x':9},'uuid-name':'b'}`)
	for _, c := range []struct {
		name, old, new string // in the schema
		want           string // an error, or ""
	}{
		{"same", "", "", ""},
		{"new column", `"x":{"type":"integer"}`, `"x":{"type":"integer"},"y":{"type":"string"}`, ""},
		{"column gone", `"now":{"type":"string","ephemeral":true}`, `"now2":{"type":"string"}`, ""},
		{"integer to real", `"x":{"type":"integer"}`, `"x":{"type":"real"}`, ""},
		{"integer to string", `"x":{"type":"integer"}`, `"x":{"type":"string"}`, "expected string"},
		{"too many", `"set":{"type":{"key":"integer","min":0,"max":"unlimited"}}`, `"set":{"type":{"key":"integer","min":0,"max":1}}`, "must have 0 to 1 members"},
		{"range", `"x":{"type":"integer"}`, `"x":{"type":{"key":{"type":"integer","maxInteger":8}}}`, "9 is greater than maximum allowed value 8"},
		{"reference to a new table", `"refTable":"B"`, `"refTable":"A"`, "references nonexistent row"},
		{"table gone", `"refTable":"B"`, `"refTable":"A","refType":"weak"`, ""},
	} {
		schema := parseSchema(t, strings.Replace(smallSchema, c.old, c.new, 1))
		to, err := d.Convert(schema)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %q", c.name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if err := to.Check(); err != nil || to.Table("A").Len() != 1 || to.Schema() != schema {
			t.Errorf("%s: %v, %d rows", c.name, err, to.Table("A").Len())
		}
	}
	if err := d.Check(); err != nil {
		t.Error(err)
	}
}

// TestReplayReals has reals that differ in the last of their digits: they must still do so
// when they are read from the file.
func TestReplayReals(t *testing.T) {
	schema := parseSchema(t, `{"name":"small","tables":{"R":{"isRoot":true,"indexes":[["key"]],"columns":{
		"key":{"type":"real"},"set":{"type":{"key":"real","min":0,"max":"unlimited"}}}}}}`)
	d, copied := New(schema), New(schema)
	for _, op := range []string{
		`{'op':'insert','table':'R','row':{'key':0.3,'set':['set',[0.3,0.30000000000000004]]}}`,
		`{'op':'insert','table':'R','row':{'key':0.30000000000000004}}`,
		`{'op':'insert','table':'R','row':{'key':1.7976931348623157e308}}`,
	} {
		out := transact(t, d, &Env{}, op)
		if out.Changes == nil {
			t.Fatal(out.reply())
		}
		if err := copied.ReplayRecord(parseBytes(t, out.Changes.AppendRecord(nil, time.Now()))); err != nil {
			t.Fatal(err)
		}
	}
	compacted := New(schema)
	if err := compacted.ReplayRecord(parseBytes(t, d.Snapshot().AppendRecord(nil, "", time.Now()))); err != nil {
		t.Fatal(err)
	}
	converted, err := d.Convert(schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []*Database{copied, compacted, converted} {
		for row := range d.Table("R").All() {
			for _, c := range schema.Tables["R"].Columns {
				if got := other.Table("R").Get(row.UUID); got == nil || !got.Field(c).Equal(row.Field(c), &c.Type) {
					t.Errorf("%s of %s differs", c.Name, row.UUID)
				}
			}
		}
	}
}

// TestReplayManyRows has a record with so many rows that they are read side by side: the
// result is that of records with few.
func TestReplayManyRows(t *testing.T) {
	const manyRows = chunkRows/2 + 1
	const n = 3 * manyRows
	replay := func(d *Database, record string) error {
		l := Loader{database: d}
		apply, err := l.Prepare([]byte(record))
		if err == nil {
			err = apply()
		}
		return err
	}
	row := func(i int) string {
		return fmt.Sprintf(`"%08x-0000-4000-8000-00000000abcd":{"name":"r%d","tunnel_key":%d}`, i, i, i)
	}
	record := func(rows []string) string { return `{"Logical_Switch":{` + strings.Join(rows, ",") + `}}` }
	var rows []string
	for i := range n {
		rows = append(rows, row(i))
	}
	once, parts := emptyDatabase(t, "../../hwvtep/vtep.ovsschema"), emptyDatabase(t, "../../hwvtep/vtep.ovsschema")
	if err := replay(once, record(rows)); err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(rows, manyRows/2) {
		if err := replay(parts, record(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := once.Check(); err != nil {
		t.Error(err)
	}
	if once.Table("Logical_Switch").Len() != n || ovsdbtest.Compare(dumpOf(once), dumpOf(parts)) != ovsdbtest.Equal {
		t.Errorf("%d rows, or others", once.Table("Logical_Switch").Len())
	}
	// Bad rows among many good ones: nothing remains.
	for _, bad := range []string{
		`"nonsense":{}`, `"00000001-0000-4000-8000-00000000abce":{"none":1}`, `"00000001-0000-4000-8000-00000000abce":null`,
		`"00000001-0000-4000-8000-00000000abce":{"name":"r7"}`, `"00000001-0000-4000-8000-00000000abce":{"tunnel_key":"x"}`,
	} {
		d := emptyDatabase(t, "../../hwvtep/vtep.ovsschema")
		if err := replay(d, record(append(slices.Clone(rows), bad))); err == nil {
			t.Errorf("%s was accepted", bad)
		}
		if err := d.Check(); err != nil || d.Table("Logical_Switch").Len() != 0 {
			t.Errorf("%s: %d rows remain; %v", bad, d.Table("Logical_Switch").Len(), err)
		}
	}
	// The same row a second time, in capitals, has the last word.
	d := emptyDatabase(t, "../../hwvtep/vtep.ovsschema")
	if err := replay(d, record(append(slices.Clone(rows), `"00000001-0000-4000-8000-00000000ABCD":{"name":"again"}`))); err != nil {
		t.Fatal(err)
	}
	if err := d.Check(); err != nil || d.Table("Logical_Switch").Len() != n {
		t.Errorf("%d rows; %v", d.Table("Logical_Switch").Len(), err)
	}
}
