package vtep

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
)

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
