package evpn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/testenv"
)

// trunk is a database with a VTEP whose port p1, a link of a segment, has so many VLANs, each of a switch of its own.
func trunk(vlans int) func(tx *hwvtep.Txn) {
	return func(tx *hwvtep.Txn) {
		bindings := map[int64]hwvtep.UUID{}
		for vlan := range vlans {
			bindings[int64(vlan)] = tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: fmt.Sprint("ls", vlan), TunnelKey: hwvtep.Some(int64(vlan) + 1000)})
		}
		p1 := tx.InsertPhysicalPort(hwvtep.PhysicalPort{Name: "p1", VLANBindings: bindings, OtherConfig: map[string]string{hwvtep.KeyESI: esi1}})
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}, Ports: []hwvtep.UUID{p1}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
	}
}

// Of a segment with more networks than one route has room for, one that goes or comes changes one route.
func TestManyTargets(t *testing.T) {
	const vlans = 2*targetsPerRoute + 10
	s := newBed(t, Neighbor{}, trunk(vlans))
	s.up()
	s.whole()
	routes := func(targets int) (all map[string][]target) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			all = map[string][]target{}
			n := 0
			err := s.bridge.ask(t.Context(), func() {
				for k, r := range s.bridge.speaker.announced {
					if k.kind == Discovery && k.tag == allTags {
						all[k.rd] = slices.Clone(r.targets)
						n += len(r.targets)
					}
				}
			})
			if n != targets {
				err = errors.Join(err, fmt.Errorf("%d targets are announced, want %d", n, targets))
			}
			return err
		})
		return all
	}
	changed := func(a, b map[string][]target) (n int) {
		for rd := range b {
			if !slices.Equal(a[rd], b[rd]) {
				n++
			}
		}
		return n
	}
	before := routes(vlans)
	var first hwvtep.UUID
	s.port("p1", func(tx *hwvtep.Txn, row hwvtep.PhysicalPort) {
		row.VLANBindings = maps.Clone(row.VLANBindings)
		first = row.VLANBindings[0]
		delete(row.VLANBindings, 0)
		tx.UpdatePhysicalPort(row.UUID, row, hwvtep.PhysicalPortVLANBindings)
	})
	less := routes(vlans - 1)
	if n := changed(before, less); len(before) != 3 || n != 1 {
		t.Errorf("one target has gone, and %d of %d routes are others", n, len(before))
	}
	s.port("p1", func(tx *hwvtep.Txn, row hwvtep.PhysicalPort) {
		tx.PutPhysicalPortVLANBindings(row.UUID, map[int64]hwvtep.UUID{0: first})
	})
	if again := routes(vlans); changed(before, again) != 0 {
		t.Error("one target is back, in another route")
	}
}

// trunkOf is a bridge that has read trunk(vlans), with what has changed of its database since. Its log is written to out.
func trunkOf(t testing.TB, vlans int, out io.Writer) (b *Bridge, db *hwvteptest.DB) {
	t.Helper()
	b = New(Options{Config: &Config{AS: 65001, RouterID: low, Neighbors: []Neighbor{{Address: high, AS: 65002}}}, Logger: slog.New(slog.NewTextHandler(out, nil))})
	b.database, b.begun, b.settled = newDatabase(b, nil), true, true
	t.Cleanup(b.stopTimers)
	db = hwvteptest.NewDB()
	tx := hwvtep.NewTxn(db.View().Layout())
	trunk(vlans)(tx)
	if _, err := db.Transact(tx); err != nil {
		t.Fatal(err)
	}
	for row := range db.View().LogicalSwitches() {
		n := newNetwork()
		n.configure(row)
		n.serve(n.wants, nil, 65001)
		b.database.networks[row.UUID] = n
	}
	b.database.view = db.View()
	b.database.takePorts(db.Changes(), true)
	return b, db
}

// link is the port of a trunk.
func (b *Bridge) link() *attachment {
	for _, a := range b.database.ports {
		return a
	}
	return nil
}

// Of a port with very many VLANs the hosts of those are looked at whose binding has changed, and what is blocked is a short line, once for
// each election that has another outcome.
func TestTrunk(t *testing.T) {
	var out bytes.Buffer
	b, db := trunkOf(t, 3000, &out)
	p1 := b.link().port
	tx := hwvtep.NewTxn(db.View().Layout())
	tx.RemovePhysicalPortVLANBindings(p1.UUID, 7)
	if _, err := db.Transact(tx); err != nil {
		t.Fatal(err)
	}
	b.database.view = db.View()
	if touched, _ := b.database.takePorts(db.Changes(), false); len(touched) != 1 {
		t.Errorf("of one VLAN that has gone %d networks are looked at", len(touched))
	}

	a := b.link()
	a.up, a.due = true, true
	b.hold(a)
	r := attachedAt(high, relay.Election{})
	p, err := encode(r)
	if err != nil {
		t.Fatal(err)
	}
	out.Reset()
	hear := func(want int) {
		t.Helper()
		b.update(high, b.sessions[high], &relay.Update{Announced: []bgp.PathNLRI{{NLRI: p.Nlri}}, Attrs: p.Attrs, Election: r.election})
		if n := strings.Count(out.String(), "\n"); n != want || len(out.String()) > want*300 {
			t.Errorf("%d lines, want %d: %.500s", n, want, out.String())
		}
	}
	hear(1)
	hear(1)
	if len(a.outcome.blocked) != 1499 {
		t.Errorf("%d VLANs are blocked", len(a.outcome.blocked))
	}
	if text := fmt.Sprint(b.portStatus()); !strings.Contains(text, "another VTEP is for VLANs 1,3,5,9,11,13,15,17,... (1499 VLANs)") {
		t.Errorf("%.500s", text)
	}
	r.election = relay.Election{Algorithm: relay.ByPreference, Preference: 65535}
	hear(2)
	if routes := b.sessions[high].routes; !a.outcome.all || routes != 1 || len(b.routes) != 1 {
		t.Errorf("blocked is %s, with %d routes", a.outcome.short(), routes)
	}
}

// BenchmarkTrunk is how long a bridge needs for the row of a port with very many VLANs.
func BenchmarkTrunk(b *testing.B) {
	for _, vlans := range []int{1000, 4000} {
		b.Run(fmt.Sprint(vlans), func(b *testing.B) {
			bridge, _ := trunkOf(b, vlans, io.Discard)
			for b.Loop() {
				bridge.database.readPorts(map[*network]bool{})
				bridge.hold(bridge.link())
			}
		})
	}
}
