package idl_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/testenv"
)

// switches returns the names of the logical switches of a snapshot, sorted.
func switches(s *idl.Snapshot) []string {
	names := []string{}
	for ls := range hwvtep.NewView(s).LogicalSwitches() {
		names = append(names, ls.Name)
	}
	slices.Sort(names)
	return names
}

// awaitSwitches waits until the logical switches are those named.
func awaitSwitches(t *testing.T, c *idl.Client, want ...string) {
	t.Helper()
	testenv.Eventually(t, deadline, func() error {
		s := c.Snapshot()
		if s == nil {
			return errors.New("no snapshot")
		}
		if got := switches(s); !slices.Equal(got, want) {
			return fmt.Errorf("logical switches are %q, want %q", got, want)
		}
		return nil
	})
}

func TestFollow(t *testing.T) {
	testenv.NoLeaks(t)
	server := startCServer(t)
	server.ctl("add-ps", "ps0", "--", "add-port", "ps0", "p0", "--", "add-ls", "ls0", "--", "bind-ls", "ps0", "p0", "7", "ls0")

	c := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	if s, d := c.Take(); s != nil || d != nil {
		t.Errorf("Take() before a connection = %v, %v", s, d)
	}
	ready(t, c)
	s, d := c.Take()
	view := hwvtep.NewView(s)
	if !d.Reset || len(d.Tables[hwvtep.TablePhysicalPort]) != 1 || !c.Connected() || c.LastError() != nil {
		t.Errorf("first delta is %+v", d)
	}
	for p := range view.PhysicalPorts() {
		if ls, ok := view.LogicalSwitch(p.VLANBindings[7]); !ok || p.Name != "p0" || ls.Name != "ls0" {
			t.Errorf("port %+v is bound to %+v", p, ls)
		}
	}

	server.ctl("add-ls", "ls1", "--", "set", "Logical_Switch", "ls0", "tunnel_key=5", "other_config:a=b", "--", "unbind-ls", "ps0", "p0", "7")
	awaitSwitches(t, c, "ls0", "ls1")
	next, d := c.Take()
	if d.Reset {
		t.Error("an update is no reset")
	}
	kinds := map[string]int{}
	for before, after := range hwvtep.NewChanges(view.Layout(), d).LogicalSwitches() {
		switch {
		case before == nil:
			kinds["new "+after.Name]++
		case before.TunnelKey == hwvtep.Optional[int64]{} && after.TunnelKey == hwvtep.Some[int64](5) && after.OtherConfig["a"] == "b":
			kinds["changed "+after.Name]++
		}
	}
	if len(kinds) != 2 || kinds["new ls1"] != 1 || kinds["changed ls0"] != 1 || len(d.Tables[hwvtep.TablePhysicalPort]) != 1 {
		t.Errorf("changes are %v, delta %+v", kinds, d)
	}
	if got := switches(s); !slices.Equal(got, []string{"ls0"}) {
		t.Errorf("the snapshot before shows %q", got)
	}
	if next.Schema() != s.Schema() {
		t.Error("the schema changed")
	}
	if _, d = c.Take(); !d.Empty() {
		t.Errorf("delta of nothing is %+v", d)
	}

	server.ctl("del-ls", "ls1", "--", "clear", "Logical_Switch", "ls0", "tunnel_key")
	awaitSwitches(t, c, "ls0")
	if _, d = c.Take(); len(d.Tables[hwvtep.TableLogicalSwitch]) != 2 {
		t.Errorf("delta is %+v", d)
	}
}

func TestServerRestart(t *testing.T) {
	server := startCServer(t)
	server.ctl("add-ls", "stays", "--", "add-ls", "goes")
	c := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	before := ready(t, c)
	c.Take()

	server.stop()
	testenv.Eventually(t, deadline, func() error {
		if c.Connected() || c.LastError() == nil {
			return errors.New("still connected")
		}
		return nil
	})
	if _, err := c.Transact(context.Background(), nil); !errors.Is(err, idl.ErrNotConnected) {
		t.Errorf("Transact without a connection: %v", err)
	}
	if s, d := c.Take(); s == nil || !d.Empty() {
		t.Errorf("the replica did not outlive the connection: %v, %+v", s, d)
	}
	server.env.Output(t, "ovsdb-tool", "transact", server.db,
		`["hardware_vtep",{"op":"delete","table":"Logical_Switch","where":[["name","==","goes"]]},
		 {"op":"insert","table":"Logical_Switch","row":{"name":"comes"}}]`)
	server.start()

	after := ready(t, c)
	s, d := c.Take()
	changes := []string{}
	for old, now := range hwvtep.NewChanges(hwvtep.NewLayout(s.Schema()), d).LogicalSwitches() {
		if old != nil {
			changes = append(changes, "-"+old.Name)
		}
		if now != nil {
			changes = append(changes, "+"+now.Name)
		}
	}
	slices.Sort(changes)
	if !d.Reset || !slices.Equal(changes, []string{"+comes", "-goes"}) {
		t.Errorf("changes are %q, reset %v", changes, d.Reset)
	}
	// What stayed is the same in memory too.
	for row := range before.Table(hwvtep.TableLogicalSwitch).All() {
		if now := after.Table(hwvtep.TableLogicalSwitch).Get(row.UUID); now != nil && now != row {
			t.Errorf("row %v was replaced by an equal one", row.UUID)
		}
	}
	if before.Schema() != after.Schema() {
		t.Error("an equal schema is another pointer")
	}
}

func TestTransact(t *testing.T) {
	server := startCServer(t)
	c := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	s := ready(t, c)
	layout := hwvtep.NewLayout(s.Schema())

	tx := hwvtep.NewTxn(layout)
	tx.Comment("test")
	ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", ReplicationMode: hwvtep.ReplicationModeSourceNode})
	loc := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "192.0.2.1"})
	mac := tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: "02:00:00:00:00:01", LogicalSwitch: ls, Locator: loc})
	set := tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: []hwvtep.UUID{loc}})
	tx.InsertMcastMACRemote(hwvtep.McastMACRemote{MAC: hwvtep.UnknownDst, LogicalSwitch: ls, LocatorSet: set})
	tx.PutLogicalSwitchOtherConfig(ls, map[string]string{"a": "1", "b": "2"})
	results := transact(t, c, tx)

	// The replica has the effects when Transact returns.
	view := hwvtep.NewView(c.Snapshot())
	op, _ := tx.OpOf(mac)
	row, ok := view.UcastMACRemote(results[op].UUID)
	if !ok || row.MAC != "02:00:00:00:00:01" {
		t.Fatalf("row is %+v, %v", row, ok)
	}
	sw, ok := view.LogicalSwitch(row.LogicalSwitch)
	if !ok || sw.Name != "ls0" || len(sw.OtherConfig) != 2 || !results[0].Executed {
		t.Errorf("logical switch is %+v", sw)
	}

	tx = hwvtep.NewTxn(layout)
	tx.WaitLogicalSwitch(sw.UUID, sw, hwvtep.AllLogicalSwitchColumns)
	sw.OtherConfig = map[string]string{"b": "3"}
	tx.PutLogicalSwitchOtherConfig(sw.UUID, sw.OtherConfig)
	tx.RemoveLogicalSwitchOtherConfig(sw.UUID, "a", "nothing")
	results = transact(t, c, tx)
	if now, _ := hwvtep.NewView(c.Snapshot()).LogicalSwitch(sw.UUID); now.Diff(&sw) != 0 || results[1].Count != 1 {
		t.Errorf("logical switch is %+v, want %+v", now, sw)
	}

	for _, tt := range []struct {
		name string
		add  func(*hwvtep.Txn)
		op   int
		tag  string
	}{
		{"wait", func(tx *hwvtep.Txn) {
			tx.Comment("x")
			tx.WaitLogicalSwitch(sw.UUID, hwvtep.LogicalSwitch{}, hwvtep.LogicalSwitchName)
			tx.DeleteLogicalSwitch(sw.UUID)
		}, 1, "timed out"},
		{"commit", func(tx *hwvtep.Txn) { tx.DeleteLogicalSwitch(sw.UUID) }, 1, "referential integrity violation"},
		{"index", func(tx *hwvtep.Txn) { tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0"}) }, 1, "constraint violation"},
		{"lock", func(tx *hwvtep.Txn) { tx.Assert("l") }, 0, "not owner"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tx := hwvtep.NewTxn(layout)
			tt.add(tx)
			results, err := c.Transact(context.Background(), tx.Ops())
			var failed *idl.TransactError
			var cause *ovsdb.Error
			if !errors.As(err, &failed) || !errors.As(err, &cause) || failed.Op != tt.op || cause.Tag != tt.tag {
				t.Fatalf("error is %v, want %q at %d", err, tt.tag, tt.op)
			}
			if results[tt.op].Err != cause || len(results) < tt.op+1 || results[len(results)-1].Executed {
				t.Errorf("results are %+v", results)
			}
		})
	}
	if _, err := c.Transact(context.Background(), []byte(`{"op":"no such"}`)); err == nil {
		t.Error("an unknown operation is no error")
	}
}

func TestTenThousandRows(t *testing.T) {
	server := startCServer(t)
	writer := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	reader := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil), Tables: map[string][]string{
		hwvtep.TableUcastMACRemote: {"MAC", "no_such_column"}, "No_Such_Table": nil,
	}})
	layout := hwvtep.NewLayout(ready(t, writer).Schema())
	ready(t, reader)

	const n = 10_000
	tx := hwvtep.NewTxn(layout)
	ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0"})
	loc := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "192.0.2.1"})
	for i := range n {
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", i>>8, i&255), LogicalSwitch: ls, Locator: loc})
	}
	began := time.Now()
	transact(t, writer, tx)
	t.Logf("%d inserts and their update took %v", n, time.Since(began))
	if got := writer.Snapshot().Table(hwvtep.TableUcastMACRemote).Len(); got != n {
		t.Errorf("the writer has %d rows", got)
	}
	testenv.Eventually(t, deadline, func() error {
		if got := reader.Snapshot().Table(hwvtep.TableUcastMACRemote).Len(); got != n {
			return fmt.Errorf("the reader has %d rows", got)
		}
		return nil
	})
	macs := map[string]bool{}
	for row := range hwvtep.NewView(reader.Snapshot()).UcastMACsRemote() {
		macs[row.MAC] = true
		if !row.Locator.IsZero() {
			t.Fatal("a column was replicated that was not wanted")
		}
	}
	if len(macs) != n {
		t.Errorf("there are %d MACs", len(macs))
	}
	if reader.Snapshot().Table(hwvtep.TableLogicalSwitch).Len() != 0 {
		t.Error("a table was replicated that was not wanted")
	}
}

func TestLocks(t *testing.T) {
	server := startCServer(t)
	a := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	b := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	await := func(c *idl.Client, want bool) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			if c.HasLock("l") != want {
				return fmt.Errorf("HasLock() = %v", !want)
			}
			return nil
		})
	}
	a.Lock("l")
	await(a, true)
	ready(t, b)
	b.Lock("l")
	b.Steal("l")
	await(b, true)
	await(a, false)
	b.Unlock("l")
	await(a, true)
	if b.HasLock("l") {
		t.Error("a lock is held that was given up")
	}
	tx := hwvtep.NewTxn(nil)
	tx.Assert("l")
	transact(t, a, tx)

	server.stop()
	await(a, false)
	server.start()
	await(a, true)
}

func TestOnce(t *testing.T) {
	c := run(t, idl.Options{Once: true, Dial: idl.DialTarget("unix:/nonexistent/socket", nil)})
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if _, err := c.WaitReady(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("WaitReady() = %v", err)
	}
}

func TestPassive(t *testing.T) {
	server := startCServer(t)
	target := "punix:" + server.env.RunDir + "/passive"
	c := run(t, idl.Options{Passive: true, Dial: idl.DialTarget(target, nil)})
	testenv.Eventually(t, deadline, func() error {
		return server.env.Command("ovs-appctl", "-t", server.env.RunDir+"/ctl", "ovsdb-server/add-remote", target[1:]).Run()
	})
	server.ctl("add-ls", "ls0")
	ready(t, c)
	awaitSwitches(t, c, "ls0")
}
