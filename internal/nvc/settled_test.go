package nvc

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
)

// write has somebody change the rows of a database.
func (b *bench) write(i int, f func(v *hwvtep.View, tx *hwvtep.Txn)) {
	b.Helper()
	v := b.rows[i].View()
	tx := hwvtep.NewTxn(v.Layout())
	f(v, tx)
	if _, err := b.rows[i].Transact(tx); err != nil {
		b.Fatal(err)
	}
}

// report has the VTEP of a database publish a MAC, by a row that is new: one that it had before goes.
func (b *bench) report(i int, mac string) {
	b.Helper()
	b.write(i, func(v *hwvtep.View, tx *hwvtep.Txn) {
		for row := range v.UcastMACsLocal() {
			tx.DeleteUcastMACLocal(row.UUID)
		}
		for ls := range v.LogicalSwitches() {
			at := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ipOf(i)})
			tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac, LogicalSwitch: ls.UUID, Locator: at})
		}
	})
}

// Two VTEPs have reported a host from the beginning: which of them has it stays as it was found out, whatever somebody
// makes of the rows that say so.
func TestTieStays(t *testing.T) {
	const mac = "02:00:00:00:00:01"
	b := &bench{TB: t}
	for i := range 4 {
		b.rows = append(b.rows, hwvteptest.NewDB())
		b.write(i, func(_ *hwvtep.View, tx *hwvtep.Txn) {
			ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0"})
			if i < 2 {
				at := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ipOf(i)})
				tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac, LogicalSwitch: ls, Locator: at})
			}
		})
	}
	b.restart()
	b.settle()
	placed := func(i int) (at string) {
		v := b.rows[i].View()
		for row := range v.UcastMACsRemote() {
			l, _ := v.PhysicalLocator(row.Locator)
			at = l.DstIP
		}
		return at
	}
	for i := 2; i < 4; i++ {
		b.write(i, func(v *hwvtep.View, tx *hwvtep.Txn) {
			at := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ipOf(1)})
			for row := range v.UcastMACsRemote() {
				row.Locator = at
				tx.UpdateUcastMACRemote(row.UUID, row, hwvtep.UcastMACRemoteLocator)
			}
		})
	}
	b.settle()
	for i, want := range []string{"", ipOf(0), ipOf(0), ipOf(0)} {
		if got := placed(i); got != want {
			t.Errorf("database %d has it at %q, want %q", i, got, want)
		}
	}
}

// A VNI that no network has any more is given to no other one for a time, but to the one that had it.
func TestRestingVNI(t *testing.T) {
	b := &bench{TB: t, rows: []*hwvteptest.DB{hwvteptest.NewDB()}}
	b.restart()
	change := func(name string, vni int64, f func(v *hwvtep.View, tx *hwvtep.Txn)) {
		t.Helper()
		tx := hwvtep.NewTxn(b.rows[0].View().Layout())
		f(b.rows[0].View(), tx)
		if _, err := b.rows[0].Transact(tx); err != nil {
			t.Fatal(err)
		}
		b.settle()
		got := int64(0)
		for ls := range b.rows[0].View().LogicalSwitches() {
			if ls.Name == name {
				got, _ = ls.TunnelKey.Get()
			}
		}
		if got != vni {
			t.Fatalf("%s has VNI %d, want %d", name, got, vni)
		}
	}
	add := func(name string) func(*hwvtep.View, *hwvtep.Txn) {
		return func(_ *hwvtep.View, tx *hwvtep.Txn) { tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: name}) }
	}
	remove := func(name string) func(*hwvtep.View, *hwvtep.Txn) {
		return func(v *hwvtep.View, tx *hwvtep.Txn) {
			for ls := range v.LogicalSwitches() {
				if ls.Name == name {
					tx.DeleteLogicalSwitch(ls.UUID)
				}
			}
		}
	}
	change("a", FirstVNI, add("a"))
	change("a", 0, remove("a"))
	change("b", FirstVNI+1, add("b"))
	change("a", FirstVNI, add("a"))
	change("a", 0, remove("a"))
	for vni, r := range b.mesh.resting {
		r.until = time.Now()
		b.mesh.resting[vni] = r
	}
	change("c", FirstVNI, add("c"))
	if len(b.mesh.resting) > 0 {
		t.Errorf("%v rest", b.mesh.resting)
	}
}

// A host has moved, and the VTEP that it has left withdraws it: nobody has to look at that, and rows stay as they are.
func TestLeftBehind(t *testing.T) {
	const mac = "02:00:00:00:00:01"
	b := &bench{TB: t}
	report := func(i int) {
		t.Helper()
		b.report(i, mac)
		b.settle()
	}
	withdraw := func(i int) (looks int) {
		t.Helper()
		b.write(i, func(v *hwvtep.View, tx *hwvtep.Txn) {
			for row := range v.UcastMACsLocal() {
				tx.DeleteUcastMACLocal(row.UUID)
			}
		})
		b.dbs[i].take(b.rows[i].View(), b.rows[i].Changes())
		for _, db := range b.dbs {
			looks += len(db.marked)
		}
		b.settle()
		return looks
	}
	placed := func() (at string) {
		v := b.rows[3].View()
		for row := range v.UcastMACsRemote() {
			l, _ := v.PhysicalLocator(row.Locator)
			at += l.DstIP
		}
		return at
	}
	for i := range 4 {
		b.rows = append(b.rows, hwvteptest.NewDB())
		b.write(i, func(_ *hwvtep.View, tx *hwvtep.Txn) { tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0"}) })
	}
	b.restart()
	report(0)
	report(1)
	if got := withdraw(0); got != 0 || placed() != ipOf(1) {
		t.Errorf("after the host is gone from where it was before %d databases have to look, and it is at %q", got, placed())
	}
	report(2)
	if got := withdraw(2); got != 4 || placed() != ipOf(1) { // it has gone back, it seems
		t.Errorf("after the host is gone from where it is %d databases have to look, and it is at %q", got, placed())
	}
	if got := withdraw(1); got != 4 || placed() != "" {
		t.Errorf("after the host is gone %d databases have to look, and it is at %q", got, placed())
	}
}

// A VTEP has heard a host beside the row that places it elsewhere, and before the controller has written that, the host was heard
// elsewhere again. The row that is right then comes anew: the VTEP would not take its own back for one that stays, and had no
// news of the host when it came again.
func TestHeardBeside(t *testing.T) {
	const mac = "02:00:00:00:00:01"
	b := &bench{TB: t}
	placed := func() (id hwvtep.UUID, at string) {
		v := b.rows[0].View()
		for row := range v.UcastMACsRemote() {
			l, _ := v.PhysicalLocator(row.Locator)
			id = row.UUID
			at += l.DstIP
		}
		return id, at
	}
	for i := range 3 {
		b.rows = append(b.rows, hwvteptest.NewDB())
		b.write(i, func(_ *hwvtep.View, tx *hwvtep.Txn) { tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0"}) })
	}
	b.restart()
	b.report(1, mac)
	b.settle()
	first, _ := placed()
	b.report(0, mac)
	b.report(1, mac)
	rows := b.settle()
	again, at := placed()
	if at != ipOf(1) || again == first || rows != 2 {
		t.Errorf("%d rows written, it is at %q, by another row: %v", rows, at, again != first)
	}
	if rows = b.settle(); rows > 0 {
		t.Errorf("%d rows written with nothing to do", rows)
	}
	if len(b.dbs[0].heard) > 0 {
		t.Error("the row that came after the Local one is taken for older")
	}
}

// A locator is replaced by another one of the same end between two looks of the controller: it finds that one, whichever of the two
// it hears of first, and makes no third, which the database would refuse again and again.
func TestLocatorReplaced(t *testing.T) {
	b := &bench{TB: t}
	host := func(i int) string { return fmt.Sprintf("02:00:00:00:00:%02x", i) }
	report := func(mac string) {
		b.write(1, func(v *hwvtep.View, tx *hwvtep.Txn) {
			for row := range v.UcastMACsLocal() {
				tx.DeleteUcastMACLocal(row.UUID)
			}
			for ls := range v.LogicalSwitches() {
				at := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ipOf(1)})
				tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac, LogicalSwitch: ls.UUID, Locator: at})
			}
		})
	}
	for i := range 2 {
		b.rows = append(b.rows, hwvteptest.NewDB())
		b.write(i, func(_ *hwvtep.View, tx *hwvtep.Txn) { tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0"}) })
	}
	b.restart()
	for i := range 20 { // the order in which one hears of rows is that of their UUIDs, or another one
		report(host(i))
		b.settle()
		b.write(0, func(v *hwvtep.View, tx *hwvtep.Txn) {
			for row := range v.UcastMACsRemote() {
				tx.DeleteUcastMACRemote(row.UUID)
			}
		})
		b.write(0, func(v *hwvtep.View, tx *hwvtep.Txn) {
			if n := v.Len(hwvtep.TablePhysicalLocator); n != 0 {
				t.Fatalf("%d locators are left", n)
			}
			at := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ipOf(1)})
			for ls := range v.LogicalSwitches() {
				tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: host(i), LogicalSwitch: ls.UUID, Locator: at})
			}
		})
		b.write(1, func(v *hwvtep.View, tx *hwvtep.Txn) {
			for ls := range v.LogicalSwitches() {
				for l := range v.PhysicalLocators() {
					tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: host(100 + i), LogicalSwitch: ls.UUID, Locator: l.UUID})
				}
			}
		})
		b.settle()
		if n := b.rows[0].View().Len(hwvtep.TablePhysicalLocator); n != 1 {
			t.Fatalf("%d locators", n)
		}
	}
}

// A locator gets another key: one of the controller's is not what it wants any more, one of a VTEP's says how that is reached.
func TestLocatorRekeyed(t *testing.T) {
	const mac = "02:00:00:00:00:01"
	b := &bench{TB: t}
	for i := range 2 {
		b.rows = append(b.rows, hwvteptest.NewDB())
		b.write(i, func(_ *hwvtep.View, tx *hwvtep.Txn) {
			ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0"})
			if i == 1 {
				at := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ipOf(1)})
				tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac, LogicalSwitch: ls, Locator: at})
				set := tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: []hwvtep.UUID{at}})
				tx.InsertMcastMACLocal(hwvtep.McastMACLocal{MAC: unknownDst, LogicalSwitch: ls, LocatorSet: set})
			}
		})
	}
	b.restart()
	b.settle()
	for _, test := range []struct{ db, key, want int64 }{{0, 98, 0}, {1, 97, 97}, {0, 98, 97}} {
		b.write(int(test.db), func(v *hwvtep.View, tx *hwvtep.Txn) {
			for row := range v.PhysicalLocators() {
				row.TunnelKey = hwvtep.Some(test.key)
				tx.UpdatePhysicalLocator(row.UUID, row, hwvtep.PhysicalLocatorTunnelKey)
			}
		})
		b.settle()
		v := b.rows[0].View()
		for row := range v.PhysicalLocators() {
			if key, _ := row.TunnelKey.Get(); key != test.want {
				t.Errorf("database %d with %d: the key is %d, want %d", test.db, test.key, key, test.want)
			}
		}
		if rows := []int{v.Len(hwvtep.TablePhysicalLocator), v.Len(hwvtep.TableUcastMACRemote), v.Len(hwvtep.TableMcastMACRemote)}; !slices.Equal(rows, []int{1, 1, 1}) {
			t.Errorf("locators, MACs and sets are %d", rows)
		}
	}
}
