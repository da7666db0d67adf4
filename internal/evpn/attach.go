package evpn

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
)

// at is the port of ours by which a host is reached that a route places in a segment, nil if there is none.
func (n *network) at(r *route) *attachment {
	if a := n.own[r.segment]; a != nil && a.forwards(n) {
		return a
	}
	return nil
}

// forwards says whether frames to hosts of a network are sent by the port: of single-active segments by that of the
// designated forwarder only.
func (a *attachment) forwards(n *network) bool {
	if !a.up {
		return false
	}
	if !a.single {
		return true
	}
	return !slices.ContainsFunc(a.tags[n.row.UUID], func(vlan uint16) bool {
		_, blocked := slices.BinarySearch(a.outcome.blocked, vlan)
		return blocked || a.outcome.all
	})
}

// segmentOf is the segment of the port that a host was heard at: a VTEP tells by the key of the locator. One that does not
// has heard it there if the logical switch is bound at that port alone, of those of the VTEP. At a port that can't be attached a
// host is as one of no segment if it is reached by no other VTEP of it: nobody sends to one that does not tell that it is attached. Else
// it is one of the segment, and reached by those, or by those that are about to be heard again: without it they would take it for one that has moved.
func (n *network) segmentOf(l *local) esi {
	for e, a := range n.own {
		switch {
		case a.vtep != l.vtep || l.number != a.number && (l.number != 0 || !a.only(n)):
		case a.barred && !a.coming && !n.attachedElsewhere(e):
			return esi{}
		default:
			return e
		}
	}
	return esi{}
}

// attachedElsewhere says whether others are attached to a segment.
func (n *network) attachedElsewhere(e esi) bool {
	s := n.segments[e]
	return s != nil && len(s.attached) > 0
}

// recount has hosts at a port of ours that can't be attached looked at again, when all is known: others are attached to its segment, or no more.
func (b *Bridge) recount(n *network, e esi) {
	if a := n.own[e]; a != nil && a.barred {
		b.recounted[n] = struct{}{}
	}
}

// reattachRecounted looks at them.
func (b *Bridge) reattachRecounted() {
	for n := range b.recounted {
		delete(b.recounted, n)
		if b.database.networks[n.row.UUID] == n {
			b.reattach(n)
		}
	}
}

// beyond says whether a route is that of another VTEP of the segment that the host was heard in here: then both have it,
// and it has not moved.
func (h *host) beyond(best *route) bool {
	if best == nil || best.segment == (esi{}) || len(h.network.own) == 0 {
		return false
	}
	for _, l := range h.locals {
		if l.ours && !l.lost && h.network.segmentOf(l) == best.segment {
			return true
		}
	}
	return false
}

// follow takes over the sequence of another VTEP of the segment (RFC 7432, section 15).
func (h *host) follow(best *route) {
	if best.moved && (!h.moved || h.sequence < best.sequence) {
		h.sequence, h.moved = best.sequence, true
	}
}

// reattach announces what a network has of segments, after its ports have changed, and looks at their hosts anew.
func (b *Bridge) reattach(n *network) {
	b.announceDiscoveries(n)
	for mac, h := range n.hosts {
		if len(h.locals) > 0 || slices.ContainsFunc(h.paths, func(r *route) bool { return r.segment != (esi{}) }) {
			b.reconsider(n, mac)
			b.forsake(n, mac)
		}
	}
}

// targetsPerRoute is how many route targets one route of a whole segment has at most, so that its message has room for them.
const targetsPerRoute = 400

// spread gives each target one of the routes about the whole segment, in which it stays: so nothing but what comes and goes itself is
// announced, or withdrawn. Routes may be empty.
func (a *attachment) spread(targets []target) [][]target {
	var routes [][]target
	var fresh []target
	put := func(t target, i int) {
		for len(routes) <= i {
			routes = append(routes, nil)
		}
		routes[i] = append(routes[i], t)
	}
	routeOf := make(map[target]int, len(targets))
	for _, t := range targets {
		if i, ok := a.routeOf[t]; ok {
			put(t, i)
			routeOf[t] = i
		} else {
			fresh = append(fresh, t)
		}
	}
	i := 0
	for _, t := range fresh {
		for i < len(routes) && len(routes[i]) >= targetsPerRoute {
			i++
		}
		if i == routesPerSegment {
			break // there are no more than 65,535 networks
		}
		put(t, i)
		routeOf[t] = i
	}
	a.routeOf = routeOf
	for _, targets := range routes {
		slices.SortFunc(targets, target.compare)
	}
	return routes
}

// announceSegments announces of each segment that a port of ours is a link of it: to its other VTEPs, and to all that have
// networks of it. What is withdrawn without another one comes first, and of that what has most effect.
func (b *Bridge) announceSegments() {
	wanted := map[key]*route{}
	for _, a := range b.database.bySegment {
		if !a.up {
			continue
		}
		r := &route{key: key{kind: Attached, rd: b.segmentRD(a, 0), ip: a.vtep, esi: a.segment}, vtep: a.vtep, segment: a.segment, election: a.ballot}
		wanted[r.key] = r
		for i, targets := range a.spread(b.database.targets(a)) {
			if len(targets) > 0 {
				r := &route{key: key{kind: Discovery, rd: b.segmentRD(a, i), tag: allTags, esi: a.segment}, vtep: a.vtep, segment: a.segment, single: a.single, targets: targets}
				wanted[r.key] = r
			}
		}
	}
	byKind := func(x, y key) int { return cmp.Or(cmp.Compare(x.kind, y.kind), strings.Compare(x.rd, y.rd)) }
	withdraw := func(which func(e esi) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(b.attached), byKind) {
			if wanted[k] == nil && which(k.esi) {
				b.sayOfSegment(k, nil)
			}
		}
	}
	withdraw(func(e esi) bool { a := b.database.bySegment[e]; return a == nil || !a.up })
	for _, k := range slices.SortedFunc(maps.Keys(wanted), byKind) {
		b.sayOfSegment(k, wanted[k])
	}
	withdraw(func(esi) bool { return true }) // others take its place
	for _, a := range b.database.ports {
		b.await(a)
		b.hold(a)
	}
}

// sayOfSegment announces a route of a whole segment, or with nil withdraws it.
func (b *Bridge) sayOfSegment(k key, r *route) {
	if err := b.speaker.announce(k, r); err != nil {
		b.failure = err.Error()
		b.log.Warn("route is not announced", "segment", k.esi, "err", err)
		return
	}
	if b.failure = ""; r == nil {
		delete(b.attached, k)
	} else {
		b.attached[k] = struct{}{}
	}
}

// targets are those of all networks with a binding on a port, in order.
func (db *database) targets(a *attachment) (all []target) {
	set := map[target]struct{}{}
	for _, ls := range a.port.VLANBindings {
		if n := db.networks[ls]; n != nil && n.vni != 0 && n.l3 == nil {
			for _, t := range n.exp {
				set[t] = struct{}{}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(set), target.compare)
}

// announceDiscoveries announces of a network which segments of ours reach its hosts.
func (b *Bridge) announceDiscoveries(n *network) {
	wanted := map[key]*route{}
	if n.vni != 0 && len(n.exp) > 0 && n.l3 == nil {
		for e, a := range n.own {
			if a.up {
				k := key{kind: Discovery, rd: b.rd(a.vtep, n.vni), esi: e}
				wanted[k] = &route{key: k, vtep: a.vtep, vni: n.vni, segment: e, targets: n.exp}
			}
		}
	}
	for k := range n.said(discoveries) {
		if wanted[k] == nil {
			b.say(n, k, nil)
		}
	}
	for k, r := range wanted {
		b.say(n, k, r)
	}
}

// joins takes a route of a VTEP that is attached to a segment, in the place of the one that it has been before; leaves takes it back.
func (b *Bridge) joins(id path, r *route) {
	if was := b.members[r.segment][id]; was != nil && was.vtep == r.vtep && was.election == r.election {
		b.members[r.segment][id] = r // it is refreshed
		return
	}
	if b.members[r.segment] == nil {
		b.members[r.segment] = map[path]*route{}
	}
	b.members[r.segment][id] = r
	b.holdSegment(r.segment)
}

func (b *Bridge) leaves(id path, r *route) {
	if delete(b.members[r.segment], id); len(b.members[r.segment]) == 0 {
		delete(b.members, r.segment)
	}
	b.holdSegment(r.segment)
}

func (b *Bridge) holdSegment(e esi) {
	if a := b.database.bySegment[e]; a != nil {
		b.hold(a)
	}
}

// await gives others the time to tell that they are attached, after the link of a port has come.
func (b *Bridge) await(a *attachment) {
	if !a.up || a.due || a.awaited == a.since {
		return
	}
	a.awaited = a.since
	id, since := a.port.UUID, a.since
	b.later(electionWait, func() {
		if a := b.database.ports[id]; a != nil && a.since == since {
			a.due = true
			b.hold(a)
		}
	})
}

// candidates are the VTEPs that may be the designated forwarder of a port's segment: the others, and this one while the port has link.
func (b *Bridge) candidates(a *attachment) (all []candidate) {
	heard := map[netip.Addr]relay.Election{}
	for _, r := range b.members[a.segment] {
		was, twice := heard[r.vtep]
		if !b.database.own[r.vtep] && (!twice || was.Preference < r.election.Preference) { // by several neighbors, one of them late
			heard[r.vtep] = r.election
		}
	}
	for _, vtep := range slices.SortedFunc(maps.Keys(heard), netip.Addr.Compare) {
		all = append(all, candidate{vtep, heard[vtep]})
	}
	if a.up {
		all = append(all, candidate{a.vtep, a.ballot})
	}
	return all
}

// hold elects, and has the VTEP held to what comes of it.
func (b *Bridge) hold(a *attachment) {
	b.database.markPort(a)
	if a.segment == (esi{}) {
		return
	}
	if was := a.coming; was != b.expects(a.segment) {
		a.coming = !was
		for n := range b.database.networksAt(a) {
			b.recount(n, a.segment)
		}
	}
	all := b.candidates(a)
	now := held{}
	for _, c := range all {
		if c.vtep != a.vtep {
			now.beside = append(now.beside, c.vtep)
		}
	}
	now.beside = union(now.beside, slices.Collect(maps.Keys(b.lingers[a.segment])), netip.Addr.Compare)
	switch {
	case !a.up || !a.due || !b.begun:
		now.all = true
	case byPreference(all):
		now.all = elect(all, 0) != a.vtep
	default:
		slices.SortFunc(all, candidate.compare)
		for vlan, ls := range a.port.VLANBindings {
			if inTurn(all, b.database.tag(vlan, ls)) != a.vtep {
				now.blocked = append(now.blocked, uint16(vlan))
			}
		}
		slices.Sort(now.blocked)
	}
	if a.former != nil { // who was designated then may be it yet
		now.all = now.all || a.former.all
		now.beside = union(now.beside, a.former.beside, netip.Addr.Compare)
		now.blocked = union(now.blocked, a.former.blocked, cmp.Compare[uint16])
	}
	if now.equal(a.outcome) {
		return
	}
	if now.all != a.outcome.all || !slices.Equal(now.blocked, a.outcome.blocked) {
		b.log.Info("segment", "port", a.port.Name, "segment", a.segment, "blocked", cmp.Or(now.short(), "none"), "others", now.beside)
	}
	if a.outcome = now; a.single {
		for n := range b.database.networksAt(a) {
			b.reattach(n)
		}
	}
}

func union[T comparable](a, b []T, order func(x, y T) int) []T {
	return slices.Compact(slices.SortedFunc(slices.Values(slices.Concat(a, b)), order))
}

// networksAt are those with a binding on a port.
func (db *database) networksAt(a *attachment) map[*network]bool {
	all := map[*network]bool{}
	for _, ls := range a.port.VLANBindings {
		if n := db.networks[ls]; n != nil {
			all[n] = true
		}
	}
	return all
}

// tag is what the designated forwarder of a binding is elected by: its VLAN, which is that of all links of the segment; where
// there is none, its VNI.
func (db *database) tag(vlan int64, ls hwvtep.UUID) uint32 {
	if n := db.networks[ls]; vlan == 0 && n != nil {
		return n.vni
	}
	return uint32(vlan)
}
