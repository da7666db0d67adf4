package vtep

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// shared is a fault of a row that belongs to all switches of the database.
type shared struct {
	row   UUID
	fault string
}

// buildShared adds a fault to a row, or takes it back: what another switch may have raised stays.
func (r *Reporter) buildShared(s shared, want bool, faults []string, add, remove func(UUID, ...string)) {
	_, raised := r.raised[s]
	switch have := slices.Contains(faults, s.fault); {
	case want:
		r.raised[s] = struct{}{}
		if !have {
			add(s.row, s.fault)
		}
	case have && (raised || r.f.scope.single):
		remove(s.row, s.fault)
	case raised:
		delete(r.raised, s)
	}
}

// aclFaults and entryFaults are all that the columns may have.
var (
	aclFaults   = []string{hwvtep.FaultInvalidACL, hwvtep.FaultResourceShortage, hwvtep.FaultUnspecified}
	entryFaults = []string{hwvtep.FaultInvalidACLEntry}
)

// buildACLs sees to acl_fault_status and acle_fault_status.
func (r *Reporter) buildACLs(tx *hwvtep.Txn) {
	begin := tx.Len()
	for id := range r.todo.acls {
		if tx.Len()-begin >= maxPart {
			return
		}
		before := tx.Len()
		if acl, ok := r.f.view.ACL(id); ok {
			want := r.aclFault(id)
			for _, fault := range aclFaults {
				r.buildShared(shared{id, fault}, fault == want, acl.FaultStatus, tx.AddACLFaultStatus, tx.RemoveACLFaultStatus)
			}
		}
		if tx.Len() > before {
			r.pending.acls[id] = struct{}{}
		}
		delete(r.todo.acls, id)
	}
	for id := range r.todo.aclEntries {
		if tx.Len()-begin >= maxPart {
			return
		}
		before := tx.Len()
		if e, ok := r.f.view.ACLEntry(id); ok {
			for _, fault := range entryFaults {
				r.buildShared(shared{id, fault}, r.f.badACLEntry(id), e.ACLEFaultStatus, tx.AddACLEntryACLEFaultStatus, tx.RemoveACLEntryACLEFaultStatus)
			}
		}
		if tx.Len() > before {
			r.pending.aclEntries[id] = struct{}{}
		}
		delete(r.todo.aclEntries, id)
	}
}

// aclFault returns the fault of an ACL by its rows or, if they are good, by what the plane could not
// do; "": none.
func (r *Reporter) aclFault(id UUID) string {
	if fault := r.f.aclFault(id); fault != "" {
		return fault
	}
	switch err := r.report.ACLs[intent.ACLID(id)]; {
	case err == nil:
		return ""
	case problem.Of("", err, problem.Unsettled).Kind == problem.TableFull:
		return hwvtep.FaultResourceShortage
	}
	return hwvtep.FaultUnspecified
}

// refusedACL says whether the plane could not do an ACL that a port is to have.
func (r *Reporter) refusedACL(port string) bool {
	if len(r.report.ACLs) == 0 {
		return false
	}
	for _, id := range r.f.guarded[port] {
		if r.report.ACLs[intent.ACLID(id)] != nil {
			return true
		}
	}
	return false
}

// refusedRouter says the same of a router.
func (r *Reporter) refusedRouter(id UUID) bool {
	lr := r.f.routers[id]
	if len(r.report.ACLs) == 0 || lr == nil {
		return false
	}
	for _, id := range lr.guarded {
		if r.report.ACLs[intent.ACLID(id)] != nil {
			return true
		}
	}
	return false
}

// markACLs has everything about ACLs compared.
func (r *Reporter) markACLs() {
	for acl := range r.f.view.ACLs() {
		r.todo.acls[acl.UUID] = struct{}{}
	}
	for e := range r.f.view.ACLEntries() {
		r.todo.aclEntries[e.UUID] = struct{}{}
	}
}

// markACLsChanged notes what the changes of rows make necessary.
func (r *Reporter) markACLsChanged(ch *hwvtep.Changes) {
	mark := func(p *hwvtep.PhysicalPort) {
		if p != nil && !r.f.features.ACLs {
			for _, id := range p.ACLBindings {
				r.todo.acls[id] = struct{}{}
			}
		}
	}
	each(ch.PhysicalPorts(), func(before, after *hwvtep.PhysicalPort) {
		mark(before)
		mark(after)
	})
	each(ch.ACLs(), func(_, after *hwvtep.ACL) {
		if after != nil {
			r.todo.acls[after.UUID] = struct{}{}
		}
	})
	each(ch.ACLEntries(), func(_, after *hwvtep.ACLEntry) {
		if after != nil {
			r.todo.aclEntries[after.UUID] = struct{}{}
		}
	})
}
