package evpn

import (
	"container/list"
	"time"
)

// The sequence of a host that has gone is remembered, since other VTEPs may remember it, too, and hear nothing with a
// lower one: for a time, and of so many hosts at most.
const (
	pastTime  = time.Hour
	pastHosts = 100_000
)

// past are the hosts that have gone, the first one first.
type past struct {
	list.List
	waits bool // for the time of the first one to be over
}

// pastHost is one of them.
type pastHost struct {
	network *network
	mac     string
	since   time.Time
}

// age forgets a host of which nothing is known, or begins to; and remembers one that has come back.
func (b *Bridge) age(n *network, mac string, now time.Time) {
	h := n.hosts[mac]
	switch {
	case h == nil:
	case len(h.paths)+len(h.locals) > 0 || !h.until.IsZero():
		if h.past != nil {
			b.past.Remove(h.past)
			h.past = nil
		}
	case !h.known:
		delete(n.hosts, mac)
	case h.past == nil:
		h.past = b.past.PushBack(pastHost{n, mac, now})
		b.expire(now)
	}
}

// expire forgets the hosts whose time is over, and the first ones of too many.
func (b *Bridge) expire(now time.Time) {
	for e := b.past.Front(); e != nil; e = b.past.Front() {
		p := e.Value.(pastHost)
		left := pastTime - now.Sub(p.since)
		if left > 0 && b.past.Len() <= pastHosts {
			if !b.past.waits && b.ctx != nil {
				b.past.waits = true
				b.later(left, func() {
					b.past.waits = false
					b.expire(time.Now())
				})
			}
			return
		}
		b.past.Remove(e)
		if h := p.network.hosts[p.mac]; h != nil && h.past == e {
			delete(p.network.hosts, p.mac)
		}
	}
}
