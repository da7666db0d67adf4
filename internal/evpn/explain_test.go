package evpn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// A host that is here and not announced is told of, with why; one that is announced is a route.
func TestExplain(t *testing.T) {
	const aside, foreign, group = "02:00:00:00:00:e1", "02:00:00:00:00:e2", "03:00:00:00:00:e3"
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls0 := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		ls1 := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls1"})
		locator := func(ip string) hwvtep.UUID {
			return tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ip})
		}
		here, there := locator("10.0.0.1"), locator("10.0.0.9")
		tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: host1, LogicalSwitch: ls0, Locator: here, IPAddr: "192.0.2.1"})
		tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: aside, LogicalSwitch: ls1, Locator: here, IPAddr: "192.0.2.1"})
		tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: foreign, LogicalSwitch: ls0, Locator: there})
		tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: group, LogicalSwitch: ls0, Locator: here})
	})
	explains := func(about string, want ...string) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			all, err := s.bridge.Explain(t.Context(), about)
			if err == nil && fmt.Sprint(all) != fmt.Sprint(want) {
				err = fmt.Errorf("of %s is told %v, want %v", about, all, want)
			}
			return err
		})
	}
	before := "type 2 " + host1 + " 192.0.2.1 at 10.0.0.1 VNI 33: not announced from switch ls0: "
	explains(host1, before+"routes of neighbors are awaited")
	s.up()
	s.whole()
	announced := []string{"type 2 10.0.0.1:33 " + host1 + " at 10.0.0.1 VNI 33 targets 65001:33: announced here", "type 2 10.0.0.1:33 " + host1 + " 192.0.2.1 at 10.0.0.1 VNI 33 targets 65001:33: announced here"}
	explains(host1, announced...)
	explains("192.0.2.1", announced[1], "type 2 "+aside+" 192.0.2.1 at 10.0.0.1 VNI 0: not announced from switch ls1: it has no VNI")
	explains(foreign, "type 2 "+foreign+" at 10.0.0.9 VNI 33: not announced from switch ls0: the row's VTEP is no switch of this database")
	explains(group, "type 2 "+group+" at 10.0.0.1 VNI 33: not announced from switch ls0: no MAC of a host")
	moved := hostAt(host1, high)
	moved.sequence, moved.moved = 5, true
	s.announce(moved, nil)
	explains(host1, "type 2 10.0.0.2:33 "+host1+" at 10.0.0.2 VNI 33 targets 65002:33 sequence 5 from 127.0.0.2: row in ls0", before+"10.0.0.2 has it")
	explains("02:00:00:00:00:ff")
	// It is asked for in any form that it has.
	explains("0200.0000.00E2", "type 2 "+foreign+" at 10.0.0.9 VNI 33: not announced from switch ls0: the row's VTEP is no switch of this database")
	for _, about := range []string{"", "foo", "192.0.2", "02:00:00:00:00", "192.0.2.1/33"} {
		if _, err := s.bridge.Explain(t.Context(), about); err == nil || !strings.Contains(err.Error(), "is no MAC, IP address or prefix") {
			t.Errorf("of %q is told %v", about, err)
		}
	}
}
