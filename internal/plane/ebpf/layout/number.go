package layout

// Pool hands out numbers from 1 to max-1, those given back last of all: what still names a
// number for a moment should not find somebody else behind it.
type Pool struct {
	Next, Max uint32
	free      []uint32 // below next
}

// NewPool makes a pool for a map of size entries in which some numbers are used.
func NewPool(size uint32, used map[uint32]bool) Pool {
	p := Pool{Next: 1, Max: size}
	for n := range used {
		p.Next = max(p.Next, n+1)
	}
	for n := uint32(1); n < p.Next; n++ {
		if !used[n] {
			p.free = append(p.free, n)
		}
	}
	return p
}

// rested is how many numbers wait to be used again while there are fresh ones.
const rested = 1024

// Take answers 0 when all are taken.
func (p *Pool) Take() uint32 {
	if p.Next < p.Max && len(p.free) < rested {
		p.Next++
		return p.Next - 1
	}
	if len(p.free) == 0 {
		return 0
	}
	n := p.free[0]
	p.free = p.free[1:]
	return n
}

func (p *Pool) Release(n uint32) {
	if n != 0 {
		p.free = append(p.free, n)
	}
}

// numbers are the scarce numbers of the maps; maps.h says what they mean.
type numbers struct {
	NextBD, nextList uint32
	Slots, PortSlots Pool
	PeerSlots        Pool
	gens             []uint32 // by slot: its last generation; 0: never used

	wanting bool // a number ran out since the last reconcile
	Anew    bool // there may be some again: the next Apply has to reconcile
}

// Number takes one, and remembers when there is none.
func (n *numbers) Number(from *Pool) uint32 {
	got := from.Take()
	n.wanting = n.wanting || got == 0
	return got
}

// GiveBack gives one back. Whoever wanted one before gets it by a reconcile.
func (n *numbers) GiveBack(to *Pool, number uint32) {
	to.Release(number)
	n.Anew = n.Anew || number != 0 && n.wanting
}
