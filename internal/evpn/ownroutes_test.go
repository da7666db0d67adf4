package evpn

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
)

// Routes that lead to a VTEP of the database come back from others, as from FRR: they are no rows, whatever of the switch changes, and a
// tunnel IP that is new here takes the rows with it.
func TestOwnRoutes(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
	})
	s.up()
	s.whole()
	const elsewhere = "02:00:00:00:00:02"
	flood := func(vtep, hop netip.Addr) *route {
		return &route{key: key{kind: Multicast, rd: vtep.String() + ":33", ip: vtep}, vtep: hop, vni: 33, targets: []target{{"65002", false, 33}}}
	}
	s.announce(hostAt(host1, low), nil)
	s.announce(flood(low, high), nil) // the originating router counts
	s.announce(hostAt(elsewhere, high), nil)
	s.announce(flood(high, low), nil)
	s.stay(elsewhere+">10.0.0.2", ">10.0.0.2")
	s.knows(host1, "claims a tunnel IP of ours")
	for _, export := range []string{"65001:77", ""} {
		s.write(func(tx *hwvtep.Txn) {
			for row := range s.bridge.database.view.LogicalSwitches() {
				tx.PutLogicalSwitchOtherConfig(row.UUID, map[string]string{keyExport: export})
			}
		})
		s.knows(elsewhere, ": row in ls0")
		s.stay(elsewhere+">10.0.0.2", ">10.0.0.2")
	}
	ours := func(all ...string) {
		s.write(func(tx *hwvtep.Txn) {
			for row := range s.bridge.database.view.PhysicalSwitches() {
				row.TunnelIPs = all
				tx.UpdatePhysicalSwitch(row.UUID, row, hwvtep.PhysicalSwitchTunnelIPs)
			}
		})
	}
	ours("10.0.0.1", "10.0.0.2")
	s.rows()
	ours("10.0.0.1")
	s.rows(elsewhere+">10.0.0.2", ">10.0.0.2")
	ours("10.0.0.9")
	s.rows(host1+">10.0.0.1", elsewhere+">10.0.0.2", ">10.0.0.1 10.0.0.2")
}

// What comes back of who is attached to a segment says nothing of the VTEPs of the database: it may be old.
func TestOwnCandidates(t *testing.T) {
	b, _ := fabricOf(t)
	a := &attachment{port: hwvtep.PhysicalPort{UUID: hwvtep.UUID{9}, Name: "p1", OtherConfig: map[string]string{hwvtep.KeyESI: esi1}}, vtep: low, up: true, due: true}
	a.configure()
	b.begun, b.settled, b.database.own[low] = true, true, true
	b.database.ports[a.port.UUID], b.database.bySegment[seg1] = a, a
	prefers := func(n uint16) relay.Election { return relay.Election{Algorithm: relay.ByPreference, Preference: n} }
	hears(b, true, attachedAt(pes[1], prefers(40000)))
	hears(b, true, attachedAt(low, prefers(65535)))
	expect := func(when string, all bool, beside ...netip.Addr) {
		t.Helper()
		if a.outcome.all != all || !slices.Equal(a.outcome.beside, beside) {
			t.Errorf("%s: %+v", when, a.outcome)
		}
	}
	expect("another one is preferred", true, pes[1])
	b.forget(high)
	expect("the session has ended", false, pes[1])
}
