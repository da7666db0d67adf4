package evpn

import (
	"fmt"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
)

// manySwitches is a bridge with a database of logical switches, all of which a router has an interface in if it is routed, and with hosts of others.
func manySwitches(t testing.TB, switches, hosts int, routed bool) *Bridge {
	t.Helper()
	b := New(Options{Config: &Config{AS: 65001, RouterID: low, Neighbors: []Neighbor{{Address: high, AS: 65002}}}})
	b.database = newDatabase(b, nil)
	t.Cleanup(b.stopTimers)
	rows := hwvteptest.New()
	interfaces := map[string]hwvtep.UUID{}
	for i := range switches {
		id := rows.Put(&hwvtep.LogicalSwitch{Name: fmt.Sprintf("ls%d", i), TunnelKey: hwvtep.Some(int64(i + 1))})
		interfaces[fmt.Sprintf("10.%d.%d.1/24", i>>8, i&255)] = id
	}
	if routed {
		rows.Put(&hwvtep.LogicalRouter{Name: "lr0", SwitchBinding: interfaces, OtherConfig: map[string]string{keyL3Switch: "ls0"}})
	}
	b.database.view = rows.View() // else it would begin
	b.database.takeChanges(rows.View(), rows.Changes(), false)
	if len(b.database.networks) != switches {
		t.Fatalf("there are %d switches", len(b.database.networks))
	}
	for i := range hosts {
		r := hostAt(fmt.Sprintf("02:00:00:%02x:%02x:%02x", i>>16, i>>8&255, i&255), high)
		r.vni, r.targets = uint32(i%switches)+1, []target{{"65002", false, uint32(i%switches) + 1}}
		id := path{peer: high, key: r.key}
		b.keep(id, r)
		b.place(id, r)
	}
	return b
}

// BenchmarkSwitch is what one more logical switch costs beside many.
func BenchmarkSwitch(b *testing.B) {
	for _, c := range []struct {
		switches, hosts int
		routed          bool
	}{{1000, 0, false}, {4000, 0, false}, {16000, 0, false}, {4000, 0, true}, {4000, 100_000, false}} {
		b.Run(fmt.Sprintf("%d switches, %d hosts, routed=%v", c.switches, c.hosts, c.routed), func(b *testing.B) {
			bridge := manySwitches(b, c.switches, c.hosts, c.routed)
			db := bridge.database
			rows := hwvteptest.New()
			id := rows.Put(&hwvtep.LogicalSwitch{Name: "new", TunnelKey: hwvtep.Some[int64](1 << 20)})
			comes := rows.Changes()
			rows.Delete(hwvtep.TableLogicalSwitch, id)
			goes := rows.Changes()
			for b.Loop() {
				db.takeChanges(db.view, comes, false)
				db.takeChanges(db.view, goes, false)
			}
		})
	}
}
