package ebpf

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// dropReasons are the names of enum drop.
var dropReasons = [layout.DropReasons]string{
	layout.DropMalformed:        "runt",
	layout.DropUnbound:          "unbound_vlan",
	layout.DropReserved:         "reserved",
	layout.DropHairpin:          "hairpin",
	layout.DropNoDestination:    "no_destination",
	layout.DropTooBig:           "too_big",
	layout.DropTaggedOverlay:    "tagged_overlay",
	layout.DropTaggedInside:     "tagged_inside",
	layout.DropSplitHorizon:     "split_horizon",
	layout.DropUnknownTunnel:    "unknown_tunnel",
	layout.DropNotOurs:          "not_ours",
	layout.DropNoTunnel:         "no_tunnel",
	layout.DropFailed:           "failed",
	layout.DropDoubleTagged:     "double_tagged",
	layout.DropBFD:              "bfd",
	layout.DropBadSource:        "bad_source",
	layout.DropBFDTTL:           "bfd_ttl",
	layout.DropBFDMalformed:     "bfd_malformed",
	layout.DropBFDAuth:          "bfd_auth",
	layout.DropBFDDiscriminator: "bfd_discriminator",
	layout.DropBFDRate:          "bfd_rate",
	layout.DropFloodLimited:     "flood_limited",
	layout.DropACLIngress:       "acl_ingress",
	layout.DropACLEgress:        "acl_egress",
	layout.DropACLUnreadable:    "acl_unreadable",
	layout.DropBadARP:           "bad_arp",
	layout.DropBadND:            "bad_nd",
	layout.DropBadIP:            "bad_ip",
	layout.DropSourceRoute:      "source_route",
	layout.DropUnroutable:       "unroutable",
	layout.DropNoRoute:          "no_route",
	layout.DropNoNeighbor:       "no_neighbor",
	layout.DropTTLExceeded:      "ttl_exceeded",
	layout.DropUnserved:         "unserved",
	layout.DropSpoofedRouter:    "spoofed_router",
}

// otherReasons are those that no program counts.
var otherReasons = append([]string{dropReceive, dropSend, limitTable, limitPort}, refusedNames...)

const (
	dropReceive = "vxlan_receive"
	dropSend    = "vxlan_send"
	limitTable  = "mac_table_limit"
	limitPort   = "port_limit"
)

// Stats implements plane.Plane. The counters of bindings, of which there may be many, are read
// without p.mu.
func (p *Plane) Stats(context.Context) (plane.Stats, error) {
	s := plane.Stats{Bindings: map[intent.BindingKey]plane.Counters{}, Drops: map[string]uint64{}, Answered: map[string]uint64{}}
	slots, counters, err := p.countedSlots()
	if err != nil {
		return s, err
	}
	defer counters.Close()
	for key, slot := range slots {
		var cpus []layout.Traffic
		if err := counters.Lookup(slot, &cpus); isMissing(err) {
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
	if s.Tunnels, err = p.readTunnels(); err != nil {
		return s, fmt.Errorf("ebpf plane: %w", err)
	}
	stale, err := p.readDrops(s.Drops)
	if err == nil {
		err = p.readAnswered(s.Answered)
	}
	if err == nil && stale {
		err = p.readLocals(func(plane.Sighting, layout.Local) {})
	}
	if err != nil {
		return s, fmt.Errorf("ebpf plane: %w", err)
	}
	p.forgetReused(slots, s.Bindings)
	return s, nil
}

// countedSlots returns the slots of bindings, and a map of their counters that is the caller's.
func (p *Plane) countedSlots() (map[intent.BindingKey]uint32, *ebpf.Map, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, errClosed
	}
	slots := make(map[intent.BindingKey]uint32, len(p.contents.Bindings))
	for key, b := range p.contents.Bindings {
		if b.Slot != 0 {
			slots[key] = b.Slot
		}
	}
	counters, err := p.objs.Counters.Clone()
	if err != nil {
		return nil, nil, fmt.Errorf("ebpf plane: read map counters: %w", err)
	}
	return slots, counters, nil
}

// forgetReused takes out the counters of bindings that have lost their slots while they were
// read: they may be another's.
func (p *Plane) forgetReused(slots map[intent.BindingKey]uint32, read map[intent.BindingKey]plane.Counters) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, slot := range slots {
		if b := p.contents.Bindings[key]; b == nil || b.Slot != slot {
			delete(read, key)
		}
	}
}

// readDrops reads the frames that were dropped, by reason, and says whether some learned MACs may
// be stale.
func (p *Plane) readDrops(drops map[string]uint64) (stale bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false, errClosed
	}
	for i, name := range dropReasons {
		var cpus []uint64
		if err := p.objs.Drops.Lookup(uint32(i), &cpus); err != nil {
			return false, fmt.Errorf("read map drops: %w", err)
		}
		for _, n := range cpus {
			drops[name] += n
		}
	}
	// What the vxlan device itself refused: frames in and out of tunnels that no program saw.
	if l, err := p.space.Links.LinkByIndex(p.overlay.ifindex); p.overlay.ifindex != 0 && err == nil && l.Attrs().Statistics != nil {
		st := l.Attrs().Statistics
		drops[dropReceive] = st.RxErrors
		drops[dropSend] = st.TxErrors + st.TxDropped
	}
	// Not frames, but MACs that were not learned.
	drops[limitTable] = uint64(atomic.LoadUint32(&p.quotas[0].Refused))
	for i := range p.quotas[1:] { // those of ports that have gone, too: what was counted stays so
		drops[limitPort] += uint64(atomic.LoadUint32(&p.quotas[1+i].Refused))
	}
	return p.contents.Stale, p.readRefused(drops)
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
	err := kernel.Scan(p.objs.PortDrops, func(at layout.PortPlace, n uint64) {
		d := plane.PlaceDrops{Reason: reason(at.Reason), Port: p.nameOf(at.Ifindex), VLAN: int(at.VID), Count: n}
		switch at.VID {
		case layout.VLANUnknown:
			d.VLAN = plane.NoVLAN
		case layout.VLANOther:
			d.VLAN = plane.OtherTag
		}
		list = append(list, d)
	})
	if err == nil {
		err = kernel.Scan(p.objs.TunnelDrops, func(at layout.TunnelPlace, n uint64) {
			list = append(list, plane.PlaceDrops{Reason: reason(at.Reason), Tunnel: intent.Tunnel{Peer: at.IP.Addr(), VNI: at.VNI}, Count: n})
		})
	}
	if err != nil {
		return nil, fmt.Errorf("ebpf plane: read the drops: %w", err)
	}
	return list, nil
}

// zeroCounters makes a slot or a peer, by its number in the map, count from nothing.
func (p *Plane) zeroCounters(m *ebpf.Map, number uint32) {
	var cpus []layout.Traffic
	if err := m.Lookup(number, &cpus); err != nil || !slices.ContainsFunc(cpus, func(c layout.Traffic) bool { return c != layout.Traffic{} }) {
		return // most have none
	}
	clear(cpus)
	if err := m.Put(number, cpus); err != nil {
		p.log.Warn("resetting the counters of a binding or peer failed", "number", number, "err", err)
	}
}
