package intent

import (
	"maps"
	"net/netip"
	"slices"
)

// PeerNumbers gives numbers to the addresses of peers, for tables with a million entries that name a few: a
// number is smaller than an address, is found sooner, and the collector of garbage does not follow it. An
// address has its number as long as it is used. The zero PeerNumbers has none; 0 is the number of the zero Addr.
type PeerNumbers struct {
	numbers map[netip.Addr]uint32
	peers   []peerUses // by number; 0 is never used
	free    []uint32   // numbers of none
	last    uint32     // that was used
}

type peerUses struct {
	addr netip.Addr
	uses int
	then uint32 // the number that was used after it last
}

// Use counts a use of an address, and returns its number. Of many switches with the same peers each uses them in the
// same order: so the one that came after the last one before is tried first.
func (p *PeerNumbers) Use(peer netip.Addr) uint32 {
	if !peer.IsValid() {
		return 0
	}
	if len(p.peers) > 0 {
		if n := p.peers[p.last].then; n != 0 && p.peers[n].addr == peer {
			p.peers[n].uses++
			p.last = n
			return n
		}
	}
	n := p.useAny(peer)
	p.peers[p.last].then, p.last = n, n
	return n
}

func (p *PeerNumbers) useAny(peer netip.Addr) uint32 {
	n, ok := p.numbers[peer]
	switch last := len(p.free) - 1; {
	case ok:
	case last >= 0:
		n, p.free = p.free[last], p.free[:last]
	case p.numbers == nil:
		p.numbers, p.peers = map[netip.Addr]uint32{}, make([]peerUses, 1)
		fallthrough
	default:
		n, p.peers = uint32(len(p.peers)), append(p.peers, peerUses{})
	}
	if !ok {
		p.numbers[peer], p.peers[n].addr = n, peer
	}
	p.peers[n].uses++
	return n
}

// UseAgain counts one more use of the address that has the number.
func (p *PeerNumbers) UseAgain(n uint32) {
	if n != 0 {
		p.peers[n].uses++
	}
}

// Drop counts a use less. The number of an address that is not used any more may be given to another one.
func (p *PeerNumbers) Drop(n uint32) {
	if n == 0 {
		return
	}
	if p.peers[n].uses--; p.peers[n].uses == 0 {
		delete(p.numbers, p.peers[n].addr)
		p.peers[n] = peerUses{}
		p.free = append(p.free, n)
	}
}

// Number returns the number of an address that is used, and whether it is.
func (p *PeerNumbers) Number(peer netip.Addr) (uint32, bool) {
	if !peer.IsValid() {
		return 0, true
	}
	n, ok := p.numbers[peer]
	return n, ok
}

// Addr returns the address that has the number.
func (p *PeerNumbers) Addr(n uint32) netip.Addr {
	if n == 0 {
		return netip.Addr{}
	}
	return p.peers[n].addr
}

// Len returns how many addresses are used.
func (p *PeerNumbers) Len() int { return len(p.numbers) }

// Clone returns a copy, with the same numbers.
func (p *PeerNumbers) Clone() PeerNumbers {
	return PeerNumbers{maps.Clone(p.numbers), slices.Clone(p.peers), slices.Clone(p.free), p.last}
}
