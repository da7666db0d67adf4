package db

import (
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/ovsdbtest"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// FuzzTransact runs any request, on a database that has some content: it must
// remain consistent, and its record must lead another database to the same content.
func FuzzTransact(f *testing.F) {
	schema := emptyDatabase(f, "testdata/mixed.ovsschema").schema
	seeds := samples(schema, 40, 3)
	for _, request := range seeds {
		f.Add([]byte(request))
	}
	f.Add([]byte(`["mixed",{"op":"insert","table":"Root","row":{"_uuid":["uuid","00000000-0000-4000-8000-000000000001"],"name":"x"},"uuid-name":"r"},` +
		`{"op":"wait","timeout":0,"table":"Root","where":[["_uuid","==",["named-uuid","r"]],true],"until":"!=","rows":[]},{"op":"commit","durable":true}]`))
	f.Fuzz(func(t *testing.T, request []byte) {
		v, err := wire.Parse(request)
		if err != nil {
			return
		}
		d := New(schema)
		for _, seed := range seeds {
			d.Transact(parseText(seed), &Env{NoWait: true})
		}
		copied := New(schema)
		if err := copied.ReplayRecord(parseText(string(d.Snapshot().AppendRecord(nil, "", time.Time{})))); err != nil {
			t.Fatal(err)
		}
		out := d.Transact(v, &Env{})
		if err := d.Check(); err != nil {
			t.Fatal(err)
		}
		if out.Wait != nil {
			return
		}
		if _, err := wire.Parse(out.Reply); err != nil {
			t.Fatalf("reply %s: %v", out.Reply, err)
		}
		if out.Changes == nil {
			return
		}
		if record := out.Changes.AppendRecord(nil, time.Time{}); len(record) > 0 {
			if err := copied.ReplayRecord(parseText(string(record))); err != nil {
				t.Fatalf("record %s: %v", record, err)
			}
		}
		forget(t, d)
		forget(t, copied)
		if got, want := dumpOf(copied), dumpOf(d); ovsdbtest.Compare(got, want) != ovsdbtest.Equal {
			t.Fatalf("from records\n got %s\nwant %s", got, want)
		}
	})
}

// FuzzReplay applies any record to a database that has some content.
func FuzzReplay(f *testing.F) {
	schema := emptyDatabase(f, "testdata/mixed.ovsschema").schema
	seeds := samples(schema, 30, 4)
	d := New(schema)
	for _, request := range seeds {
		if cs := d.Transact(parseText(request), &Env{NoWait: true}).Changes; cs != nil {
			f.Add(cs.AppendRecord(nil, time.Time{}))
		}
	}
	f.Add([]byte(`{"_is_diff":true,"Root":{"03010000-0000-4000-8000-000000000000":{"numbers":["set",[1,2,9]]}}}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		v, err := wire.Parse(record)
		if err != nil {
			return
		}
		d := New(schema)
		for _, seed := range seeds {
			d.Transact(parseText(seed), &Env{NoWait: true})
		}
		before := dumpOf(d).String()
		err = d.ReplayRecord(v)
		if cerr := d.Check(); cerr != nil {
			t.Fatal(cerr)
		}
		if err != nil && dumpOf(d).String() != before {
			t.Fatalf("%v, but something changed", err)
		}
	})
}
