package idl_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/testenv"
)

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
