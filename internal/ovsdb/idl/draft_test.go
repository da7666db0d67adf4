package idl

import (
	"maps"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"pgregory.net/rapid"
)

// testSchema has a column of each shape.
const testSchema = `{"name":"db","version":"1.0.0","tables":{
	"A":{"columns":{"i":{"type":"integer"},"opt":{"type":{"key":"string","min":0,"max":1}},
		"set":{"type":{"key":"integer","min":0,"max":"unlimited"}},
		"map":{"type":{"key":"string","value":"integer","min":0,"max":"unlimited"}},
		"one":{"type":{"key":"string","value":"string","min":0,"max":1}},
		"min":{"type":{"key":"integer","min":1,"max":3}}}},
	"B":{"columns":{"r":{"type":{"key":{"type":"uuid","refTable":"A"}}},"e":{"type":{"key":{"type":"string","enum":["set",["x","y"]]}}}}}}}`

func mustParse(t testing.TB, text string) wire.Value {
	t.Helper()
	v, err := wire.ParseString(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func testPlan(t testing.TB) *plan {
	t.Helper()
	schema, err := ovsdb.ParseSchema(mustParse(t, testSchema))
	if err != nil {
		t.Fatal(err)
	}
	return newPlan(schema, nil)
}

// drawDatum draws a value of a column of table A.
func drawDatum(t *rapid.T, c *ovsdb.ColumnSchema) ovsdb.Datum {
	small := rapid.IntRange(0, 4)
	atom := func(typ ovsdb.AtomicType) ovsdb.Atom {
		if n := small.Draw(t, c.Name); typ == ovsdb.Integer {
			return ovsdb.IntAtom(int64(n))
		} else {
			return ovsdb.StringAtom(strings.Repeat("s", n))
		}
	}
	n := rapid.IntRange(c.Type.Min, min(c.Type.Max, 4)).Draw(t, c.Name+" size")
	var atoms []ovsdb.Atom
	for range n {
		atoms = append(atoms, atom(c.Type.Key.Type))
		if c.Type.IsMap() {
			atoms = append(atoms, atom(c.Type.Value.Type))
		}
	}
	if c.Type.IsMap() {
		return ovsdb.NewMap(c.Type.Key.Type, c.Type.Value.Type, atoms...)
	}
	return ovsdb.NewSet(c.Type.Key.Type, atoms...)
}

func drawRow(t *rapid.T, ts *ovsdb.TableSchema, id ovsdb.UUID) *ovsdb.Row {
	var values []ovsdb.Datum
	for _, c := range ts.Columns {
		values = append(values, drawDatum(t, c))
	}
	return ovsdb.NewRow(id, values)
}

// appendColumns appends the columns that cols returns a datum for, as a <row>.
func appendColumns(dst []byte, ts *ovsdb.TableSchema, cols func(c *ovsdb.ColumnSchema) (ovsdb.Datum, bool)) []byte {
	dst = append(dst, '{')
	comma := false
	for _, c := range ts.Columns {
		d, ok := cols(c)
		if !ok {
			continue
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = append(wire.AppendString(dst, c.Name), ':')
		dst = ovsdb.AppendDatum(dst, d, &c.Type)
	}
	return append(dst, '}')
}

// appendChange appends how a server tells, in version v, that before became after.
func appendChange(dst []byte, ts *ovsdb.TableSchema, v client.Version, before, after *ovsdb.Row) []byte {
	all := func(row *ovsdb.Row) func(c *ovsdb.ColumnSchema) (ovsdb.Datum, bool) {
		return func(c *ovsdb.ColumnSchema) (ovsdb.Datum, bool) {
			return row.At(c.Index), v == 1 || !row.At(c.Index).IsDefault(&c.Type)
		}
	}
	changed := func(value func(old, now ovsdb.Datum, t *ovsdb.Type) ovsdb.Datum) func(c *ovsdb.ColumnSchema) (ovsdb.Datum, bool) {
		return func(c *ovsdb.ColumnSchema) (ovsdb.Datum, bool) {
			old, now := before.At(c.Index), after.At(c.Index)
			return value(old, now, &c.Type), !old.Equal(now, &c.Type)
		}
	}
	switch {
	case v == 1 && after == nil:
		dst = appendColumns(append(dst, `{"old":`...), ts, all(before))
	case v == 1 && before == nil:
		dst = appendColumns(append(dst, `{"new":`...), ts, all(after))
	case v == 1:
		old := changed(func(old, _ ovsdb.Datum, _ *ovsdb.Type) ovsdb.Datum { return old })
		dst = appendColumns(append(dst, `{"old":`...), ts, old)
		dst = appendColumns(append(dst, `,"new":`...), ts, all(after))
	case after == nil:
		dst = append(dst, `{"delete":null`...)
	case before == nil:
		dst = appendColumns(append(dst, `{"insert":`...), ts, all(after))
	default:
		dst = appendColumns(append(dst, `{"modify":`...), ts, changed(ovsdb.Diff))
	}
	return append(dst, '}')
}

func equalTables(p *plan, got *Snapshot, want map[ovsdb.UUID]*ovsdb.Row) bool {
	table := got.Table("A")
	if table.Len() != len(want) {
		return false
	}
	for row := range table.All() {
		if w := want[row.UUID]; w == nil || !p.tables[0].equalRows(row, w) {
			return false
		}
	}
	return true
}

// Whatever changes, told in whatever version, and however rarely someone takes: the
// snapshot is the server's database, and the deltas applied to a copy give it too.
func TestDeltas(t *testing.T) {
	p := testPlan(t)
	ts := p.tables[0].schema
	rapid.Check(t, func(t *rapid.T) {
		v := client.Version(rapid.IntRange(1, 3).Draw(t, "version"))
		c := New(Options{Database: "db"})
		r := &replica{client: c, data: newSnapshot(p)}
		c.synchronized(nil, r)
		database := map[ovsdb.UUID]*ovsdb.Row{} // the server's
		consumer := map[ovsdb.UUID]*ovsdb.Row{} // the copy
		take := func() {
			snapshot, d := c.Take()
			for _, row := range d.Rows("A") {
				old, now := row.Old, row.New
				switch {
				case old == nil && consumer[now.UUID] == nil, old != nil && consumer[old.UUID] == old:
				default:
					t.Fatalf("delta does not go on from the one before: %v -> %v", old, now)
				}
				if now == nil {
					delete(consumer, old.UUID)
				} else {
					consumer[now.UUID] = now
				}
			}
			if !equalTables(p, snapshot, database) || !equalTables(p, snapshot, consumer) {
				t.Fatalf("snapshot, database and sum of the deltas are not the same")
			}
		}
		for range rapid.IntRange(1, 20).Draw(t, "updates") {
			updates := []byte(`{"A":{`)
			next := maps.Clone(database)
			seen := map[ovsdb.UUID]bool{}
			for range rapid.IntRange(0, 5).Draw(t, "rows") {
				id := ovsdb.UUID{byte(rapid.IntRange(0, 7).Draw(t, "row"))}
				if seen[id] {
					continue
				}
				before := database[id]
				var after *ovsdb.Row
				if before == nil || rapid.IntRange(0, 2).Draw(t, "what") > 0 {
					after = drawRow(t, ts, id)
				}
				if len(seen) > 0 {
					updates = append(updates, ',')
				}
				seen[id] = true
				updates = append(wire.AppendString(updates, id.String()), ':')
				updates = appendChange(updates, ts, v, before, after)
				if after == nil {
					delete(next, id)
				} else {
					next[id] = after
				}
			}
			database = next
			message, err := wire.ParseString(string(append(updates, "}}"...)))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Changes(nil, client.Update{Version: v, Tables: message}); err != nil {
				t.Fatalf("%s: %v", updates, err)
			}
			if rapid.Bool().Draw(t, "take") {
				take()
			}
		}
		take()
	})
}

func TestRefused(t *testing.T) {
	const id = `"11111111-1111-1111-1111-111111111111"`
	p := testPlan(t)
	d := newDraft(newSnapshot(p))
	if err := d.apply(mustParse(t, `{"A":{`+id+`:{"insert":{"i":1,"map":["map",[["k",1]]],"min":5}}}}`), 2); err != nil {
		t.Fatal(err)
	}
	base := d.publish()
	for _, tt := range []struct {
		v       client.Version
		updates string
		want    string
	}{
		{2, `[]`, "table updates are array"},
		{2, `null`, "table updates are null"},
		{2, `{"A":[]}`, "rows are array"},
		{2, `{"A":{"x":{}}}`, `"x" is not a UUID`},
		{2, `{"A":{` + id + `:null}}`, "update is null"},
		{2, `{"A":{` + id + `:{}}}`, "0 members"},
		{2, `{"A":{` + id + `:{"insert":{},"delete":null}}}`, "2 members"},
		{2, `{"A":{` + id + `:{"what":{}}}}`, `unknown kind of update "what"`},
		{2, `{"A":{` + id + `:{"insert":null}}}`, "columns are null"},
		{2, `{"A":{` + id + `:{"modify":7}}}`, "columns are number"},
		{2, `{"A":{"22222222-2222-2222-2222-222222222222":{"modify":{"i":1}}}}`, "does not exist"},
		{2, `{"A":{` + id + `:{"insert":{"i":"one"}}}}`, "column i"},
		{2, `{"A":{` + id + `:{"insert":{"i":["set",[]]}}}}`, "column i"},
		{2, `{"A":{` + id + `:{"insert":{"i":["set",[1,2]]}}}}`, "column i"},
		{2, `{"A":{` + id + `:{"modify":{"map":["map",[["k"]]]}}}}`, "column map"},
		{2, `{"A":{` + id + `:{"modify":{"min":5}}}}`, "column min"}, // which would be empty
		{2, `{"B":{` + id + `:{"insert":{"r":["named-uuid","x"]}}}}`, "column r"},
		{1, `{"A":{` + id + `:{}}}`, `neither "old" nor "new"`},
		{1, `{"A":{` + id + `:{"new":[]}}}`, "columns are array"},
	} {
		d := newDraft(base)
		err := d.apply(mustParse(t, tt.updates), tt.v)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error is %v, want %s", tt.updates, err, tt.want)
		}
	}
	if n := len(difference(base, base)); n != 0 || base.Table("A").Len() != 1 {
		t.Error("drafts that failed left something behind")
	}
	for _, updates := range []string{
		`{"A":{"22222222-2222-2222-2222-222222222222":{"delete":null}}}`, // it is not there, as wanted
		`{"C":5}`, // not replicated
		`{"A":{` + id + `:{"insert":{"unheard of":[]}}}}`,
		`{"B":{` + id + `:{"insert":{"e":"z"}}}}`, // constraints are the server's business
	} {
		if err := newDraft(base).apply(mustParse(t, updates), 2); err != nil {
			t.Errorf("%s: %v", updates, err)
		}
	}
}

// After a change of the schema the old rows are compared as rows of the new one.
func TestTranslate(t *testing.T) {
	const id = `"11111111-1111-1111-1111-111111111111"`
	before := newDraft(newSnapshot(testPlan(t)))
	if err := before.apply(mustParse(t, `{"A":{`+id+`:{"insert":{"i":1,"opt":"o"}}},"B":{`+id+`:{"insert":{"e":"x"}}}}`), 2); err != nil {
		t.Fatal(err)
	}
	schema, err := ovsdb.ParseSchema(mustParse(t, `{"name":"db","tables":{"A":{"columns":{
		"a":{"type":"string"},"i":{"type":"integer"},"opt":{"type":"integer"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	after := newDraft(newSnapshot(newPlan(schema, nil)))
	if err := after.apply(mustParse(t, `{"A":{`+id+`:{"insert":{"i":1}}}}`), 2); err != nil {
		t.Fatal(err)
	}
	if d := difference(before.publish(), after.publish()); len(d) != 0 {
		t.Errorf("differences are %v", d)
	}
	if err := after.apply(mustParse(t, `{"A":{`+id+`:{"modify":{"a":"new"}}}}`), 2); err != nil {
		t.Fatal(err)
	}
	if d := difference(before.publish(), after.publish()); len(d["A"]) != 1 || d["A"][0].Old.Len() != 3 {
		t.Errorf("differences are %v", d)
	}
}

func FuzzApply(f *testing.F) {
	f.Add(`{"A":{"11111111-1111-1111-1111-111111111111":{"insert":{"i":1,"map":["map",[["k",1]]],"min":5}}}}`, 2)
	f.Add(`{"A":{"11111111-1111-1111-1111-111111111111":{"modify":{"set":["set",[1,2]],"opt":["set",[]]}}}}`, 3)
	f.Add(`{"A":{"11111111-1111-1111-1111-111111111111":{"old":{},"new":{"i":3}}}}`, 1)
	f.Fuzz(func(t *testing.T, text string, v int) {
		p := testPlan(t)
		d := newDraft(newSnapshot(p))
		if err := d.apply(mustParse(t, `{"A":{"11111111-1111-1111-1111-111111111111":{"insert":{}}}}`), 2); err != nil {
			t.Fatal(err)
		}
		base := d.publish()
		updates, err := wire.ParseString(text)
		if err != nil || v < 1 || v > 3 {
			return
		}
		d = newDraft(base)
		if d.apply(updates, client.Version(v)) != nil {
			return
		}
		// What was applied can be read: a reader relies on the types of columns.
		for _, rows := range difference(base, d.publish()) {
			for _, row := range rows {
				if row.New == nil {
					continue
				}
				for _, c := range p.schema.Tables["A"].Columns {
					if p.schema.Tables["A"].Columns[c.Index] == c && row.New.Len() > c.Index {
						row.New.AppendField(nil, c)
					}
				}
			}
		}
	})
}
