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
		if r.refusedRouter(lr.UUID) {
			want = append(want, hwvtep.FaultInvalidACLBinding)
		}
		for _, fault := range []string{hwvtep.FaultInvalidACLBinding, hwvtep.FaultUnspecified} {
			r.buildShared(shared{lr.UUID, fault}, slices.Contains(want, fault), lr.LRFaultStatus, tx.AddLogicalRouterLRFaultStatus, tx.RemoveLogicalRouterLRFaultStatus)
		}
	}
	r.pending.faults = tx.Len() > before
}
