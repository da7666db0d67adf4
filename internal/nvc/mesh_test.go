package nvc

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
)

const foreignIP = "192.0.2.99"

// bench is databases without servers, and a mesh of them.
type bench struct {
	testing.TB
	rand *rand.Rand
	rows []*hwvteptest.DB
	mesh *mesh
	dbs  []*database
}

// restart makes a new mesh, which reads everything.
func (b *bench) restart() {
	b.mesh = &mesh{networks: map[string]*network{}, base: FirstVNI, complete: true, allot: true}
	b.dbs = nil
	for _, rows := range b.rows {
		rows.Changes()
		db := newDatabase(b.mesh)
		db.view, db.read = rows.View(), true
		db.reload()
		b.dbs = append(b.dbs, db)
	}
}

// settle has the mesh write until nothing is to be written, and returns how many rows that were.
func (b *bench) settle() (rows int) {
	for range 1000 {
		idle := true
		for i, db := range b.dbs {
			db.take(b.rows[i].View(), b.rows[i].Changes())
		}
		for i, db := range b.dbs {
			p := db.next("")
			if p == nil {
				continue
			}
			idle = false
			rows += p.rows
			if _, err := b.rows[i].Transact(p.tx); err != nil {
				b.Fatalf("database %d: %v in %s", i, err, p.tx.Ops())
			}
		}
		if idle {
			return rows
		}
	}
	b.Fatal("it does not come to rest")
	return 0
}

func ipOf(i int) string { return fmt.Sprintf("10.0.0.%d", i+1) }

// step changes one row of one database, as a VTEP, an operator or another controller does.
func (b *bench) step() {
	i := b.rand.IntN(len(b.rows))
	v := b.rows[i].View()
	tx := hwvtep.NewTxn(v.Layout())
	name := fmt.Sprintf("ls%d", b.rand.IntN(3))
	mac := fmt.Sprintf("02:00:00:00:00:%02x", b.rand.IntN(4))
	var ls *hwvtep.LogicalSwitch
	for row := range v.LogicalSwitches() {
		if row.Name == name {
			ls = &row
		}
	}
	locator := func(ip string) hwvtep.UUID {
		for l := range v.PhysicalLocators() {
			if l.DstIP == ip {
				return l.UUID
			}
		}
		return tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ip})
	}
	op := b.rand.IntN(9)
	if ls == nil {
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: name})
		op = -1
	}
	switch op {
	case 0: // gone, with its rows
		for r := range v.UcastMACsLocal() {
			if r.LogicalSwitch == ls.UUID {
				tx.DeleteUcastMACLocal(r.UUID)
			}
		}
		for r := range v.McastMACsLocal() {
			if r.LogicalSwitch == ls.UUID {
				tx.DeleteMcastMACLocal(r.UUID)
			}
		}
		for r := range v.UcastMACsRemote() {
			if r.LogicalSwitch == ls.UUID {
				tx.DeleteUcastMACRemote(r.UUID)
			}
		}
		for r := range v.McastMACsRemote() {
			if r.LogicalSwitch == ls.UUID {
				tx.DeleteMcastMACRemote(r.UUID)
			}
		}
		tx.DeleteLogicalSwitch(ls.UUID)
	case 1: // renamed, if nobody has that name
		row := *ls
		row.Name = fmt.Sprintf("ls%d", b.rand.IntN(4))
		for other := range v.LogicalSwitches() {
			if other.Name == row.Name {
				return
			}
		}
		tx.UpdateLogicalSwitch(ls.UUID, row, hwvtep.LogicalSwitchName)
	case 2: // another writer's VNI, or none
		row := *ls
		if row.TunnelKey = hwvtep.Some(int64(b.rand.IntN(3))); b.rand.IntN(2) == 0 {
			row.TunnelKey = hwvtep.Optional[int64]{}
		}
		tx.UpdateLogicalSwitch(ls.UUID, row, hwvtep.LogicalSwitchTunnelKey)
	case 3, 4:
		for r := range v.UcastMACsLocal() {
			if r.LogicalSwitch == ls.UUID && r.MAC == mac {
				tx.DeleteUcastMACLocal(r.UUID)
				op = -1
			}
		}
		if op >= 0 {
			tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac, LogicalSwitch: ls.UUID, Locator: locator(ipOf(i)), IPAddr: []string{"", "198.51.100.1"}[b.rand.IntN(2)]})
		}
	case 5, 6:
		for r := range v.McastMACsLocal() {
			if r.LogicalSwitch == ls.UUID {
				tx.DeleteMcastMACLocal(r.UUID)
				op = -1
			}
		}
		if op >= 0 {
			set := tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: []hwvtep.UUID{locator(ipOf(i))}})
			tx.InsertMcastMACLocal(hwvtep.McastMACLocal{MAC: unknownDst, LogicalSwitch: ls.UUID, LocatorSet: set})
		}
	case 7: // another writer's row, or none
		for r := range v.UcastMACsRemote() {
			if l, _ := v.PhysicalLocator(r.Locator); l.DstIP == foreignIP {
				tx.DeleteUcastMACRemote(r.UUID)
				op = -1
			}
		}
		if op >= 0 {
			tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: strings.ToUpper(mac), LogicalSwitch: ls.UUID, Locator: locator(foreignIP)})
		}
	case 8: // one that is ours is deleted
		for r := range v.UcastMACsRemote() {
			if l, _ := v.PhysicalLocator(r.Locator); l.DstIP != foreignIP {
				tx.DeleteUcastMACRemote(r.UUID)
				break
			}
		}
	}
	if _, err := b.rows[i].Transact(tx); err != nil {
		b.Fatalf("step %d: %v in %s", op, err, tx.Ops())
	}
}

// told is what a database says of a network.
type told struct {
	vni   int64
	local map[string]bool // MACs
	flood bool
	rows  map[string][]string // remote rows: MAC to addresses
	set   []string            // of unknown-dst
}

func tell(v *hwvtep.View, ls hwvtep.LogicalSwitch) told {
	t := told{local: map[string]bool{}, rows: map[string][]string{}}
	t.vni, _ = ls.TunnelKey.Get()
	ip := func(id hwvtep.UUID) string { l, _ := v.PhysicalLocator(id); return l.DstIP }
	for r := range v.UcastMACsLocal() {
		if r.LogicalSwitch == ls.UUID {
			t.local[r.MAC] = true
		}
	}
	for r := range v.McastMACsLocal() {
		t.flood = t.flood || r.LogicalSwitch == ls.UUID
	}
	for r := range v.UcastMACsRemote() {
		if mac := strings.ToLower(r.MAC); r.LogicalSwitch == ls.UUID {
			t.rows[mac] = append(t.rows[mac], ip(r.Locator))
		}
	}
	for r := range v.McastMACsRemote() {
		if r.LogicalSwitch != ls.UUID {
			continue
		}
		set, _ := v.PhysicalLocatorSet(r.LocatorSet)
		for _, l := range set.Locators {
			t.set = append(t.set, ip(l))
		}
	}
	slices.Sort(t.set)
	return t
}

// check wants of all databases what a full mesh is, without asking the mesh.
func (b *bench) check() {
	b.Helper()
	networks := map[string]map[int]told{}
	for i, rows := range b.rows {
		v := rows.View()
		for ls := range v.LogicalSwitches() {
			if networks[ls.Name] == nil {
				networks[ls.Name] = map[int]told{}
			}
			networks[ls.Name][i] = tell(v, ls)
		}
	}
	for name, in := range networks {
		vni := b.mesh.networks[name].vni
		joined := map[int]told{}
		for i, t := range in {
			if t.vni == vni {
				joined[i] = t
			} else if t.vni == 0 {
				b.Fatalf("%s of database %d has no VNI, and the network %d", name, i, vni)
			}
		}
		for i, t := range in {
			_, isIn := joined[i]
			b.checkSet(fmt.Sprintf("%s of database %d", name, i), i, isIn, joined, t)
		}
		for _, mac := range b.macs() {
			b.checkMAC(name, mac, in, joined)
		}
	}
}

func (b *bench) macs() (all []string) {
	for n := range 4 {
		all = append(all, fmt.Sprintf("02:00:00:00:00:%02x", n))
	}
	return all
}

func (b *bench) checkSet(what string, i int, isIn bool, joined map[int]told, t told) {
	b.Helper()
	var want []string
	for j, o := range joined {
		if isIn && j != i && o.flood {
			want = append(want, ipOf(j))
		}
	}
	slices.Sort(want)
	if !slices.Equal(want, t.set) {
		b.Fatalf("%s: floods to %v, not %v", what, t.set, want)
	}
}

// checkMAC wants one database to have the MAC, and all others to know that one.
func (b *bench) checkMAC(name, mac string, in, joined map[int]told) {
	b.Helper()
	claims := map[string]bool{}
	for i, t := range joined {
		if t.local[mac] {
			claims[ipOf(i)] = true
		}
	}
	winners := map[string]bool{}
	for i, t := range in {
		rows := t.rows[mac]
		_, isIn := joined[i]
		switch {
		case slices.Contains(rows, foreignIP):
			// What others have placed stays; the controller puts nothing beside it, but what was there before may be.
		case !isIn || len(claims) == 0:
			if len(rows) > 0 {
				b.Fatalf("%s %s: database %d has %v, and nobody reports it there", name, mac, i, rows)
			}
		case len(rows) == 1 && rows[0] != ipOf(i) && claims[rows[0]]:
			winners[rows[0]] = true
		case len(rows) == 0 && claims[ipOf(i)]:
			winners[ipOf(i)] = true
		default:
			b.Fatalf("%s %s: database %d has %v, of %v", name, mac, i, rows, slices.Sorted(maps.Keys(claims)))
		}
	}
	if len(winners) > 1 {
		b.Fatalf("%s %s is at %v", name, mac, slices.Sorted(maps.Keys(winners)))
	}
}

// TestRandomMesh has VTEPs, operators and another controller change rows at random: what the mesh writes step by step is a
// full mesh, comes to rest, and is what one would have that starts anew.
func TestRandomMesh(t *testing.T) {
	for seed := range uint64(30) {
		b := &bench{TB: t, rand: rand.New(rand.NewPCG(seed, 0))}
		for range 3 {
			b.rows = append(b.rows, hwvteptest.NewDB())
		}
		b.restart()
		for range 60 {
			for range 1 + b.rand.IntN(3) {
				b.step()
			}
			b.settle()
			b.check()
			if b.rand.IntN(10) == 0 {
				b.restart()
				if rows := b.settle(); rows > 0 {
					t.Fatalf("seed %d: %d rows written after a restart", seed, rows)
				}
				b.check()
			}
		}
	}
}

// Controllers that knew different databases may have given one VNI to two networks: the next one that knows both
// gives one of them another.
func TestOneVNIForTwo(t *testing.T) {
	for _, names := range [][]string{{"a", "b"}, {"b", "a"}} {
		b := &bench{TB: t}
		for _, name := range names {
			rows := hwvteptest.NewDB()
			tx := hwvtep.NewTxn(nil)
			tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: name, TunnelKey: hwvtep.Some[int64](5000), OtherConfig: map[string]string{keyVNI: "5000"}})
			if _, err := rows.Transact(tx); err != nil {
				t.Fatal(err)
			}
			b.rows = append(b.rows, rows)
		}
		b.restart()
		b.settle()
		vnis := map[string]int64{}
		for _, rows := range b.rows {
			for ls := range rows.View().LogicalSwitches() {
				vnis[ls.Name], _ = ls.TunnelKey.Get()
			}
		}
		if vnis["a"] != 5000 || vnis["b"] != 5001 {
			t.Errorf("%v first: they have %v", names[0], vnis)
		}
	}
}
