package idl_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/testenv"
)

// TestTransactionSizes inserts and deletes MACs in transactions of every size at which the
// server, its file or a replica does something else, while the file is compacted. After each
// answer the file, as a crash would leave it, holds what was acknowledged; so do a replica
// that follows, one whose connection is cut now and then, and what ovsdb-tool reads.
func TestTransactionSizes(t *testing.T) {
	env := testenv.OVS(t)
	path := filepath.Join(env.DBDir, "vtep.db")
	log, err := storage.Create(path, hwvtep.Schema().AppendJSON(nil), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	open := func(path string) *server.Server {
		t.Helper()
		s, err := server.New(server.Options{Durability: server.DurableOff})
		if err == nil {
			_, err = s.AddDatabase(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open(path)
	t.Cleanup(func() { s.Close() })
	dial := func(context.Context) (net.Conn, error) { return s.Pipe() }
	writer := run(t, idl.Options{Dial: dial, ProbeInterval: -1}) // its own requests may take long
	layout := hwvtep.NewLayout(ready(t, writer).Schema())
	reader := run(t, idl.Options{Dial: dial})
	ready(t, reader)
	cut := &tap{dial: dial}
	returning := run(t, idl.Options{Dial: cut.Dial})
	ready(t, returning)

	tx := hwvtep.NewTxn(layout)
	tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls"})
	transact(t, writer, tx)
	var ls hwvtep.UUID
	for row := range hwvtep.NewView(writer.Snapshot()).LogicalSwitches() {
		ls = row.UUID
	}
	macs := func(s *idl.Snapshot) int { return hwvtep.NewView(s).Len(hwvtep.TableUcastMACRemote) }
	var rows []hwvtep.UUID
	next, inserts := 0, 0
	verify := func(what string) {
		t.Helper()
		image := filepath.Join(t.TempDir(), "crashed.db")
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(image, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		crashed := open(image)
		again := run(t, idl.Options{Dial: func(context.Context) (net.Conn, error) { return crashed.Pipe() }})
		if n := macs(ready(t, again)); n != len(rows) {
			t.Fatalf("%s: %d MACs in the file, want %d", what, n, len(rows))
		}
		crashed.Close()
		if kept, _ := filepath.Glob(image + ".corrupt.*"); len(kept) > 0 {
			t.Fatalf("%s: the file is damaged", what)
		}
		for _, c := range []*idl.Client{reader, returning} {
			testenv.Eventually(t, deadline, func() error {
				if n := macs(c.Snapshot()); n != len(rows) {
					return fmt.Errorf("%s: %d MACs in a replica, want %d", what, n, len(rows))
				}
				return nil
			})
		}
	}
	insert := func(n int) {
		t.Helper()
		inserts++
		tx := hwvtep.NewTxn(layout)
		locator := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: fmt.Sprintf("192.0.2.%d", inserts)})
		var tokens []hwvtep.UUID
		for range n {
			next++
			tokens = append(tokens, tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{
				MAC: fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", byte(next>>24), byte(next>>16), byte(next>>8), byte(next)), LogicalSwitch: ls, Locator: locator}))
		}
		results := transact(t, writer, tx)
		for _, token := range tokens {
			op, _ := tx.OpOf(token)
			rows = append(rows, results[op].UUID)
		}
	}
	remove := func(n int) {
		t.Helper()
		tx := hwvtep.NewTxn(layout)
		for _, id := range rows[:n] {
			tx.DeleteUcastMACRemote(id)
		}
		transact(t, writer, tx)
		rows = rows[n:]
	}
	// About 170 bytes each in the file, 230 in a message.
	sizes := []int{1, 70, 290, 400, 1200, 1600, 1999, 2000, 2001, 5000, 25_000}
	if testenv.Effort(t) > 1 {
		sizes = append(sizes, 100_000, 350_000)
	}
	for i, n := range sizes {
		what := fmt.Sprint(n, " rows")
		compacted := make(chan error, 1)
		go func() { compacted <- s.Compact(hwvtep.Database) }()
		insert(n)
		insert(1)
		if i%3 == 1 {
			cut.cut()
		}
		if err := <-compacted; err != nil {
			t.Fatal(err)
		}
		verify(what)
		if i%2 == 1 {
			remove(len(rows) * 9 / 10)
			insert(1)
			verify(what + " gone")
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	out := env.Output(t, testenv.Program(t, "ovsdb-tool"), "query", path, `["hardware_vtep",{"op":"select","table":"Ucast_Macs_Remote","where":[],"columns":["MAC"]}]`)
	if n := strings.Count(out, `"MAC"`); n != len(rows) {
		t.Errorf("ovsdb-tool finds %d MACs, want %d", n, len(rows))
	}
}
