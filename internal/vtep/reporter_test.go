package vtep

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// learnedMap is a table of learned MACs.
type learnedMap map[intent.MACKey]intent.BindingKey

func (m learnedMap) Get(k intent.MACKey) (intent.BindingKey, bool) {
	at, ok := m[k]
	return at, ok
}

func (m learnedMap) All() iter.Seq2[intent.MACKey, intent.BindingKey] { return maps.All(m) }

// site is a database and the agent of one of its switches, without a dataplane.
type site struct {
	testing.TB
	db      *hwvteptest.DB
	c       *Compiler
	r       *Reporter
	learned learnedMap
	alone   bool // nobody else looks at what has changed
}

func newSite(t testing.TB, db *hwvteptest.DB, name string) *site {
	s := &site{TB: t, db: db, learned: learnedMap{}}
	s.restart(name)
	return s
}

// restart is what a new process begins with.
func (s *site) restart(name string) {
	s.c = NewCompiler(name)
	s.r = NewReporter(s.c, s.learned)
	s.update()
}

// update looks at the database. The full path is taken: that it is the same as the incremental
// one is tested elsewhere, for the compiler, and by step for the reporter.
func (s *site) update() {
	s.c.Update(s.db.View(), nil)
	s.r.Update(nil)
}

// step executes one transaction, and says whether there was one to do.
func (s *site) step() bool {
	s.Helper()
	tx := s.r.Build()
	if tx == nil {
		return false
	}
	_, err := s.db.Transact(tx)
	if err != nil {
		s.Fatalf("%s: %v", tx.Ops(), err)
	}
	ch := s.db.Changes()
	s.c.Update(s.db.View(), &ch)
	s.r.Update(&ch)
	s.r.Done(nil)
	return true
}

// settle goes on until nothing is to be done.
func (s *site) settle() {
	s.Helper()
	for n := range 20 {
		if !s.step() {
			return
		}
		if n == 19 {
			s.Fatalf("it never ends: %s", s.r.todoText())
		}
	}
}

func (r *Reporter) todoText() string { return fmt.Sprintf("%+v", r.todo) }

// edit makes a transaction of an NVC, or of whoever, and lets the agent see it.
func (s *site) edit(edit func(*hwvtep.Txn)) {
	s.Helper()
	tx := hwvtep.NewTxn(nil)
	edit(tx)
	if _, err := s.db.Transact(tx); err != nil {
		s.Fatalf("%s: %v", tx.Ops(), err)
	}
	ch := s.db.Changes()
	s.c.Update(s.db.View(), &ch)
	s.r.Update(&ch)
}

func (s *site) learn(mac string, ls string, port string) {
	m, err := intent.ParseMAC(mac)
	if err != nil {
		s.Fatal(err)
	}
	key := intent.MACKey{Switch: switchID(s.ls(ls).UUID), MAC: m}
	if port == "" {
		delete(s.learned, key)
	} else {
		s.learned[key] = intent.BindingKey{Port: port}
	}
	s.r.Touch(key)
}

func (s *site) ls(name string) hwvtep.LogicalSwitch {
	for ls := range s.db.View().LogicalSwitches() {
		if ls.Name == name {
			return ls
		}
	}
	s.Helper()
	s.Fatalf("no logical switch %s", name)
	return hwvtep.LogicalSwitch{}
}

func (s *site) ps(name string) hwvtep.PhysicalSwitch {
	for ps := range s.db.View().PhysicalSwitches() {
		if ps.Name == name {
			return ps
		}
	}
	s.Helper()
	s.Fatalf("no physical switch %s", name)
	return hwvtep.PhysicalSwitch{}
}

func (s *site) port(name string) hwvtep.PhysicalPort {
	for p := range s.db.View().PhysicalPorts() {
		if p.Name == name {
			return p
		}
	}
	s.Helper()
	s.Fatalf("no port %s", name)
	return hwvtep.PhysicalPort{}
}

// reported is what the tables that agents write say, in lines.
func reported(v *hwvtep.View) string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	ip := func(id UUID) string {
		l, ok := v.PhysicalLocator(id)
		if !ok {
			return "?"
		}
		if key, ok := l.TunnelKey.Get(); ok {
			return fmt.Sprintf("%s/%d", l.DstIP, key)
		}
		return l.DstIP
	}
	ls := func(id UUID) string {
		ls, _ := v.LogicalSwitch(id)
		return ls.Name
	}
	for m := range v.UcastMACsLocal() {
		add("ucast %s %s %s", ls(m.LogicalSwitch), m.MAC, ip(m.Locator))
	}
	for m := range v.McastMACsLocal() {
		set, _ := v.PhysicalLocatorSet(m.LocatorSet)
		ips := []string{}
		for _, l := range set.Locators {
			ips = append(ips, ip(l))
		}
		slices.Sort(ips)
		add("mcast %s %s %s", ls(m.LogicalSwitch), m.MAC, strings.Join(ips, " "))
	}
	for ps := range v.PhysicalSwitches() {
		for _, id := range ps.Tunnels {
			t, _ := v.Tunnel(id)
			add("tunnel %s %s-%s%s", ps.Name, ip(t.Local), ip(t.Remote), pairsText(" status", t.BFDStatus))
		}
		for _, f := range ps.SwitchFaultStatus {
			add("fault %s %s", ps.Name, f)
		}
	}
	for p := range v.PhysicalPorts() {
		for vlan, id := range p.VLANStats {
			s, _ := v.LogicalBindingStats(id)
			add("stats %s/%d from %d/%d to %d/%d", p.Name, vlan, s.PacketsFromLocal, s.BytesFromLocal, s.PacketsToLocal, s.BytesToLocal)
		}
		for _, f := range p.PortFaultStatus {
			add("fault %s %s", p.Name, f)
		}
	}
	for lr := range v.LogicalRouters() {
		for _, f := range lr.LRFaultStatus {
			add("fault %s %s", lr.Name, f)
		}
	}
	for a := range v.ACLs() {
		for _, f := range a.FaultStatus {
			add("fault %s %s", a.Name, f)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func pairsText(name string, m map[string]string) string {
	text := ""
	for _, k := range slices.Sorted(maps.Keys(m)) {
		text += name + ":" + k + "=" + m[k]
	}
	return text
}

// count makes the counters of p0 be read: frames and bytes from the hosts, and to them.
func (s *site) count(pFrom, bFrom, pTo, bTo uint64) {
	s.r.SetStats(plane.Stats{Bindings: map[intent.BindingKey]plane.Counters{{Port: "p0"}: {
		PacketsFromLocal: pFrom, BytesFromLocal: bFrom, PacketsToLocal: pTo, BytesToLocal: bTo}}})
}

func (s *site) want(lines ...string) {
	s.Helper()
	slices.Sort(lines)
	if got, want := reported(s.db.View()), strings.Join(lines, "\n"); got != want {
		s.Errorf("rows say\n%s\nwant\n%s", got, want)
	}
	if tx := s.r.Build(); tx != nil {
		s.Errorf("not idle: %s", tx.Ops())
	}
}

// hw is the database of one switch with a bound port.
func hw(t testing.TB) *site {
	db := hwvteptest.NewDB()
	if tx := Bootstrap(db.View(), Wanted{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1"}}); tx != nil {
		if _, err := db.Transact(tx); err != nil {
			t.Fatal(err)
		}
	}
	s := newSite(t, db, "br0")
	s.db.Changes()
	s.edit(func(tx *hwvtep.Txn) {
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](5000)})
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls1", TunnelKey: hwvtep.Some[int64](6000)})
		tx.PutPhysicalPortVLANBindings(s.port("p0").UUID, map[int64]UUID{0: ls})
	})
	return s
}

func keyless(ip string) hwvtep.PhysicalLocator {
	return hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ip}
}

func (s *site) addRemote(ls, mac, ip string) {
	s.Helper()
	s.edit(func(tx *hwvtep.Txn) {
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac, LogicalSwitch: s.ls(ls).UUID, Locator: s.locator(tx, ip)})
	})
}

func (s *site) locator(tx *hwvtep.Txn, ip string) UUID {
	for l := range s.db.View().PhysicalLocators() {
		if l.DstIP == ip && !l.TunnelKey.Present() {
			return l.UUID
		}
	}
	return tx.InsertPhysicalLocator(keyless(ip))
}

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
	if n != 1 || s.r.Build() != nil {
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
	s.r.SetReport(plane.Report{Tunnels: errors.New("not local"), Capacity: errors.New("full")})
	s.settle()
	s.want(append(usual, "fault br0 mac_table_exhaustion")...)
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

// A transaction that fails is tried again in parts, and what it was for is not forgotten.
func TestReportRetries(t *testing.T) {
	s := hw(t)
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	for range 7 {
		if s.r.Build() == nil {
			t.Fatal("gives up")
		}
		s.r.Done(errors.New("constraint violation"))
	}
	s.settle()
	s.want("mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "ucast ls0 02:00:00:00:00:01 192.0.2.1")
}

func TestReportManyMACs(t *testing.T) {
	s := hw(t)
	for i := range 2*maxMACs + 10 {
		s.learn(fmt.Sprintf("02:00:00:%02x:%02x:%02x", byte(i>>16), byte(i>>8), byte(i)), "ls0", "p0")
	}
	n := 0
	for s.step() {
		n++
	}
	if got := s.db.View().Len(hwvtep.TableUcastMACLocal); got != 2*maxMACs+10 || n != 3 {
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
}
