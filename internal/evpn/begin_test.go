package evpn

import (
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
)

// A bridge begins beside rows of before. A host that has gone elsewhere meanwhile is left there, since its row is older; one that
// has come from there is announced.
func TestMovedMeanwhile(t *testing.T) {
	const gone, came, never = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33), OtherConfig: map[string]string{keyVTEPs: "10.0.0.2"}})
		here := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"})
		there := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.2"})
		for _, mac := range []string{gone, came, never} {
			tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac, LogicalSwitch: ls, Locator: here})
		}
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: came, LogicalSwitch: ls, Locator: there})
	})
	s.up()
	for _, mac := range []string{gone, came, never} {
		r := hostAt(mac, high)
		r.moved, r.sequence = mac != never, 5
		if mac == never {
			r.sequence = 0
		}
		s.announce(r, nil)
	}
	s.whole()
	s.said(came, map[string]int64{"": 6})
	s.said(never, map[string]int64{"": 1})
	s.said(gone, map[string]int64{})
	s.rows(gone + ">10.0.0.2")
	s.write(func(tx *hwvtep.Txn) { // its VTEP hears it after all
		for row := range s.bridge.database.view.UcastMACsLocal() {
			if row.MAC == gone {
				tx.DeleteUcastMACLocal(row.UUID)
				tx.InsertUcastMACLocal(row)
			}
		}
	})
	s.said(gone, map[string]int64{"": 6})
	s.rows()
}
