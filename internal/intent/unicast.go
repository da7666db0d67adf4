package intent

import (
	"iter"

	"github.com/vtep/vtep/internal/compact"
)

// Unicast says by which tunnel each MAC behind another VTEP is reached. There may be a million, so
// they are kept by switch, with their peers as numbers. A nil *Unicast is empty.
type Unicast struct {
	switches map[SwitchID]*compact.Map[MAC, place]
	len      int
	peers    PeerNumbers

	last    SwitchID                 // to which Swap gave a MAC last: often the next is of it too
	lastHas *compact.Map[MAC, place] // what it has; nil: that may be something else now
}

// place is a Tunnel.
type place struct{ peer, vni uint32 }

// NewUnicast returns an empty one.
func NewUnicast() *Unicast {
	return &Unicast{switches: map[SwitchID]*compact.Map[MAC, place]{}}
}

// Len returns the number of MACs.
func (u *Unicast) Len() int {
	if u == nil {
		return 0
	}
	return u.len
}

// Get returns the tunnel of a MAC, and whether there is one.
func (u *Unicast) Get(k MACKey) (Tunnel, bool) {
	if u == nil {
		return Tunnel{}, false
	}
	p, ok := u.switches[k.Switch].Get(k.MAC)
	if !ok {
		return Tunnel{}, false
	}
	return u.tunnel(p), true
}

// At returns the tunnel of a MAC; the zero Tunnel: there is none.
func (u *Unicast) At(k MACKey) Tunnel {
	t, _ := u.Get(k)
	return t
}

func (u *Unicast) tunnel(p place) Tunnel { return Tunnel{u.peers.Addr(p.peer), p.vni} }

// Set gives a MAC a tunnel.
func (u *Unicast) Set(k MACKey, t Tunnel) { u.Swap(k, t) }

// Swap gives a MAC a tunnel, and returns the one that it had, and whether there was one.
func (u *Unicast) Swap(k MACKey, t Tunnel) (old Tunnel, had bool) {
	if u.lastHas == nil || u.last != k.Switch {
		macs := u.switches[k.Switch]
		if macs == nil {
			macs = &compact.Map[MAC, place]{}
			u.switches[k.Switch] = macs
		}
		u.last, u.lastHas = k.Switch, macs
	}
	was, had := u.lastHas.Swap(k.MAC, place{u.peers.Use(t.Peer), t.VNI})
	if !had {
		u.len++
		return Tunnel{}, false
	}
	old = u.tunnel(was)
	u.peers.Drop(was.peer)
	return old, true
}

// Delete takes a MAC away, if it is there.
func (u *Unicast) Delete(k MACKey) {
	macs := u.switches[k.Switch]
	was, had := macs.Get(k.MAC)
	if !had {
		return
	}
	if macs.Delete(k.MAC); macs.Len() == 0 {
		delete(u.switches, k.Switch)
		u.lastHas = nil
	}
	u.peers.Drop(was.peer)
	u.len--
}

// Clear takes all MACs away.
func (u *Unicast) Clear() { *u = *NewUnicast() }

// All yields the MACs and their tunnels, in any order. Nothing is to be changed meanwhile.
func (u *Unicast) All() iter.Seq2[MACKey, Tunnel] {
	return func(yield func(MACKey, Tunnel) bool) {
		if u == nil {
			return
		}
		for id, macs := range u.switches {
			for mac, p := range macs.All() {
				if !yield(MACKey{id, mac}, u.tunnel(p)) {
					return
				}
			}
		}
	}
}

// Keys yields the MACs.
func (u *Unicast) Keys() iter.Seq[MACKey] {
	return func(yield func(MACKey) bool) {
		u.All()(func(k MACKey, _ Tunnel) bool { return yield(k) })
	}
}

// Equal says whether both have the same.
func (u *Unicast) Equal(o *Unicast) bool {
	if u.Len() != o.Len() {
		return false
	}
	for k, t := range u.All() {
		if other, ok := o.Get(k); !ok || other != t {
			return false
		}
	}
	return true
}

// Clone returns a copy.
func (u *Unicast) Clone() *Unicast {
	if u == nil {
		return NewUnicast()
	}
	c := &Unicast{switches: make(map[SwitchID]*compact.Map[MAC, place], len(u.switches)), len: u.len, peers: u.peers.Clone()}
	for id, macs := range u.switches {
		c.switches[id] = macs.Clone()
	}
	return c
}
