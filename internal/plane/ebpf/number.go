package ebpf

import (
	"net/netip"

	"github.com/vtep/vtep/internal/plane"
)

// pool hands out numbers from 1 to max-1, those given back last of all: what still names a
// number for a moment should not find somebody else behind it.
type pool struct {
	next, max uint32
	free      []uint32 // below next
}

// newPool makes a pool for a map of size entries in which some numbers are used.
func newPool(size uint32, used map[uint32]bool) pool {
	p := pool{next: 1, max: size}
	for n := range used {
		p.next = max(p.next, n+1)
	}
	for n := uint32(1); n < p.next; n++ {
		if !used[n] {
			p.free = append(p.free, n)
		}
	}
	return p
}

// rested is how many numbers wait to be used again while there are fresh ones.
const rested = 1024

// take answers 0 when all are taken.
func (p *pool) take() uint32 {
	if p.next < p.max && len(p.free) < rested {
		p.next++
		return p.next - 1
	}
	if len(p.free) == 0 {
		return 0
	}
	n := p.free[0]
	p.free = p.free[1:]
	return n
}

func (p *pool) release(n uint32) {
	if n != 0 {
		p.free = append(p.free, n)
	}
}

// numbers are the scarce numbers of the maps; maps.h says what they mean.
type numbers struct {
	nextBD, nextList uint32
	slots, portSlots pool
	peerSlots        pool
	gens             []uint32 // by slot: its last generation; 0: never used
}

// number takes one, and remembers when there is none.
func (p *Plane) number(from *pool) uint32 {
	n := from.take()
	p.wanting = p.wanting || n == 0
	return n
}

// releaseNumber gives one back. Whoever wanted one before gets it by a reconcile.
func (p *Plane) releaseNumber(to *pool, n uint32) {
	to.release(n)
	if n != 0 && p.wanting && !p.anew {
		p.anew = true
		p.queue.add(plane.ReportChanged{})
	}
}

// peersError says that there were not enough numbers for all peers, or nil.
func (p *Plane) peersError() error {
	without := map[netip.Addr]bool{}
	for _, ips := range p.nameless {
		for _, ip := range ips {
			without[ip] = true
		}
	}
	if len(without) == 0 {
		return nil
	}
	return noRoom("no room for more than %d peers: nothing goes to %d more, or comes from them", p.peerSlots.max-1, len(without))
}
