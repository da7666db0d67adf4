package evpn

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
)

// Routers. A Logical_Router routes where a packet comes in, and sends it in the switch of its destination. Towards the
// fabric it has, by other_config:evpn_l3_switch, one more switch, whose VNI is that of the IP-VRF: other VTEPs are hosts in
// it, with the MACs of their routers and addresses of the router's prefix there, and what is behind them are static routes.
//
//	Ucast_Macs_Remote {router's MAC, 169.254.0.2, VTEP} ──┐
//	static_routes {10.2.0.0/16: 169.254.0.2}  <───────────┴── type 5 of a neighbour
//	switch_binding, static_routes of others   ──> type 5, with the MAC that the VTEP has in Arp_Sources_Local
//
// Which static routes are the bridge's own its keys evpn_route:PREFIX of the same row tell.

// The keys of Logical_Router.other_config.
const (
	keyL3Switch  = "evpn_l3_switch"  // the name of the switch
	keyGateway   = "evpn_gateway"    // "true": its addresses are announced, as those of default gateways
	keyMaxRoutes = "evpn_max_routes" // of the fabric
	keyGatewayIP = "evpn_gateway_ip" // "true": static routes are announced with their next hops
	keyRoute     = "evpn_route:"     // written by the bridge: the next hop that it has given to a prefix
)

// MaxPrefixes is how many prefixes of the fabric a router gets where its row does not say: what the maps of a VTEP
// hold without being told.
const MaxPrefixes = 4096

// router is a Logical_Router row.
type router struct {
	row        hwvtep.LogicalRouter
	mac        string // of its interfaces
	interfaces []routerInterface
	net        *network // in which it sends to other VTEPs; nil: none
	fault      string
	most       int // prefixes of the fabric

	hops   map[hop]netip.Addr // addresses that VTEPs have in net
	chosen map[netip.Prefix]choice
	had    map[string]bool   // prefixes that were chosen since the start
	why    map[*route]string // the others are not
}

// routerInterface is an element of switch_binding. The prefix has host bits: the address.
type routerInterface struct {
	prefix netip.Prefix
	ls     hwvtep.UUID
}

// hop is a VTEP as a router's next hop.
type hop struct {
	end
	mac  string
	ipv6 bool
}

// choice is the route that a prefix has, and its next hop.
type choice struct {
	route *route
	via   netip.Addr
	by    *hop // the VTEP that it is the address of; nil: it is that of a host in a switch of the router
}

// binds says whether it has an interface in a network.
func (r *router) binds(n *network) bool {
	return slices.ContainsFunc(r.interfaces, func(i routerInterface) bool { return i.ls == n.row.UUID })
}

// wired is what is announced or placed otherwise when it changes.
type wired struct {
	router, l3 *router
	mac        string // of router
	vni        uint32 // of its net
	text       string // the rest
}

// configure reads the row.
func (r *router) configure(row hwvtep.LogicalRouter) {
	r.row, r.interfaces, r.most = row, nil, MaxPrefixes
	r.mac = canonical(row.OtherConfig["router_mac"])
	if !unicast(r.mac) {
		r.mac = hwvtep.RouterMAC(row.UUID)
	}
	for _, text := range slices.Sorted(maps.Keys(row.SwitchBinding)) {
		if p, err := netip.ParsePrefix(text); err == nil && !p.Addr().Is4In6() {
			r.interfaces = append(r.interfaces, routerInterface{p, row.SwitchBinding[text]})
		}
	}
	var n int
	if _, err := fmt.Sscanf(row.OtherConfig[keyMaxRoutes], "%d", &n); err == nil && n >= 0 {
		r.most = n
	}
}

// wire finds out which switches routers have interfaces in, and which one each sends to other VTEPs in. It returns the
// switches for which that is another than before. Of several routers that want a switch the one that has it keeps it, else
// that with the lowest UUID gets it, as VTEPs of this project have it.
func (db *database) wire() (changed []*network) {
	kept := map[*network]*router{}
	for _, n := range db.networks {
		if r := n.router; r != nil && db.routers[r.row.UUID] == r && r.binds(n) {
			kept[n] = r
		}
		n.router = nil
	}
	l3 := map[*network]*router{}
	before := map[*router]string{}
	for _, r := range db.routers {
		before[r], r.net, r.fault = r.fault, nil, ""
	}
	for _, r := range slices.SortedFunc(maps.Values(db.routers), func(x, y *router) int { return compareUUID(x.row.UUID, y.row.UUID) }) {
		name := r.row.OtherConfig[keyL3Switch]
		for _, i := range r.interfaces {
			n := db.networks[i.ls]
			if n == nil {
				continue
			}
			if n.router == nil {
				n.router = cmp.Or(kept[n], r)
			}
			if n.router != r {
				r.fault = fmt.Sprintf("switch %s is one of router %s, too, which has it", n.row.Name, n.router.row.Name)
				n.router.fault = fmt.Sprintf("switch %s is one of router %s, too, which does not get it", n.row.Name, r.row.Name)
				continue
			}
			if n.row.Name == name {
				r.net, l3[n] = n, r
			}
		}
		if name != "" && r.net == nil && r.fault == "" {
			r.fault = fmt.Sprintf("other_config:%s: %s is no switch of its switch_binding", keyL3Switch, name)
		}
	}
	for r, fault := range before {
		if r.fault != "" && r.fault != fault {
			db.bridge.log.Warn("logical router", "router", r.row.Name, "err", r.fault)
		}
	}
	for _, n := range db.networks {
		if n.l3 != l3[n] {
			db.bridge.takeAll(n)
			n.l3 = l3[n]
		}
		if now := db.wired(n); now != n.wired {
			n.wired = now
			changed = append(changed, n)
		}
	}
	return changed
}

func (db *database) wired(n *network) wired {
	w := wired{router: n.router, l3: n.l3}
	if n.router == nil {
		return w
	}
	w.mac = n.router.mac
	var text strings.Builder
	if net := n.router.net; net != nil {
		w.vni = net.vni
		fmt.Fprint(&text, net.exp, db.sourcesText)
	}
	if n.router.row.OtherConfig[keyGateway] == "true" {
		fmt.Fprint(&text, n.router.interfaces, db.sourcesText)
	}
	w.text = text.String()
	return w
}

// takeAll takes all routes out of a network.
func (b *Bridge) takeAll(n *network) {
	for r := range n.all() {
		b.take(n, r.path())
	}
	for mac := range b.database.ucast[n.row.UUID] {
		b.database.markHost(n, mac)
	}
}

// readSources reads which MACs the VTEPs route with. A VTEP that has none does not route; of several the lowest counts.
func (db *database) readSources() {
	clear(db.sources)
	clear(db.routes)
	for row := range db.view.ARPSourcesLocal() {
		if ip, mac := db.ip(row.Locator), canonical(row.SrcMAC); ip.IsValid() && unicast(mac) {
			db.routes[mac] = true
			if had := db.sources[ip]; had == "" || mac < had {
				db.sources[ip] = mac
			}
		}
	}
	db.sourcesText = fmt.Sprint(db.sources) // sorted
}

// isL3 says whether a route is one for routers, beside what else it is.
func (r *route) isL3() bool {
	return r.kind == Prefix || r.kind == MACIP && r.l3vni != 0 && r.routerMAC != "" && r.ip.IsValid() && !r.ip.IsUnspecified()
}

// dest is the prefix that a route of a router leads to.
func (r *route) dest() netip.Prefix {
	if r.kind == Prefix {
		return r.to
	}
	return netip.PrefixFrom(r.ip, r.ip.BitLen())
}

// refuses says why a route that a network imports is not put into it, "" if it is.
func (b *Bridge) refuses(n *network, r *route) string {
	switch {
	case n.l3 != nil && !r.isL3():
		return whyL3
	case n.l3 == nil && r.kind == Prefix:
		return whyRouter
	case n.l3 != nil && (b.database.routes[r.routerMAC] || r.routerMAC == n.l3.mac):
		return whyClaim
	case n.l3 == nil && r.kind == MACIP && (b.database.routes[r.mac] || n.router != nil && r.mac == n.router.mac):
		return whyClaim
	}
	return ""
}

// announcePrefixes announces what is behind the router of a network for routers.
func (b *Bridge) announcePrefixes(n *network) {
	wanted := map[key]*route{}
	if n.l3 != nil && n.vni != 0 && len(n.exp) > 0 {
		all := n.l3.reaches()
		for vtep, mac := range b.database.sources {
			if !b.database.own[vtep] {
				continue
			}
			for to, via := range all {
				k := key{kind: Prefix, rd: b.rd(vtep, n.vni), to: to}
				// With the router's MAC beside a host, as FRR has it: it is what receivers that look for no host need.
				wanted[k] = &route{key: k, vtep: vtep, vni: n.vni, targets: n.exp, routerMAC: mac, via: via}
			}
		}
	}
	for k := range n.said(prefixes) {
		if wanted[k] == nil {
			b.say(n, k, nil)
		}
	}
	for k, r := range wanted {
		b.say(n, k, r)
	}
}

// reaches are the prefixes that the router has itself: of its interfaces, and by static routes of other writers. Of the latter it says the
// host by which others are to reach them, if the row wants that (RFC 9136, section 4.1); else, and of interfaces, none: by the VTEP.
func (r *router) reaches() map[netip.Prefix]netip.Addr {
	all := map[netip.Prefix]netip.Addr{}
	for text, via := range r.row.StaticRoutes {
		to, err := netip.ParsePrefix(text)
		hop, err2 := netip.ParseAddr(via)
		if err != nil || err2 != nil || r.wrote(text, via) || !routable(to.Masked()) {
			continue
		}
		i := r.connected(hop)
		switch {
		case i < 0 || r.interfaces[i].prefix.Addr() == hop:
		case r.row.OtherConfig[keyGatewayIP] == "true" && r.interfaces[i].ls != r.net.row.UUID && hop.Is6() == to.Addr().Is6():
			all[to.Masked()] = hop
		default:
			all[to.Masked()] = netip.Addr{}
		}
	}
	for _, i := range r.interfaces {
		if i.ls != r.net.row.UUID && routable(i.prefix.Masked()) {
			all[i.prefix.Masked()] = netip.Addr{}
		}
	}
	return all
}

// wrote says whether a static route is the bridge's own.
func (r *router) wrote(to, via string) bool { return r.row.OtherConfig[keyRoute+to] == via }

// connected finds the interface whose prefix an address is in; -1: there is none.
func (r *router) connected(ip netip.Addr) int {
	return slices.IndexFunc(r.interfaces, func(i routerInterface) bool { return i.prefix.Contains(ip) })
}

// withRouter adds to the routes of a host what routers of others want to know, and makes those of a gateway.
func (b *Bridge) withRouter(n *network, mac string, all []*route) []*route {
	r := n.router
	if r == nil || n.l3 != nil || n.vni == 0 {
		return all
	}
	if mac == r.mac && r.row.OtherConfig[keyGateway] == "true" && len(n.exp) > 0 {
		return append(all, b.gateways(n, r)...)
	}
	if r.net == nil || r.net.vni == 0 {
		return all
	}
	for _, h := range all {
		if source := b.database.sources[h.vtep]; h.ip.IsValid() && source != "" {
			h.l3vni, h.l3targets, h.routerMAC = r.net.vni, r.net.exp, source
		}
	}
	return all
}

// gateways are the router's addresses in a network, at all VTEPs that route.
func (b *Bridge) gateways(n *network, r *router) (all []*route) {
	for vtep := range b.database.sources {
		for _, i := range r.interfaces {
			if i.ls == n.row.UUID && b.database.own[vtep] {
				k := key{kind: MACIP, rd: b.rd(vtep, n.vni), mac: r.mac, ip: i.prefix.Addr()}
				r := &route{key: k, vtep: vtep, vni: n.vni, targets: n.exp, gateway: true, flags: relay.Present | relay.Immutable}
				if k.ip.Is6() {
					r.flags |= relay.Router | relay.Override
				}
				all = append(all, r)
			}
		}
	}
	return all
}

// announceGateway announces the router's addresses in a network, and no others any more.
func (b *Bridge) announceGateway(n *network) {
	before := n.gateway
	if n.gateway = ""; n.router != nil {
		n.gateway = n.router.mac
	}
	for _, mac := range []string{before, n.gateway} {
		if mac != "" {
			b.announceHost(n, mac)
		}
	}
}

// RouterStatus is one router that takes part, or should.
type RouterStatus struct {
	Name   string `json:"name"`
	Switch string `json:"switch"` // in which it sends to other VTEPs; "": none
	VNI    uint32 `json:"vni"`    // of that; 0: no part of the fabric
	Local  int    `json:"local"`  // prefixes that are announced
	Remote int    `json:"remote"` // that are static routes
	Fault  string `json:"fault"`
}

func (r *router) status() RouterStatus {
	s := RouterStatus{Name: r.row.Name, Remote: len(r.chosen), Fault: r.fault}
	if r.net != nil {
		s.Switch, s.VNI, s.Local = r.net.row.Name, r.net.vni, len(r.reaches())
	}
	return s
}

// whyNot says why a route is no static route.
func (r *router) whyNot(o *route) string {
	if why := r.why[o]; why != "" {
		return why
	}
	if c, ok := r.chosen[o.dest()]; ok {
		if c.route.equal(o) {
			return fmt.Sprintf("as good as the one of %v, but a static route has one next hop", c.route.vtep)
		}
		return fmt.Sprintf("the one of %v is better: %s", c.route.vtep, c.route.nearerBy(o))
	}
	return "not looked at yet"
}
