package ebpf

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Frames and bytes are counted by number: of bindings by their slots, of peers by theirs.

// tunnelTraffic is the map that counts frames in tunnels, by the number of the peer. It is not pinned, and begins anew where
// there is room for more peers.
const tunnelTraffic = "tunnel_traffic"

// sizedAs are maps that are not pinned, and have the size of another one.
var sizedAs = map[string]string{tunnelTraffic: "peers"}

// slots gives the map of the counters of bindings, and their numbers in it.
func (p *Plane) slots() (*ebpf.Map, map[intent.BindingKey]uint32) {
	numbers := make(map[intent.BindingKey]uint32, len(p.contents.Bindings))
	for key, b := range p.contents.Bindings {
		if b.Slot != 0 {
			numbers[key] = b.Slot
		}
	}
	return p.objs.Counters, numbers
}

// peerNumbers gives the map of the counters of peers, and their numbers in it.
func (p *Plane) peerNumbers() (*ebpf.Map, map[netip.Addr]uint32) {
	numbers := make(map[netip.Addr]uint32, len(p.contents.Peers))
	for ip, pr := range p.contents.Peers {
		numbers[ip] = pr.Number
	}
	return p.objs.TunnelTraffic, numbers
}

// readTraffic reads counters, of which there may be many: without p.mu, with which those are called that say whose they are.
// Whoever has lost its number meanwhile is left out: what was read may be another's.
func readTraffic[K comparable](p *Plane, counted func() (*ebpf.Map, map[K]uint32)) (map[K]layout.Traffic, error) {
	m, numbers, err := cloneCounted(p, counted)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	all := make(map[K]layout.Traffic, len(numbers))
	var cpus []layout.Traffic
	for key, n := range numbers {
		if err := m.Lookup(n, &cpus); isMissing(err) {
			continue // there was no memory for so many
		} else if err != nil {
			return nil, fmt.Errorf("read map %v: %w", m, err)
		}
		var sum layout.Traffic
		for _, c := range cpus {
			sum.InPackets += c.InPackets
			sum.InBytes += c.InBytes
			sum.OutPackets += c.OutPackets
			sum.OutBytes += c.OutBytes
		}
		all[key] = sum
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, now := counted()
	for key, n := range numbers {
		if now[key] != n {
			delete(all, key)
		}
	}
	return all, nil
}

// cloneCounted gives what counted says, with a map that is the caller's.
func cloneCounted[K comparable](p *Plane, counted func() (*ebpf.Map, map[K]uint32)) (*ebpf.Map, map[K]uint32, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, errClosed
	}
	of, numbers := counted()
	m, err := of.Clone()
	if err != nil {
		return nil, nil, fmt.Errorf("open map %v once more: %w", of, err)
	}
	return m, numbers, nil
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
