package db

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/ovsdb/ovsdbtest"
)

// TestModel runs random transactions here and on the model. It also takes
// commits back and makes them again, and follows the records with a second database.
func TestModel(t *testing.T) {
	schema := emptyDatabase(t, "testdata/mixed.ovsschema").schema
	commits, failures := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		d, m := New(schema), newModel(schema)
		copied := New(schema)
		g := ovsdbtest.NewGenerator(schema, false, d.has)
		type state struct {
			changes *ChangeSet
			rows    modelRows // before it
		}
		var undo []state
		for range rapid.IntRange(1, 20).Draw(t, "transactions") {
			if len(undo) > 0 && rapid.IntRange(0, 9).Draw(t, "undo") == 0 {
				n := rapid.IntRange(1, len(undo)).Draw(t, "commits")
				for range n {
					last := undo[len(undo)-1]
					undo = undo[:len(undo)-1]
					d.Undo(last.changes)
					m.rows = last.rows
					checkAgainst(t, "undo", d, m)
				}
				copied = New(schema)
				if err := copied.ReplayRecord(parseText(string(d.Snapshot().AppendRecord(nil, "", time.Time{})))); err != nil {
					t.Fatalf("replay snapshot: %v", err)
				}
				continue
			}
			request := g.Request(t)
			before := m.rows.clone()
			out := d.Transact(parseText(request), &Env{NoWait: true})
			want := m.transact(parseText(request))
			got := ""
			for e := range parseText(string(out.Reply)).Elems() {
				got += e.Get("error").Str()
			}
			// A wait can be met by another of several equal rows.
			if got != want {
				t.Fatalf("request %s\n got %s\nwant %q", request, out.Reply, want)
			}
			if checkAgainst(t, request, d, m); out.Changes == nil {
				failures++
				continue
			}
			commits++
			checkChanges(t, out.Changes, before, m.rows)
			undo = append(undo, state{out.Changes, before})
			if record := out.Changes.AppendRecord(nil, time.Time{}); len(record) > 0 {
				if err := copied.ReplayRecord(parseText(string(record))); err != nil {
					t.Fatalf("replay %s: %v", record, err)
				}
			}
		}
		checkCopy(t, d, copied)
	})
	t.Logf("%d commits, %d without", commits, failures)
}

// checkChanges compares a change-set with the rows before and after it.
func checkChanges(t *rapid.T, cs *ChangeSet, before, after modelRows) {
	for i := range cs.Tables {
		ts := cs.Tables[i].Schema
		for j := range cs.Tables[i].Rows {
			r := &cs.Tables[i].Rows[j]
			old, new := before[ts.Name][r.UUID()], after[ts.Name][r.UUID()]
			if (old == nil) != (r.Old == nil) || (new == nil) != (r.New == nil) || old == nil && new == nil {
				t.Fatalf("table %s row %s: old %v, new %v", ts.Name, r.UUID(), r.Old, r.New)
			}
			if old == nil || new == nil {
				continue
			}
			if r.Columns.IsEmpty() || r.Old.SameVersion(r.New) {
				t.Fatalf("table %s row %s: nothing changed, or not the version", ts.Name, r.UUID())
			}
			for k, c := range ts.Columns {
				if r.Columns.Has(k) == old[k].Equal(new[k], &c.Type) {
					t.Fatalf("table %s row %s column %s: changed is %v", ts.Name, r.UUID(), c.Name, r.Columns.Has(k))
				}
			}
		}
	}
}

func checkAgainst(t *rapid.T, what string, d *Database, m *model) {
	if err := d.Check(); err != nil {
		t.Fatalf("after %s: %v", what, err)
	}
	if got, want := dumpOf(d), m.dump(); ovsdbtest.Compare(got, want) != ovsdbtest.Equal {
		t.Fatalf("after %s\n got %s\nwant %s", what, got, want)
	}
}

// checkCopy compares d with a database that was made from its records, and
// with a conversion to its own schema.
func checkCopy(t *rapid.T, d, copied *Database) {
	converted, err := d.Convert(d.schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []*Database{converted, copied} {
		if err := other.Check(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := dumpOf(converted), dumpOf(d); ovsdbtest.Compare(got, want) != ovsdbtest.Equal {
		t.Fatalf("converted\n got %s\nwant %s", got, want)
	}
	forget(t, d)
	if got, want := dumpOf(copied), dumpOf(d); ovsdbtest.Compare(got, want) != ovsdbtest.Equal {
		t.Fatalf("from records\n got %s\nwant %s", got, want)
	}
}
