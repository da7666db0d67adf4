package layout

import (
	"iter"
	"math/bits"
	"slices"
)

// A tunnel is a VNI and the number of a peer (0: any source), and has the switch that its frames enter. In the map an
// entry is for all peers of a part that mean the same switch by a VNI; those that mean another one have entries for
// themselves alone. Which switch has the first kind follows from the tunnels that there are, not from how they
// came: it is that of most, and of two with as many the one with the lower bd.

// TunnelKey names a tunnel.
type TunnelKey struct{ Peer, VNI uint32 }

func (t TunnelKey) part() DecapKey { return DecapKey{VNI: t.VNI, Part: t.Peer >> DecapShift} }

func (t TunnelKey) alone() DecapKey { return DecapKey{VNI: t.VNI, Part: DecapAlone | t.Peer} }

// Way is where the frames of the tunnel go, without for whom else it is so.
func (d Decap) way() Decap { return Decap{BD: d.BD, Features: d.Features} }

func (d *Decap) word(peer uint32) (*uint64, uint64) {
	return &d.Peers[peer/64%(DecapPeers/64)], 1 << (peer % 64)
}

func (d *Decap) has(peer uint32) bool {
	w, bit := d.word(peer)
	return *w&bit != 0
}

func (d *Decap) add(peer uint32) {
	w, bit := d.word(peer)
	*w |= bit
}

func (d *Decap) drop(peer uint32) {
	w, bit := d.word(peer)
	*w &^= bit
}

// count is how many peers the entry is for.
func (d *Decap) count() (n int) {
	for _, w := range d.Peers {
		n += bits.OnesCount64(w)
	}
	return n
}

// of gives the peers that an entry is for, by its key.
func (d *Decap) of(k DecapKey) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		if k.Part&DecapAlone != 0 {
			yield(k.Part &^ DecapAlone)
			return
		}
		for i, w := range d.Peers {
			for ; w != 0; w &= w - 1 {
				if !yield(k.Part<<DecapShift + uint32(i*64+bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}

// FindDecap gives what holds for a tunnel, as the programs find it. look gives entries of the map.
func FindDecap(t TunnelKey, look func(DecapKey) (Decap, bool)) (Decap, bool) {
	if d, ok := look(t.part()); ok && d.has(t.Peer) {
		return d.way(), true
	}
	return look(t.alone())
}

// TunnelsOf gives the tunnels that entries are for, with where they lead. An entry for a peer alone does not count
// where the other kind is for it, too.
func TunnelsOf(all iter.Seq2[DecapKey, Decap], look func(DecapKey) (Decap, bool)) iter.Seq2[TunnelKey, Decap] {
	return func(yield func(TunnelKey, Decap) bool) {
		for k, d := range all {
			for peer := range d.of(k) {
				t := TunnelKey{Peer: peer, VNI: k.VNI}
				if k.Part&DecapAlone != 0 {
					if shared, ok := look(t.part()); ok && shared.has(peer) {
						continue
					}
				}
				if !yield(t, d.way()) {
					return
				}
			}
		}
	}
}

// DecapsOf gives the entries of tunnels with where they lead.
func DecapsOf(all iter.Seq2[TunnelKey, Decap]) *Store[DecapKey, Decap] {
	var a tunnels
	a.reset(newTable[DecapKey, Decap]("decaps"))
	for t, d := range all {
		a.set(t, d)
	}
	a.settle()
	return &a.table.Want
}

// tunnels are what is wanted in the map. Changes are collected in parts, and settled together.
type tunnels struct {
	table   *Table[DecapKey, Decap]
	alone   map[DecapKey][]uint32 // by part: the peers that have entries for themselves alone
	changed map[DecapKey]*tunnelPart
	last    *tunnelPart // that was asked for: often the one that is next
}

// tunnelPart is the tunnels of a VNI with the peers of a part.
type tunnelPart struct {
	key    DecapKey
	had    bool // there is an entry
	shared Decap
	alone  map[uint32]Decap // by peer; nil: none
}

func (a *tunnels) reset(table *Table[DecapKey, Decap]) {
	*a = tunnels{table: table, alone: map[DecapKey][]uint32{}, changed: map[DecapKey]*tunnelPart{}}
}

// find gives what is wanted for a tunnel.
func (a *tunnels) find(t TunnelKey) (Decap, bool) { return FindDecap(t, a.table.Want.Lookup) }

// open gives a part for changes.
func (a *tunnels) open(k DecapKey) *tunnelPart {
	if a.last != nil && a.last.key == k {
		return a.last
	}
	p := a.changed[k]
	if p == nil {
		p = &tunnelPart{key: k}
		p.shared, p.had = a.table.Want.Lookup(k)
		for _, peer := range a.alone[k] {
			p.put(peer, a.table.Want.Get(TunnelKey{Peer: peer, VNI: k.VNI}.alone()))
		}
		a.changed[k] = p
	}
	a.last = p
	return p
}

func (p *tunnelPart) put(peer uint32, d Decap) {
	if p.alone == nil {
		p.alone = map[uint32]Decap{}
	}
	p.alone[peer] = d
}

// set has a tunnel lead somewhere. It says whether there was none.
func (a *tunnels) set(t TunnelKey, d Decap) (fresh bool) {
	p := a.open(t.part())
	if p.shared.has(t.Peer) {
		if p.shared.way() == d {
			return false
		}
		p.shared.drop(t.Peer)
	} else if _, had := p.alone[t.Peer]; had {
		delete(p.alone, t.Peer)
	} else {
		fresh = true
	}
	switch {
	case p.shared.Peers == [len(p.shared.Peers)]uint64{}:
		p.shared = d
		p.shared.add(t.Peer)
	case p.shared.way() == d:
		p.shared.add(t.Peer)
	default:
		p.put(t.Peer, d)
	}
	return fresh
}

// delete takes a tunnel away. It says whether there was one.
func (a *tunnels) delete(t TunnelKey) (had bool) {
	p := a.open(t.part())
	if p.shared.has(t.Peer) {
		p.shared.drop(t.Peer)
		return true
	}
	_, had = p.alone[t.Peer]
	delete(p.alone, t.Peer)
	return had
}

// choose has the entry be for the peers of the way that most have.
func (p *tunnelPart) choose() {
	counts := map[Decap]int{}
	if n := p.shared.count(); n > 0 {
		counts[p.shared.way()] = n
	}
	for _, d := range p.alone {
		counts[d]++
	}
	best := p.shared.way()
	for d, n := range counts {
		if most := counts[best]; n > most || n == most && d.BD < best.BD {
			best = d
		}
	}
	if best != p.shared.way() {
		for peer := range p.shared.of(p.key) {
			p.alone[peer] = p.shared.way()
		}
		p.shared = best
	}
	for peer, d := range p.alone {
		if d == best {
			p.shared.add(peer)
			delete(p.alone, peer)
		}
	}
}

// settle has what has become of the changed parts be wanted in the map.
func (a *tunnels) settle() {
	for k, p := range a.changed {
		if len(p.alone) > 0 {
			p.choose()
		}
		for _, peer := range a.alone[k] {
			if _, still := p.alone[peer]; !still {
				a.table.Del(TunnelKey{Peer: peer, VNI: k.VNI}.alone())
			}
		}
		delete(a.alone, k)
		for peer, d := range p.alone {
			a.table.Set(TunnelKey{Peer: peer, VNI: k.VNI}.alone(), d)
			a.alone[k] = append(a.alone[k], peer)
		}
		slices.Sort(a.alone[k])
		switch {
		case p.shared.count() > 0:
			a.table.Set(k, p.shared)
		case p.had:
			a.table.Del(k)
		}
	}
	if len(a.changed) > 0 {
		a.changed, a.last = map[DecapKey]*tunnelPart{}, nil
	}
}

// OrderDecaps puts entries for peers alone before those that are for the others of their parts: a peer that goes from
// one to the other always has one of them (decap_of in overlay.h). Among those that are to be deleted
// it is the other way round, which nobody notices.
func (c *Contents) OrderDecaps() {
	if len(c.tunnels.alone) > 0 && c.Maps.Decaps.Staged() > 1 {
		c.Maps.Decaps.Order(func(x, y DecapKey) int { return int(y.Part&DecapAlone) - int(x.Part&DecapAlone) })
	}
}

// decapThere gives an entry as it was read.
func (c *Contents) decapThere(k DecapKey) (Decap, bool) {
	d, ok := c.Maps.Decaps.Have[k]
	return d, ok
}

// TunnelDrift is a tunnel that leads elsewhere by the map, as it was read, than is wanted; nil: nowhere.
type TunnelDrift struct {
	TunnelKey
	Want, Have *Decap
}

// DriftOf says what is wrong with the tunnels that an entry is for, of those that are wanted and those that were read.
func (c *Contents) DriftOf(k DecapKey) (all []TunnelDrift) {
	want, have := c.Maps.Decaps.Want.Get(k), c.Maps.Decaps.Have[k]
	for i, w := range have.Peers {
		want.Peers[i] |= w
	}
	for peer := range want.of(k) {
		t := TunnelDrift{TunnelKey: TunnelKey{Peer: peer, VNI: k.VNI}}
		if d, ok := c.DecapFor(t.TunnelKey); ok {
			t.Want = &d
		}
		if d, ok := FindDecap(t.TunnelKey, c.decapThere); ok {
			t.Have = &d
		}
		if t.Want == nil || t.Have == nil || *t.Want != *t.Have {
			all = append(all, t)
		}
	}
	return all
}

// DecapFor gives the entry that is wanted for a tunnel.
func (c *Contents) DecapFor(t TunnelKey) (Decap, bool) { return c.tunnels.find(t) }
