package vtep

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

func TestReportHowto(t *testing.T) {
	s := hw(t)
	s.settle()
	s.want("mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0")
	s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
	s.addRemote("ls1", "02:00:00:00:00:22", "192.0.2.3") // of a switch that is not ours
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	s.settle()
	s.want("mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0",
		"ucast ls0 02:00:00:00:00:01 192.0.2.1", "tunnel br0 192.0.2.1-192.0.2.2")

	s.count(1, 2, 3, 4)
	s.settle()
	s.want("mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 1/2 to 3/4",
		"ucast ls0 02:00:00:00:00:01 192.0.2.1", "tunnel br0 192.0.2.1-192.0.2.2")

	// After unbinding all goes at once, and the NVC can delete the switch.
	s.edit(func(tx *hwvtep.Txn) { tx.RemovePhysicalPortVLANBindings(s.port("p0").UUID, 0) })
	s.settle()
	s.want()
	s.edit(func(tx *hwvtep.Txn) {
		for m := range s.db.View().UcastMACsRemote() {
			tx.DeleteUcastMACRemote(m.UUID)
		}
		tx.DeleteLogicalSwitch(s.ls("ls0").UUID)
	})
	s.settle()
	s.want()
}

// An NVC may delete our rows with the switch, or without.
func TestReportRowsDeletedByNVC(t *testing.T) {
	s := hw(t)
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	s.settle()
	clear := func(tx *hwvtep.Txn) {
		for m := range s.db.View().UcastMACsLocal() {
			tx.DeleteUcastMACLocal(m.UUID)
		}
		for m := range s.db.View().McastMACsLocal() {
			tx.DeleteMcastMACLocal(m.UUID)
		}
	}
	s.edit(clear)
	s.settle()
	s.want("mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "ucast ls0 02:00:00:00:00:01 192.0.2.1")
	s.edit(func(tx *hwvtep.Txn) {
		clear(tx)
		tx.RemovePhysicalPortVLANBindings(s.port("p0").UUID, 0)
		tx.DeleteLogicalSwitch(s.ls("ls0").UUID)
	})
	s.settle()
	s.want()
}

func TestReportTunnelIPChanges(t *testing.T) {
	s := hw(t)
	s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	s.settle()
	tunnel := s.ps("br0").Tunnels[0]
	rehome := func(ips ...string) {
		s.edit(func(tx *hwvtep.Txn) {
			tx.UpdatePhysicalSwitch(s.ps("br0").UUID, hwvtep.PhysicalSwitch{TunnelIPs: ips}, hwvtep.PhysicalSwitchTunnelIPs)
		})
		s.settle()
	}
	rehome("192.0.2.9")
	after := []string{"mcast ls0 unknown-dst 192.0.2.9", "stats p0/0 from 0/0 to 0/0",
		"ucast ls0 02:00:00:00:00:01 192.0.2.9", "tunnel br0 192.0.2.9-192.0.2.2"}
	s.want(after...)
	if s.ps("br0").Tunnels[0] != tunnel {
		t.Error("the tunnel's row was made anew")
	}
	rehome()
	s.want("stats p0/0 from 0/0 to 0/0", "fault br0 tunnel_exhaustion") // there is a remote MAC
	rehome("192.0.2.9")
	s.want(after...)

	// The address changes while nobody is there. The tunnel row tells what was ours.
	s.edit(func(tx *hwvtep.Txn) {
		tx.UpdatePhysicalSwitch(s.ps("br0").UUID, hwvtep.PhysicalSwitch{TunnelIPs: []string{"192.0.2.10"}}, hwvtep.PhysicalSwitchTunnelIPs)
	})
	s.restart("br0")
	s.settle()
	s.want("mcast ls0 unknown-dst 192.0.2.10", "stats p0/0 from 0/0 to 0/0",
		"ucast ls0 02:00:00:00:00:01 192.0.2.10", "tunnel br0 192.0.2.10-192.0.2.2")
}

func TestReportRestart(t *testing.T) {
	s := hw(t)
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	s.learn("02:00:00:00:00:02", "ls0", "p0")
	s.count(10, 20, 30, 40)
	s.settle()
	clear(s.learned)
	s.restart("br0")
	both := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 10/20 to 30/40",
		"ucast ls0 02:00:00:00:00:01 192.0.2.1", "ucast ls0 02:00:00:00:00:02 192.0.2.1"}
	s.want(both...) // nothing is done
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	// The dataplane begins to count anew: the rows don't.
	s.count(1, 2, 3, 40)
	s.settle()
	both[1] = "stats p0/0 from 11/22 to 33/40"
	s.want(both...)
	s.r.Unadopt()
	s.settle()
	s.want(both[:3]...)
	s.count(0, 0, 0, 41)
	s.settle()
	s.want(both[0], "stats p0/0 from 11/22 to 33/41", both[2])
}

// Existing rows are used, also those that an NVC made.
func TestReportAdoptsTunnels(t *testing.T) {
	s := hw(t)
	s.edit(func(tx *hwvtep.Txn) {
		keyed := keyless("192.0.2.2")
		keyed.TunnelKey = hwvtep.Some[int64](7)
		remote := tx.InsertPhysicalLocator(keyed)
		id := tx.InsertTunnel(hwvtep.Tunnel{Local: tx.InsertPhysicalLocator(keyless("192.0.2.1")), Remote: remote,
			BFDParams: map[string]string{"enable": "true"}})
		tx.AddPhysicalSwitchTunnels(s.ps("br0").UUID, id)
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: "02:00:00:00:00:21", LogicalSwitch: s.ls("ls0").UUID, Locator: remote})
	})
	s.settle()
	const status = " status:enabled=false status:info=this VTEP does not run BFD"
	lines := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "tunnel br0 192.0.2.1-192.0.2.2/7" + status}
	s.want(lines...)
	s.edit(func(tx *hwvtep.Txn) {
		for m := range s.db.View().UcastMACsRemote() {
			tx.DeleteUcastMACRemote(m.UUID)
		}
	})
	s.settle()
	s.want(lines...) // BFD is still wanted
	s.edit(func(tx *hwvtep.Txn) { tx.RemoveTunnelBFDParams(s.ps("br0").Tunnels[0], "enable") })
	s.settle()
	s.want(lines[:2]...)
}

// What sessions of BFD say becomes bfd_status, with "enabled" beside it; before they say anything
// nothing is written that an NVC could take for the end of the session.
func TestReportBFD(t *testing.T) {
	s := hw(t)
	s.c.features.BFD = true
	s.edit(func(tx *hwvtep.Txn) {
		remote := tx.InsertPhysicalLocator(keyless("192.0.2.2"))
		id := tx.InsertTunnel(hwvtep.Tunnel{Local: tx.InsertPhysicalLocator(keyless("192.0.2.1")), Remote: remote,
			BFDParams: map[string]string{"enable": "true"}})
		tx.AddPhysicalSwitchTunnels(s.ps("br0").UUID, id)
	})
	peer := netip.MustParseAddr("192.0.2.2")
	say := func(bfd map[netip.Addr]plane.PeerState) {
		s.r.SetReport(plane.Report{BFD: bfd})
		s.settle()
	}
	lines := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "tunnel br0 192.0.2.1-192.0.2.2"}
	say(map[netip.Addr]plane.PeerState{})
	s.want(lines...)
	say(map[netip.Addr]plane.PeerState{peer: {State: "down"}})
	s.want(lines[0], lines[1], lines[2]+" status:enabled=true status:forwarding=false status:state=down")
	say(map[netip.Addr]plane.PeerState{})
	s.want(lines[0], lines[1], lines[2]+" status:enabled=true status:forwarding=false status:state=down")
	say(map[netip.Addr]plane.PeerState{peer: {State: "up", Forwarding: true}})
	s.want(lines[0], lines[1], lines[2]+" status:enabled=true status:forwarding=true status:state=up")
	s.edit(func(tx *hwvtep.Txn) {
		tx.UpdateTunnel(s.ps("br0").Tunnels[0], hwvtep.Tunnel{BFDParams: map[string]string{"enable": "false"}}, hwvtep.TunnelBFDParams)
	})
	s.r.Update(nil)
	tx := s.r.Build(time.Now())
	if tx == nil {
		t.Fatal("the status stays although BFD is not wanted")
	}
	if text := string(tx.Ops()); !strings.Contains(text, `"bfd_status":["map",[]]`) {
		t.Errorf("transaction %s", text)
	}
}

// Two switches of a database share the unknown-dst row of a logical switch.
func TestReportTwoSwitches(t *testing.T) {
	a := hw(t)
	if _, err := a.db.Transact(Bootstrap(a.db.View(), Wanted{Name: "br1", TunnelIP: "192.0.2.2", Ports: []string{"q0"}})); err != nil {
		t.Fatal(err)
	}
	a.edit(func(tx *hwvtep.Txn) {
		tx.PutPhysicalPortVLANBindings(a.port("q0").UUID, map[int64]UUID{5: a.ls("ls0").UUID})
	})
	a.settle()
	b := newSite(t, a.db, "br1")
	both := func() {
		for range 5 {
			for _, s := range []*site{a, b} {
				s.update()
				s.settle()
			}
		}
	}
	a.learn("02:00:00:00:00:01", "ls0", "p0")
	b.learn("02:00:00:00:00:02", "ls0", "q0")
	both()
	stats := []string{"stats p0/0 from 0/0 to 0/0", "stats q0/5 from 0/0 to 0/0"}
	tunnels := []string{"tunnel br0 192.0.2.1-192.0.2.2", "tunnel br1 192.0.2.2-192.0.2.1"}
	lines := append([]string{"mcast ls0 unknown-dst 192.0.2.1 192.0.2.2",
		"ucast ls0 02:00:00:00:00:01 192.0.2.1", "ucast ls0 02:00:00:00:00:02 192.0.2.2"}, append(stats, tunnels...)...)
	a.want(lines...)
	b.want(lines...)
	for s, other := range map[*site]string{a: "192.0.2.2", b: "192.0.2.1"} {
		key := intent.FloodKey{Switch: switchID(s.ls("ls0").UUID)}
		if set := s.c.State().Floods[key]; len(set) != 1 || set[0].Peer != netip.MustParseAddr(other) {
			t.Errorf("floods to %v, want %s", set, other)
		}
	}
	a.edit(func(tx *hwvtep.Txn) { tx.RemovePhysicalPortVLANBindings(a.port("p0").UUID, 0) })
	both()
	a.want("mcast ls0 unknown-dst 192.0.2.2", "ucast ls0 02:00:00:00:00:02 192.0.2.2", stats[1])
}

// Of several unknown-dst rows one is used, and ours leaves the others.
func TestReportSeveralMcastRows(t *testing.T) {
	s := hw(t)
	s.edit(func(tx *hwvtep.Txn) {
		own := tx.InsertPhysicalLocator(keyless("192.0.2.1"))
		other := tx.InsertPhysicalLocator(keyless("192.0.2.7"))
		for _, set := range [][]UUID{{own}, {own, other}, {own}} {
			tx.InsertMcastMACLocal(hwvtep.McastMACLocal{MAC: "unknown-dst", LogicalSwitch: s.ls("ls0").UUID,
				LocatorSet: tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: set})})
		}
	})
	s.settle()
	n := 0
	for line := range strings.Lines(reported(s.db.View())) {
		if strings.HasPrefix(line, "mcast") {
			n += strings.Count(line, "192.0.2.1")
		}
	}
	if n != 1 || s.build() != nil {
		t.Errorf("our address is in %d sets:\n%s", n, reported(s.db.View()))
	}
}

func TestReportFaults(t *testing.T) {
	s := hw(t)
	s.settle()
	usual := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0"}
	s.r.SetReport(plane.Report{Ports: map[string]error{"p0": errors.New("no such device"), "p1": errors.New("no such device")}})
	s.settle()
	s.want(append(usual, "fault p0 invalid_vlan_map")...) // p1 has nothing that it could not do
	s.r.SetReport(plane.Report{Full: map[plane.Table]error{plane.FloodSets: errors.New("full")}})
	s.settle()
	s.want(append(usual, "fault br0 tunnel_exhaustion")...)
	s.r.SetReport(plane.Report{Disturbed: map[string]error{"p0": errors.New("detached")}})
	s.settle()
	s.want(append(usual, "fault p0 unspecified_fault")...)
	s.r.SetReport(plane.Report{Tunnels: errors.New("not local"), Full: map[plane.Table]error{plane.RemoteMACs: errors.New("full")}})
	s.settle()
	s.want(append(usual, "fault br0 mac_table_exhaustion", "fault br0 tunnel_exhaustion")...) // before there is a peer, too
	s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
	s.settle()
	s.want(append(usual, "fault br0 mac_table_exhaustion", "fault br0 tunnel_exhaustion", "tunnel br0 192.0.2.1-192.0.2.2")...)
	s.r.SetReport(plane.Report{})
	s.settle()
	s.edit(func(tx *hwvtep.Txn) { // as after a restart of the server
		tx.UpdatePhysicalPort(s.port("p0").UUID, hwvtep.PhysicalPort{PortFaultStatus: []string{"unspecified_fault"}}, hwvtep.PhysicalPortPortFaultStatus)
	})
	s.settle()
	s.want(append(usual, "tunnel br0 192.0.2.1-192.0.2.2")...)

	s.edit(func(tx *hwvtep.Txn) {
		tx.InsertLogicalRouter(hwvtep.LogicalRouter{Name: "lr0", SwitchBinding: map[string]UUID{"198.51.100.1/24": s.ls("ls1").UUID}})
		entry := tx.InsertACLEntry(hwvtep.ACLEntry{Sequence: 1, Direction: "ingress", Action: "deny"})
		acl := tx.InsertACL(hwvtep.ACL{Name: "acl0", Entries: []UUID{entry}})
		tx.PutPhysicalPortACLBindings(s.port("p1").UUID, map[int64]UUID{0: acl})
	})
	s.settle()
	s.want(append(usual, "tunnel br0 192.0.2.1-192.0.2.2", "fault acl0 unspecified_fault", "fault lr0 unspecified_fault",
		"fault br0 lr_support_fault", "fault p1 invalid_ACL_binding")...)
	s.edit(func(tx *hwvtep.Txn) {
		for lr := range s.db.View().LogicalRouters() {
			tx.UpdateLogicalRouter(lr.UUID, hwvtep.LogicalRouter{}, hwvtep.LogicalRouterSwitchBinding)
		}
		tx.RemovePhysicalPortACLBindings(s.port("p1").UUID, 0)
	})
	s.settle()
	s.want(append(usual, "tunnel br0 192.0.2.1-192.0.2.2")...)
}

// The switch goes, and comes back.
func TestReportSwitchGone(t *testing.T) {
	s := hw(t)
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	s.settle()
	s.edit(func(tx *hwvtep.Txn) {
		g, _ := s.db.View().TheGlobal()
		tx.RemoveGlobalSwitches(g.UUID, s.ps("br0").UUID)
	})
	s.settle()
	s.want()
	if !intent.Diff(intent.NewState(), s.c.State()).Empty() {
		t.Errorf("left is\n%v", s.c.State())
	}
}

// A Tunnel row stands for a while after its last use, in case its locator is used again.
func TestReportTunnelGrace(t *testing.T) {
	s := hw(t)
	s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
	s.settle()
	tunnel := s.ps("br0").Tunnels[0]
	clear := func() {
		s.edit(func(tx *hwvtep.Txn) {
			for m := range s.db.View().UcastMACsRemote() {
				tx.DeleteUcastMACRemote(m.UUID)
			}
		})
	}
	stands := func(want bool) {
		t.Helper()
		for s.step() {
		}
		if have := len(s.ps("br0").Tunnels) > 0; have != want {
			t.Errorf("after %v: the row stands: %v", s.now.Sub(time.Unix(1000, 0)), have)
		}
	}
	clear()
	stands(true)
	s.now = s.now.Add(tunnelGrace - 1)
	stands(true)
	s.addRemote("ls0", "02:00:00:00:00:22", "192.0.2.2") // used again, by the locator that was found
	stands(true)
	if !s.r.Due().IsZero() {
		t.Error("it would go although it is used")
	}
	s.now = s.now.Add(time.Hour)
	clear()
	stands(true)
	if at := s.now.Add(tunnelGrace); s.r.Due() != at {
		t.Errorf("due at %v, want %v", s.r.Due(), at)
	}
	if s.ps("br0").Tunnels[0] != tunnel {
		t.Error("another row")
	}
	s.now = s.r.Due()
	if !s.r.Busy(s.now) {
		t.Error("not busy when it is due")
	}
	stands(false)
	if !s.r.Due().IsZero() {
		t.Error("due for ever")
	}

	// Who is taken down does not wait.
	s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
	stands(true)
	clear()
	s.r.Withdraw()
	stands(false)
}

// Many tunnels come in several transactions.
func TestReportManyTunnels(t *testing.T) {
	s := hw(t)
	s.edit(func(tx *hwvtep.Txn) {
		for i := range 2*maxTunnels + 10 {
			tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", i>>8, i&255), LogicalSwitch: s.ls("ls0").UUID,
				Locator: tx.InsertPhysicalLocator(keyless(fmt.Sprintf("192.1.%d.%d", i>>8, i&255)))})
		}
	})
	n := 0
	for s.step() {
		n++
	}
	if got := s.db.View().Len(hwvtep.TableTunnel); got != 2*maxTunnels+10 || n != 3 {
		t.Errorf("%d rows in %d transactions", got, n)
	}
}

// A VTEP with thousands of switches and peers reports each step of its life in transactions of
// a bounded size, and the last of them makes all right.
func TestReportPieces(t *testing.T) {
	const switches, peers = maxPart + 100, maxPart + 100
	s := hw(t)
	var locators []UUID
	s.edit(func(tx *hwvtep.Txn) {
		bindings := [2]map[int64]UUID{{}, {}}
		for i := range switches {
			bindings[i%2][int64(1+i/2)] = tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: fmt.Sprint("many", i), TunnelKey: hwvtep.Some(int64(10000 + i))})
		}
		tx.PutPhysicalPortVLANBindings(s.port("p0").UUID, bindings[0])
		tx.PutPhysicalPortVLANBindings(s.port("p1").UUID, bindings[1])
		for i := range peers {
			l := tx.InsertPhysicalLocator(keyless(fmt.Sprintf("192.1.%d.%d", i>>8, i&255)))
			locators = append(locators, l)
			tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", i>>8, i&255), LogicalSwitch: s.ls("ls0").UUID, Locator: l})
		}
	})
	run := func(step string, least int) {
		t.Helper()
		n, most := 0, 0
		for {
			tx := s.build()
			if tx == nil {
				break
			}
			most = max(most, tx.Len())
			_, err := s.db.Transact(tx)
			ch := s.db.Changes()
			s.c.Update(s.db.View(), &ch)
			s.r.Update(&ch)
			if undone := s.r.Done(err); err != nil || undone {
				t.Fatalf("%s: transaction %d: %v, undone %v", step, n, err, undone)
			}
			n++
		}
		if most > 3*maxPart || n < least {
			t.Errorf("%s: %d transactions of up to %d operations", step, n, most)
		}
	}
	count := func(step string, tunnels, groups, stats int) {
		t.Helper()
		v := s.db.View()
		if a, b, c := v.Len(hwvtep.TableTunnel), v.Len(hwvtep.TableMcastMACLocal), v.Len(hwvtep.TableLogicalBindingStats); a != tunnels || b != groups || c != stats {
			t.Errorf("%s: %d tunnels, %d groups, %d counters; want %d, %d, %d", step, a, b, c, tunnels, groups, stats)
		}
	}
	run("begin", 3)
	count("begin", peers, switches+1, switches+1)

	s.edit(func(tx *hwvtep.Txn) {
		tx.UpdatePhysicalSwitch(s.ps("br0").UUID, hwvtep.PhysicalSwitch{TunnelIPs: []string{"192.0.2.9"}}, hwvtep.PhysicalSwitchTunnelIPs)
	})
	run("another address", 3)
	count("another address", peers, switches+1, switches+1)

	s.r.Withdraw()
	run("end", 2)
	count("end", 0, 0, switches+1)
}

// What is done and undone between two updates shows in neither.
func TestReportUndone(t *testing.T) {
	s := hw(t)
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	undo := func(t *hwvtep.Txn) {
		for m := range s.db.View().UcastMACsLocal() {
			t.DeleteUcastMACLocal(m.UUID)
		}
	}
	for i := range 3 {
		if _, err := s.db.Transact(s.build()); err != nil {
			t.Fatal(err)
		}
		s.edit(undo)
		if !s.r.Done(nil) {
			t.Errorf("%d: it is not noticed", i)
		}
	}
	s.settle()
	s.want("mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "ucast ls0 02:00:00:00:00:01 192.0.2.1")
}

// A transaction that fails is tried again in parts, and what it was for is not forgotten.
func TestReportRetries(t *testing.T) {
	s := hw(t)
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	for range 7 {
		if s.build() == nil {
			t.Fatal("gives up")
		}
		s.r.Done(errors.New("constraint violation"))
	}
	s.settle()
	s.want("mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "ucast ls0 02:00:00:00:00:01 192.0.2.1")
}

func TestReportManyMACs(t *testing.T) {
	s := hw(t)
	for i := range 2*maxPart + 10 {
		s.learn(fmt.Sprintf("02:00:00:%02x:%02x:%02x", byte(i>>16), byte(i>>8), byte(i)), "ls0", "p0")
	}
	n := 0
	for s.step() {
		n++
	}
	if got := s.db.View().Len(hwvtep.TableUcastMACLocal); got != 2*maxPart+10 || n != 3 {
		t.Errorf("%d rows in %d transactions", got, n)
	}
}

func TestBootstrap(t *testing.T) {
	db := hwvteptest.NewDB()
	want := Wanted{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p0"}}
	if Bootstrap(db.View(), Wanted{Name: "br0"}) != nil {
		t.Error("makes a switch that nobody asked for")
	}
	for range 2 {
		if tx := Bootstrap(db.View(), want); tx != nil {
			if _, err := db.Transact(tx); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := newSite(t, db, "br0")
	id := s.ps("br0").UUID
	want.TunnelIP, want.Ports = "192.0.2.9", []string{"p0", "p1"}
	if _, err := db.Transact(Bootstrap(db.View(), want)); err != nil {
		t.Fatal(err)
	}
	ps := s.ps("br0")
	if ps.UUID != id || len(ps.Ports) != 2 || !slices.Equal(ps.TunnelIPs, []string{"192.0.2.1"}) {
		t.Errorf("row is %+v", ps)
	}
	for _, c := range []struct {
		want Wanted
		told []string // a word of each line
	}{
		{Wanted{Name: "br0"}, nil},
		{Wanted{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1"}}, nil},
		{Wanted{Name: "br1", TunnelIP: "192.0.2.9"}, nil},
		{Wanted{Name: "br0", TunnelIP: "192.0.2.9"}, []string{"vtep-ctl set Physical_Switch br0 tunnel_ips=192.0.2.9"}},
		{Wanted{Name: "br0", TunnelIP: "192.0.2.9", Ports: []string{"p1", "p2"}}, []string{"192.0.2.1", "does not name, and keeps them: p0;"}},
	} {
		told := Overruled(db.View(), c.want)
		if len(told) != len(c.told) {
			t.Errorf("%+v: told %q", c.want, told)
			continue
		}
		for i := range told {
			if !strings.Contains(told[i], c.told[i]) {
				t.Errorf("%+v: told %q, want %q", c.want, told[i], c.told[i])
			}
		}
	}
}
