package evpn

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// Where there is no router, and no port of a segment, what is for those is counted, as is what comes in other tunnels, until it is
// withdrawn: no session ends for that, and what else a route says counts.
func TestCounted(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		newSwitch(tx)
	})
	s.up()
	s.whole()
	vrf := []target{{"65002", false, 5000}}
	routed := hostAt(host1, high) // with a second label
	routed.ip, routed.l3vni, routed.routerMAC, routed.l3targets = netip.MustParseAddr("192.0.2.1"), 5000, "02:00:00:00:00:fe", vrf
	foreign := hostAt("02:00:00:00:00:02", high) // and of no switch here
	foreign.ip, foreign.l3vni, foreign.routerMAC, foreign.targets = netip.MustParseAddr("192.0.2.2"), 5000, "02:00:00:00:00:fe", vrf
	all := []*route{routed, foreign,
		{key: key{kind: Prefix, rd: "10.0.0.2:5000", to: netip.MustParsePrefix("10.2.0.0/16")}, vtep: high, vni: 5000, routerMAC: "02:00:00:00:00:fe", targets: vrf},
		{key: key{kind: Prefix, rd: "10.0.0.2:5000", to: netip.MustParsePrefix("10.3.0.0/16")}, vtep: high, vni: 5000, routerMAC: "02:00:00:00:00:fe", targets: routed.targets},
		{key: key{kind: Attached, rd: "10.0.0.2:9", ip: high, esi: seg1}, vtep: high, segment: seg1},
		{key: key{kind: Discovery, rd: "10.0.0.2:9", tag: allTags, esi: seg1}, vtep: high, segment: seg1, targets: vrf},
	}
	for _, r := range all {
		s.announce(r, nil)
	}
	vxlan := []byte{3, 0x0c, 0, 0, 0, 0, 0, 8}
	for i, tunnel := range []byte{2, 9, 10, 19} { // GRE, NVGRE, MPLS, Geneve
		r := hostAt(fmt.Sprintf("02:00:00:00:01:%02x", i), high)
		all = append(all, r)
		s.announce(r, func(b []byte) []byte {
			return bytes.Replace(b, vxlan, append(bytes.Clone(vxlan[:7]), tunnel), 1)
		})
	}
	counted := func(want map[string]int) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			if got := s.status(); !maps.Equal(got.Refused, want) || got.Neighbors[0].Flaps != 0 || len(got.Neighbors[0].Ignored) > 0 {
				return fmt.Errorf("%v are refused, want %v; the session: %+v", got.Refused, want, got.Neighbors[0])
			}
			return nil
		})
	}
	s.stay(host1 + ">10.0.0.2")
	counted(map[string]int{whyRouter: 1, whyES: 1, whyOther: 3, whyEncap: 4})
	for _, r := range all {
		s.withdraw(r)
	}
	counted(map[string]int{})
	s.rows()
}
