package db

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/ovsdbtest"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// openFile reads a database from a file.
func openFile(t testing.TB, path string) (*Database, *storage.Log, *storage.Recovery) {
	t.Helper()
	l, err := storage.Open(path, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var d *Database
	rec, err := l.Replay(func(record []byte) error {
		v, err := wire.Parse(record)
		if err != nil {
			return err
		}
		if d != nil {
			return d.ReplayRecord(v)
		}
		schema, err := ovsdb.ParseSchema(v)
		if err != nil {
			return err
		}
		d = New(schema)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	return d, l, rec
}

// samples are requests that a random walk makes.
func samples(schema *ovsdb.DatabaseSchema, n, seed int) []string {
	return rapid.Custom(func(t *rapid.T) []string {
		d := New(schema)
		g := ovsdbtest.NewGenerator(schema, false, d.has)
		var requests []string
		for range n {
			r := g.Request(t)
			d.Transact(parseText(r), &Env{NoWait: true})
			requests = append(requests, r)
		}
		return requests
	}).Example(seed)
}

func dumpOf(d *Database) wire.Value {
	return parseText(string(d.Transact(parseText(ovsdbtest.Dump(d.schema)), &Env{}).Reply))
}

// forget clears ephemeral columns, which a file does not keep.
func forget(t interface{ Fatalf(string, ...any) }, d *Database) {
	for _, ts := range d.schema.SortedTables() {
		for _, c := range ts.Columns {
			if c.Persistent {
				continue
			}
			value := ovsdb.AppendDatum(nil, ovsdb.Default(&c.Type), &c.Type)
			out := d.Transact(parseText(fmt.Sprintf(`[%q,{"op":"update","table":%q,"where":[],"row":{%q:%s}}]`,
				d.schema.Name, ts.Name, c.Name, value)), &Env{})
			if out.Failed {
				t.Fatalf("%s", out.Reply)
			}
		}
	}
}

// TestReadsCFiles reads files that the C server wrote, with differences and
// after random damage, and finds in them what it finds.
func TestReadsCFiles(t *testing.T) {
	env := testenv.OVS(t)
	tool := testenv.Program(t, "ovsdb-tool")
	r := rand.New(rand.NewPCG(1, 2))
	for seed := range 6 {
		path := filepath.Join(env.DBDir, fmt.Sprint("db", seed))
		env.Output(t, tool, "create", path, absolute(t, "../../hwvtep/vtep.ovsschema"))
		server := serveFile(t, path)
		schema := vtepDatabase(t).schema
		for _, request := range samples(schema, 60, seed) {
			if _, err := server.transact(request); err != nil {
				t.Fatal(err)
			}
		}
		server.stop()
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(whole, []byte(`"_is_diff":true`)) {
			t.Error("the C server writes no differences")
		}
		first := bytes.Index(whole[10:], []byte("OVSDB JSON")) + 10 // end of the schema
		for i := range 4 {
			damaged := bytes.Clone(whole)
			if i > 0 {
				damaged = damaged[:first+r.IntN(len(whole)-first)]
			}
			if i == 2 {
				damaged = append(damaged, "garbage\n"...)
			}
			if i == 3 && len(damaged) > first {
				damaged[first+r.IntN(len(damaged)-first)] ^= 4
			}
			ours, theirs := filepath.Join(env.DBDir, "ours"), filepath.Join(env.DBDir, "theirs")
			for _, p := range []string{ours, theirs} {
				if err := os.WriteFile(p, damaged, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			d, l, rec := openFile(t, ours)
			l.Close()
			c := serveFile(t, theirs)
			want, err := c.transact(ovsdbtest.Dump(schema))
			if err != nil {
				t.Fatal(err)
			}
			c.stop()
			if got := dumpOf(d); ovsdbtest.Compare(got, want) != ovsdbtest.Equal {
				t.Errorf("seed %d damage %d (%v):\n got %s\nwant %s", seed, i, rec, got.Raw(), want.Raw())
			}
			if i == 0 && rec != nil {
				t.Errorf("a whole file is found damaged: %v", rec)
			}
		}
	}
}

// TestCReadsFiles writes files as the server does, which ovsdb-tool and the C
// server have to understand.
func TestCReadsFiles(t *testing.T) {
	env := testenv.OVS(t)
	tool := testenv.Program(t, "ovsdb-tool")
	for _, empty := range []func(testing.TB) *Database{vtepDatabase, syntheticDatabase} {
		d := empty(t)
		path := filepath.Join(env.DBDir, d.schema.Name)
		l, err := storage.Create(path, d.schema.AppendJSON(nil), storage.Options{})
		if err != nil {
			t.Fatal(err)
		}
		appended := 0 // since the compaction
		for i, request := range samples(d.schema, 200, 7) {
			if i == 100 {
				if err := l.Compact(d.Snapshot().Records("compacted", time.UnixMilli(1))...); err != nil {
					t.Fatal(err)
				}
				appended = 0
			}
			out := d.Transact(parseText(request), &Env{NoWait: true})
			if out.Changes == nil {
				continue
			}
			if record := out.Changes.AppendRecord(nil, time.UnixMilli(1)); len(record) > 0 {
				if err := l.Append(record); err != nil {
					t.Fatal(err)
				}
				appended++
			}
		}
		cmd := env.Command(tool, "compact", path)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), fmt.Sprintf("already locked by pid %d", os.Getpid())) {
			t.Errorf("compact of a locked file: %v %s", err, out)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(env.Output(t, tool, "db-version", path)); got != d.schema.Version {
			t.Errorf("db-version prints %q, want %q", got, d.schema.Version)
		}
		if log := env.Output(t, tool, "-mmm", "show-log", path); strings.Count(log, "record ") != 2+appended {
			t.Errorf("show-log prints %s", log)
		}
		forget(t, d)
		compare := func(what string) {
			t.Helper()
			var buf, complaints bytes.Buffer
			cmd := env.Command(tool, "query", path, ovsdbtest.Dump(d.schema))
			cmd.Stdout, cmd.Stderr = &buf, &complaints
			if err := cmd.Run(); err != nil {
				t.Fatalf("%s: query: %v\n%s", what, err, complaints.String())
			}
			if got := parseText(buf.String()); ovsdbtest.Compare(got, dumpOf(d)) != ovsdbtest.Equal {
				t.Errorf("%s:\n got %s\nwant %s", what, got.Raw(), dumpOf(d).Raw())
			}
		}
		compare("our file")
		env.Output(t, tool, "compact", path)
		compare("compacted by ovsdb-tool")

		c := serveFile(t, path)
		if _, err := storage.Open(path, storage.Options{}); !errors.Is(err, storage.ErrLocked) {
			t.Errorf("open of a file that the C server has: %v", err)
		}
		c.stop()
		again, _, rec := openFile(t, path)
		if rec != nil || ovsdbtest.Compare(dumpOf(again), dumpOf(d)) != ovsdbtest.Equal {
			t.Errorf("read back: %v\n got %s\nwant %s", rec, dumpOf(again).Raw(), dumpOf(d).Raw())
		}
	}
}
