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
	"bfd",
	"bad_source",
	"bfd_ttl",
	"bfd_malformed",
	"bfd_auth",
	"bfd_discriminator",
	"bfd_rate",
}

// otherReasons are those that no program counts.
var otherReasons = []string{dropReceive, dropSend, limitTable, limitPort}

const (
	dropReceive = "vxlan_receive"
	dropSend    = "vxlan_send"
	limitTable  = "mac_table_limit"
	limitPort   = "port_limit"
)

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
		if err := p.objs.Counters.Lookup(b.slot, &cpus); isMissing(err) {
			continue // there was no memory for so many
		} else if err != nil {
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
	// What the vxlan device itself refused: frames in and out of tunnels that no program saw.
	if l, err := p.space.links.LinkByIndex(p.overlay.ifindex); p.overlay.ifindex != 0 && err == nil && l.Attrs().Statistics != nil {
		st := l.Attrs().Statistics
		s.Drops[dropReceive] = st.RxErrors
		s.Drops[dropSend] = st.TxErrors + st.TxDropped
	}
	// Not frames, but MACs that were not learned.
	s.Drops[limitTable] = uint64(atomic.LoadUint32(&p.quotas[0].Refused))
	for i := range p.quotas[1:] { // those of ports that have gone, too: what was counted stays so
		s.Drops[limitPort] += uint64(atomic.LoadUint32(&p.quotas[1+i].Refused))
	}
	if p.stale {
		if err := p.collect(); err != nil {
			return s, fmt.Errorf("ebpf plane: %w", err)
		}
	}
	return s, nil
}

// DropsByPlace implements plane.Plane.
func (p *Plane) DropsByPlace(context.Context) ([]plane.PlaceDrops, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	var list []plane.PlaceDrops
	reason := func(n uint32) string {
		if int(n) < len(dropReasons) {
			return dropReasons[n]
		}
		return fmt.Sprintf("reason %d", n)
	}
	err := scan(p.objs.PortDrops, func(at vtepPortPlace, n uint64) {
		d := plane.PlaceDrops{Reason: reason(at.Reason), Port: p.nameOf(at.Ifindex), VLAN: int(at.Vid), Count: n}
		switch at.Vid {
		case vlanUnknown:
			d.VLAN = plane.NoVLAN
		case vlanOther:
			d.VLAN = plane.OtherTag
		}
		list = append(list, d)
	})
	if err == nil {
		err = scan(p.objs.TunnelDrops, func(at vtepTunnelPlace, n uint64) {
			list = append(list, plane.PlaceDrops{Reason: reason(at.Reason), Tunnel: intent.Tunnel{Peer: at.Ip.ip(), VNI: at.Vni}, Count: n})
		})
	}
	if err != nil {
		return nil, fmt.Errorf("ebpf plane: read the drops: %w", err)
	}
	return list, nil
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
