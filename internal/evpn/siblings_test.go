package evpn

import (
	"cmp"
	"fmt"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// remembers waits until the row of a switch remembers these as the bridge's.
func (s *bed) remembers(name, want string) {
	s.Helper()
	testenv.Eventually(s, deadline, func() (err error) {
		got := ""
		failed := s.bridge.ask(s.Context(), func() {
			for row := range s.bridge.database.view.LogicalSwitches() {
				if row.Name == name {
					got = row.OtherConfig[keyVTEPs]
				}
			}
		})
		if got != want {
			err = fmt.Errorf("%s remembers %q, want %q", name, got, want)
		}
		return cmp.Or(failed, err)
	})
}

// In a database with several switches a host of a segment is at the port of the one that is attached, for all. With one tunnel IP for
// both nobody could tell whose port is meant, which the status says.
func TestSegmentAmongSwitches(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		port := func(name string, config map[string]string) hwvtep.UUID {
			return tx.InsertPhysicalPort(hwvtep.PhysicalPort{Name: name, VLANBindings: map[int64]hwvtep.UUID{0: ls}, OtherConfig: config})
		}
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}, Ports: []hwvtep.UUID{port("p1", nil)}})
		v2 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v2", TunnelIPs: []string{"10.0.0.9"}, Ports: []hwvtep.UUID{port("p2", map[string]string{hwvtep.KeyESI: esi1})}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1, v2}})
	})
	s.up()
	other := discovery(high, allTags, false)
	other.targets = []target{{"65002", false, 33}}
	s.announce(other, nil)
	behind := hostAt(host1, high)
	behind.segment = seg1
	s.announce(behind, nil)
	s.whole()
	s.rows(host1 + ">10.0.0.9 1")
	s.remembers("ls0", "10.0.0.2 10.0.0.9#1")
	ip := func(name, ip string) {
		s.write(func(tx *hwvtep.Txn) {
			for row := range s.bridge.database.view.PhysicalSwitches() {
				if row.Name == name {
					row.TunnelIPs = []string{ip}
					tx.UpdatePhysicalSwitch(row.UUID, row, hwvtep.PhysicalSwitchTunnelIPs)
				}
			}
		})
	}
	ip("v1", "10.0.0.9")
	s.ports("p2: the tunnel IP of its switch, 10.0.0.9, is that of switch v1, too")
	s.rows(host1 + ">10.0.0.2")
	ip("v1", "10.0.0.1")
	s.rows(host1 + ">10.0.0.9 1")
}

// A port of a segment that went while there was no bridge leaves rows at its number, which the switch remembers as the bridge's: they go.
func TestPortGoneMeanwhile(t *testing.T) {
	const foreign, gone = "02:00:00:00:00:07", "02:00:00:00:00:02"
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33), OtherConfig: map[string]string{keyVTEPs: "10.0.0.1#3"}})
		for number, macs := range map[int64][]string{3: {host1, gone}, 77: {foreign}} {
			l := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1", TunnelKey: hwvtep.Some(number)})
			for _, mac := range macs {
				tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac, LogicalSwitch: ls, Locator: l})
			}
		}
	})
	s.up()
	s.announce(hostAt(host1, high), nil)
	s.whole()
	s.rows(host1+">10.0.0.2", foreign+">10.0.0.1 77")
	s.remembers("ls0", "10.0.0.2")
}
