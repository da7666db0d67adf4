package vtep

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// locator is a Physical_Locator row, and who uses it. One is made when the first row names it,
// which may be before its own row is read.
type locator struct {
	id    UUID
	addr  netip.Addr // the zero Addr: there is no row, or its dst_ip is no good
	wrong *complaint // why nothing can be reached by it; nil: it can

	number ordinal
	vni    uint32 // its own VNI; 0: see keyed
	keyed  bool   // it has a VNI of its own
	row    bool   // its row exists

	macs uint32 // unicast rows that name it
	arps uint32 // rows of sources of ARP that do
	sets uint32 // locator sets it is a member of
}

// ParseTunnelIP reads the address of a VTEP; ipv6 says whether it may be one of IPv6.
func ParseTunnelIP(text string, ipv6 bool) (netip.Addr, error) {
	ip, err := hwvtep.ParseTunnelIP(text, ipv6)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%s %w", quote(text), err)
	}
	return ip, nil
}

// address is what tunnels can have, in words.
func address(ipv6 bool) string {
	if ipv6 {
		return "IP address"
	}
	return "IPv4 address"
}

func (c *Compiler) locator(id UUID) *locator {
	l := c.locatorOf(id)
	if l == nil {
		l = &locator{id: id}
		l.number = c.numbers.add(l)
		c.locators[id] = l
	}
	return l
}

// forgetLocator drops a locator that has neither row nor users.
func (c *Compiler) forgetLocator(id UUID) {
	if l := c.locatorOf(id); l != nil && !l.row && l.macs+l.arps+l.sets == 0 {
		delete(c.locators, id)
		c.lastFound = nil
		c.numbers.remove(l.number)
	}
}

func (c *Compiler) locatorChanged(before, after *hwvtep.PhysicalLocator) {
	if after == nil {
		l := c.locator(before.UUID)
		c.unlist(before.UUID, l)
		l.row, l.addr, l.wrong = false, netip.Addr{}, nil
		c.markUsers(l)
		c.forgetLocator(before.UUID)
		return
	}
	l := c.locator(after.UUID)
	c.unlist(after.UUID, l)
	l.row = true
	was := *l
	addr, err := ParseTunnelIP(after.DstIP, c.features.IPv6)
	l.addr, l.vni, l.keyed, l.wrong = addr, 0, false, nil
	if err != nil {
		l.wrong = &complaint{
			kind: problem.BadLocator, fault: hwvtep.FaultUnspecified, remedy: "name the " + address(c.features.IPv6) + " of a VTEP",
			text: fmt.Sprintf("dst_ip of a Physical_Locator: %v: what is behind it can't be reached", err),
		}
	}
	if err == nil && c.scope.lacksFamily(addr) {
		l.wrong = &complaint{
			kind: problem.BadLocator, fault: hwvtep.FaultUnspecified, remedy: "add an address of this machine, of the same family, to tunnel_ips",
			text: fmt.Sprintf("dst_ip of a Physical_Locator: %v: tunnel_ips has no address of this family: what is behind it can't be reached", addr),
		}
	}
	if key, ok := after.TunnelKey.Get(); !ok {
	} else if key >= 0 && key <= intent.MaxVNI {
		l.vni, l.keyed = uint32(key), true
	} else if l.wrong == nil {
		l.wrong = &complaint{
			kind: problem.BadVNI, fault: hwvtep.FaultUnspecified, remedy: vniRemedy,
			text: fmt.Sprintf("tunnel_key %d of the Physical_Locator %v is not a VNI: what is behind it can't be reached", key, addr),
		}
	}
	c.list(after.UUID, l)
	if was.row && c.scope.ownIPs[addr] && (l.keyed != was.keyed || l.vni != was.vni) {
		c.news.own = true
	}
	if l.addr != was.addr || l.vni != was.vni || l.keyed != was.keyed || l.wrong != was.wrong {
		c.markUsers(l)
	}
}

// list and unlist keep Compiler.byAddr: for a tunnel the locator without a key is preferred,
// then the one with the lowest.
func (c *Compiler) list(id UUID, l *locator) {
	if !l.addr.IsValid() {
		return
	}
	ids, _ := c.byAddr.Get(l.addr)
	i, _ := slices.BinarySearchFunc(ids, id, c.compareLocators)
	c.byAddr.Set(l.addr, slices.Insert(ids, i, id))
}

func (c *Compiler) unlist(id UUID, l *locator) {
	if !l.row || !l.addr.IsValid() {
		return
	}
	ids, _ := c.byAddr.Get(l.addr)
	if ids = slices.DeleteFunc(ids, func(o UUID) bool { return o == id }); len(ids) == 0 {
		c.byAddr.Delete(l.addr)
	} else {
		c.byAddr.Set(l.addr, ids)
	}
}

func (c *Compiler) compareLocators(a, b UUID) int {
	l, m := c.locators[a], c.locators[b]
	if l.keyed != m.keyed {
		if m.keyed {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(l.vni, m.vni), compareUUIDs(a, b))
}

// markUsers marks all that depends on l.
func (c *Compiler) markUsers(l *locator) {
	if l.macs+l.arps+l.sets > 0 {
		c.dirty.locators[l.id] = struct{}{}
	}
}

// reachable says whether l, which may be nil, is that of another VTEP, which tunnels can lead to.
func (c *Compiler) reachable(l *locator) bool {
	return l != nil && l.addr.IsValid() && l.wrong == nil && !c.scope.ownIPs[l.addr] && c.scope.Source(l.addr).IsValid()
}

// tunnelBy returns the tunnel from ls by the locator called id; ok is false where there can
// be none: no usable address, our own, or no VNI.
func (c *Compiler) tunnelBy(id UUID, ls *lswitch) (t intent.Tunnel, ok bool) {
	l := c.locatorOf(id)
	if !c.reachable(l) {
		return intent.Tunnel{}, false
	}
	switch {
	case len(c.scope.segments) > 0 && c.scope.segments[end{l.addr, l.vni}] && ls.up():
		return intent.Tunnel{Peer: l.addr, VNI: ls.vni}, true
	case l.vni != 0, l.keyed && ls.vni0:
		return intent.Tunnel{Peer: l.addr, VNI: l.vni}, true
	case ls.up():
		return intent.Tunnel{Peer: l.addr, VNI: ls.vni}, true
	}
	return intent.Tunnel{}, false
}

func (c *Compiler) setChanged(before, after *hwvtep.PhysicalLocatorSet) {
	if before != nil {
		for _, id := range before.Locators {
			if l := c.locators[id]; l != nil {
				l.sets--
				c.forgetLocator(id)
			}
		}
		delete(c.sets, before.UUID)
		c.markSet(before.UUID)
	}
	if after != nil {
		for _, id := range after.Locators {
			c.locator(id).sets++
		}
		c.sets[after.UUID] = after.Locators
		c.markSet(after.UUID)
	}
}

func (c *Compiler) markSet(id UUID) {
	for key := range c.setUsers[id] {
		c.dirty.groups[key] = struct{}{}
	}
}
