package vtep

import (
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// Who has an IP address is in the State where the switch answers for it, and as long as somebody says so.
func TestSuppressedNeighbours(t *testing.T) {
	s := hw(t)
	s.features = plane.Features{Suppress: true, SnoopIPs: true}
	s.restart("br0")
	s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
	say := func(ip string) {
		s.edit(func(tx *hwvtep.Txn) {
			for m := range s.db.View().UcastMACsRemote() {
				tx.UpdateUcastMACRemote(m.UUID, hwvtep.UcastMACRemote{IPAddr: ip}, hwvtep.UcastMACRemoteIPAddr)
			}
		})
	}
	set := func(value string) {
		s.edit(func(tx *hwvtep.Txn) {
			tx.UpdateLogicalSwitch(s.ls("ls0").UUID, hwvtep.LogicalSwitch{OtherConfig: map[string]string{"arp_nd_suppression": value}}, hwvtep.LogicalSwitchOtherConfig)
		})
	}
	ls0 := switchID(s.ls("ls0").UUID)
	want := func(neighbours map[string]string) {
		t.Helper()
		got := s.c.State().Neighbours
		if len(got) != len(neighbours) {
			t.Fatalf("neighbours %v, want %v", got, neighbours)
		}
		for ip, mac := range neighbours {
			if got[intent.IPKey{Switch: ls0, IP: netip.MustParseAddr(ip)}].String() != mac {
				t.Fatalf("neighbours %v, want %v", got, neighbours)
			}
		}
	}
	say("198.51.100.21")
	want(nil)
	set("true")
	remote := map[string]string{"198.51.100.21": "02:00:00:00:00:21"}
	want(remote)
	// A local host's word counts where no row says otherwise.
	local, host := intent.IPKey{Switch: ls0, IP: netip.MustParseAddr("198.51.100.1")}, intent.MAC{2, 0, 0, 0, 0, 1}
	s.c.SetNeighbour(local, host)
	s.c.SetNeighbour(intent.IPKey{Switch: ls0, IP: netip.MustParseAddr("198.51.100.21")}, host)
	s.c.Refresh()
	want(map[string]string{"198.51.100.21": "02:00:00:00:00:21", "198.51.100.1": "02:00:00:00:00:01"})
	if s.c.ForgetNeighbour(local, intent.MAC{2}) || !s.c.ForgetNeighbour(local, host) {
		t.Error("who is forgotten is not the one who was heard")
	}
	s.c.Refresh()
	want(remote)
	say("2001:db8::21")
	want(map[string]string{"2001:db8::21": "02:00:00:00:00:21", "198.51.100.21": "02:00:00:00:00:01"})
	set("false")
	want(nil)
	set("true")
	s.edit(func(tx *hwvtep.Txn) {
		for m := range s.db.View().UcastMACsRemote() {
			tx.DeleteUcastMACRemote(m.UUID)
		}
	})
	want(map[string]string{"198.51.100.21": "02:00:00:00:00:01"})
	set("false")
	s.c.features.Suppress = false // as of a plane that can't
	set("true")
	want(nil)
}

// What rows say of neighbours goes with them, also in a process that has found it installed.
func TestInheritedNeighbours(t *testing.T) {
	s := hw(t)
	s.features = plane.Features{Suppress: true, SnoopIPs: true}
	s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
	set := func(ip string) {
		s.edit(func(tx *hwvtep.Txn) {
			for m := range s.db.View().UcastMACsRemote() {
				tx.UpdateUcastMACRemote(m.UUID, hwvtep.UcastMACRemote{IPAddr: ip}, hwvtep.UcastMACRemoteIPAddr)
			}
			tx.UpdateLogicalSwitch(s.ls("ls0").UUID, hwvtep.LogicalSwitch{OtherConfig: map[string]string{"arp_nd_suppression": "true"}}, hwvtep.LogicalSwitchOtherConfig)
		})
	}
	set("198.51.100.21")
	s.restart("br0")
	heard := intent.IPKey{Switch: switchID(s.ls("ls0").UUID), IP: netip.MustParseAddr("198.51.100.1")}
	s.c.SetNeighbour(heard, intent.MAC{2, 0, 0, 0, 0, 1})
	s.c.Refresh()
	installed := s.c.State().Clone()
	if len(installed.Neighbours) != 2 {
		t.Fatalf("neighbours %v, want 2", installed.Neighbours)
	}
	s.restart("br0")
	s.c.Inherit(installed)
	set("")
	if got := s.c.State().Neighbours; len(got) != 1 || got[heard].IsZero() {
		t.Errorf("neighbours %v, want what was heard alone", got)
	}
}
