package db

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// everyKind is a schema with columns of every type, rows that are garbage, indexes and limits.
const everyKind = `{"name":"d","tables":{
	"plain":{"isRoot":true,"columns":{"s":{"type":"string"},"n":{"type":{"key":{"type":"integer","minInteger":-5,"maxInteger":100}}},
		"r":{"type":"real"},"b":{"type":"boolean"},"e":{"type":{"key":{"type":"string","enum":["set",["red","green"]]},"min":0,"max":1}},
		"to":{"type":{"key":{"type":"uuid","refTable":"child"},"min":0,"max":1}},"many":{"type":{"key":{"type":"uuid","refTable":"child"},"min":0,"max":"unlimited"}},
		"m":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}},
	"child":{"columns":{"name":{"type":"string"},"w":{"type":{"key":{"type":"uuid","refTable":"plain","refType":"weak"},"min":0,"max":1}}},"indexes":[["name"]]},
	"few":{"isRoot":true,"maxRows":3,"columns":{"s":{"type":"string"}}}}}`

// replayBoth replays a record as it is, and prepared, and returns what both make of it.
func replayBoth(t *testing.T, schema *ovsdb.DatabaseSchema, records ...[]byte) (asIs, prepared string, inTime int) {
	t.Helper()
	text := func(d *Database, err error) string {
		if cerr := d.Check(); cerr != nil {
			t.Fatalf("%v, after %.2000q", cerr, records)
		}
		var s strings.Builder
		fmt.Fprint(&s, err)
		for _, table := range d.Tables() {
			rows := content(d, table.schema.Name)
			for _, id := range slices.SortedFunc(maps.Keys(rows), ovsdb.UUID.Compare) {
				fmt.Fprintf(&s, "\n%s %v %s", table.schema.Name, id, rows[id])
			}
		}
		return s.String()
	}
	one, two := New(schema), New(schema)
	var err1, err2 error
	for _, record := range records {
		v, err := wire.Parse(bytes.Clone(record))
		if err1 = err; err == nil {
			err1 = one.ReplayRecord(v)
		}
		if p := two.Prepare(bytes.Clone(record)); p != nil {
			inTime++
			err2 = two.ReplayPrepared(p)
		} else if err2 = err; err == nil {
			err2 = two.ReplayRecord(v)
		}
	}
	return text(one, err1), text(two, err2), inTime
}

// TestPreparedRecords are what the same records are unprepared: rows, and errors.
func TestPreparedRecords(t *testing.T) {
	schema := parseSchema(t, everyKind)
	id := func(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }
	for _, test := range []struct {
		name     string
		prepared bool
		record   string
	}{
		{"nothing", false, `{}`},
		{"only a date", true, `{"_date":5}`},
		{"a row", true, `{"plain":{"A":{"s":"x","n":7,"b":true,"e":"red"}},"_comment":"c","_date":17}`},
		{"an empty row", true, `{"plain":{"A":{}}}`},
		{"no rows", true, `{"plain":{}}`},
		{"sets, maps and reals", true, `{"plain":{"A":{"r":1.5,"m":["map",[["a","b"]]],"many":["set",[]],"e":["set",["green"]]},"B":{"r":2}}}`},
		{"escapes", true, `{"plain":{"A":{"s":"a\n\"b"}}}`},
		{"braces in strings", true, `{"plain":{"B":{"s":"},"},"C":{"s":"{}"},"D":{"s":"}{"},"E":{"s":"}, "}}}`},
		{"the end of a table in a string", false, `{"plain":{"A":{"s":"}}"},"B":{"s":"},"}}}`},
		{"references", true, `{"child":{"D":{"name":"c"}},"plain":{"A":{"to":["uuid","D"]},"B":{"many":["uuid","D"]}}}`},
		{"references the other way", true, `{"plain":{"A":{"to":["uuid","D"]}},"child":{"D":{"name":"c","w":["uuid","A"]}}}`},
		{"garbage", true, `{"child":{"D":{"name":"c"}},"plain":{"A":{}}}`},
		{"two of one key", true, `{"child":{"D":{"name":"c"},"E":{"name":"c"}},"plain":{"A":{"many":["set",[["uuid","D"],["uuid","E"]]]}}}`},
		{"a reference to nothing", true, `{"plain":{"A":{"s":"x"},"B":{"to":["uuid","D"]}}}`},
		{"a weak reference to nothing", true, `{"plain":{"A":{"to":["uuid","D"]}},"child":{"D":{"name":"c","w":["uuid","B"]}}}`},
		{"too many rows", true, `{"few":{"A":{},"B":{},"C":{},"D":{}}}`},
		{"a row twice", true, `{"few":{"A":{"s":"1"},"A":{"s":"2"}}}`},
		{"a plain row twice", true, `{"plain":{"A":{"s":"1"},"B":{},"A":{"s":"2"}}}`},
		{"a table twice", false, `{"plain":{"A":{"s":"1"}},"plain":{"B":{"s":"1"}}}`},
		{"a column twice", false, `{"plain":{"A":{"s":"1","s":"2"}}}`},
		{"an unknown table", false, `{"nope":{"A":{"s":"1"}}}`},
		{"an unknown column", false, `{"plain":{"A":{"nope":"1"}}}`},
		{"_uuid", false, `{"plain":{"A":{"_uuid":["uuid","B"]}}}`},
		{"another type", false, `{"plain":{"A":{"s":5}}}`},
		{"no such enum", false, `{"plain":{"A":{"e":"blue"}}}`},
		{"out of range", false, `{"plain":{"A":{"n":101}}}`},
		{"a real for an integer", true, `{"plain":{"A":{"n":7.0}}}`},
		{"a large integer", false, `{"plain":{"A":{"n":9223372036854775807}}}`},
		{"minus zero", true, `{"plain":{"A":{"n":-0}}}`},
		{"a leading zero", false, `{"plain":{"A":{"n":07}}}`},
		{"no UTF-8", false, "{\"plain\":{\"A\":{\"s\":\"\xff\"}}}"},
		{"no UUID", false, `{"plain":{"A":{"to":["uuid","G"]}}}`},
		{"a deletion", false, `{"plain":{"A":null}}`},
		{"a difference", false, `{"plain":{"A":{"s":"x"}},"_is_diff":true}`},
		{"white space", false, `{"plain": {"A":{"s":"x"}}}`},
		{"something behind", false, `{"plain":{"A":{"s":"x"}}}x`},
		{"something missing", false, `{"plain":{"A":{"s":"x"}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			record := test.record
			for i := range 5 {
				record = strings.ReplaceAll(record, `"`+string(rune('A'+i))+`"`, `"`+id(i)+`"`)
			}
			asIs, prepared, n := replayBoth(t, schema, []byte(record))
			if asIs != prepared {
				t.Errorf("as it is %s\nprepared %s", asIs, prepared)
			}
			if (n > 0) != test.prepared {
				t.Errorf("prepared: %d", n)
			}
		})
	}
}

// TestPreparedRecordsAreLikeOthers changes bytes of what can be prepared.
func TestPreparedRecordsAreLikeOthers(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 11))
	d := vtepDatabase(t)
	d.Transact(mustParse(t, macInserts(60, 0)), &Env{})
	d.Transact(mustParse(t, `["hardware_vtep",{"op":"insert","table":"Global","row":{"other_config":["map",[["a","},\"b"]]]}}]`), &Env{})
	snapshot := d.Snapshot().AppendRecord(nil, "c", time.UnixMilli(1))
	more := d.Transact(mustParse(t, macInserts(30, 10_000)), &Env{}).Changes.AppendRecord(nil, time.UnixMilli(2))
	times := 0
	for i := range 300 {
		records := [][]byte{bytes.Clone(snapshot), bytes.Clone(more)}
		if i > 0 {
			r := records[rng.IntN(2)]
			at := rng.IntN(len(r))
			switch rng.IntN(3) {
			case 0:
				r[at] = byte(rng.IntN(256))
			case 1:
				r[at] = `"{}[],:\0a`[rng.IntN(10)]
			case 2: // a piece elsewhere
				n := rng.IntN(min(100, len(r)-at))
				copy(r[rng.IntN(len(r)-n):], bytes.Clone(r[at:at+n]))
			}
		}
		asIs, prepared, n := replayBoth(t, d.Schema(), records...)
		if asIs != prepared {
			t.Fatalf("record %q\n%q\nas it is %s\nprepared %s", records[0], records[1], asIs, prepared)
		}
		times += n
		if i == 0 && n != 2 {
			t.Fatalf("%d of 2 were prepared", n)
		}
	}
	if times < 100 {
		t.Errorf("only %d records were prepared", times)
	}
}

// TestPreparedManyRows are more than a chunk, of several tables.
func TestPreparedManyRows(t *testing.T) {
	d := vtepDatabase(t)
	d.Transact(mustParse(t, macInserts(2*chunkRows+7, 0)), &Env{})
	record := d.Snapshot().AppendRecord(nil, "", time.UnixMilli(1))
	asIs, prepared, n := replayBoth(t, d.Schema(), record)
	if asIs != prepared || n != 1 || len(asIs) < 100*2*chunkRows {
		t.Errorf("prepared %d times: %d and %d bytes", n, len(asIs), len(prepared))
	}
}
