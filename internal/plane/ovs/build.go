package ovs

import (
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// build works out what each bridge is to do. The flows of a logical switch are made anew only when
// what they depend on has changed: MACs are kept up to date one by one.
func (e *engine) build() {
	e.built = true
	e.physical = e.buildPhysical()
	if b := e.bridges[e.names.ps]; b != nil {
		b.setWant(e.physical.flows())
		b.guards = len(e.physical.guards) > 0
		b.deep = b.guards
	}
	tunnels := e.site.tunnelPorts()
	seen := map[string]bool{e.names.ps: true}
	rebuilt := map[intent.SwitchID]bool{}
	for _, ls := range e.site.sorted() {
		name := e.names.of[ls.id]
		b := e.bridges[name]
		if b == nil {
			delete(e.switches, ls.id)
			continue
		}
		seen[name] = true
		l := e.buildLogical(ls, name, tunnels[ls.id])
		e.switches[ls.id] = l
		if !ls.changed && l.sameAs(b.built) {
			continue
		}
		if b.built != nil && (b.built.gateway.port == 0) != (l.gateway.port == 0) { // where they are sent on to is another table
			b.unmute()
		}
		ls.changed, b.built, b.guards = false, l, len(l.guards) > 0
		b.deep = b.guards || l.gateway.port != 0
		b.setWant(l.flows())
		rebuilt[ls.id] = true
	}
	e.dirtyMACs = slices.DeleteFunc(e.dirtyMACs, func(k intent.MACKey) bool { return rebuilt[k.Switch] })
	if len(tunnels) > 0 {
		for _, name := range []string{e.names.strays(), bfdBridge} {
			if b := e.bridges[name]; b != nil {
				seen[name] = true
				b.setWant(strayFlows())
			}
		}
	}
	e.buildRouting()
	if b := e.bridges[e.names.router()]; b != nil && len(e.routing.ports) > 0 {
		seen[b.name], b.deep = true, true
		e.buildRouters(b)
	}
	for name, b := range e.bridges {
		if !seen[name] { // its switch is gone, and it goes
			b.built = nil
			if e.routing.built.of == b {
				e.routing.built = routingBuilt{}
			}
			b.setWant(flowSet{})
		}
	}
}

// buildMACs brings what each bridge is to do up to date with MACs that rows have moved.
func (e *engine) buildMACs() {
	for _, key := range e.dirtyMACs {
		l := e.switches[key.Switch]
		b := e.bridges[e.names.of[key.Switch]]
		if l == nil || b == nil {
			continue
		}
		if _, there := l.ls.unicast[key.MAC]; there {
			b.touch(l.remote(b.want, key.MAC))
			continue
		}
		s := flowSet{}
		if at, there := l.ls.attached[key.MAC]; there {
			l.attached(s, key.MAC, at)
		}
		if len(s) == 0 {
			b.drop(remoteKey(key.MAC))
		}
		b.put(s)
	}
	e.dirtyMACs = nil
}

// buildPhysical finds out which bindings can be in force: both ends of their pair are there,
// and the bridge of the logical switch is in our hands.
func (e *engine) buildPhysical() *physical {
	p := &physical{ports: map[string]uint32{}, closed: map[string]uint32{}, pcp: e.site.TagPCP.Value}
	ps := e.vs.bridges[e.names.ps]
	if ps == nil {
		return p
	}
	for name, port := range e.site.ports {
		switch n := ps.ports[name].number(); {
		case n == 0:
		case port.ServiceTags:
			p.closed[name] = n
		default:
			p.ports[name] = n
		}
	}
	for at, id := range e.site.bindings {
		inner := e.inner(id, at)
		outer := ps.ports[outerName(at)]
		port := p.ports[at.Port]
		if inner == 0 || outer.number() == 0 || port == 0 || outer.single().options["peer"] != innerName(at) {
			continue
		}
		in := patch{at, port, inner, outer.number(), e.site.vlans[at.Port] > 0, 0, e.site.roles[at]}
		if guard := e.access.of(e.site.policies[at], intent.Ingress); guard != nil {
			in.guard = guard.number
			p.guards = append(p.guards, guard)
		}
		if b := e.bridges[e.names.of[id]]; (b == nil || b.conn == nil) && !e.installed(&in) {
			continue
		}
		p.bindings = append(p.bindings, in)
	}
	slices.SortFunc(p.bindings, func(a, b patch) int { return a.at.Compare(b.at) })
	p.guards = sortLists(p.guards)
	p.notes = e.notes()
	return p
}

// notes are the flows that tell the next process of ACLs, routers and links.
func (e *engine) notes() flowSet {
	at := map[intent.ACLID][]intent.BindingKey{}
	for k, id := range e.site.policies {
		at[id] = append(at[id], k)
	}
	s := flowSet{}
	e.site.noteRouters(s)
	if len(e.site.ports) > 0 { // none is left behind
		e.links.note(s)
	}
	for id, l := range e.access.inForce {
		noteACL(s, l, at[id], e.access.gone)
	}
	return s
}

// installed says whether the flow is there that lets a binding's frames in: it then stays while
// the bridge of the logical switch can't be talked to, as when both have just been found.
func (e *engine) installed(p *patch) bool {
	ps := e.bridges[e.names.ps]
	if ps == nil {
		return false
	}
	for k, f := range (&physical{bindings: []patch{*p}}).flows() {
		if have := ps.have[k]; k.priority >= prioUntagged && have != nil && have.does == f.does {
			if in, ok := f.mod.Match.InPort(); ok && in == p.port {
				return true
			}
		}
	}
	return false
}

// inner returns the number of a binding's patch port in the bridge of its logical switch; 0: it
// is not there.
func (e *engine) inner(id intent.SwitchID, at intent.BindingKey) uint32 {
	row := e.vs.bridges[e.names.of[id]]
	if row == nil {
		return 0
	}
	p := row.ports[innerName(at)]
	if p.single() == nil || p.single().options["peer"] != outerName(at) {
		return 0
	}
	return p.number()
}

func (e *engine) buildLogical(ls *lswitch, name string, tunnels []tunnelPort) *logical {
	l := &logical{ls: ls, anyPeer: e.site.AcceptAnySource, learned: e.stations.of(ls.id)}
	row := e.vs.bridges[name]
	if row == nil {
		return l
	}
	for at := range ls.bindings {
		if n := e.inner(ls.id, at); n != 0 {
			m := patch{at: at, inner: n, role: e.site.roles[at]}
			if guard := e.access.of(e.site.policies[at], intent.Egress); guard != nil {
				m.guard = guard.number
				l.guards = append(l.guards, guard)
			}
			l.members = append(l.members, m)
		}
	}
	l.guards = sortLists(l.guards)
	l.gateway = e.gatewayOf(ls, row)
	slices.SortFunc(l.members, func(a, b patch) int { return int(a.inner) - int(b.inner) })
	for i, m := range l.members {
		if vteps := e.site.segments[m.at.Port]; vteps != nil {
			if l.segments == nil {
				l.segments = make([]intent.Segment, len(l.members))
			}
			l.segments[i] = vteps
		}
	}
	if len(tunnels) == 0 {
		return l
	}
	local := e.site.TunnelIP.String()
	own := uint32(0)
	for _, t := range tunnels {
		p := row.ports[tunnelName(name, t)]
		n := p.number()
		if n == 0 || p.single().options["local_ip"] != local {
			continue
		}
		l.tunnels = append(l.tunnels, tunnelEnd{t, n})
		switch {
		case t.remote.IsValid():
		case l.egress == 0:
			l.egress = n
		case ls.overlay && t.vni == ls.vni && !t.blind:
			own = n
		}
	}
	if own != 0 {
		l.egress = own
	}
	if l.egress == 0 { // on the way to another VNI: any of the old ones can send
		for _, p := range row.ports {
			if i := p.single(); i != nil && i.kind == "vxlan" && i.options["remote_ip"] == "flow" && i.options["out_key"] == "flow" &&
				i.options["local_ip"] == local && i.ofport != 0 && (l.egress == 0 || i.ofport < l.egress) {
				l.egress = i.ofport
			}
		}
	}
	return l
}
