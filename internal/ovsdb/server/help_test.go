package server

import (
	"testing"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// A reader executes in place of the loop what it finds in the queue, and wakes the loop for the rest: for what is to be
// alone, for what waits for time, and for everything if the loop is at work itself. The database has no loop here.
func TestHelp(t *testing.T) {
	srv, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	v, err := wire.ParseString(testSchema)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := ovsdb.ParseSchema(v)
	if err != nil {
		t.Fatal(err)
	}
	d := newDatabase(srv, "", nil, db.New(schema))

	ran := 0
	run := func(*batch) { ran++ }
	check := func(what string, executed int, woken bool) {
		t.Helper()
		d.help()
		poked := len(d.queue.wake) == 1
		if ran != executed || poked != woken {
			t.Errorf("%s: %d executed, loop woken %v; want %d, %v", what, ran, poked, executed, woken)
		}
		ran = 0
		select {
		case <-d.queue.wake:
		default:
		}
	}
	d.queue.add(job{run: run}, job{run: run})
	check("two jobs", 2, false)
	check("nothing", 0, false)

	d.queue.add(job{run: run}, job{run: run, alone: true}, job{run: run})
	check("one that is to be alone behind another", 1, true)
	check("one that is to be alone first", 0, true)
	d.turn.Lock()
	if !d.serve() || ran != 1 {
		t.Errorf("the loop executes %d, want the one that is to be alone", ran)
	}
	ran = 0
	check("while the loop is at work", 0, true)
	d.turn.Unlock()
	check("after that", 1, false)

	d.triggers = []*trigger{{wait: &db.Wait{}}}
	d.queue.add(job{run: run})
	check("with a transaction that waits", 1, true)
}
