package vtep

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/plane"
)

// fullFaults are the elements of switch_fault_status that say which table is full.
var fullFaults = map[plane.Table]string{
	plane.LearnedMACs: hwvtep.FaultMACTableExhaustion,
	plane.RemoteMACs:  hwvtep.FaultMACTableExhaustion,
	plane.Peers:       hwvtep.FaultTunnelExhaustion,
	plane.Tunnels:     hwvtep.FaultTunnelExhaustion,
	plane.FloodSets:   hwvtep.FaultTunnelExhaustion,
	plane.Routers:     hwvtep.FaultLRCreation,
	plane.Interfaces:  hwvtep.FaultLRSwitchBindings,
	plane.Routes:      hwvtep.FaultLRStaticRoutes,
	plane.Neighbours:  hwvtep.FaultMACTableExhaustion,
}

// switchFaults returns what switch_fault_status must be, sorted. NVCs stop using a switch that
// has any fault, so that only what costs traffic is one.
func (r *Reporter) switchFaults() []string {
	faults := r.f.Faults()
	if r.report.Tunnels != nil {
		faults = append(faults, hwvtep.FaultTunnelExhaustion)
	}
	for table := range r.report.Full {
		faults = append(faults, fullFaults[table])
	}
	if r.full {
		faults = append(faults, hwvtep.FaultMACTableExhaustion)
	}
	if r.frozen {
		faults = append(faults, hwvtep.FaultUnspecified)
	}
	slices.Sort(faults)
	return slices.Compact(faults)
}

func (r *Reporter) buildFaults(tx *hwvtep.Txn) {
	if !r.todo.faults {
		return
	}
	r.todo.faults = false
	before := tx.Len()
	if ps, ok := r.ownRow(); ok {
		now := hwvtep.PhysicalSwitch{SwitchFaultStatus: r.switchFaults()}
		tx.UpdatePhysicalSwitch(ps.UUID, now, now.Diff(&ps)&hwvtep.PhysicalSwitchSwitchFaultStatus)
	}
	for lr := range r.f.view.LogicalRouters() {
		want := r.f.routerFaults(lr.UUID)
		for _, fault := range []string{hwvtep.FaultInvalidACLBinding, hwvtep.FaultUnspecified} {
			r.buildShared(raised{lr.UUID, fault}, slices.Contains(want, fault), slices.Contains(lr.LRFaultStatus, fault),
				func() { tx.AddLogicalRouterLRFaultStatus(lr.UUID, fault) },
				func() { tx.RemoveLogicalRouterLRFaultStatus(lr.UUID, fault) })
		}
	}
	for acl := range r.f.view.ACLs() {
		have := slices.Contains(acl.FaultStatus, hwvtep.FaultUnspecified)
		r.buildShared(raised{acl.UUID, hwvtep.FaultUnspecified}, r.f.acls[acl.UUID] > 0, have,
			func() { tx.AddACLFaultStatus(acl.UUID, hwvtep.FaultUnspecified) },
			func() { tx.RemoveACLFaultStatus(acl.UUID, hwvtep.FaultUnspecified) })
	}
	r.pending.faults = tx.Len() > before
}

// raised is a fault of ours on a row that is not ours alone.
type raised struct {
	row   UUID
	fault string
}

// buildShared adds a fault to a row, or takes it back. The rows belong to all switches of the
// database: what another may have raised stays.
func (r *Reporter) buildShared(of raised, want, have bool, add, remove func()) {
	_, raised := r.raised[of]
	switch {
	case want:
		r.raised[of] = struct{}{}
		if !have {
			add()
		}
	case have && (raised || r.f.scope.single):
		remove()
	case raised:
		delete(r.raised, of)
	}
}
