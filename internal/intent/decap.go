package intent

import (
	"iter"

	"github.com/vtep/vtep/internal/compact"
)

// Decap says which switch the frames of each tunnel enter. There may be a million, one for each peer of each
// switch, so they are kept by VNI, with the peers as numbers. A nil *Decap is empty.
type Decap struct {
	vnis  map[uint32]*compact.Map[uint32, SwitchID] // by VNI and the number of the peer
	len   int
	peers PeerNumbers

	last   *compact.Map[uint32, SwitchID] // the one that was made or found last, which is of lastOf; nil: look for it
	lastOf uint32
}

// NewDecap returns an empty one.
func NewDecap() *Decap { return &Decap{vnis: map[uint32]*compact.Map[uint32, SwitchID]{}} }

// Len returns the number of tunnels.
func (d *Decap) Len() int {
	if d == nil {
		return 0
	}
	return d.len
}

// Get returns the switch that the frames of a tunnel enter, and whether there is one.
func (d *Decap) Get(t Tunnel) (SwitchID, bool) {
	if d == nil {
		return SwitchID{}, false
	}
	peer, ok := d.peers.Number(t.Peer)
	if !ok {
		return SwitchID{}, false
	}
	return d.vnis[t.VNI].Get(peer)
}

// At returns the switch that the frames of a tunnel enter; the zero SwitchID: there is none.
func (d *Decap) At(t Tunnel) SwitchID {
	id, _ := d.Get(t)
	return id
}

// Set has the frames of a tunnel enter a switch.
func (d *Decap) Set(t Tunnel, id SwitchID) { d.Swap(t, id) }

// Swap does so, and returns the switch that they entered before, and whether there was one.
func (d *Decap) Swap(t Tunnel, id SwitchID) (old SwitchID, had bool) {
	peer := d.peers.Use(t.Peer)
	if old, had = d.of(t.VNI).Swap(peer, id); had {
		d.peers.Drop(peer)
	} else {
		d.len++
	}
	return old, had
}

// Expect makes room for the tunnels of a VNI, n in all, which are about to be set.
func (d *Decap) Expect(vni uint32, n int) { d.of(vni).Expect(n) }

// of returns the tunnels of a VNI, of which there are some soon. Mostly they are set one after another.
func (d *Decap) of(vni uint32) *compact.Map[uint32, SwitchID] {
	if d.last != nil && d.lastOf == vni {
		return d.last
	}
	of := d.vnis[vni]
	if of == nil {
		of = &compact.Map[uint32, SwitchID]{}
		d.vnis[vni] = of
	}
	d.last, d.lastOf = of, vni
	return of
}

// Delete has the frames of a tunnel enter no switch.
func (d *Decap) Delete(t Tunnel) {
	peer, ok := d.peers.Number(t.Peer)
	of := d.vnis[t.VNI]
	if !ok || of == nil || !of.Delete(peer) {
		return
	}
	if of.Len() == 0 {
		delete(d.vnis, t.VNI)
		d.last = nil
	}
	d.peers.Drop(peer)
	if d.len--; d.len == 0 {
		d.Clear() // the map of VNIs stays as large as it has been, else
	}
}

// Clear has no frame of a tunnel enter any switch.
func (d *Decap) Clear() { *d = *NewDecap() }

// All yields the tunnels and the switches that their frames enter, in any order. Nothing is to be changed meanwhile.
func (d *Decap) All() iter.Seq2[Tunnel, SwitchID] {
	return func(yield func(Tunnel, SwitchID) bool) {
		if d == nil {
			return
		}
		for vni, of := range d.vnis {
			for peer, id := range of.All() {
				if !yield(Tunnel{d.peers.Addr(peer), vni}, id) {
					return
				}
			}
		}
	}
}

// Keys yields the tunnels.
func (d *Decap) Keys() iter.Seq[Tunnel] {
	return func(yield func(Tunnel) bool) {
		d.All()(func(t Tunnel, _ SwitchID) bool { return yield(t) })
	}
}

// Equal says whether both have the same.
func (d *Decap) Equal(o *Decap) bool {
	if d.Len() != o.Len() {
		return false
	}
	for t, id := range d.All() {
		if other, ok := o.Get(t); !ok || other != id {
			return false
		}
	}
	return true
}

// Clone returns a copy.
func (d *Decap) Clone() *Decap {
	if d == nil {
		return NewDecap()
	}
	c := &Decap{vnis: make(map[uint32]*compact.Map[uint32, SwitchID], len(d.vnis)), len: d.len, peers: d.peers.Clone()}
	for vni, of := range d.vnis {
		c.vnis[vni] = of.Clone()
	}
	return c
}
