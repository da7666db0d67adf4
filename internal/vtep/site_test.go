package vtep

import (
	"fmt"
	"iter"
	"maps"
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

// learnedMap is a table of learned MACs.
type learnedMap map[intent.MACKey]intent.BindingKey

func (m learnedMap) Get(k intent.MACKey) (intent.BindingKey, bool) {
	at, ok := m[k]
	return at, ok
}

func (m learnedMap) IP(k intent.MACKey) netip.Addr { return hostIPs[k.MAC] }

// hostIPs are what hosts of sites say that they have.
var hostIPs = map[intent.MAC]netip.Addr{}

func (m learnedMap) All() iter.Seq2[intent.MACKey, intent.BindingKey] { return maps.All(m) }

// site is a database and the agent of one of its switches, without a dataplane.
type site struct {
	testing.TB
	db      *hwvteptest.DB
	c       *Compiler
	r       *Reporter
	learned learnedMap
	alone   bool // nobody else looks at what has changed
	now     time.Time

	features plane.Features
}

func newSite(t testing.TB, db *hwvteptest.DB, name string) *site {
	s := &site{TB: t, db: db, learned: learnedMap{}, now: time.Unix(1000, 0)}
	s.restart(name)
	return s
}

// restart is what a new process begins with.
func (s *site) restart(name string) {
	s.c = NewCompiler(name, s.features)
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
	tx := s.build()
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
	if s.r.Done(nil) {
		s.Errorf("takes it for undone: %s", tx.Ops())
	}
	return true
}

// build returns the transaction that is missing now.
func (s *site) build() *hwvtep.Txn { return s.r.Build(s.now) }

// settle goes on until nothing is to be done, now or later.
func (s *site) settle() {
	s.Helper()
	for n := range 20 {
		if !s.step() {
			due := s.r.Due()
			if due.IsZero() {
				return
			}
			s.now = due
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
	s.r.MarkMAC(key)
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
	if tx := s.build(); tx != nil {
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

// reported is what the tables that agents write say, in lines.
func reported(v *hwvtep.View) string { return strings.Join(hwvteptest.Reported(v, true), "\n") }
