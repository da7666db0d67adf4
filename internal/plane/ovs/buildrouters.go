package ovs

import (
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// routingBuilt is of what beside the site the flows were built.
type routingBuilt struct {
	of      *bridge
	ports   map[intent.SwitchID]uint32
	members map[intent.SwitchID][]patch // where ACLs are asked
	acls    int                         // accessLists.changes
	mtus    map[string]int              // by device
	laid    map[intent.RouteKey]intent.Route
}

// buildRouting finds out which switches can be routed between.
func (e *engine) buildRouting() {
	e.routing.ports = map[intent.SwitchID]uint32{}
	row := e.vs.bridges[e.names.router()]
	if row == nil {
		return
	}
	for _, ls := range e.site.sorted() {
		if _, ok := e.site.routers[ls.router]; !ok {
			continue
		}
		bridge := e.names.of[ls.id]
		if p := row.ports[fromRouters(bridge)]; p.single() != nil && p.single().options["peer"] == toRouters(bridge) && p.number() != 0 {
			e.routing.ports[ls.id] = p.number()
		}
	}
}

// buildRouters works out what the bridge of the routers is to do. Its flows are many: they are made anew only when
// more has changed than routes and neighbors.
func (e *engine) buildRouters(b *bridge) {
	r := &e.routing
	is := routingBuilt{of: b, ports: r.ports, acls: e.access.changes, mtus: e.mtus()}
	if r.guarded() {
		is.members = map[intent.SwitchID][]patch{}
		for id := range r.ports {
			is.members[id] = r.members(id)
		}
	}
	was := &r.built
	if r.changed || was.of != b || was.acls != is.acls || !maps.Equal(was.ports, is.ports) || !maps.Equal(was.mtus, is.mtus) ||
		!maps.EqualFunc(was.members, is.members, slices.Equal) {
		is.laid = maps.Clone(r.site.routes)
		r.changed, r.dirty, r.built = false, nil, is
		b.setWant(r.flows())
		b.guards = r.guarded()
		e.dirtyIPs = nil
		return
	}
	for _, key := range r.dirty {
		flows := flowSet{}
		if old, ok := was.laid[key]; ok {
			r.route(flows, key, old)
			for k := range flows {
				b.drop(k)
			}
			clear(flows)
			delete(was.laid, key)
		}
		if way, ok := r.site.routes[key]; ok {
			r.route(flows, key, way)
			b.put(flows)
			was.laid[key] = way
		}
		b.together = true
	}
	r.dirty = nil
}

// buildRoutes brings routes up to date, one by one.
func (e *engine) buildRoutes() {
	b := e.bridges[e.names.router()]
	if len(e.routing.dirty) == 0 || b == nil || e.routing.built.of != b {
		return
	}
	e.buildRouters(b)
}

// buildNeighbors brings up to date who has which address.
func (e *engine) buildNeighbors() {
	b := e.bridges[e.names.router()]
	for _, key := range e.dirtyIPs {
		out := e.routing.ports[key.Switch]
		if b == nil || out == 0 {
			continue
		}
		if mac, ok := e.site.neighbours[key]; ok {
			b.touch(e.routing.neighbor(b.want, key, mac))
			if most := e.largest(intent.MACKey{Switch: key.Switch, MAC: mac}); most != 0 {
				b.touch(sizeKey(most))
			}
		} else {
			b.drop(keyOf(tableNeighbors, prioRouted, hop(key.IP, out).Canonical()))
		}
	}
	e.dirtyIPs = nil
}
