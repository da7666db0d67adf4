package ebpf

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"

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
	layout.DropNotDesignated:    "not_designated",
	layout.DropLocalBias:        "local_bias",
}

// otherReasons are those that no program counts.
var otherReasons = append([]string{dropReceive, dropSend, limitTable, limitPort}, refusedNames...)

const (
	dropReceive = "vxlan_receive"
	dropSend    = "vxlan_send"
	limitTable  = "mac_table_limit"
	limitPort   = "port_limit"
)

// Stats implements plane.Plane.
func (p *Plane) Stats(context.Context) (plane.Stats, error) {
	s := plane.Stats{Bindings: map[intent.BindingKey]plane.Counters{}, Tunnels: map[netip.Addr]plane.Traffic{}, Drops: map[string]uint64{}, Answered: map[string]uint64{}}
	bindings, err := readTraffic(p, p.slots)
	if err != nil {
		return s, fmt.Errorf("ebpf plane: %w", err)
	}
	for key, t := range bindings {
		s.Bindings[key] = plane.Counters{PacketsFromLocal: t.InPackets, BytesFromLocal: t.InBytes, PacketsToLocal: t.OutPackets, BytesToLocal: t.OutBytes}
	}
	peers, err := readTraffic(p, p.peerNumbers)
	if err != nil {
		return s, fmt.Errorf("ebpf plane: %w", err)
	}
	for ip, t := range peers {
		s.Tunnels[ip] = plane.Traffic{InPackets: t.InPackets, InBytes: t.InBytes, OutPackets: t.OutPackets, OutBytes: t.OutBytes}
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
	return s, nil
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
	drops[limitPort] = atomic.LoadUint64(&p.quotas[0].Told)
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
	for name, prt := range p.ports {
		if prt.Number == 0 {
			continue
		}
		q := &p.quotas[prt.Number]
		for reason, n := range map[string]uint32{limitPort: atomic.LoadUint32(&q.Refused), limitTable: atomic.LoadUint32(&q.Lost)} {
			if n != 0 {
				list = append(list, plane.PlaceDrops{Reason: reason, Port: name, VLAN: plane.NoVLAN, Count: uint64(n)})
			}
		}
	}
	return list, nil
}
