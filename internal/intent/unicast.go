package intent

import (
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/compact"
)

// Unicast says by which tunnel each MAC behind another VTEP is reached. There may be a million, so
// they are kept by switch, with their peers as numbers. A nil *Unicast is empty.
type Unicast struct {
	switches map[SwitchID]*compact.Map[MAC, place]
	len      int

	numbers map[netip.Addr]uint32 // of peers: where they are in peers
	peers   []peerUse
	free    []uint32 // numbers of none
}

// place is a Tunnel.
type place struct{ peer, vni uint32 }

type peerUse struct {
	addr netip.Addr
	macs int
}

// NewUnicast returns an empty one.
func NewUnicast() *Unicast {
	return &Unicast{switches: map[SwitchID]*compact.Map[MAC, place]{}, numbers: map[netip.Addr]uint32{}}
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

func (u *Unicast) tunnel(p place) Tunnel { return Tunnel{u.peers[p.peer].addr, p.vni} }

// Set gives a MAC a tunnel.
func (u *Unicast) Set(k MACKey, t Tunnel) {
	macs := u.switches[k.Switch]
	if macs == nil {
		macs = &compact.Map[MAC, place]{}
		u.switches[k.Switch] = macs
	}
	was, had := macs.Get(k.MAC)
	macs.Set(k.MAC, place{u.use(t.Peer), t.VNI})
	if had {
		u.drop(was.peer)
	} else {
		u.len++
	}
}

// use counts a MAC behind a peer, and returns the number of that.
func (u *Unicast) use(peer netip.Addr) uint32 {
	n, ok := u.numbers[peer]
	if !ok {
		if last := len(u.free) - 1; last >= 0 {
			n, u.free = u.free[last], u.free[:last]
		} else {
			n, u.peers = uint32(len(u.peers)), append(u.peers, peerUse{})
		}
		u.numbers[peer], u.peers[n].addr = n, peer
	}
	u.peers[n].macs++
	return n
}

func (u *Unicast) drop(n uint32) {
	if p := &u.peers[n]; p.macs > 1 {
		p.macs--
		return
	}
	delete(u.numbers, u.peers[n].addr)
	u.peers[n] = peerUse{}
	u.free = append(u.free, n)
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
	}
	u.drop(was.peer)
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
	c := &Unicast{make(map[SwitchID]*compact.Map[MAC, place], len(u.switches)), u.len,
		maps.Clone(u.numbers), slices.Clone(u.peers), slices.Clone(u.free)}
	for id, macs := range u.switches {
		c.switches[id] = macs.Clone()
	}
	return c
}
