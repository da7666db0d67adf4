package ebpf

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// The ACLs of routers, in the map interfaces. Where any interface of a switch has one, all prefixes of the
// switch are there with the ACL of theirs, or with none, and for what is in no prefix all of each family:
// the longest prefix gives what intent.State.InterfaceACL does.

// anyLength4 and anyLength6 are the lengths of all addresses of a family.
const (
	anyLength4 = 32 + 96
	anyLength6 = 32
)

// guardRouter writes the ACLs of the router of a domain.
func (p *Plane) guardRouter(next *intent.State, d *domain) {
	want := p.guardsOf(next, d)
	for _, key := range d.gateway.guards {
		if _, still := want[key]; !still {
			p.tInterfaces.del(key)
		}
	}
	d.gateway.guards = d.gateway.guards[:0]
	for key, number := range want {
		p.tInterfaces.set(key, number)
		d.gateway.guards = append(d.gateway.guards, key)
	}
}

func (p *Plane) guardsOf(next *intent.State, d *domain) map[layout.InterfaceKey]uint32 {
	prefixes := map[netip.Prefix]bool{}
	guarded := false
	for ip := range d.gateway.addresses {
		i := next.Interfaces[intent.IPKey{Switch: d.id, IP: ip}]
		prefixes[netip.PrefixFrom(ip, i.Bits).Masked()] = true
		guarded = guarded || i.ACL != (intent.ACLID{})
	}
	if !guarded {
		return nil
	}
	number := func(family netip.Addr, contains func(netip.Prefix) bool) uint32 {
		var of netip.Addr // the lowest
		for ip := range d.gateway.addresses {
			i := next.Interfaces[intent.IPKey{Switch: d.id, IP: ip}]
			if i.ACL != (intent.ACLID{}) && ip.Is4() == family.Is4() && contains(netip.PrefixFrom(ip, i.Bits).Masked()) && (!of.IsValid() || ip.Less(of)) {
				of = ip
			}
		}
		return p.numberOf(next.Interfaces[intent.IPKey{Switch: d.id, IP: of}].ACL)
	}
	all := func(netip.Prefix) bool { return true }
	want := map[layout.InterfaceKey]uint32{
		{Length: anyLength4, BD: d.bd, IP: layout.AddressOf(netip.IPv4Unspecified())}: number(netip.IPv4Unspecified(), all),
		{Length: anyLength6, BD: d.bd, IP: layout.AddressOf(netip.IPv6Unspecified())}: number(netip.IPv6Unspecified(), all),
	}
	for prefix := range prefixes {
		key := layout.InterfaceKey{Length: anyLength6 + uint32(prefix.Bits()), BD: d.bd, IP: layout.AddressOf(prefix.Addr())}
		if prefix.Addr().Is4() {
			key.Length = anyLength4 + uint32(prefix.Bits())
		}
		want[key] = number(prefix.Addr(), func(o netip.Prefix) bool { return o == prefix })
	}
	return want
}

// numberOf is the number of an ACL; 0: it has none.
func (p *Plane) numberOf(id intent.ACLID) uint32 {
	if l := p.access.acls[id]; l != nil && !l.gone {
		return l.number
	}
	return 0
}

// guardOf is the number of the ACL that asks what the router of a domain hands to an address; 0: none.
func (p *Plane) guardOf(d *domain, ip netip.Addr) uint32 {
	var longest, number uint32
	for _, key := range d.gateway.guards {
		of, bits := key.IP.Addr(), int(key.Length)-anyLength6
		switch {
		case !of.IsValid():
			of = netip.IPv6Unspecified()
		case of.Is4():
			bits = int(key.Length) - anyLength4
		}
		if netip.PrefixFrom(of, bits).Contains(ip) && key.Length > longest {
			longest, number = key.Length, p.tInterfaces.want[key]
		}
	}
	return number
}
