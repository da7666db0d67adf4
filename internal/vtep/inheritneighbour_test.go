package vtep

import (
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// Neighbours that an earlier process has known stay until they are known better, or are not heard of for
// too long; a row takes its own along.
func TestInheritNeighbours(t *testing.T) {
	for _, routed := range []bool{true, false} {
		s := hw(t)
		s.features = plane.Features{Routers: true, Suppress: true, SnoopIPs: true}
		s.restart("br0")
		s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
		ls0 := s.ls("ls0").UUID
		s.edit(func(tx *hwvtep.Txn) {
			for m := range s.db.View().UcastMACsRemote() {
				tx.UpdateUcastMACRemote(m.UUID, hwvtep.UcastMACRemote{IPAddr: "198.51.100.21"}, hwvtep.UcastMACRemoteIPAddr)
			}
			if routed {
				tx.InsertLogicalRouter(hwvtep.LogicalRouter{Name: "lr0", SwitchBinding: map[string]UUID{"198.51.100.1/24": ls0}})
			} else {
				tx.UpdateLogicalSwitch(ls0, hwvtep.LogicalSwitch{OtherConfig: map[string]string{"arp_nd_suppression": "true"}}, hwvtep.LogicalSwitchOtherConfig)
			}
		})
		at := func(ip string) intent.IPKey { return intent.IPKey{Switch: switchID(ls0), IP: netip.MustParseAddr(ip)} }
		heard, silent, remote := at("198.51.100.7"), at("198.51.100.8"), at("198.51.100.21")
		s.c.SetNeighbour(heard, intent.MAC{2, 5: 7})
		s.c.SetNeighbour(silent, intent.MAC{2, 5: 8})
		s.c.Refresh()
		installed := s.c.State().Clone()
		if len(installed.Neighbours) != 3 {
			t.Fatalf("neighbours %v", installed.Neighbours)
		}

		s.restart("br0")
		if !s.c.Undecided() {
			t.Fatal("nothing of an earlier process is wanted")
		}
		s.c.Inherit(installed)
		if d := intent.Diff(installed, s.c.State()); !d.Empty() {
			t.Fatalf("a new process changes\n%v", d)
		}
		if n := len(s.c.Unconfirmed()); n != 2 {
			t.Errorf("%d neighbours are unconfirmed", n)
		}
		s.c.SetNeighbour(heard, intent.MAC{2, 5: 7})
		s.edit(func(tx *hwvtep.Txn) { // the row goes
			for m := range s.db.View().UcastMACsRemote() {
				tx.DeleteUcastMACRemote(m.UUID)
			}
		})
		s.c.Refresh()
		if _, ok := s.c.State().Neighbours[remote]; ok {
			t.Error("what a row has told outlives it")
		}
		if s.c.ForgetUnconfirmed(false) == routed {
			t.Error("a router's neighbours are forgotten before their time, or others are not")
		}
		if s.c.ForgetUnconfirmed(true) != routed {
			t.Error("who is not heard of is not forgotten once")
		}
		s.c.Refresh()
		got := s.c.State().Neighbours
		if len(got) != 1 || got[heard] != (intent.MAC{2, 5: 7}) {
			t.Errorf("neighbours are %v", got)
		}
	}
}
