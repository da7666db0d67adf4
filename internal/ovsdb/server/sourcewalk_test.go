package server

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/ovsdbtest"
	"github.com/vtep/vtep/internal/testenv"
)

// TestSourceWalk puts random transactions to a server and to a relay of it; the relay, a relay of that and a
// backup, whose connections end now and then, come to have what it has.
func TestSourceWalk(t *testing.T) {
	text := readFile(t, filepath.Join(testenv.Tree(t), "internal/ovsdb/db/testdata/synthetic.ovsschema"))
	schema := parseSchema(t, text)
	open := func() *rig {
		r := newEmptyRig(t, Options{Durability: DurableOff})
		if _, err := r.AddDatabase(r.create("walk.db", text)); err != nil {
			t.Fatal(err)
		}
		return r
	}
	main, backup := open(), open()
	relays := []*rig{newEmptyRig(t, Options{}), newEmptyRig(t, Options{})}
	from := main.serve()
	for _, r := range relays {
		if err := r.AddRelay(schema.Name, Source{Targets: from}); err != nil {
			t.Fatal(err)
		}
		from = r.serve()
	}
	if err := backup.Backup(schema.Name, Source{Targets: from}); err != nil {
		t.Fatal(err)
	}
	all := append([]*rig{main, backup}, relays...)
	inStep := func() {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			for _, r := range all[1:] {
				if state, _ := r.SourceState(schema.Name); state != SourceInStep {
					return errors.New("not in step")
				}
			}
			return nil
		})
	}
	inStep()
	var clients []*client
	for _, r := range all {
		clients = append(clients, r.dial())
	}
	writers := []*client{clients[0], clients[2], clients[3]}
	cuts := 3
	commits := 0
	rapid.Check(t, func(t *rapid.T) {
		mirror := db.New(schema)
		g := ovsdbtest.NewGenerator(schema, rapid.Bool().Draw(t, "bad"), func(table string, id ovsdb.UUID) bool {
			return mirror.Table(table).Get(id) != nil
		})
		clients[0].must("transact", ovsdbtest.Clear(schema))
		for range rapid.IntRange(5, 15).Draw(t, "transactions") {
			request := g.Request(t)
			writer := rapid.SampledFrom(writers).Draw(t, "writer")
			_, err := writer.call("transact", request)
			if err != nil && strings.Contains(err.Error(), "canceled") && cuts < 3 {
				break // it was on the way when the connection ended, and may have been executed
			}
			if err != nil {
				t.Fatalf("%s: %v", request, err)
			}
			if mirror.Transact(mustParse(t, request), &db.Env{NoWait: true}).Changes != nil {
				commits++
			}
		}
		if cuts > 0 && rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
			cuts--
			main.disconnect("test", func(s *session) bool { return s.access.local && !s.access.trusted })
		}
		want := clients[0].must("transact", ovsdbtest.Dump(schema))
		for i, c := range clients[1:] {
			testenv.Eventually(c.t, patience, func() error {
				if got := c.must("transact", ovsdbtest.Dump(schema)); ovsdbtest.Compare(got, want) == ovsdbtest.Different {
					return errors.New("server " + string(rune('1'+i)) + " has\n" + got.String() + "\nwant\n" + want.String())
				}
				return nil
			})
		}
	})
	inStep()
	if commits < 100 {
		t.Errorf("%d commits: too little was compared", commits)
	}
}
