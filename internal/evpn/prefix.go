package evpn

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
)

// Why the route of a router is not one of its static routes.
const (
	whyTaken     = "another writer has a route to it"
	whyConnected = "the router has an interface in it"
	whyHost      = "the host is in a switch of the router"
	whyShared    = "its router's MAC is that of another VTEP, or VNI"
	whyPlaced    = "another writer has a row of its router's MAC"
	whyFamily    = "the router has no address of that family in its evpn_l3_switch"
	whyNoHop     = "the router's prefix in its evpn_l3_switch has no address left"
	whyVia       = "its next hop is no known host of the router"
	whyRoom      = "no room: evpn_max_routes"
)

// choose finds the route that each prefix has, of what the fabric says. The others are in why.
func (b *Bridge) choose(r *router) (chosen map[netip.Prefix]choice, why map[*route]string) {
	chosen, why = map[netip.Prefix]choice{}, map[*route]string{}
	n := r.net
	if n == nil {
		return chosen, why
	}
	taken := r.taken()
	owners := r.owners()
	own := b.database.lowest()
	best, through := map[netip.Prefix]*route{}, map[*route]*route{}
	consider := func(o *route) {
		if to := o.dest(); why[o] == "" && (best[to] == nil || o.nearer(best[to], own)) {
			best[to] = o
		}
	}
	var indirect []*route
	for _, o := range n.prefixes {
		to := o.dest()
		switch {
		case taken[to] != "":
			why[o] = taken[to]
		case o.kind == MACIP && o.switched(r):
			why[o] = whyHost
		case o.via.IsValid():
			indirect = append(indirect, o)
			continue
		case owners[o.routerMAC] != n.end(o):
			why[o] = whyShared
		case b.placedByOther(n, o.routerMAC):
			why[o] = whyPlaced
		case r.inNet(to.Addr().Is6()) < 0:
			why[o] = whyFamily
		}
		consider(o)
	}
	if len(indirect) > 0 {
		hosts := b.addresses(r)
		for _, o := range indirect {
			if !hosts[o.via] {
				if through[o] = hostOf(best, o.via); through[o] == nil || r.inNet(o.to.Addr().Is6()) < 0 {
					why[o] = whyVia
				}
			}
		}
		for _, o := range indirect { // when all of them have found their hosts
			consider(o)
		}
	}
	order := slices.SortedFunc(maps.Keys(best), netip.Prefix.Compare)
	slices.SortStableFunc(order, func(x, y netip.Prefix) int { return cmp.Compare(x.Bits(), y.Bits()) })
	for _, to := range order {
		o := best[to]
		if len(chosen) == r.most {
			why[o] = whyRoom
			continue
		}
		c := choice{route: o, via: o.via}
		if by := cmp.Or(through[o], o); by != o || !o.via.IsValid() {
			c.by = &hop{n.end(by), by.routerMAC, to.Addr().Is6()}
			c.via = b.database.hop(r, *c.by)
		}
		if !c.via.IsValid() {
			why[o] = whyNoHop
			continue
		}
		chosen[to] = c
	}
	return chosen, why
}

// hostOf is the route of a host by which packets to its address are sent to another VTEP, of those that are the best ones; nil if there is none.
func hostOf(best map[netip.Prefix]*route, ip netip.Addr) *route {
	if o := best[netip.PrefixFrom(ip, ip.BitLen())]; o != nil && o.kind == MACIP {
		return o
	}
	return nil
}

// nearer orders the routes to one prefix, those of neighbors that are away last, else as BGP does: the higher preference, the shorter path; then, as of hosts, the
// higher sequence and the lower address of the VTEP. The route of a host comes before that of a prefix with its address alone.
// Of prefixes that are equal so far, to which BGP would spread packets, each database, known by a tunnel IP of its own, has another
// one first, and for each prefix. Whatever else two routes differ in orders them, too: rows must not depend on which was looked at first.
func (r *route) nearer(o *route, own netip.Addr) bool {
	if r.stale != o.stale {
		return o.stale
	}
	if c := cmp.Or(-cmp.Compare(r.preference, o.preference), cmp.Compare(r.hops, o.hops), -cmp.Compare(r.sequence, o.sequence), cmp.Compare(r.kind, o.kind)); c != 0 {
		return c < 0
	}
	if r.kind == Prefix && r.vtep != o.vtep {
		what := r.to.String() + " by " + own.String()
		if x, y := weight(what, r.vtep), weight(what, o.vtep); x != y {
			return x > y
		}
	}
	return cmp.Or(r.vtep.Compare(o.vtep), cmp.Compare(r.vni, o.vni), cmp.Compare(r.l3vni, o.l3vni), cmp.Compare(r.routerMAC, o.routerMAC), r.via.Compare(o.via),
		cmp.Compare(r.rd, o.rd), cmp.Compare(r.tag, o.tag), cmp.Compare(r.mac, o.mac)) < 0
}

// equal says that BGP would use both: equal-cost multi-path, for which rows have no place.
func (r *route) equal(o *route) bool {
	return r.stale == o.stale && r.preference == o.preference && r.hops == o.hops && r.sequence == o.sequence && r.kind == o.kind && r.vtep != o.vtep
}

// nearerBy says by what a route is nearer than another one that is not equal to it.
func (r *route) nearerBy(o *route) string {
	switch {
	case r.stale != o.stale:
		return whyThere
	case r.preference != o.preference:
		return "higher LOCAL_PREF"
	case r.hops != o.hops:
		return "shorter AS path"
	case r.sequence != o.sequence:
		return "higher sequence"
	case r.kind != o.kind:
		return "of the host itself"
	case r.vni != o.vni || r.l3vni != o.l3vni || r.routerMAC != o.routerMAC || r.via != o.via:
		return "the first of several of this VTEP"
	}
	return "the same, from another neighbor"
}

// taken are the prefixes that the router has by others, and how.
func (r *router) taken() map[netip.Prefix]string {
	taken := map[netip.Prefix]string{}
	for text, via := range r.row.StaticRoutes {
		if to, err := netip.ParsePrefix(text); err == nil && !r.wrote(text, via) {
			taken[to.Masked()] = whyTaken
		}
	}
	for _, i := range r.interfaces {
		taken[i.prefix.Masked()] = whyConnected
	}
	return taken
}

// owners are the VTEPs that have the routers' MACs: one is at one place in a switch.
func (r *router) owners() map[string]end {
	owners := map[string]end{}
	for _, o := range r.net.prefixes {
		e := r.net.end(o)
		if at, ok := owners[o.routerMAC]; o.routerMAC != "" && (!ok || e.compare(at) < 0) {
			owners[o.routerMAC] = e
		}
	}
	return owners
}

// switched says whether the route of a host is in a switch of the router, too: packets to it are sent in that.
func (o *route) switched(r *router) bool {
	return slices.ContainsFunc(o.in, func(n *network) bool { return n.router == r && n.l3 == nil })
}

// addresses are those of hosts in the router's switches.
func (b *Bridge) addresses(r *router) map[netip.Addr]bool {
	set := map[netip.Addr]bool{}
	for _, n := range b.database.networks {
		if n.router != r || n.l3 != nil {
			continue
		}
		for _, h := range n.hosts {
			for _, o := range h.paths {
				set[o.ip] = true
			}
			for _, l := range h.locals {
				set[l.ip] = true
			}
		}
	}
	maps.DeleteFunc(set, func(ip netip.Addr, _ bool) bool { return !ip.IsValid() || ip.IsUnspecified() || r.connected(ip) < 0 })
	return set
}

// inNet finds the interface of a family that the router has in its net; -1: there is none.
func (r *router) inNet(ipv6 bool) int {
	return slices.IndexFunc(r.interfaces, func(i routerInterface) bool { return i.ls == r.net.row.UUID && i.prefix.Addr().Is6() == ipv6 })
}

// hop gives a VTEP an address in the router's net: the one that its row has, or the one with the last bits of its own,
// or the next that is free. It is invalid if there is none.
func (db *database) hop(r *router, h hop) netip.Addr {
	i := r.inNet(h.ipv6)
	if i < 0 {
		return netip.Addr{}
	}
	prefix := r.interfaces[i].prefix
	if ip, ok := r.hops[h]; ok && prefix.Contains(ip) {
		return ip
	}
	used := map[netip.Addr]bool{}
	for _, i := range r.interfaces {
		used[i.prefix.Addr()] = true
	}
	for _, ip := range r.hops {
		used[ip] = true
	}
	free := func(ip netip.Addr) bool { return prefix.Contains(ip) && !used[ip] && !isEdge(prefix, ip) }
	for _, rows := range db.ucast[r.net.row.UUID] {
		for _, row := range rows {
			ip, err := netip.ParseAddr(row.IPAddr)
			if err != nil {
				continue
			}
			if canonical(row.MAC) == h.mac && db.end(row.Locator) == h.end && free(ip) {
				r.hops[h] = ip
				return ip
			}
			used[ip] = true
		}
	}
	ip := within(prefix, h.vtep)
	for range 1 << 16 {
		if free(ip) {
			r.hops[h] = ip
			return ip
		}
		if ip = ip.Next(); !prefix.Contains(ip) {
			ip = prefix.Masked().Addr()
		}
	}
	return netip.Addr{}
}

// within is the address in a prefix that has the last bits of another address.
func within(p netip.Prefix, ip netip.Addr) netip.Addr {
	net, bits := p.Masked().Addr().AsSlice(), ip.AsSlice()
	for i := range net {
		j := len(bits) - len(net) + i
		for bit := range 8 {
			if mask := byte(0x80 >> bit); j >= 0 && i*8+bit >= p.Bits() {
				net[i] |= bits[j] & mask
			}
		}
	}
	at, _ := netip.AddrFromSlice(net)
	return at
}

// isEdge says whether an IPv4 address is that of a network itself, or of all hosts in it; of IPv6 that of all routers.
func isEdge(p netip.Prefix, ip netip.Addr) bool {
	if ip.Is6() {
		return ip == p.Masked().Addr()
	}
	return p.Bits() < 31 && (!p.Contains(ip.Prev()) || !p.Contains(ip.Next()))
}

// router makes the rows of the VTEPs that a router leads to, and its static routes, what the fabric says.
func (p *plan) router(r *router) {
	if p.routers[r] {
		return
	}
	p.routers[r] = true
	r.chosen, r.why = p.db.bridge.choose(r)
	if r.net != nil {
		p.peers(r)
	}
	p.statics(r)
}

// peers makes the rows. There is one for each VTEP that may send to the router, whether or not it is the best way to
// anything: else what it sends would not be taken.
func (p *plan) peers(r *router) {
	db, n := p.db, r.net
	wanted := map[hop]bool{}
	for mac, at := range r.owners() {
		if !db.bridge.placedByOther(n, mac) {
			wanted[hop{at, mac, r.inNet(false) < 0}] = true
		}
	}
	for _, c := range r.chosen {
		if c.by != nil {
			wanted[*c.by] = true
		}
	}
	var spare []hwvtep.UcastMACRemote
	for _, mac := range slices.Sorted(maps.Keys(db.ucast[n.row.UUID])) {
		for _, row := range db.ucast[n.row.UUID][mac] {
			at := db.end(row.Locator)
			if !n.ours(at.vtep) {
				continue
			}
			ip, _ := netip.ParseAddr(row.IPAddr)
			h := hop{at, mac, ip.Is6()}
			if wanted[h] && db.hop(r, h) == ip {
				delete(wanted, h)
			} else {
				spare = append(spare, row)
			}
		}
	}
	for h := range wanted {
		ip := db.hop(r, h)
		if !ip.IsValid() {
			continue
		}
		p.rows++
		p.tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: h.mac, LogicalSwitch: n.row.UUID, Locator: p.locator(h.end), IPAddr: ip.String()})
	}
	for _, row := range spare {
		if at := db.ip(row.Locator); db.bridge.settled || n.vteps[at] > 0 || n.left[at] {
			p.rows++
			p.tx.DeleteUcastMACRemote(row.UUID)
		}
	}
	owners := r.owners()
	maps.DeleteFunc(r.hops, func(h hop, _ netip.Addr) bool { return db.bridge.settled && owners[h.mac] != h.end })
}

// statics makes the routes. Those of other writers are left alone.
func (p *plan) statics(r *router) {
	put, mark := map[string]string{}, map[string]string{}
	var remove, unmark []string
	wanted := map[string]string{}
	for to, c := range r.chosen {
		wanted[to.String()], r.had[to.String()] = c.via.String(), true
	}
	for to, via := range wanted {
		if r.row.StaticRoutes[to] != via {
			put[to] = via
		}
		if r.row.OtherConfig[keyRoute+to] != via {
			mark[keyRoute+to] = via
		}
	}
	for key, via := range r.row.OtherConfig {
		to, ok := strings.CutPrefix(key, keyRoute)
		if !ok || wanted[to] != "" || !p.db.bridge.settled && !r.had[to] && r.row.StaticRoutes[to] == via && r.net != nil {
			continue // what is there may yet come
		}
		unmark = append(unmark, key)
		if r.row.StaticRoutes[to] == via {
			remove = append(remove, to)
		}
	}
	if len(put)+len(mark)+len(remove)+len(unmark) == 0 {
		return
	}
	p.rows += len(put) + len(remove)
	p.tx.WaitLogicalRouter(r.row.UUID, r.row, hwvtep.LogicalRouterStaticRoutes) // else a route of another writer that has just come might be lost
	p.tx.PutLogicalRouterStaticRoutes(r.row.UUID, put)
	p.tx.RemoveLogicalRouterStaticRoutes(r.row.UUID, remove...)
	p.tx.PutLogicalRouterOtherConfig(r.row.UUID, mark)
	p.tx.RemoveLogicalRouterOtherConfig(r.row.UUID, unmark...)
}
