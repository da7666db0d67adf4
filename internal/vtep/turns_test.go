package vtep

import (
	"fmt"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
)

// A host of one port gets its row with the next transaction, however many new ones of another port are waiting for theirs; and
// these all get theirs in the end.
func TestReportInTurns(t *testing.T) {
	const crowd = 4 * maxPart
	s := hw(t)
	s.edit(func(tx *hwvtep.Txn) {
		tx.PutPhysicalPortVLANBindings(s.port("p1").UUID, map[int64]UUID{0: s.ls("ls0").UUID})
	})
	s.settle()
	for i := range crowd {
		s.learn(fmt.Sprintf("02:07:00:00:%02x:%02x", i>>8, i&255), "ls0", "p0")
	}
	s.learn("02:00:00:00:00:0a", "ls0", "p1")
	tx := s.build()
	if tx == nil {
		t.Fatal("no transaction")
	}
	if n := tx.Len(); n < maxPart/2 || n > 3*maxPart {
		t.Errorf("the transaction has %d operations", n)
	}
	_, err := s.db.Transact(tx)
	ch := s.db.Changes()
	s.c.Update(s.db.View(), &ch)
	s.r.Update(&ch)
	if undone := s.r.Done(err); err != nil || undone {
		t.Fatalf("%v, undone %v", err, undone)
	}
	found := false
	for m := range s.db.View().UcastMACsLocal() {
		found = found || m.MAC == "02:00:00:00:00:0a"
	}
	if !found {
		t.Error("the host of the other port has no row yet")
	}
	s.settle()
	if n := s.db.View().Len(hwvtep.TableUcastMACLocal); n != crowd+1 {
		t.Errorf("%d rows, want %d", n, crowd+1)
	}
}
