package intent

import "net/netip"

// TunnelIPs are the sources of tunnels, by the family of the peer; the zero Addr: none to such peers.
type TunnelIPs struct {
	TunnelIP  netip.Addr // IPv4
	TunnelIP6 netip.Addr // IPv6
}

// End is what there is to know of an address of State.Ends: nothing more.
type End struct{}

// Source is the source of tunnels to the peer; the zero Addr: there can be none.
func (t TunnelIPs) Source(peer netip.Addr) netip.Addr {
	if peer.Is4() {
		return t.TunnelIP
	}
	return t.TunnelIP6
}

// Any says whether there can be tunnels.
func (t TunnelIPs) Any() bool { return t.First().IsValid() }

// First is that of IPv4 where there is one, or else that of IPv6.
func (t TunnelIPs) First() netip.Addr {
	if t.TunnelIP.IsValid() {
		return t.TunnelIP
	}
	return t.TunnelIP6
}

// All are those that there are.
func (t TunnelIPs) All() (ips []netip.Addr) {
	for _, ip := range []netip.Addr{t.TunnelIP, t.TunnelIP6} {
		if ip.IsValid() {
			ips = append(ips, ip)
		}
	}
	return ips
}
