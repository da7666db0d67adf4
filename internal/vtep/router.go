package vtep

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/trim"
)

// router is a Logical_Router row. It has, of a database with several switches, interfaces at each
// of them: a packet is routed where it comes in.
//
//	row ──> routerrows.go: the interfaces and static routes that can be
//	    ──> here: those of them that are, as other rows stand ──> State
type router struct {
	id   UUID
	name string
	mac  intent.MAC

	interfaces []routerInterface // sorted by prefix; none overlaps another
	statics    []staticRoute
	foreign    bool                // it is there, and the dataplane does not route
	acls       map[netip.Addr]UUID // of interfaces
	badACLs    bool                // acl_binding has what can't be

	guarded map[intent.IPKey]UUID // the ACLs that interfaces in the State are to have

	// in the State
	at     map[intent.IPKey]struct{}
	routes map[netip.Prefix]struct{}
}

// routerInterface is an element of switch_binding.
type routerInterface struct {
	prefix netip.Prefix // with host bits: the address
	ls     intent.SwitchID
}

// staticRoute is an element of static_routes.
type staticRoute struct {
	prefix netip.Prefix // without host bits
	via    netip.Addr
}

// routerChanged takes a changed row of Logical_Router.
func (c *Compiler) routerChanged(before, after *hwvtep.LogicalRouter) {
	if before != nil {
		if r := c.routers[before.UUID]; r != nil {
			for id := range r.switches() {
				c.unwantSwitch(id, r.id)
			}
			r.interfaces, r.statics = nil, nil
			c.dirty.routers[r.id] = r
		}
		if after == nil {
			delete(c.routers, before.UUID)
			c.clearRouter(before.UUID)
		}
	}
	if after == nil {
		return
	}
	r := c.routers[after.UUID]
	if r == nil {
		r = &router{id: after.UUID, guarded: map[intent.IPKey]UUID{}, at: map[intent.IPKey]struct{}{}, routes: map[netip.Prefix]struct{}{}}
		c.routers[r.id] = r
	}
	if r.foreign = !c.features.Routers && len(after.SwitchBinding) > 0; r.foreign {
		c.problems.setAll(rowOf(hwvtep.TableLogicalRouter, r.id), []complaint{{
			kind: problem.NoRouter, text: "this VTEP does not route: the router is ignored", remedy: "let another device route"}})
		return
	}
	if !c.features.Routers {
		c.problems.setAll(rowOf(hwvtep.TableLogicalRouter, r.id), nil)
		return
	}
	c.readRouter(r, after)
	for id := range r.switches() {
		c.wantSwitch(id, r.id)
	}
	c.dirty.routers[r.id] = r
}

// clearRouter takes back what was told of a router.
func (c *Compiler) clearRouter(id UUID) {
	c.problems.setAll(rowOf(hwvtep.TableLogicalRouter, id), nil)
	c.problems.setAll(aspectOf(hwvtep.TableLogicalRouter, id, aspectOfOthers), nil)
}

// aspectOfOthers is of what is wrong with a router because of other rows.
const aspectOfOthers = "others"

// switches are those that r has interfaces in.
func (r *router) switches() map[intent.SwitchID]struct{} {
	all := map[intent.SwitchID]struct{}{}
	for _, i := range r.interfaces {
		all[i.ls] = struct{}{}
	}
	return all
}

// A switch has one router. Of several that want it, the first keeps it until it wants it no more.

func (c *Compiler) wantSwitch(id intent.SwitchID, r UUID) {
	ls := c.lswitch(UUID(id))
	i, _ := slices.BinarySearchFunc(ls.routers, r, compareUUIDs)
	ls.routers = slices.Insert(ls.routers, i, r)
	c.dirty.routed[id] = struct{}{}
}

func (c *Compiler) unwantSwitch(id intent.SwitchID, r UUID) {
	ls := c.switches[id]
	if i, ok := slices.BinarySearchFunc(ls.routers, r, compareUUIDs); ok {
		ls.routers = slices.Delete(ls.routers, i, i+1)
	}
	c.dirty.routed[id] = struct{}{}
}

// resolveRouters gives every switch its router, and every router what it has of what it asks for.
func (c *Compiler) resolveRouters() {
	for id := range c.dirty.routed {
		ls := c.switches[id]
		if ls == nil {
			continue
		}
		was := ls.router
		if _, ok := slices.BinarySearchFunc(ls.routers, was, compareUUIDs); !ok {
			ls.router = c.nextRouter(ls)
		}
		if ls.router != was || len(ls.routers) > 1 {
			c.markRouters(ls)
		}
		c.dirty.switches[id] = struct{}{}
	}
	trim.Empty(&c.dirty.routed)
	todo := make([]*plannedRouter, 0, len(c.dirty.routers))
	for id, r := range c.dirty.routers {
		p := c.plan(r, c.routers[id] == nil)
		c.withdraw(r, p)
		todo = append(todo, p)
	}
	// An address may go from one router to another: it is taken before it is given.
	for _, p := range todo {
		c.install(p)
	}
	trim.Empty(&c.dirty.routers)
	c.publishARPSource()
}

// nextRouter returns who gets a free switch: who had it before a rebuild, else the one with the
// lowest UUID; the zero UUID: nobody wants it.
func (c *Compiler) nextRouter(ls *lswitch) UUID {
	if id, ok := c.sticky.routers[ls.id]; ok {
		if _, wants := slices.BinarySearchFunc(ls.routers, id, compareUUIDs); wants {
			return id
		}
	}
	if len(ls.routers) == 0 {
		return UUID{}
	}
	return ls.routers[0]
}

// markRouters has the routers that want ls looked at.
func (c *Compiler) markRouters(ls *lswitch) {
	for _, id := range ls.routers {
		c.dirty.routers[id] = c.routers[id]
	}
}

// plannedRouter is what a router has to have in the State.
type plannedRouter struct {
	*router
	at     map[intent.IPKey]intent.Interface
	routes map[netip.Prefix]intent.Route
}

// plan works it out; gone: the row is.
func (c *Compiler) plan(r *router, gone bool) *plannedRouter {
	p := &plannedRouter{r, map[intent.IPKey]intent.Interface{}, map[netip.Prefix]intent.Route{}}
	if gone {
		return p
	}
	var wrong grievances
	var have []routerInterface
	for _, i := range r.interfaces {
		ls := c.switches[i.ls]
		switch {
		case ls == nil || !ls.row:
		case ls.router != r.id:
			wrong.add(c.contestedSwitch(i, ls))
		default:
			have = append(have, i)
			is := intent.Interface{Bits: i.prefix.Bits()}
			if acl := intent.ACLID(r.acls[i.prefix.Addr()]); has(c.state.ACLs, acl) { // else see protect
				is.ACL = acl
			}
			p.at[intent.IPKey{Switch: i.ls, IP: i.prefix.Addr()}] = is
			p.routes[i.prefix.Masked()] = intent.Route{Switch: i.ls}
		}
	}
	for _, s := range r.statics {
		if _, connected := p.routes[s.prefix]; connected {
			wrong.add(badRoute("the static route to %v is not used: the prefix is that of an interface", s.prefix))
			continue
		}
		i, ok := connectedTo(have, s.via)
		switch {
		case !ok:
			wrong.add(badRoute("the static route to %v is not in force: its next hop %v is in no prefix of an interface", s.prefix, s.via))
		case isEdge(i.prefix, s.via):
			wrong.add(badRoute("the static route to %v is not in force: its next hop %v is the address of the network %v, not of a host in it", s.prefix, s.via, i.prefix.Masked()))
		case has(p.at, intent.IPKey{Switch: i.ls, IP: s.via}):
			wrong.add(badRoute("the static route to %v is not in force: its next hop %v is this router", s.prefix, s.via))
		default:
			p.routes[s.prefix] = intent.Route{Switch: i.ls, Via: s.via}
		}
	}
	c.problems.setAll(aspectOf(hwvtep.TableLogicalRouter, r.id, aspectOfOthers), wrong.list())
	return p
}

func has[K comparable, V any](m map[K]V, k K) bool {
	_, ok := m[k]
	return ok
}

// connectedTo finds the interface whose prefix ip is in.
func connectedTo(sorted []routerInterface, ip netip.Addr) (routerInterface, bool) {
	i, _ := slices.BinarySearchFunc(sorted, ip, func(i routerInterface, ip netip.Addr) int {
		if i.prefix.Masked().Addr().Compare(ip) <= 0 {
			return -1
		}
		return 1
	})
	if i == 0 || !sorted[i-1].prefix.Contains(ip) {
		return routerInterface{}, false
	}
	return sorted[i-1], true
}

// withdraw takes what is not in p, or not as it is there, out of the State.
func (c *Compiler) withdraw(r *router, p *plannedRouter) {
	for key := range r.at {
		if has(p.at, key) {
			continue
		}
		delete(r.at, key)
		c.guardInterface(r, key, UUID{})
		intent.InterfaceTable.Delete(c.edit, key)
		c.countInterface(key, -1)
	}
	for prefix := range r.routes {
		if !has(p.routes, prefix) {
			delete(r.routes, prefix)
			intent.RouteTable.Delete(c.edit, intent.RouteKey{Router: intent.RouterID(r.id), Prefix: prefix})
		}
	}
	if len(p.at) == 0 {
		intent.RouterTable.Delete(c.edit, intent.RouterID(r.id))
	}
}

// install puts what is in p into the State.
func (c *Compiler) install(p *plannedRouter) {
	id := intent.RouterID(p.id)
	if len(p.at) > 0 {
		was := c.state.Routers[id].MAC
		intent.RouterTable.Set(c.edit, id, intent.Router{Name: p.name, MAC: p.mac})
		if was != p.mac {
			for key := range p.router.at {
				c.markRouterMACs(key.Switch, was, p.mac)
			}
		}
	}
	for key, i := range p.at {
		intent.InterfaceTable.Set(c.edit, key, i)
		c.guardInterface(p.router, key, p.acls[key.IP])
		if !has(p.router.at, key) {
			p.router.at[key] = struct{}{}
			c.countInterface(key, 1)
		}
	}
	for prefix, route := range p.routes {
		intent.RouteTable.Set(c.edit, intent.RouteKey{Router: id, Prefix: prefix}, route)
		p.router.routes[prefix] = struct{}{}
	}
}

// countInterface counts the addresses of the router in a switch: with any the switch is active.
func (c *Compiler) countInterface(key intent.IPKey, n int) {
	ls := c.lswitch(UUID(key.Switch))
	was := ls.routed
	ls.routed += n
	c.dirty.switches[key.Switch] = struct{}{}
	if (was == 0) != (ls.routed == 0) {
		c.markNeighbours(ls)
		for mac := range ls.macs.All() { // whether it is the router's
			c.markRouterMACs(key.Switch, mac)
		}
	} else if has(ls.neighbours, key.IP) {
		c.dirty.neighbours[key] = struct{}{}
	}
}

// isRouters says whether an address in ls is that of its router, or the one that it asks by: no row
// has it behind a peer then.
func (c *Compiler) isRouters(ls *lswitch, mac intent.MAC) bool {
	if ls.routed == 0 {
		return false
	}
	return mac == c.arpSource || mac == c.state.Routers[intent.RouterID(ls.router)].MAC
}

// markRouterMACs has the rows for the addresses of routers looked at.
func (c *Compiler) markRouterMACs(id intent.SwitchID, macs ...intent.MAC) {
	ls := c.switches[id]
	for _, mac := range macs {
		if ls.macs.Has(mac) {
			c.markEntry(ls, mac)
		}
	}
}

// publishARPSource has an address of our own while there are routers, or hosts are asked whether they
// are there. Only for routers there is a row with it.
func (c *Compiler) publishARPSource() {
	own := intent.MAC(hwvtep.OwnMAC("arp source", c.scope.id))
	c.state.ARPSource = intent.MAC{}
	if len(c.state.Routers)+c.probing > 0 {
		c.state.ARPSource = own
	}
	var mac intent.MAC
	if len(c.state.Routers) > 0 {
		mac = own
	}
	if was := c.arpSource; was != mac {
		c.arpSource, c.news.arpSource = mac, true
		for id, ls := range c.switches {
			if ls.routed > 0 {
				c.markRouterMACs(id, was, mac)
			}
		}
	}
}

func (c *Compiler) contestedSwitch(i routerInterface, ls *lswitch) complaint {
	row, _ := c.view.LogicalRouter(ls.router)
	return complaint{
		kind: problem.ContestedSwitch, fault: hwvtep.FaultLRSwitchBindings,
		text:   fmt.Sprintf("%v has no interface in %s, which is bound to the router %s", i.prefix, problem.LogicalSwitch(ls.name), problem.Name(row.Name)),
		remedy: "bind a switch to one router",
	}
}
