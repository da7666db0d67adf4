package ebpf

import (
	"context"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// ACLStats implements plane.ACLCounter. The counters, of which there may be many, are read without p.mu.
func (p *Plane) ACLStats(context.Context) (map[plane.ACLEntryAt]plane.Count, error) {
	indexes, counters, err := p.aclCounters()
	if err != nil {
		return nil, fmt.Errorf("ebpf plane: count by ACLs: %w", err)
	}
	defer counters.Close()
	all := make(map[plane.ACLEntryAt]plane.Count, len(indexes))
	for at, n := range indexes {
		sum := all[at] // of an entry in both directions there is none; of one without a counter, nothing
		if n != 0 {
			var cpus []layout.ACLCount
			if err := counters.Lookup(n, &cpus); err != nil {
				return nil, fmt.Errorf("ebpf plane: read map acl_counts: %w", err)
			}
			for _, c := range cpus {
				sum.Packets += c.Packets
				sum.Bytes += c.Bytes
			}
		}
		all[at] = sum
	}
	return all, nil
}

// aclCounters returns the counters of all entries, and a map of them that is the caller's.
func (p *Plane) aclCounters() (map[plane.ACLEntryAt]uint32, *ebpf.Map, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, errClosed
	}
	indexes := map[plane.ACLEntryAt]uint32{}
	for id, l := range p.access.acls {
		if l.place.n == 0 {
			continue
		}
		for i, at := range countedBy(l.acl) {
			indexes[plane.ACLEntryAt{ACL: id, Entry: at.id}] = l.counters[i]
		}
	}
	counters, err := p.objs.AclCounts.Clone()
	return indexes, counters, err
}
