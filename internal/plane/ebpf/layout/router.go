package layout

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
)

// Routers in the maps: a number each, by the UUID; of each of their switches a gateway, and among the
// remotes their address and the one that they ask by, as behind nobody; the addresses that they have, among
// the neighbors; and ways by prefix. A prefix of one address may be the router's own, or stand for
// all of a network: those the programs have no look-up of their own for.

// routing is what is known of routers.
type routing struct {
	Numbers    map[intent.RouterID]uint32
	nextRouter uint32
	arpSource  intent.MAC
	Spoofed    []MACKey                // addresses that are routers' since the last Apply
	Edges      map[intent.RouteKey]int // of how many connected prefixes it is the first or the last address
}

func newRouting() routing {
	return routing{Numbers: map[intent.RouterID]uint32{}, nextRouter: 1, Edges: map[intent.RouteKey]int{}}
}

// stageRouters works what the delta says of routers into the tables. The switches that there will be are there,
// and those that go still are.
func (c *Contents) stageRouters(next *intent.State, d *intent.Delta) {
	r := &c.Routing
	for _, ch := range d.Routers {
		if ch.New != nil && r.Numbers[ch.Key] == 0 {
			n := c.Adopted.routers[ch.Key]
			if n == 0 {
				n = r.nextRouter
				r.nextRouter++
			}
			r.Numbers[ch.Key] = n
			c.Maps.Routers.Set(SwitchID{UUID: ch.Key}, n)
		}
	}
	changed := map[intent.SwitchID]struct{}{}
	for _, ch := range d.Switches {
		if ch.New == nil || ch.Old == nil || ch.Old.Router != ch.New.Router || ch.Old.Probe != ch.New.Probe {
			changed[ch.Key] = struct{}{}
		}
	}
	for _, ch := range d.Interfaces {
		changed[ch.Key.Switch] = struct{}{}
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
	for _, ch := range d.Interfaces {
		if dom := c.ByUUID[ch.Key.Switch]; dom != nil {
			c.setInterface(dom, ch, again)
		}
	}
	for id := range changed {
		if dom := c.ByUUID[id]; dom != nil {
			c.setGateway(next, dom, again)
			c.guardRouter(next, dom)
		}
	}
	for _, ch := range d.Routes {
		again[ch.Key] = struct{}{}
		c.countEdges(ch, again)
	}
	for key := range again {
		c.setRoute(next, key)
	}
	for _, ch := range d.Neighbours {
		dom := c.ByUUID[ch.Key.Switch]
		if dom == nil || dom.own(ch.Key.IP) {
			continue
		}
		key := IPKey{BD: dom.BD, IP: AddressOf(ch.Key.IP)}
		if ch.New != nil {
			c.Maps.Neighbors.Set(key, Neighbor{MAC: *ch.New, Kind: NeighborHost})
		} else {
			c.Maps.Neighbors.Del(key)
		}
	}
	for _, ch := range d.Routers {
		if ch.New == nil {
			delete(r.Numbers, ch.Key)
			c.Maps.Routers.Del(SwitchID{UUID: ch.Key})
		}
	}
}

// routed is what a domain has of its router.
type routed struct {
	router    intent.RouterID // zero: there is none
	macs      []intent.MAC    // in the remotes
	addresses map[netip.Addr]intent.RouterID
	guards    []InterfaceKey // in the map interfaces
}

// own says whether an address is that of the router of d.
func (d *Domain) own(ip netip.Addr) bool {
	_, ok := d.gateway.addresses[ip]
	return ok
}

// setInterface takes an address of the router of d that comes or goes.
func (c *Contents) setInterface(d *Domain, ch intent.Change[intent.IPKey, intent.Interface], again map[intent.RouteKey]struct{}) {
	ip := ch.Key.IP
	if d.gateway.addresses == nil {
		d.gateway.addresses = map[netip.Addr]intent.RouterID{}
	}
	if ch.New == nil {
		if router, ok := d.gateway.addresses[ip]; ok {
			again[single(router, ip)] = struct{}{}
		}
		delete(d.gateway.addresses, ip)
		c.Maps.Neighbors.Del(IPKey{BD: d.BD, IP: AddressOf(ip)})
		return
	}
	d.gateway.addresses[ip] = d.Switch.Router
	again[single(d.Switch.Router, ip)] = struct{}{}
	c.Maps.Neighbors.Set(IPKey{BD: d.BD, IP: AddressOf(ip)}, Neighbor{Kind: NeighborRouter})
}

// single is the route to one address.
func single(r intent.RouterID, ip netip.Addr) intent.RouteKey {
	return intent.RouteKey{Router: r, Prefix: netip.PrefixFrom(ip, ip.BitLen())}
}

// setGateway writes what the domain has of its router.
func (c *Contents) setGateway(next *intent.State, d *Domain, again map[intent.RouteKey]struct{}) {
	g := &d.gateway
	id := next.Switches[d.ID].Router
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
	if (ok || next.Switches[d.ID].Probe) && next.ARPSource != router.MAC && !next.ARPSource.IsZero() {
		macs = append(macs, next.ARPSource)
	}
	for _, mac := range g.macs {
		c.Maps.Remotes.Del(MACKey{BD: d.BD, MAC: mac})
	}
	for _, mac := range macs {
		key := MACKey{BD: d.BD, MAC: mac}
		if c.Maps.Remotes.Want.Get(key).Peer != RouterPeer {
			c.Routing.Spoofed = append(c.Routing.Spoofed, key)
		}
		v := Remote{Peer: RouterPeer}
		if ok && mac == router.MAC {
			v.VNI = c.Routing.Numbers[id]
		}
		c.Maps.Remotes.Set(key, v)
	}
	g.macs = macs
	if !ok {
		c.Maps.Gateways.Del(d.BD)
		return
	}
	v := Gateway{Router: c.Routing.Numbers[id], MAC: router.MAC}
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
		v.IP = AddressOf(lowest)
	}
	if lowest6.IsValid() {
		v.IP6 = AddressOf(lowest6)
	}
	c.Maps.Gateways.Set(d.BD, v)
}

// countEdges counts the first and the last address of connected IPv4 prefixes, to which nobody may send from
// elsewhere (RFC 2644).
func (c *Contents) countEdges(ch intent.Change[intent.RouteKey, intent.Route], again map[intent.RouteKey]struct{}) {
	prefix := ch.Key.Prefix
	if !prefix.Addr().Is4() || prefix.Bits() >= 31 {
		return
	}
	n := 0
	if ch.Old != nil && !ch.Old.Via.IsValid() {
		n--
	}
	if ch.New != nil && !ch.New.Via.IsValid() {
		n++
	}
	if n == 0 {
		return
	}
	for _, ip := range []netip.Addr{prefix.Addr(), LastOf(prefix)} {
		key := single(ch.Key.Router, ip)
		if c.Routing.Edges[key] += n; c.Routing.Edges[key] == 0 {
			delete(c.Routing.Edges, key)
		}
		again[key] = struct{}{}
	}
}

// LastOf is the last address of an IPv4 prefix.
func LastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

// setRoute writes the way of a router to a prefix.
func (c *Contents) setRoute(next *intent.State, key intent.RouteKey) {
	number := c.Routing.Numbers[key.Router]
	if number == 0 {
		return
	}
	way, ok := c.wayOf(next, key)
	ip := key.Prefix.Addr()
	if ip.Is4() {
		k := RouteKey4{Length: 32 + uint32(key.Prefix.Bits()), Router: number, IP: AddressOf(ip).Word[3]}
		if ok {
			c.Maps.Routes4.Set(k, way)
		} else {
			c.Maps.Routes4.Del(k)
		}
		return
	}
	k := RouteKey6{Length: 32 + uint32(key.Prefix.Bits()), Router: number, IP: AddressOf(ip)}
	if ok {
		c.Maps.Routes6.Set(k, way)
	} else {
		c.Maps.Routes6.Del(k)
	}
}

func (c *Contents) wayOf(next *intent.State, key intent.RouteKey) (Way, bool) {
	ip := key.Prefix.Addr()
	if key.Prefix.IsSingleIP() {
		if c.isOwn(next, key.Router, ip) {
			return Way{Kind: WaySelf}, true
		}
	}
	if route, ok := next.Routes[key]; ok {
		dom := c.ByUUID[route.Switch]
		switch {
		case dom == nil:
		case route.Via.IsValid():
			return Way{Kind: WayVia, BD: dom.BD, Via: AddressOf(route.Via)}, true
		default:
			return Way{Kind: WayConnected, BD: dom.BD}, true
		}
		return Way{}, false
	}
	return Way{Kind: WayEdge}, c.Routing.Edges[key] > 0
}

// isOwn says whether a router has the address, in the switch that its longest prefix leads to.
func (c *Contents) isOwn(next *intent.State, r intent.RouterID, ip netip.Addr) bool {
	for bits := ip.BitLen(); bits > 0; bits-- {
		route, ok := next.Routes[intent.RouteKey{Router: r, Prefix: netip.PrefixFrom(ip, bits).Masked()}]
		if ok && !route.Via.IsValid() {
			_, its := next.Interfaces[intent.IPKey{Switch: route.Switch, IP: ip}]
			return its
		}
	}
	return false
}
