package hwvteptest_test

import (
	"errors"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/ovsdb"
)

func TestDB(t *testing.T) {
	db := hwvteptest.NewDB()
	tx := hwvtep.NewTxn(nil)
	ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0"})
	loc := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "192.0.2.1"})
	mac := tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: "02:00:00:00:00:01", LogicalSwitch: ls, Locator: loc})
	row, err := db.Transact(tx)
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := db.View().UcastMACLocal(row(mac)); !ok || m.LogicalSwitch != row(ls) || m.Locator != row(loc) {
		t.Errorf("row is %+v, %v", m, ok)
	}
	for before, after := range db.Changes().LogicalSwitches() {
		if before != nil || after.Name != "ls0" {
			t.Errorf("change is %+v, %+v", before, after)
		}
	}

	tx = hwvtep.NewTxn(nil)
	tx.DeleteLogicalSwitch(row(ls))
	var refused *ovsdb.Error
	if _, err := db.Transact(tx); !errors.As(err, &refused) || refused.Tag != "referential integrity violation" {
		t.Errorf("deleting a switch that is referred to: %v", err)
	}
	tx = hwvtep.NewTxn(nil)
	tx.DeleteUcastMACLocal(row(mac))
	if _, err := db.Transact(tx); err != nil {
		t.Fatal(err)
	}
	if n := db.View().Len(hwvtep.TablePhysicalLocator); n != 0 {
		t.Errorf("%d locators are left", n)
	}
	if _, err := db.Transact(hwvtep.NewTxn(nil)); err != nil {
		t.Errorf("an empty transaction: %v", err)
	}
}

func TestRows(t *testing.T) {
	db := hwvteptest.New()
	id := db.Put(&hwvtep.LogicalSwitch{Name: "a"})
	view := db.View()
	db.Put(&hwvtep.LogicalSwitch{UUID: id, Name: "b"})
	if ls, _ := view.LogicalSwitch(id); ls.Name != "a" {
		t.Errorf("a view changed: %+v", ls)
	}
	if ls, _ := db.View().LogicalSwitch(id); ls.Name != "b" {
		t.Errorf("row is %+v", ls)
	}
	defer func() {
		if recover() == nil {
			t.Error("a row that does not fit was taken")
		}
	}()
	db.Put(&hwvtep.Manager{MaxBackoff: hwvtep.Some[int64](1)})
}
