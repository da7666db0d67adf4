package ebpf

import (
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// tunnelTraffic is the map that counts frames in tunnels, by the number of the peer. It is not pinned, and begins anew where
// there is room for more peers.
const tunnelTraffic = "tunnel_traffic"

// readTunnels reads what is counted of the peers, without p.mu.
func (p *Plane) readTunnels() (map[netip.Addr]plane.Traffic, error) {
	numbers, m, err := p.countedPeers()
	if err != nil {
		return nil, err
	}
	defer m.Close()
	all := make(map[netip.Addr]plane.Traffic, len(numbers))
	var cpus []layout.Traffic
	for peer, n := range numbers {
		if err := m.Lookup(n, &cpus); isMissing(err) {
			continue // there was no memory for so many
		} else if err != nil {
			return nil, fmt.Errorf("read map %s: %w", tunnelTraffic, err)
		}
		var t plane.Traffic
		for _, c := range cpus {
			t.InPackets += c.InPackets
			t.InBytes += c.InBytes
			t.OutPackets += c.OutPackets
			t.OutBytes += c.OutBytes
		}
		all[peer] = t
	}
	return all, nil
}

// countedPeers returns the numbers of peers, and the map that is the caller's.
func (p *Plane) countedPeers() (map[netip.Addr]uint32, *ebpf.Map, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, errClosed
	}
	numbers := make(map[netip.Addr]uint32, len(p.contents.Peers))
	for peer, use := range p.contents.Peers {
		numbers[peer] = use.Number
	}
	m, err := p.objs.TunnelTraffic.Clone()
	if err != nil {
		return nil, nil, fmt.Errorf("read map %s: %w", tunnelTraffic, err)
	}
	return numbers, m, nil
}
