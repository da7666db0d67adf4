package vtep

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
)

// keptPorts are the ports of a dataplane that has a list of its own (plane.PortKeeper): a port
// of the list has a row, and the row of a port that has left the list goes. Rows of ports that
// were never seen in the list stay: their bindings are the NVC's, and the port may be late.
type keptPorts struct {
	names []string        // sorted
	left  map[string]bool // ports that were in the list, and whose rows go
}

// SetManagedPorts takes the list of ports of the dataplane. The rows follow with the next Build.
func (r *Reporter) SetManagedPorts(names []string) {
	names = slices.Sorted(slices.Values(names))
	if slices.Equal(names, r.kept.names) {
		return
	}
	if r.kept.left == nil {
		r.kept.left = map[string]bool{}
	}
	for _, name := range r.kept.names {
		r.kept.left[name] = true
	}
	for _, name := range names {
		delete(r.kept.left, name)
	}
	r.kept.names = names
	r.todo.kept = true
}

// buildKept makes and removes rows of ports.
func (r *Reporter) buildKept(tx *hwvtep.Txn) {
	if !r.todo.kept {
		return
	}
	r.todo.kept = false
	ps, ok := r.ownRow()
	if !ok || r.withdrawn || len(r.kept.names)+len(r.kept.left) == 0 {
		return
	}
	before := tx.Len()
	tx.AddPhysicalSwitchPorts(ps.UUID, newPorts(r.f.view, tx, ps.Ports, r.kept.names)...)
	var gone []UUID
	for _, id := range ps.Ports {
		if p, ok := r.f.view.PhysicalPort(id); ok && r.kept.left[p.Name] {
			gone = append(gone, id)
		}
	}
	tx.RemovePhysicalSwitchPorts(ps.UUID, gone...)
	if len(gone) == 0 {
		clear(r.kept.left) // a row of that name made later is somebody's wish
	}
	r.pending.kept = tx.Len() > before
}
