package vtep

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
)

// siblings are, by each address of another switch of the database, its other ones, sorted. Frames
// of that switch may come from any of them: its agent sends from a new tunnel IP as soon as that
// is in its row, and writes its Local rows after that. So what is accepted from one is accepted
// from all.
type siblings map[netip.Addr][]netip.Addr

func (s siblings) add(ips []netip.Addr) {
	for _, ip := range ips {
		for _, other := range ips {
			if i, known := slices.BinarySearchFunc(s[ip], other, netip.Addr.Compare); other != ip && !known {
				s[ip] = slices.Insert(s[ip], i, other)
			}
		}
	}
}

func (s siblings) equal(o siblings) bool { return maps.EqualFunc(s, o, slices.Equal[[]netip.Addr]) }

// tunnelIPs gives those of a row that can be ones, whatever our plane can do.
func tunnelIPs(ps *hwvtep.PhysicalSwitch) (ips []netip.Addr) {
	for _, text := range ps.TunnelIPs {
		if ip, err := ParseTunnelIP(text, true); err == nil {
			ips = append(ips, ip)
		}
	}
	return ips
}

// endsOf gives the tunnel IPs of another switch, and those that its tunnels begin at by its rows:
// while its agent has not come to rewrite them after a change, they say what counts.
func endsOf(v *hwvtep.View, ps *hwvtep.PhysicalSwitch) []netip.Addr {
	ips := tunnelIPs(ps)
	seen := map[UUID]bool{}
	for _, id := range ps.Tunnels {
		t, ok := v.Tunnel(id)
		if !ok || seen[t.Local] {
			continue
		}
		seen[t.Local] = true
		if l, ok := v.PhysicalLocator(t.Local); ok {
			if ip, err := ParseTunnelIP(l.DstIP, true); err == nil {
				ips = append(ips, ip)
			}
		}
	}
	return ips
}

// endsChanged says whether tunnels begin elsewhere now.
func endsChanged(ch *hwvtep.Changes) bool {
	for before, after := range ch.Tunnels() {
		if before == nil || after == nil || before.Local != after.Local {
			return true
		}
	}
	return false
}

// scopeChanged says whether the scope has to be read again.
func scopeChanged(ch *hwvtep.Changes) bool {
	for range ch.PhysicalSwitches() {
		return true
	}
	for before, after := range ch.PhysicalPorts() {
		if segmentNumber(before) != segmentNumber(after) {
			return true
		}
	}
	return endsChanged(ch)
}
