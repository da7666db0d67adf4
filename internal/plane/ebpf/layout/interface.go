package layout

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
)

// The ACLs of routers, in the map interfaces. Where any interface of a switch has one, all prefixes of the
// switch are there with the ACL of theirs, or with none, and for what is in no prefix all of each family:
// the longest prefix gives what intent.State.InterfaceACL does.

// anyLength4 and anyLength6 are the lengths of all addresses of a family.
const (
	anyLength4 = 32 + 96
	AnyLength6 = 32
)

// guardRouter writes the ACLs of the router of a domain.
func (c *Contents) guardRouter(next *intent.State, d *Domain) {
	want := c.guardsOf(next, d)
	for _, key := range d.gateway.guards {
		if _, still := want[key]; !still {
			c.Maps.Interfaces.Del(key)
		}
	}
	d.gateway.guards = d.gateway.guards[:0]
	for key, number := range want {
		c.Maps.Interfaces.Set(key, number)
		d.gateway.guards = append(d.gateway.guards, key)
	}
}

func (c *Contents) guardsOf(next *intent.State, d *Domain) map[InterfaceKey]uint32 {
	prefixes := map[netip.Prefix]bool{}
	guarded := false
	for ip := range d.gateway.addresses {
		i := next.Interfaces[intent.IPKey{Switch: d.ID, IP: ip}]
		prefixes[netip.PrefixFrom(ip, i.Bits).Masked()] = true
		guarded = guarded || i.ACL != (intent.ACLID{})
	}
	if !guarded {
		return nil
	}
	number := func(family netip.Addr, contains func(netip.Prefix) bool) uint32 {
		var of netip.Addr // the lowest
		for ip := range d.gateway.addresses {
			i := next.Interfaces[intent.IPKey{Switch: d.ID, IP: ip}]
			if i.ACL != (intent.ACLID{}) && ip.Is4() == family.Is4() && contains(netip.PrefixFrom(ip, i.Bits).Masked()) && (!of.IsValid() || ip.Less(of)) {
				of = ip
			}
		}
		return c.numberOf(next.Interfaces[intent.IPKey{Switch: d.ID, IP: of}].ACL)
	}
	all := func(netip.Prefix) bool { return true }
	want := map[InterfaceKey]uint32{
		{Length: anyLength4, BD: d.BD, IP: AddressOf(netip.IPv4Unspecified())}: number(netip.IPv4Unspecified(), all),
		{Length: AnyLength6, BD: d.BD, IP: AddressOf(netip.IPv6Unspecified())}: number(netip.IPv6Unspecified(), all),
	}
	for prefix := range prefixes {
		key := InterfaceKey{Length: AnyLength6 + uint32(prefix.Bits()), BD: d.BD, IP: AddressOf(prefix.Addr())}
		if prefix.Addr().Is4() {
			key.Length = anyLength4 + uint32(prefix.Bits())
		}
		want[key] = number(prefix.Addr(), func(o netip.Prefix) bool { return o == prefix })
	}
	return want
}

// numberOf is the number of an ACL; 0: it has none.
func (c *Contents) numberOf(id intent.ACLID) uint32 {
	return c.ACLNumbers[id]
}

// GuardOf is the number of the ACL that asks what the router of a domain hands to an address; 0: none.
func (c *Contents) GuardOf(d *Domain, ip netip.Addr) uint32 {
	var longest, number uint32
	for _, key := range d.gateway.guards {
		of, bits := key.IP.Addr(), int(key.Length)-AnyLength6
		switch {
		case !of.IsValid():
			of = netip.IPv6Unspecified()
		case of.Is4():
			bits = int(key.Length) - anyLength4
		}
		if netip.PrefixFrom(of, bits).Contains(ip) && key.Length > longest {
			longest, number = key.Length, c.Maps.Interfaces.Want.Get(key)
		}
	}
	return number
}
