package nvc

import (
	"fmt"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
)

// In the way of OVN a MAC stays at the VTEP that had it first until that one takes its row back, whichever reported it last; what moves is another row.
func TestLikeOVN(t *testing.T) {
	const mac = "02:00:00:00:00:01"
	b := &bench{TB: t}
	for i := range 3 {
		b.rows = append(b.rows, hwvteptest.NewDB())
		b.write(i, func(_ *hwvtep.View, tx *hwvtep.Txn) { tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0"}) })
	}
	b.restart()
	b.mesh.likeOVN = true
	placed := func(i int) (all []string, id hwvtep.UUID) {
		v := b.rows[i].View()
		for row := range v.UcastMACsRemote() {
			l, _ := v.PhysicalLocator(row.Locator)
			all, id = append(all, fmt.Sprint(row.MAC, " ", l.DstIP, row.IPAddr)), row.UUID
		}
		return all, id
	}
	b.report(0, mac)
	b.settle()
	_, first := placed(2)
	b.report(1, mac)
	if rows := b.settle(); rows > 0 {
		t.Errorf("%d rows are written for a VTEP that has the MAC, too", rows)
	}
	if all, _ := placed(1); !slices.Equal(all, []string{mac + " " + ipOf(0)}) {
		t.Errorf("the second VTEP has %q", all)
	}
	b.write(0, func(v *hwvtep.View, tx *hwvtep.Txn) {
		for row := range v.UcastMACsLocal() {
			tx.DeleteUcastMACLocal(row.UUID)
		}
	})
	b.settle()
	for i, want := range [][]string{{mac + " " + ipOf(1)}, nil, {mac + " " + ipOf(1)}} {
		all, id := placed(i)
		if !slices.Equal(all, want) {
			t.Errorf("database %d has %q", i, all)
		}
		if i == 2 && id == first {
			t.Error("the row was changed, not replaced")
		}
	}
	for i, rows := range b.rows {
		for ls := range rows.View().LogicalSwitches() {
			if len(ls.OtherConfig) > 0 {
				t.Errorf("switch of database %d: %v", i, ls.OtherConfig)
			}
		}
	}
}
