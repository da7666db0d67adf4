package ebpf

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Routers in the maps: a number each, by the UUID; of each of their switches a gateway, and among the
// remotes their address and the one that they ask by, as behind nobody; the addresses that they have, among
// the neighbors; and ways by prefix. A prefix of one address may be the router's own, or stand for
// all of a network: those the programs have no look-up of their own for.

// routing is what is known of routers.
type routing struct {
	numbers    map[intent.RouterID]uint32
	nextRouter uint32
	arpSource  intent.MAC
	spoofed    []layout.MACKey         // addresses that are routers' since the last Apply
	edges      map[intent.RouteKey]int // of how many connected prefixes it is the first or the last address
}

func newRouting() routing {
	return routing{numbers: map[intent.RouterID]uint32{}, nextRouter: 1, edges: map[intent.RouteKey]int{}}
}

// stageRouters works what the delta says of routers into the tables. The switches that there will be are there,
// and those that go still are.
func (p *Plane) stageRouters(next *intent.State, d *intent.Delta) {
	r := &p.routing
	for _, c := range d.Routers {
		if c.New != nil && r.numbers[c.Key] == 0 {
			n := p.adopted.routers[c.Key]
			if n == 0 {
				n = r.nextRouter
				r.nextRouter++
			}
			r.numbers[c.Key] = n
			p.tRouters.set(layout.SwitchID{UUID: c.Key}, n)
		}
	}
	changed := map[intent.SwitchID]struct{}{}
	for _, c := range d.Switches {
		if c.New == nil || c.Old == nil || c.Old.Router != c.New.Router || c.Old.Probe != c.New.Probe {
			changed[c.Key] = struct{}{}
		}
	}
	for _, c := range d.Interfaces {
		changed[c.Key.Switch] = struct{}{}
	}
	if len(d.Routers) > 0 || r.arpSource != next.ARPSource {
		r.arpSource = next.ARPSource
		for id, sw := range next.Switches {
			if sw.Router != (intent.RouterID{}) || sw.Probe {
				changed[id] = struct{}{}
			}
		}
	}
	again := map[intent.RouteKey]struct{}{} // routes to be looked at
	for _, c := range d.Interfaces {
		if dom := p.byUUID[c.Key.Switch]; dom != nil {
			p.setInterface(dom, c, again)
		}
	}
	for id := range changed {
		if dom := p.byUUID[id]; dom != nil {
			p.setGateway(next, dom, again)
			p.guardRouter(next, dom)
		}
	}
	for _, c := range d.Routes {
		again[c.Key] = struct{}{}
		p.countEdges(c, again)
	}
	for key := range again {
		p.setRoute(next, key)
	}
	for _, c := range d.Neighbours {
		dom := p.byUUID[c.Key.Switch]
		if dom == nil || dom.own(c.Key.IP) {
			continue
		}
		key := layout.IPKey{BD: dom.bd, IP: layout.AddressOf(c.Key.IP)}
		if c.New != nil {
			p.tNeighbors.set(key, layout.Neighbor{MAC: *c.New, Kind: layout.NeighborHost})
		} else {
			p.tNeighbors.del(key)
		}
	}
	for _, c := range d.Routers {
		if c.New == nil {
			delete(r.numbers, c.Key)
			p.tRouters.del(layout.SwitchID{UUID: c.Key})
		}
	}
}

// routed is what a domain has of its router.
type routed struct {
	router    intent.RouterID // zero: there is none
	macs      []intent.MAC    // in the remotes
	addresses map[netip.Addr]intent.RouterID
	guards    []layout.InterfaceKey // in the map interfaces
}

// own says whether an address is that of the router of d.
func (d *domain) own(ip netip.Addr) bool {
	_, ok := d.gateway.addresses[ip]
	return ok
}

// setInterface takes an address of the router of d that comes or goes.
func (p *Plane) setInterface(d *domain, c intent.Change[intent.IPKey, intent.Interface], again map[intent.RouteKey]struct{}) {
	ip := c.Key.IP
	if d.gateway.addresses == nil {
		d.gateway.addresses = map[netip.Addr]intent.RouterID{}
	}
	if c.New == nil {
		if router, ok := d.gateway.addresses[ip]; ok {
			again[single(router, ip)] = struct{}{}
		}
		delete(d.gateway.addresses, ip)
		p.tNeighbors.del(layout.IPKey{BD: d.bd, IP: layout.AddressOf(ip)})
		return
	}
	d.gateway.addresses[ip] = d.sw.Router
	again[single(d.sw.Router, ip)] = struct{}{}
	p.tNeighbors.set(layout.IPKey{BD: d.bd, IP: layout.AddressOf(ip)}, layout.Neighbor{Kind: layout.NeighborRouter})
}

// single is the route to one address.
func single(r intent.RouterID, ip netip.Addr) intent.RouteKey {
	return intent.RouteKey{Router: r, Prefix: netip.PrefixFrom(ip, ip.BitLen())}
}

// setGateway writes what the domain has of its router.
func (p *Plane) setGateway(next *intent.State, d *domain, again map[intent.RouteKey]struct{}) {
	g := &d.gateway
	id := next.Switches[d.id].Router
	for ip, was := range g.addresses { // of another router now
		if was != id {
			again[single(was, ip)] = struct{}{}
			again[single(id, ip)] = struct{}{}
			g.addresses[ip] = id
		}
	}
	g.router = id
	router, ok := next.Routers[id]
	var macs []intent.MAC
	if ok {
		macs = append(macs, router.MAC)
	}
	if (ok || next.Switches[d.id].Probe) && next.ARPSource != router.MAC && !next.ARPSource.IsZero() {
		macs = append(macs, next.ARPSource)
	}
	for _, mac := range g.macs {
		p.tRemotes.del(layout.MACKey{BD: d.bd, MAC: mac})
	}
	for _, mac := range macs {
		key := layout.MACKey{BD: d.bd, MAC: mac}
		if p.tRemotes.want[key].Peer != layout.RouterPeer {
			p.routing.spoofed = append(p.routing.spoofed, key)
		}
		v := layout.Remote{Peer: layout.RouterPeer}
		if ok && mac == router.MAC {
			v.VNI = p.routing.numbers[id]
		}
		p.tRemotes.set(key, v)
	}
	g.macs = macs
	if !ok {
		p.tGateways.del(d.bd)
		return
	}
	v := layout.Gateway{Router: p.routing.numbers[id], MAC: router.MAC}
	var lowest, lowest6 netip.Addr
	for ip := range g.addresses {
		at := &lowest
		if ip.Is6() {
			at = &lowest6
		}
		if !at.IsValid() || ip.Less(*at) {
			*at = ip
		}
	}
	if lowest.IsValid() {
		v.IP = layout.AddressOf(lowest)
	}
	if lowest6.IsValid() {
		v.IP6 = layout.AddressOf(lowest6)
	}
	p.tGateways.set(d.bd, v)
}

// countEdges counts the first and the last address of connected IPv4 prefixes, to which nobody may send from
// elsewhere (RFC 2644).
func (p *Plane) countEdges(c intent.Change[intent.RouteKey, intent.Route], again map[intent.RouteKey]struct{}) {
	prefix := c.Key.Prefix
	if !prefix.Addr().Is4() || prefix.Bits() >= 31 {
		return
	}
	n := 0
	if c.Old != nil && !c.Old.Via.IsValid() {
		n--
	}
	if c.New != nil && !c.New.Via.IsValid() {
		n++
	}
	if n == 0 {
		return
	}
	for _, ip := range []netip.Addr{prefix.Addr(), lastOf(prefix)} {
		key := single(c.Key.Router, ip)
		if p.routing.edges[key] += n; p.routing.edges[key] == 0 {
			delete(p.routing.edges, key)
		}
		again[key] = struct{}{}
	}
}

// lastOf is the last address of an IPv4 prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

// setRoute writes the way of a router to a prefix.
func (p *Plane) setRoute(next *intent.State, key intent.RouteKey) {
	number := p.routing.numbers[key.Router]
	if number == 0 {
		return
	}
	way, ok := p.wayOf(next, key)
	ip := key.Prefix.Addr()
	if ip.Is4() {
		k := layout.RouteKey4{Length: 32 + uint32(key.Prefix.Bits()), Router: number, IP: layout.AddressOf(ip).Word[3]}
		if ok {
			p.tRoutes4.set(k, way)
		} else {
			p.tRoutes4.del(k)
		}
		return
	}
	k := layout.RouteKey6{Length: 32 + uint32(key.Prefix.Bits()), Router: number, IP: layout.AddressOf(ip)}
	if ok {
		p.tRoutes6.set(k, way)
	} else {
		p.tRoutes6.del(k)
	}
}

func (p *Plane) wayOf(next *intent.State, key intent.RouteKey) (layout.Way, bool) {
	ip := key.Prefix.Addr()
	if key.Prefix.IsSingleIP() {
		if p.isOwn(next, key.Router, ip) {
			return layout.Way{Kind: layout.WaySelf}, true
		}
	}
	if route, ok := next.Routes[key]; ok {
		dom := p.byUUID[route.Switch]
		switch {
		case dom == nil:
		case route.Via.IsValid():
			return layout.Way{Kind: layout.WayVia, BD: dom.bd, Via: layout.AddressOf(route.Via)}, true
		default:
			return layout.Way{Kind: layout.WayConnected, BD: dom.bd}, true
		}
		return layout.Way{}, false
	}
	return layout.Way{Kind: layout.WayEdge}, p.routing.edges[key] > 0
}

// isOwn says whether a router has the address, in the switch that its longest prefix leads to.
func (p *Plane) isOwn(next *intent.State, r intent.RouterID, ip netip.Addr) bool {
	for bits := ip.BitLen(); bits > 0; bits-- {
		route, ok := next.Routes[intent.RouteKey{Router: r, Prefix: netip.PrefixFrom(ip, bits).Masked()}]
		if ok && !route.Via.IsValid() {
			_, its := next.Interfaces[intent.IPKey{Switch: route.Switch, IP: ip}]
			return its
		}
	}
	return false
}

// readNeighbors reads the neighbors, but not when they were used.
func (p *Plane) readNeighbors() (map[layout.IPKey]layout.Neighbor, error) {
	have, err := p.tNeighbors.read()
	for k, n := range have {
		if n.Used != 0 {
			n.Used = 0
			have[k] = n
		}
	}
	return have, err
}

// forgetRouters forgets the addresses of routers where a host had them before.
func (p *Plane) forgetRouters() error {
	keys := p.routing.spoofed
	p.routing.spoofed = nil
	if len(keys) == 0 {
		return nil
	}
	return p.forget(keys)
}
