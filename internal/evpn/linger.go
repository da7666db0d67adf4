package evpn

import (
	"net/netip"
	"time"
)

// lingerTime is how long a VTEP counts as attached to a segment, at most, after the session has ended by which it was heard.
const lingerTime = 10 * time.Minute

// echoTime is how long what other neighbors withdraw after that is no news: they have it from the same VTEP, and have lost it, too, by
// the end of their hold times at the latest.
const echoTime = 3 * time.Minute

// lingering is a VTEP that was attached when the session with a neighbor ended.
type lingering struct {
	by    netip.Addr // the neighbor
	since time.Time
}

// linger remembers who is attached by the word of a neighbor whose session has ended. Others may only repeat it. Such a VTEP may forward without its
// bridge: what it floods still is not for the segment, which has it from there. It is no candidate any more, as it may be gone.
func (b *Bridge) linger(neighbor netip.Addr) {
	now := time.Now()
	some := map[esi]struct{}{}
	for e, all := range b.members {
		for id, r := range all {
			if id.peer != neighbor || b.database.own[r.vtep] {
				continue
			}
			if b.lingers[e] == nil {
				b.lingers[e] = map[netip.Addr]lingering{}
			}
			b.lingers[e][r.vtep] = lingering{neighbor, now}
			some[e] = struct{}{}
		}
	}
	for e := range some { // while they are attached yet
		b.holdSegment(e)
	}
	if len(some) > 0 {
		b.later(lingerTime, func() { b.expireLingering(now) })
	}
}

// expects says whether a VTEP that lingers at a segment is about to be heard again: its neighbor is there, and has not told all yet, or there is
// nobody yet who has, to whom anything would be told meanwhile.
func (b *Bridge) expects(e esi) bool {
	if len(b.lingers[e]) == 0 {
		return false
	}
	for _, l := range b.lingers[e] {
		if s := b.sessions[l.by]; s != nil && s.telling {
			return true
		}
	}
	for _, s := range b.sessions {
		if s.opened && !s.telling {
			return false
		}
	}
	return true
}

// holdLingering is for a session that has begun or ended, or has told all.
func (b *Bridge) holdLingering() {
	for e := range b.lingers {
		b.holdSegment(e)
	}
}

// expireLingering forgets those that have lingered since then, or before.
func (b *Bridge) expireLingering(since time.Time) {
	b.endLingering(func(_ netip.Addr, l lingering) bool { return !l.since.After(since) })
}

// unlinger forgets those of a neighbor: it has told who is attached, or is none any more.
func (b *Bridge) unlinger(neighbor netip.Addr) {
	b.endLingering(func(_ netip.Addr, l lingering) bool { return l.by == neighbor })
}

func (b *Bridge) endLingering(over func(vtep netip.Addr, l lingering) bool) {
	for e, all := range b.lingers {
		for vtep, l := range all {
			if over(vtep, l) {
				b.outlive(e, vtep)
			}
		}
		b.holdSegment(e)
	}
}

// leftAt takes that a neighbor has withdrawn that a VTEP is attached.
func (b *Bridge) leftAt(e esi, vtep netip.Addr, now time.Time) {
	if l, ok := b.lingers[e][vtep]; ok && now.Sub(l.since) >= echoTime {
		b.outlive(e, vtep)
		b.holdSegment(e)
	}
}

// outlive forgets that a VTEP lingers.
func (b *Bridge) outlive(e esi, vtep netip.Addr) {
	if delete(b.lingers[e], vtep); len(b.lingers[e]) == 0 {
		delete(b.lingers, e)
	}
}
