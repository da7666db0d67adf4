package evpn

import (
	"net/netip"
	"slices"
)

// forsake has a host that is here looked at at the end of the turn, after a route of it has gone out of a network: by a withdraw, by another one in its
// place, or since the network imports others; or since the port of ours is gone by which the host of a route was reached.
func (b *Bridge) forsake(n *network, mac string) {
	if h := n.hosts[mac]; h != nil && len(h.locals) > 0 {
		b.forsaken[h] = mac
	}
}

// reclaim has hosts announced that are here, had been left to other VTEPs, and that no other one has any more.
func (b *Bridge) reclaim() {
	for h, mac := range b.forsaken {
		delete(b.forsaken, h)
		n := h.network
		if b.ready && n.vni != 0 && n.l3 == nil && b.database.networks[n.row.UUID] == n && n.hosts[mac] == h && h.here() == nil && h.best() == nil {
			b.claimAll(n, mac, h)
		}
	}
}

// keep remembers a route of a neighbour.
func (b *Bridge) keep(id path, r *route) {
	r.peer, r.index = id.peer, id.id
	b.routes[id] = r
	if r.kind != Attached { // which no network imports
		b.targeted.add(r)
	}
}

// drop forgets a path, if it is known.
func (b *Bridge) drop(id path) {
	if _, ok := b.refused[id]; ok {
		delete(b.refused, id)
		b.sessions[id.peer].routes--
	}
	r := b.routes[id]
	if r == nil {
		return
	}
	b.sessions[id.peer].routes--
	if r.kind == Attached {
		delete(b.routes, id)
		b.leaves(id, r)
		return
	}
	for _, n := range slices.Clone(r.in) {
		b.take(n, id)
	}
	b.targeted.remove(r)
	delete(b.routes, id)
}

// place puts a route into the networks that it is for. Routes that lead here come back from neighbours.
func (b *Bridge) place(id path, r *route) {
	if r.kind == Attached {
		b.joins(id, r)
		return
	}
	if b.database.own[r.vtep] {
		return
	}
	for n := range b.imports.networks(r) {
		if b.refuses(n, r) == "" {
			b.put(n, id, r)
		}
	}
}

func (b *Bridge) put(n *network, id path, r *route) {
	r.in = append(r.in, n)
	if n.vteps[r.vtep]++; n.vteps[r.vtep] == 1 {
		n.text = ""
	}
	if n.l3 != nil {
		n.prefixes[id] = r
		b.database.markRouter(n.l3)
		return
	}
	if r.kind == Multicast {
		n.floods[id] = r
		b.database.markMembers(n)
		return
	}
	if r.kind == Discovery {
		s := n.segment(r.segment)
		s.discoveries(id.key)[id] = r
		for mac := range s.macs {
			b.reconsider(n, mac)
		}
		b.recount(n, r.segment)
		return
	}
	h := n.host(id.mac)
	h.paths = append(h.paths, r)
	h.heard(r)
	n.attach(id.mac, r.segment)
	b.reconsider(n, id.mac)
}

// reconsider looks at a MAC of which more is known.
func (b *Bridge) reconsider(n *network, mac string) {
	if h := n.hosts[mac]; h.yield() {
		best := h.best()
		b.log.Info("host has moved away", "switch", n.row.Name, "mac", mac, "to", best.vtep, "sequence", best.sequence)
	}
	b.settle(n, mac)
}

// take takes a route out of a network, if it is in there.
func (b *Bridge) take(n *network, id path) {
	if r := b.routes[id]; r != nil {
		r.in = slices.DeleteFunc(r.in, func(o *network) bool { return o == n })
	}
	if r := n.prefixes[id]; r != nil {
		delete(n.prefixes, id)
		n.leave(r.vtep)
		if n.l3 != nil {
			b.database.markRouter(n.l3)
		}
		return
	}
	if r := n.floods[id]; r != nil {
		delete(n.floods, id)
		n.leave(r.vtep)
		b.database.markMembers(n)
		return
	}
	if s := n.segments[id.esi]; id.kind == Discovery && s != nil {
		if r := s.discoveries(id.key)[id]; r != nil {
			delete(s.discoveries(id.key), id)
			n.leave(r.vtep)
			n.tidy(id.esi)
		}
		for mac := range s.macs {
			b.settle(n, mac)
			b.forsake(n, mac)
		}
		b.recount(n, id.esi)
		return
	}
	h, r := n.hosts[id.mac], b.routes[id]
	if h == nil || r == nil || !slices.Contains(h.paths, r) {
		return
	}
	n.leave(r.vtep)
	h.paths = slices.DeleteFunc(h.paths, func(o *route) bool { return o == r })
	n.attach(id.mac, r.segment)
	b.settle(n, id.mac)
	b.forsake(n, id.mac)
}

func (n *network) leave(vtep netip.Addr) {
	if n.vteps[vtep]--; n.vteps[vtep] == 0 {
		delete(n.vteps, vtep)
		n.left[vtep] = true
		n.text = ""
	}
}
