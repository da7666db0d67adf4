package hwvtep

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// ParseTunnelIP reads the address of a VTEP; ipv6 says whether it may be one of IPv6. The error does not have the text.
func ParseTunnelIP(text string, ipv6 bool) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return netip.Addr{}, errors.New("is not an IP address")
	case !ip.Is4() && !ipv6:
		return netip.Addr{}, errors.New("is not an IPv4 address")
	}
	if err := CheckTunnelIP(ip); err != nil {
		return netip.Addr{}, err
	}
	return ip, nil
}

// CheckTunnelIP says why an address can't be that of a VTEP, nil if it can. The error does not have the address.
func CheckTunnelIP(ip netip.Addr) error {
	switch {
	case ip.IsLinkLocalUnicast() && ip.Is6() || ip.Zone() != "":
		return errors.New("is an address of one link only")
	case !ip.IsValid() || ip.Is4In6() || ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return errors.New("is not the address of a host")
	}
	return nil
}

// SortTunnelIPs sorts the tunnel IPs of a switch as texts, as NVCs see them that take the first. The first of a family is
// the source of the VTEP's tunnels to peers of that family.
func SortTunnelIPs(ips []netip.Addr) {
	slices.SortFunc(ips, func(a, b netip.Addr) int { return strings.Compare(a.String(), b.String()) })
}

// TunnelIP is the address that the rows of a switch's VTEP have for it: the first of IPv4, or else of IPv6. One of the machine
// alone is none, but where there is no other. The zero Addr: there is none.
func (r *PhysicalSwitch) TunnelIP() netip.Addr {
	var ips []netip.Addr
	for _, text := range r.TunnelIPs {
		if ip, err := ParseTunnelIP(text, true); err == nil {
			ips = append(ips, ip)
		}
	}
	if abroad := slices.DeleteFunc(slices.Clone(ips), netip.Addr.IsLoopback); len(abroad) > 0 {
		ips = abroad
	}
	SortTunnelIPs(ips)
	if i := slices.IndexFunc(ips, netip.Addr.Is4); i >= 0 {
		return ips[i]
	}
	if len(ips) > 0 {
		return ips[0]
	}
	return netip.Addr{}
}
