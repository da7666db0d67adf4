package vtep

import (
	"errors"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// A bad entry is a fault of itself, of its ACL and of each port that has that; what the plane
// can't do is one, too. All of it goes with its cause, also in a database that others write to.
func TestReportACLs(t *testing.T) {
	s := hw(t)
	s.c.features.ACLs = true
	s.settle()
	usual := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0"}
	var entry, acl UUID
	s.edit(func(tx *hwvtep.Txn) {
		id := tx.InsertACLEntry(hwvtep.ACLEntry{Sequence: 1, Direction: "ingress", Action: "deny", Protocol: hwvtep.Some[int64](6)})
		tx.PutPhysicalPortACLBindings(s.port("p0").UUID, map[int64]UUID{0: tx.InsertACL(hwvtep.ACL{Name: "acl0", Entries: []UUID{id}})})
	})
	s.settle()
	s.want(usual...)
	for row := range s.db.View().ACLs() {
		acl, entry = row.UUID, row.Entries[0]
	}
	protocol := func(n int64) {
		s.edit(func(tx *hwvtep.Txn) {
			tx.UpdateACLEntry(entry, hwvtep.ACLEntry{Protocol: hwvtep.Some(n)}, hwvtep.ACLEntryProtocol)
		})
		s.settle()
	}
	protocol(300)
	bad := append(slices.Clone(usual), "fault acl0 invalid_acl", "fault p0 invalid_ACL_binding", "fault entry 1 invalid_acl_entry")
	s.want(bad...)
	if n := len(s.c.State().ACLs); n != 1 {
		t.Errorf("%d ACLs are in force, not the version before", n)
	}
	s.edit(func(tx *hwvtep.Txn) { // as after a restart of the server
		tx.RemoveACLFaultStatus(acl, hwvtep.FaultInvalidACL)
		tx.RemoveACLEntryACLEFaultStatus(entry, hwvtep.FaultInvalidACLEntry)
	})
	s.settle()
	s.want(bad...)
	// A new process has the version before only if the dataplane has.
	installed := s.c.State().Clone()
	s.restart("br0")
	s.c.features.ACLs = true
	s.c.Update(s.db.View(), nil)
	if n := len(s.c.State().ACLs); n != 0 || !s.c.Undecided() {
		t.Errorf("%d ACLs of a new process are in force; undecided: %v", n, s.c.Undecided())
	}
	s.c.Inherit(installed)
	if !intent.Diff(installed, s.c.State()).Empty() {
		t.Errorf("a new process changes\n%v", intent.Diff(installed, s.c.State()))
	}
	s.settle()
	s.want(bad...)
	protocol(17)
	s.want(usual...)

	s.r.SetReport(plane.Report{ACLs: map[intent.ACLID]error{intent.ACLID(acl): problem.Errorf(problem.TableFull, "", "no room")}})
	s.settle()
	s.want(append(usual, "fault acl0 resource_shortage", "fault p0 invalid_ACL_binding")...)
	s.r.SetReport(plane.Report{ACLs: map[intent.ACLID]error{intent.ACLID(acl): errors.New("refused")}})
	s.settle()
	s.want(append(usual, "fault acl0 unspecified_fault", "fault p0 invalid_ACL_binding")...)
	s.r.SetReport(plane.Report{})
	s.settle()
	s.want(usual...)

	s.edit(func(tx *hwvtep.Txn) {
		entries := make([]UUID, 0, intent.MaxACLEntries+1)
		for range cap(entries) {
			entries = append(entries, tx.InsertACLEntry(hwvtep.ACLEntry{Direction: "egress", Action: "deny"}))
		}
		tx.AddACLEntries(acl, entries...)
	})
	s.settle()
	s.want(append(usual, "fault acl0 resource_shortage", "fault p0 invalid_ACL_binding")...)
}
