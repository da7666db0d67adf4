package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// resident is the memory of the daemon in kB that is its own: not the pages of program files,
// which the system takes back as it likes.
func (b *ovsdbBed) resident() int {
	b.t.Helper()
	pid, err := os.ReadFile(filepath.Join(b.env.RunDir, "ovsdb-server.pid"))
	if err != nil {
		b.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		b.t.Fatal(err)
	}
	return testenv.Memory(b.t, n, "RssAnon")
}

// transactAll makes transactions of the given operations, one after the other.
func (b *ovsdbBed) transactAll(transactions ...string) {
	b.t.Helper()
	nc, err := net.Dial("unix", filepath.Join(b.env.RunDir, "db.sock"))
	if err != nil {
		b.t.Fatal(err)
	}
	c := jsonrpc.NewClient(nc, jsonrpc.Options{}, func(jsonrpc.Message) {})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for _, ops := range transactions {
		var v wire.Value
		if v, err = c.Call(ctx, "transact", []byte(`["first",`+ops+`]`)); err != nil {
			b.t.Fatal(err)
		}
		for e := range v.Elems() {
			if e.Get("error").Exists() {
				b.t.Fatal(e.String())
			}
		}
	}
}

// TestMemoryGivenBack fills a database with many rows, and with a very long one, and empties
// it. After a compaction our server has, above what it began with, at most twice the memory of
// the C one; and half of it goes by itself, without one. A tenth of what it had may stay besides, as
// it does on a busy machine: the Go runtime (1.26) has it as free heap then (memory/classes/heap/free),
// and passes it over however often all free memory is asked for.
func TestMemoryGivenBack(t *testing.T) {
	const rows = 30_000
	var work []string
	for range 2 {
		for i := 0; i < rows; i += 5000 {
			var ops []string
			for j := range 5000 {
				ops = append(ops, fmt.Sprintf(`{"op":"insert","table":"T","row":{"n":%d,"remotes":["set",["remote %d","another"]]}}`, i+j, i+j))
			}
			work = append(work, strings.Join(ops, ","))
		}
		work = append(work, `{"op":"insert","table":"T","row":{"remotes":"`+strings.Repeat("x", 20<<20)+`"}}`,
			`{"op":"delete","table":"T","where":[]}`)
	}
	run := func(server string, enough func(full int) int) (empty, full, after int) {
		b := newOVSDBBed(t)
		if server != "" {
			b.server = server
		}
		b.start("--remote=punix:db.sock", b.create("first"))
		empty = b.resident()
		b.transactAll(work...)
		full = b.resident()
		if server == "" {
			testenv.Eventually(t, time.Minute, func() error {
				if now := b.resident(); now > full/2 {
					return fmt.Errorf("%d kB are left of %d", now, full)
				}
				return nil
			})
		}
		b.transactAll(work...)
		b.appctl("ovsdb-server/memory-trim-on-compaction", "on")
		// What belongs to a session that is just ending goes with the next compaction, and what
		// the collector finds late is given back when it has.
		for range 60 {
			b.appctl("ovsdb-server/compact")
			if after = b.resident(); after-empty <= enough(full) {
				break
			}
			time.Sleep(250 * time.Millisecond)
		}
		return empty, full, after
	}
	_, theirFull, theirs := run(testenv.Program(t, "ovsdb-server"), func(int) int { return 1 << 30 })
	enough := func(full int) int { return 2*theirs + full/10 }
	empty, full, ours := run("", enough)
	t.Logf("ours %d, %d, then %d kB; the C server %d, then %d", empty, full, ours, theirFull, theirs)
	if ours-empty > enough(full) {
		t.Errorf("%d kB are left above the %d at the beginning, the C server has %d", ours-empty, empty, theirs)
	}
}
