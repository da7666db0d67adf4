package vtep

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// buildPorts sees to the columns of our ports that are ours, and to the counters.
func (r *Reporter) buildPorts(tx *hwvtep.Txn) {
	stats := r.todo.stats
	r.todo.stats = false
	if !stats && len(r.todo.ports) == 0 {
		return
	}
	begin := tx.Len()
	for p := range r.f.Ports() {
		_, marked := r.todo.ports[p.ID]
		if !stats && !marked {
			continue
		}
		if tx.Len()-begin >= maxPart { // one port needs no more than that
			r.todo.stats = stats
			return
		}
		delete(r.todo.ports, p.ID)
		row, ok := r.f.view.PhysicalPort(p.ID)
		if !ok {
			continue
		}
		before := tx.Len()
		if marked {
			r.buildPort(tx, &p, &row)
		}
		if tx.Len() > before {
			r.pending.ports[p.ID] = struct{}{}
		}
		if stats {
			before = tx.Len()
			r.buildStats(tx, &p, &row)
			r.pending.stats = r.pending.stats || tx.Len() > before
		}
	}
	clear(r.todo.ports)
}

func (r *Reporter) buildPort(tx *hwvtep.Txn, p *Port, row *hwvtep.PhysicalPort) {
	faults := r.portFaults(p)
	now := hwvtep.PhysicalPort{UUID: row.UUID, PortFaultStatus: faults}
	tx.UpdatePhysicalPort(p.ID, now, now.Diff(row)&hwvtep.PhysicalPortPortFaultStatus)

	if !r.f.view.Layout().HasColumn(hwvtep.TablePhysicalPort, "vlan_stats") {
		return
	}
	added := map[int64]UUID{}
	for vlan := range p.Bindings {
		if _, ok := row.VLANStats[int64(vlan)]; !ok {
			at := intent.BindingKey{Port: p.Name, VLAN: vlan}
			added[int64(vlan)] = tx.InsertLogicalBindingStats(statsRow(r.published(at, hwvtep.LogicalBindingStats{})))
		}
	}
	tx.PutPhysicalPortVLANStats(p.ID, added)
	var surplus []int64
	for vlan := range row.VLANStats {
		if _, ok := p.Bindings[uint16(vlan)]; !ok || vlan < 0 || vlan > 4094 {
			surplus = append(surplus, vlan)
		}
	}
	slices.Sort(surplus)
	tx.RemovePhysicalPortVLANStats(p.ID, surplus...)
}

// portFaults returns the faults of a port: of its rows, and of what the plane could not do.
func (r *Reporter) portFaults(p *Port) []string {
	faults := p.Faults
	bad := len(p.Bindings) > 0 && r.report.Ports[p.Name] != nil
	for vlan := range p.Bindings {
		if len(r.report.Bindings) == 0 || bad {
			break
		}
		bad = r.report.Bindings[intent.BindingKey{Port: p.Name, VLAN: vlan}] != nil
	}
	if bad && !slices.Contains(faults, hwvtep.FaultInvalidVLANMap) {
		faults = append(slices.Clone(faults), hwvtep.FaultInvalidVLANMap)
	}
	if r.refusedACL(p.Name) && !slices.Contains(faults, hwvtep.FaultInvalidACLBinding) {
		faults = append(slices.Clone(faults), hwvtep.FaultInvalidACLBinding)
	}
	if r.report.Disturbed[p.Name] != nil && !slices.Contains(faults, hwvtep.FaultUnspecified) {
		faults = append(slices.Clone(faults), hwvtep.FaultUnspecified)
	}
	if seg := r.f.segments.of[p.Name]; seg.is() && len(p.Bindings) > 0 && r.isDown(p.Name) {
		faults = append(slices.Clone(faults), hwvtep.FaultPortDown)
	}
	slices.Sort(faults)
	return faults
}

// isDown says whether nobody can be behind a port.
func (r *Reporter) isDown(name string) bool {
	_, down := r.report.Down[name]
	return down || r.report.Ports[name] != nil
}

// SetStats takes a reading of the counters. The rows follow with the next Build.
func (r *Reporter) SetStats(stats plane.Stats) {
	for at, c := range stats.Bindings {
		if last, ok := r.counters[at]; !ok || last != c {
			if ok {
				r.base[at] = carryOver(r.base[at], last, c)
			}
			r.counters[at] = c
			r.todo.stats = true
		}
	}
	for at := range r.counters {
		if _, still := stats.Bindings[at]; !still {
			delete(r.counters, at)
			delete(r.base, at)
		}
	}
}

// carryOver returns base with that added which makes counters that began anew go on.
func carryOver(base, last, now plane.Counters) plane.Counters {
	add := func(base *uint64, last, now uint64) {
		if now < last {
			*base += last
		}
	}
	add(&base.PacketsFromLocal, last.PacketsFromLocal, now.PacketsFromLocal)
	add(&base.BytesFromLocal, last.BytesFromLocal, now.BytesFromLocal)
	add(&base.PacketsToLocal, last.PacketsToLocal, now.PacketsToLocal)
	add(&base.BytesToLocal, last.BytesToLocal, now.BytesToLocal)
	return base
}

func (r *Reporter) buildStats(tx *hwvtep.Txn, p *Port, row *hwvtep.PhysicalPort) {
	for vlan := range p.Bindings {
		id, ok := row.VLANStats[int64(vlan)]
		if !ok {
			continue
		}
		have, ok := r.f.view.LogicalBindingStats(id)
		if !ok {
			continue
		}
		now := statsRow(r.published(intent.BindingKey{Port: p.Name, VLAN: vlan}, have))
		tx.UpdateLogicalBindingStats(id, now, now.Diff(&have)&hwvtep.AllLogicalBindingStatsColumns)
	}
}

// published returns what the rows must say of a binding whose row says have. Before the first
// reading that is what they do say; after it they don't count back, even where the dataplane
// has begun anew under an earlier process.
func (r *Reporter) published(at intent.BindingKey, have hwvtep.LogicalBindingStats) plane.Counters {
	was := plane.Counters{
		PacketsFromLocal: uint64(have.PacketsFromLocal), BytesFromLocal: uint64(have.BytesFromLocal),
		PacketsToLocal: uint64(have.PacketsToLocal), BytesToLocal: uint64(have.BytesToLocal),
	}
	now, read := r.counters[at]
	if !read {
		return was
	}
	base, based := r.base[at]
	if !based {
		base = carryOver(plane.Counters{}, was, now)
		r.base[at] = base
	}
	return plane.Counters{
		PacketsFromLocal: base.PacketsFromLocal + now.PacketsFromLocal, BytesFromLocal: base.BytesFromLocal + now.BytesFromLocal,
		PacketsToLocal: base.PacketsToLocal + now.PacketsToLocal, BytesToLocal: base.BytesToLocal + now.BytesToLocal,
	}
}

func statsRow(c plane.Counters) hwvtep.LogicalBindingStats {
	return hwvtep.LogicalBindingStats{
		PacketsFromLocal: int64(c.PacketsFromLocal), BytesFromLocal: int64(c.BytesFromLocal),
		PacketsToLocal: int64(c.PacketsToLocal), BytesToLocal: int64(c.BytesToLocal),
	}
}
