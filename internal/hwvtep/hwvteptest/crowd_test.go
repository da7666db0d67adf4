package hwvteptest_test

import (
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
)

func TestCrowd(t *testing.T) {
	db := hwvteptest.NewDB()
	tx := hwvtep.NewTxn(nil)
	port := tx.InsertPhysicalPort(hwvtep.PhysicalPort{Name: "p0"})
	tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "br0", Ports: []hwvtep.UUID{port}})
	row, err := db.Transact(tx)
	if err != nil {
		t.Fatal(err)
	}
	c := hwvteptest.NewCrowd(4, 2, 6000, netip.MustParseAddr("192.0.2.255"))
	tx = hwvtep.NewTxn(nil)
	c.Insert(tx, row(port))
	if row, err = db.Transact(tx); err != nil {
		t.Fatal(err)
	}
	c.Made(row)
	tx = hwvtep.NewTxn(nil)
	for i := range 16 {
		tx.InsertUcastMACRemote(c.Row(i))
	}
	if _, err := db.Transact(tx); err != nil {
		t.Fatal(err)
	}
	at := map[[2]hwvtep.UUID]int{}
	for m := range db.View().UcastMACsRemote() {
		at[[2]hwvtep.UUID{m.LogicalSwitch, m.Locator}]++
	}
	for i, ls := range c.Switches {
		for j, locator := range c.Locators {
			want := 2
			if i == 0 { // the keepers are all there
				want++
			}
			if got := at[[2]hwvtep.UUID{ls, locator}]; got != want {
				t.Errorf("%d MACs are in switch %d behind peer %d, want %d", got, i, j, want)
			}
		}
	}
	if l, ok := db.View().PhysicalLocator(c.Locators[1]); !ok || l.DstIP != "192.0.3.0" {
		t.Errorf("the second peer is %+v", l)
	}
}
