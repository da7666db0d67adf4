package intent

import (
	"hash/maphash"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/compact"
)

// PeerNumbers gives numbers to the addresses of peers, for tables with a million entries that name a few: a
// number is smaller than an address, is found sooner, and the collector of garbage does not follow it. An
// address has its number as long as it is used, and there are as many as were used at the same time, until none is. The zero PeerNumbers has none; 0 is the number of the zero Addr.
type PeerNumbers struct {
	slots compact.Slots // of those that are used, by their addresses
	peers []peerUses    // by number; 0 is never used
	free  []uint32      // numbers of none
	last  uint32        // that was used
}

// peerUses has no netip.Addr: that is half as large again, and has a pointer.
type peerUses struct {
	addr [16]byte // IPv4 as ::ffff:0:0/96, which no VTEP has an address of; no VTEP's has a zone
	uses uint32
	then uint32 // the number that was used after it last
}

func (u *peerUses) ip() netip.Addr { return netip.AddrFrom16(u.addr).Unmap() }

var peerSeed = maphash.MakeSeed()

func hashOfPeer(peer netip.Addr) uint64 { return maphash.Comparable(peerSeed, peer) }

// find returns the number of a valid address whose hash is h, and whether it is used.
func (p *PeerNumbers) find(peer netip.Addr, h uint64) (uint32, bool) {
	pos, next := p.slots.Next(h, 0)
	for pos >= 0 && p.peers[pos].addr != peer.As16() {
		pos, next = p.slots.Next(h, next)
	}
	if pos < 0 {
		return 0, false
	}
	return uint32(pos), true
}

// give gives an address whose hash is h a number.
func (p *PeerNumbers) give(peer netip.Addr, h uint64) (n uint32) {
	if last := len(p.free) - 1; last >= 0 {
		n, p.free = p.free[last], p.free[:last]
	} else {
		if len(p.peers) == 0 {
			p.peers = make([]peerUses, 1)
		}
		if all := len(p.peers); all == cap(p.peers) { // by less than append: peers come one by one, and stay
			p.peers = append(make([]peerUses, 0, all+all/8+8), p.peers...)
		}
		n, p.peers = uint32(len(p.peers)), append(p.peers, peerUses{})
	}
	if all := len(p.peers); !p.slots.Fits(all) {
		p.slots.Make(all + all/8)
		for i := range p.peers {
			other := &p.peers[i]
			if other.uses > 0 {
				p.slots.Add(hashOfPeer(other.ip()), i)
			}
		}
	}
	p.peers[n].addr = peer.As16()
	p.slots.Add(h, int(n))
	return n
}

// Use counts a use of an address, and returns its number. Of many switches with the same peers each uses them in the
// same order: so the one that came after the last one before is tried first.
func (p *PeerNumbers) Use(peer netip.Addr) uint32 {
	if !peer.IsValid() {
		return 0
	}
	if len(p.peers) > 0 {
		if n := p.peers[p.last].then; n != 0 && p.peers[n].addr == peer.As16() {
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
	h := hashOfPeer(peer)
	n, ok := p.find(peer, h)
	if !ok {
		n = p.give(peer, h)
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
		p.slots.Remove(hashOfPeer(p.peers[n].ip()), int(n))
		p.peers[n] = peerUses{}
		if p.free = append(p.free, n); p.Len() == 0 {
			*p = PeerNumbers{}
		}
	}
}

// Number returns the number of an address that is used, and whether it is.
func (p *PeerNumbers) Number(peer netip.Addr) (uint32, bool) {
	if !peer.IsValid() {
		return 0, true
	}
	return p.find(peer, hashOfPeer(peer))
}

// Addr returns the address that has the number.
func (p *PeerNumbers) Addr(n uint32) netip.Addr {
	if n == 0 {
		return netip.Addr{}
	}
	return p.peers[n].ip()
}

// Len returns how many addresses are used.
func (p *PeerNumbers) Len() int { return max(len(p.peers)-1, 0) - len(p.free) }

// Clone returns a copy, with the same numbers.
func (p *PeerNumbers) Clone() PeerNumbers {
	return PeerNumbers{p.slots.Clone(), slices.Clone(p.peers), slices.Clone(p.free), p.last}
}
