package ebpf

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// dropReasons are the names of enum drop, in its order.
var dropReasons = []string{
	"runt",
	"unbound_vlan",
	"reserved",
	"hairpin",
	"no_destination",
	"too_big",
	"tagged_overlay",
	"tagged_inside",
	"split_horizon",
	"unknown_tunnel",
	"not_ours",
	"no_tunnel",
	"failed",
	"double_tagged",
}

// Stats implements plane.Plane.
func (p *Plane) Stats(context.Context) (plane.Stats, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return plane.Stats{}, errClosed
	}
	s := plane.Stats{Bindings: map[intent.BindingKey]plane.Counters{}, Drops: map[string]uint64{}}
	for key, b := range p.bindings {
		if b.slot == 0 {
			continue
		}
		var cpus []vtepTraffic
		if err := p.objs.Counters.Lookup(b.slot, &cpus); err != nil {
			return s, fmt.Errorf("ebpf plane: read map counters: %w", err)
		}
		var c plane.Counters
		for _, t := range cpus {
			c.PacketsFromLocal += t.InPackets
			c.BytesFromLocal += t.InBytes
			c.PacketsToLocal += t.OutPackets
			c.BytesToLocal += t.OutBytes
		}
		s.Bindings[key] = c
	}
	for i, name := range dropReasons {
		var cpus []uint64
		if err := p.objs.Drops.Lookup(uint32(i), &cpus); err != nil {
			return s, fmt.Errorf("ebpf plane: read map drops: %w", err)
		}
		for _, n := range cpus {
			s.Drops[name] += n
		}
	}
	// Not frames, but MACs that were not learned.
	s.Drops["mac_table_limit"] = uint64(atomic.LoadUint32(&p.quotas[0].Refused))
	for _, prt := range p.ports {
		if prt.number != 0 {
			s.Drops["port_limit"] += uint64(atomic.LoadUint32(&p.quotas[prt.number].Refused))
		}
	}
	if p.stale {
		if err := p.collect(); err != nil {
			return s, fmt.Errorf("ebpf plane: %w", err)
		}
	}
	return s, nil
}

// zeroCounters makes the slot count from nothing, for a new binding.
func (p *Plane) zeroCounters(slot uint32) {
	var cpus []vtepTraffic
	if err := p.objs.Counters.Lookup(slot, &cpus); err != nil {
		return
	}
	clear(cpus)
	if err := p.objs.Counters.Put(slot, cpus); err != nil {
		p.log.Warn("resetting the counters of a binding failed", "err", err)
	}
}
