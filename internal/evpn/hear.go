package evpn

import (
	"net/netip"
	"time"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/evpn/relay"
)

// stale is how long routes of an earlier session may wait, in the next one, until the neighbor has sent everything.
const stale = 6 * time.Minute

// heard takes what a neighbor has said. Routes of a session that has ended stay for a time if the neighbor means to be back
// (RFC 4724), and until it has sent everything then; else they go with the session.
func (b *Bridge) heard(e relay.Event) {
	s := b.sessions[e.Neighbor]
	if s == nil {
		return // it was removed
	}
	switch e.What {
	case relay.Opened:
		s.opened, s.telling, s.whole, s.restarted = true, true, false, e.Restarted
		s.epoch++
		b.holdLingering()
		b.after(e.Neighbor, grace, func(netip.Addr) { // it may not say when it has said all
			s.telling = false
			b.holdLingering()
		})
		if e.Keep == 0 {
			b.linger(e.Neighbor)
			b.sweep(e.Neighbor)
		} else {
			b.after(e.Neighbor, stale, b.sweep)
		}
		b.beginIfWhole()
	case relay.Heard:
		if !s.over { // else the session is about to end
			b.update(e.Neighbor, s, e.Update)
			b.limit(e.Neighbor)
		}
	case relay.Whole:
		if s.whole {
			return
		}
		s.whole, s.telling = true, false
		b.sweep(e.Neighbor)
		b.unlinger(e.Neighbor)
		b.log.Info("neighbor has sent its routes", "neighbor", e.Neighbor, "routes", s.routes)
		b.beginIfWhole()
	case relay.Ended:
		s.opened, s.telling, s.whole, s.restarted = false, false, false, false
		b.holdLingering()
		if e.Keep > 0 && !s.over {
			b.log.Info("routes of the neighbor stay for a time, as it is to be back", "neighbor", e.Neighbor, "routes", s.routes, "at most", e.Keep)
			b.after(e.Neighbor, e.Keep, b.forget)
			b.outdate(e.Neighbor)
			return
		}
		b.forget(e.Neighbor)
	}
}

// after has f done after a time, if the session is the same till then.
func (b *Bridge) after(neighbor netip.Addr, d time.Duration, f func(netip.Addr)) {
	s := b.sessions[neighbor]
	epoch := s.epoch
	b.later(d, func() {
		if b.sessions[neighbor] == s && s.epoch == epoch {
			f(neighbor)
		}
	})
}

// later has f done after a time.
func (b *Bridge) later(d time.Duration, f func()) {
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		_ = b.do(b.ctx, func() {
			delete(b.timers, timer)
			f()
		})
	})
	b.timers[timer] = struct{}{}
}

// stopTimers stops what waits, which else would keep all that the bridge knows for as long.
func (b *Bridge) stopTimers() {
	for t := range b.timers {
		t.Stop()
	}
}

// forget has all routes of a neighbor go.
func (b *Bridge) forget(neighbor netip.Addr) {
	b.linger(neighbor)
	b.sessions[neighbor].epoch++
	b.sweep(neighbor)
}

// outdate has routes of a neighbor that is away come behind those of others, as nobody says that they are right.
func (b *Bridge) outdate(neighbor netip.Addr) {
	var all []*route
	for id, r := range b.routes {
		if id.peer == neighbor {
			r.stale = true
			all = append(all, r)
		}
	}
	for _, r := range all {
		for _, n := range r.in {
			switch h := n.hosts[r.mac]; {
			case n.l3 != nil:
				b.database.markRouter(n.l3)
			case r.kind == MACIP && h != nil && len(h.paths) > 1:
				b.reconsider(n, r.mac)
			}
		}
	}
}

// sweep forgets what a neighbor had announced in an earlier session, and not in this one.
func (b *Bridge) sweep(peer netip.Addr) {
	epoch := b.sessions[peer].epoch
	for id, r := range b.routes {
		if id.peer == peer && r.epoch != epoch {
			b.drop(id)
		}
	}
	for id, r := range b.refused {
		if id.peer == peer && r.epoch != epoch {
			b.drop(id)
		}
	}
}

// update takes a message of a neighbor's.
func (b *Bridge) update(peer netip.Addr, s *session, u *relay.Update) {
	for _, p := range u.Withdrawn {
		if id, ok := pathOf(peer, p); ok {
			b.drop(id)
			if id.kind == Attached {
				b.leftAt(id.esi, id.ip, time.Now())
			}
		}
	}
	if len(u.Announced) == 0 {
		return
	}
	a := readAttributes(u.Attrs, s.external)
	a.flags, a.election = u.Flags, u.Election
	looped := a.loops(b.Config())
	for _, p := range u.Announced {
		id, ok := pathOf(peer, p)
		switch {
		case !ok:
		case looped: // as if it were not there: RFC 4271, section 9.1.2; RFC 4456, section 8
			b.drop(id)
		default:
			b.announced(id, s, p.NLRI, a)
		}
	}
}

// pathOf tells a route of a neighbor from others. Those of other types are only counted.
func pathOf(peer netip.Addr, p bgp.PathNLRI) (path, bool) {
	k, known := keyOf(p.NLRI)
	if !known {
		if p.NLRI == nil {
			return path{}, false
		}
		k = key{rd: p.NLRI.String()}
	}
	return path{peer, p.ID, k}, true
}

// announced takes one route.
func (b *Bridge) announced(id path, s *session, nlri bgp.NLRI, a *attributes) {
	r, err := decode(nlri, a)
	if was := b.routes[id]; was != nil && was.kind == Attached && err == nil {
		r.epoch = s.epoch
		b.keep(id, r)
		b.joins(id, r) // in its place: one election, not one without it, too
		return
	}
	b.drop(id)
	s.routes++
	if err != nil {
		b.refused[id] = refused{err, s.epoch}
		return
	}
	r.epoch = s.epoch
	b.keep(id, r)
	b.place(id, r)
}
