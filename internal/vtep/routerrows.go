package vtep

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// grievances are what is wrong with one router. Of the many that a row may have most are not told
// one by one.
type grievances struct {
	told []complaint
	n    map[problem.Kind]int
	more map[complaint]int // those that are not told, by kind and fault
}

const maxGrievances = 16 // of a kind

func (g *grievances) add(c complaint) {
	if g.n == nil {
		g.n, g.more = map[problem.Kind]int{}, map[complaint]int{}
	}
	if g.n[c.kind]++; g.n[c.kind] <= maxGrievances {
		g.told = append(g.told, c)
		return
	}
	g.more[complaint{kind: c.kind, remedy: c.remedy, fault: c.fault}]++
}

func (g *grievances) list() []complaint {
	all := g.told
	for c, n := range g.more {
		c.text = fmt.Sprintf("and %d more of this sort", n)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b complaint) int { return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.text, b.text)) })
	return all
}

func badInterface(format string, args ...any) complaint {
	return complaint{
		kind: problem.BadInterface, fault: hwvtep.FaultLRSwitchBindings,
		text: "switch_binding: " + fmt.Sprintf(format, args...), remedy: "correct or remove it",
	}
}

func badRoute(format string, args ...any) complaint {
	return complaint{
		kind: problem.BadRoute, fault: hwvtep.FaultLRStaticRoutes,
		text: "static_routes: " + fmt.Sprintf(format, args...), remedy: "correct or remove it",
	}
}

// readRouter reads what a row says of itself.
func (c *Compiler) readRouter(r *router, row *hwvtep.LogicalRouter) {
	var wrong grievances
	set := settings{values: row.OtherConfig}
	r.name = row.Name
	r.mac = set.station(keyRouterMAC, intent.MAC(hwvtep.OwnMAC("router", r.id)))
	r.interfaces = readInterfaces(row.SwitchBinding, &wrong)
	r.statics = readStatics(row.StaticRoutes, &wrong)
	r.acls, r.badACLs = nil, false
	switch {
	case len(row.ACLBinding) == 0:
	case !c.features.RouterACLs:
		r.badACLs = true
		wrong.add(complaint{
			kind: problem.NoACL, text: "acl_binding: this VTEP has no access control lists of routers: the router is open", remedy: "filter elsewhere, and clear acl_binding"})
	default:
		r.acls, r.badACLs = readRouterACLs(row.ACLBinding, r.interfaces, &wrong)
	}
	for _, b := range set.bad {
		wrong.add(b)
	}
	c.problems.setAll(rowOf(hwvtep.TableLogicalRouter, r.id), wrong.list())
}

// readInterfaces reads switch_binding. Of prefixes that overlap the first counts, in the order of
// addresses, and of those that begin alike the widest.
func readInterfaces(bindings map[string]UUID, wrong *grievances) []routerInterface {
	var all []routerInterface
	for _, text := range slices.Sorted(maps.Keys(bindings)) {
		prefix, err := parseInterface(text)
		if err != nil {
			wrong.add(badInterface("%v: it is ignored", err))
			continue
		}
		all = append(all, routerInterface{prefix, switchID(bindings[text])})
	}
	slices.SortStableFunc(all, func(a, b routerInterface) int {
		return cmp.Or(a.prefix.Masked().Addr().Compare(b.prefix.Masked().Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()),
			a.prefix.Addr().Compare(b.prefix.Addr()))
	})
	kept := all[:0]
	for _, i := range all {
		if n := len(kept); n > 0 {
			switch last := kept[n-1]; {
			case last.prefix == i.prefix && last.ls == i.ls: // the same, in another spelling
				continue
			case last.prefix.Masked() == i.prefix.Masked() && last.ls == i.ls && last.prefix.Addr() != i.prefix.Addr(): // one more address
			case last.prefix.Overlaps(i.prefix):
				wrong.add(badInterface("%v overlaps %v: it is ignored", i.prefix, last.prefix))
				continue
			}
		}
		kept = append(kept, i)
	}
	return slices.Clip(kept)
}

// readRouterACLs reads acl_binding: which ACLs the interfaces have, by their addresses. Of keys of one
// interface the first counts, in the order of their texts. bad says that a key has no effect.
func readRouterACLs(bindings map[string]UUID, interfaces []routerInterface, wrong *grievances) (acls map[netip.Addr]UUID, bad bool) {
	acls = make(map[netip.Addr]UUID, len(bindings))
	refuse := func(format string, args ...any) {
		bad = true
		wrong.add(complaint{
			kind: problem.BadACLBinding, text: "acl_binding: " + fmt.Sprintf(format, args...) + ": it is ignored", remedy: "correct or remove it"})
	}
	for _, text := range slices.Sorted(maps.Keys(bindings)) {
		ip, bits, err := parseInterfaceKey(text)
		if err != nil {
			refuse("%v", err)
			continue
		}
		i := slices.IndexFunc(interfaces, func(i routerInterface) bool { return i.prefix.Addr() == ip })
		switch {
		case i < 0:
			refuse("%v is not the address of an interface of the router", ip)
		case bits >= 0 && bits != interfaces[i].prefix.Bits():
			refuse("%s is not an interface of the router, which has %v", text, interfaces[i].prefix)
		case has(acls, ip) && acls[ip] != bindings[text]:
			refuse("%v is there twice, once as %s", ip, quote(text))
		default:
			acls[ip] = bindings[text]
		}
	}
	return acls, bad
}

// parseInterfaceKey reads the address of an interface, which may have the length of its prefix; else bits is -1.
func parseInterfaceKey(text string) (ip netip.Addr, bits int, err error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Addr(), p.Bits(), nil
	}
	if ip, err = netip.ParseAddr(text); err != nil || ip.Zone() != "" {
		err = fmt.Errorf("%s is not the address of an interface, as 192.0.2.1", quote(text))
	}
	return ip, -1, err
}

// parseInterface reads the address of a router with the length of its prefix.
func parseInterface(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%s is not an address with the length of its prefix, as 192.0.2.1/24", quote(text))
	}
	ip := p.Addr()
	switch {
	case ip.Is4In6():
		return p, fmt.Errorf("%v is an IPv4 address in the form of one of IPv6", p)
	case !isHost(ip):
		return p, fmt.Errorf("%v is not the address of a router", p)
	case ip.IsLinkLocalUnicast() && ip.Is6():
		return p, fmt.Errorf("%v is an address of one link only", p)
	case p.Bits() == 0:
		return p, fmt.Errorf("%v is in no prefix", p)
	case isEdge(p, ip):
		return p, fmt.Errorf("%v is the address of a network, not of a router in it", p)
	}
	return p, nil
}

// isHost says whether a host can have the address.
func isHost(ip netip.Addr) bool {
	return !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLoopback() && (!ip.Is4() || ip.As4()[0] != 0 && ip.As4()[0] < 240)
}

// isEdge says whether an IPv4 address is that of a network itself, or of all hosts in it.
func isEdge(p netip.Prefix, ip netip.Addr) bool {
	return ip.Is4() && p.Bits() < 31 && (ip == p.Masked().Addr() || ip == lastOf(p))
}

// lastOf is the broadcast address of an IPv4 prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

// readStatics reads static_routes. Host bits of a prefix don't count; of keys that are then the same
// the first does, in the order of their texts.
func readStatics(routes map[string]string, wrong *grievances) []staticRoute {
	all := make([]staticRoute, 0, len(routes))
	seen := make(map[netip.Prefix]struct{}, len(routes))
	for _, text := range slices.Sorted(maps.Keys(routes)) {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix.Addr().Is4In6() {
			wrong.add(badRoute("%s is not a prefix, as 192.0.2.0/24: it is ignored", quote(text)))
			continue
		}
		prefix = prefix.Masked()
		via, err := netip.ParseAddr(routes[text])
		switch {
		case prefix.Addr().IsMulticast():
			wrong.add(badRoute("%v is a prefix of groups: it is ignored", prefix))
		case err != nil || via.Zone() != "" || via.Is4In6():
			wrong.add(badRoute("the next hop %s of %v is not an IP address: the route is ignored", quote(routes[text]), prefix))
		case via.Is4() != prefix.Addr().Is4():
			wrong.add(badRoute("the next hop %v of %v is of the other family: the route is ignored", via, prefix))
		case !isHost(via):
			wrong.add(badRoute("the next hop %v of %v is not the address of a host: the route is ignored", via, prefix))
		case has(seen, prefix):
			wrong.add(badRoute("%v is there twice, once as %s: that one is ignored", prefix, quote(text)))
		default:
			seen[prefix] = struct{}{}
			all = append(all, staticRoute{prefix, via})
		}
	}
	return all
}

// faults are the elements that LR_fault_status must have, sorted.
func (f *facts) routerFaults(id UUID) []string {
	r := f.routers[id]
	if r == nil {
		return nil
	}
	var faults []string
	if r.badACLs || slices.ContainsFunc(slices.Collect(maps.Values(r.acls)), f.badACL) {
		faults = append(faults, hwvtep.FaultInvalidACLBinding)
	}
	if r.foreign || f.problems.faulty(rowOf(hwvtep.TableLogicalRouter, id)) || f.problems.faulty(aspectOf(hwvtep.TableLogicalRouter, id, aspectOfOthers)) {
		faults = append(faults, hwvtep.FaultUnspecified)
	}
	return faults
}

// station is the address of a station that the key gives, or otherwise.
func (s *settings) station(key string, otherwise intent.MAC) intent.MAC {
	text, ok := s.values[key]
	if !ok {
		return otherwise
	}
	mac, err := intent.ParseMAC(text)
	if err != nil || mac.IsGroup() || mac.IsZero() || mac == bfdMAC {
		s.reject(key, text, "the address of a station, as 02:00:00:00:00:01")
		return otherwise
	}
	return mac
}

// bfdMAC is the address of BFD between VTEPs.
var bfdMAC = intent.MAC{0x00, 0x23, 0x20, 0x00, 0x00, 0x01}
