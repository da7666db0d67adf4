package mcast

import (
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// Role is what an Entry is.
type Role uint8

const (
	Member  Role = iota + 1
	Querier      // who asks; there is one of each family
	Router       // a binding with routers
	Asker        // a binding with somebody who asks in the place of a router
	Open         // a binding that gets every frame, as its hosts were not all heard
)

func (r Role) String() string {
	return [...]string{"", "member", "querier", "router", "asker", "open"}[r]
}

// Entry is one thing that a Table knows.
type Entry struct {
	Switch  intent.SwitchID
	Role    Role
	IPv6    bool
	At      intent.BindingKey // of a querier the zero BindingKey: it is behind a tunnel
	Address netip.Addr        // of the group, or of the querier; the others have none
	Left    time.Duration     // until it is forgotten, if nothing is heard; negative: no end is set
}

// Entries yields all that t knows, in no order.
func (t *Table) Entries(now time.Time) func(yield func(Entry) bool) {
	return func(yield func(Entry) bool) {
		for _, ls := range t.switches {
			for _, f := range ls.families {
				if !f.entries(now, yield) {
					return
				}
			}
		}
	}
}

func (f *family) entries(now time.Time, yield func(Entry) bool) bool {
	left := func(a *alarm) time.Duration {
		if a.place == 0 {
			return -1
		}
		return max(a.at.Sub(now), 0)
	}
	if q := &f.querier; q.here() && !yield(Entry{f.ls.id, Querier, f.ipv6, q.at, q.addr, left(&q.gone)}) {
		return false
	}
	for _, some := range []struct {
		role Role
		at   map[intent.BindingKey]*alarm
	}{{Router, f.routers}, {Asker, f.askers}, {Open, f.opened}, {Open, f.full}} {
		for at, a := range some.at {
			if !yield(Entry{f.ls.id, some.role, f.ipv6, at, netip.Addr{}, left(a)}) {
				return false
			}
		}
	}
	for group, members := range f.groups {
		for at, m := range members {
			if !yield(Entry{f.ls.id, Member, f.ipv6, at, group, left(&m.end)}) {
				return false
			}
		}
	}
	return true
}
