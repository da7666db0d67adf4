package vtep

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
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

// second makes another switch in the database, br1 at 192.0.2.2, whose port q0 is in the first one's logical switch.
func (s *site) second() {
	s.Helper()
	if _, err := s.db.Transact(Bootstrap(s.db.View(), Wanted{Name: "br1", TunnelIP: "192.0.2.2", Ports: []string{"q0"}})); err != nil {
		s.Fatal(err)
	}
	s.edit(func(tx *hwvtep.Txn) {
		tx.PutPhysicalPortVLANBindings(s.port("q0").UUID, map[int64]UUID{5: s.ls("ls0").UUID})
	})
	s.settle()
}

// Two switches of a database share the unknown-dst row of a logical switch.
func TestReportTwoSwitches(t *testing.T) {
	a := hw(t)
	a.second()
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

// A report that says what the one before has said, as nearly every Apply brings one, has no port
// looked at, which may have thousands of bindings; one that says something else has.
func TestReportSaysTheSame(t *testing.T) {
	s := hw(t)
	refused := func() plane.Report {
		return plane.Report{Ports: map[string]error{"p0": errors.New("no such device")}, Full: map[plane.Table]error{plane.Peers: errors.New("full")}}
	}
	for i, report := range []plane.Report{{}, {}, refused(), refused(), {}} {
		s.settle()
		s.r.SetReport(report)
		if marked, news := len(s.r.todo.ports) > 0, i == 2 || i == 4; marked != news || s.r.todo.faults != news {
			t.Errorf("report %d: ports are looked at %v, faults %v; want %v", i, marked, s.r.todo.faults, news)
		}
	}
}

// A host was placed elsewhere, and is seen here before its row was written to go. The row that it has then is another
// one: an NVC tells by that who has seen the host last, and the agent of another switch that it has to give it up.
func TestReportSeenAgain(t *testing.T) {
	const mac = "02:00:00:00:00:01"
	s := hw(t)
	s.learn(mac, "ls0", "p0")
	s.settle()
	rows := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "ucast ls0 " + mac + " 192.0.2.1"}
	s.want(rows...)
	row := func() (id UUID) {
		for m := range s.db.View().UcastMACsLocal() {
			id = m.UUID
		}
		return id
	}
	m, _ := intent.ParseMAC(mac)
	key := intent.MACKey{Switch: switchID(s.ls("ls0").UUID), MAC: m}
	for name, again := range map[string]func(){
		"hidden": func() { s.r.Hide(key); s.r.Unhide(key) },
		"forgotten": func() {
			s.r.GiveUp(key)
			s.learn(mac, "ls0", "")
			s.learn(mac, "ls0", "p0")
		},
	} {
		before := row()
		again()
		s.r.Update(nil) // as after the server was away
		s.settle()
		s.want(rows...)
		if row() == before {
			t.Errorf("%s: the row has stayed", name)
		}
		if now := row(); s.build() != nil || row() != now || len(s.r.outdated) > 0 {
			t.Errorf("%s: more is to be done, of %d rows", name, len(s.r.outdated))
		}
	}
}

// Another switch of the database has learned a MAC while there was no process. What that has left is given up for another row,
// too, if the host is seen here before it is written.
func TestReportElsewhereSeenAgain(t *testing.T) {
	const mac = "02:00:00:00:00:01"
	a := hw(t)
	a.second()
	a.learn(mac, "ls0", "p0")
	a.settle()
	rows := func() (ids []UUID) {
		for m := range a.db.View().UcastMACsLocal() {
			ids = append(ids, m.UUID)
		}
		return ids
	}
	before := rows()
	b := newSite(t, a.db, "br1")
	b.learn(mac, "ls0", "q0")
	b.settle()
	if len(before) != 1 || len(rows()) != 2 {
		t.Fatalf("%d rows, then %d", len(before), len(rows()))
	}
	clear(a.learned)
	a.restart("br0")
	a.r.UnadoptElsewhere()
	a.learn(mac, "ls0", "p0")
	a.settle()
	if now := rows(); len(now) != 2 || slices.Contains(now, before[0]) {
		t.Errorf("%d rows, the first is there still: %v", len(now), slices.Contains(now, before[0]))
	}
}
