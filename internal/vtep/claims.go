package vtep

import (
	"net/netip"

	"github.com/vtep/vtep/internal/compact"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/trim"
)

// claims are those of all tunnels that switches want, by number and by tunnel. There may be a million, one for
// each peer of each switch: so they lie in large pieces of memory, and nothing in them is a pointer.
type claims struct {
	pieces []*piece // by number; a piece that nothing is in has no memory
	next   ordinal  // the lowest number that was never given
	free   []ordinal
	len    int

	peers  intent.PeerNumbers
	byVNI  map[uint32]*compact.Map[uint32, ordinal] // by VNI and the number of the peer
	last   *compact.Map[uint32, ordinal]            // the one of lastOf that was found last
	lastOf uint32
	room   trim.Room

	others map[ordinal][]wanter // who wants a claim beside claim.first; few are wanted by several
}

const pieceSize = 256

// piece has the claims whose numbers begin with the same bits.
type piece struct {
	claims [pieceSize]claim
	used   int
}

func newClaims() claims {
	return claims{next: 1, byVNI: map[uint32]*compact.Map[uint32, ordinal]{}, others: map[ordinal][]wanter{}}
}

// at returns the claim that has the number.
func (c *claims) at(n ordinal) *claim { return &c.pieces[n/pieceSize].claims[n%pieceSize] }

// tunnel returns what a claim is of.
func (c *claims) tunnel(cl *claim) intent.Tunnel {
	return intent.Tunnel{Peer: c.peers.Addr(cl.peer), VNI: cl.vni}
}

// table returns the claims of a VNI, of which there are some soon.
func (c *claims) table(vni uint32) *compact.Map[uint32, ordinal] {
	all := c.of(vni)
	if all == nil {
		all = &compact.Map[uint32, ordinal]{}
		c.byVNI[vni], c.last = all, all
	}
	return all
}

// find returns the claim of a tunnel; nil: there is none.
func (c *claims) find(t intent.Tunnel) *claim {
	peer, ok := c.peers.Number(t.Peer)
	if !ok {
		return nil
	}
	n, ok := c.of(t.VNI).Get(peer)
	if !ok {
		return nil
	}
	return c.at(n)
}

// of returns the claims of a VNI; nil: there are none. Mostly they are looked for one after another.
func (c *claims) of(vni uint32) *compact.Map[uint32, ordinal] {
	if c.last == nil || c.lastOf != vni {
		c.last, c.lastOf = c.byVNI[vni], vni
	}
	return c.last
}

// make returns the claim of a tunnel. One that is new is of nobody, and is to be wanted by somebody soon.
func (c *claims) make(t intent.Tunnel) *claim {
	peer := c.peers.Use(t.Peer)
	cl := c.makeOf(peer, t.VNI)
	c.peers.Drop(peer)
	return cl
}

// makeOf is make for the number of a peer that is in use.
func (c *claims) makeOf(peer, vni uint32) *claim {
	at, had := c.table(vni).Place(peer)
	if had {
		return c.at(*at)
	}
	n := c.next
	if last := len(c.free) - 1; last >= 0 {
		n, c.free = c.free[last], c.free[:last]
	} else {
		c.next++
	}
	for int(n/pieceSize) >= len(c.pieces) {
		c.pieces = append(c.pieces, nil)
	}
	p := &c.pieces[n/pieceSize]
	if *p == nil {
		*p = &piece{}
	}
	(*p).used++
	c.len++
	*at = n
	c.peers.UseAgain(peer)
	cl := c.at(n)
	*cl = claim{number: n, peer: peer, vni: vni}
	return cl
}

// remove takes a claim away that nobody wants any more.
func (c *claims) remove(cl *claim) {
	n := cl.number
	if all := c.of(cl.vni); all.Delete(cl.peer) && all.Len() == 0 {
		delete(c.byVNI, cl.vni)
		c.last = nil
	}
	c.peers.Drop(cl.peer)
	*cl = claim{}
	p := &c.pieces[n/pieceSize]
	if (*p).used--; (*p).used == 0 {
		*p = nil
	}
	if c.len--; c.len == 0 {
		c.pieces, c.free, c.next = nil, nil, 1
		return
	}
	c.free = append(c.free, n)
}

// fit gives memory back after much has gone.
func (c *claims) fit() { trim.Fit(&c.byVNI, &c.room) }

// owner returns the number of the switch that has a tunnel; 0: none has it.
func (c *claims) owner(t intent.Tunnel) ordinal {
	if cl := c.find(t); cl != nil {
		return cl.owner
	}
	return 0
}

// compare orders claims, which are given by their numbers, by their tunnels.
func (c *claims) compare(a, b ordinal) int {
	x, y := c.at(a), c.at(b)
	if x.peer == y.peer {
		return int(x.vni) - int(y.vni)
	}
	return c.peers.Addr(x.peer).Compare(c.peers.Addr(y.peer))
}

// compareTo orders a claim and a tunnel.
func (c *claims) compareTo(n ordinal, t intent.Tunnel) int { return c.tunnel(c.at(n)).Compare(t) }

// numberOf returns the number of a peer that has claims; 0: it has none.
func (c *claims) numberOf(peer netip.Addr) uint32 {
	n, _ := c.peers.Number(peer)
	return n
}
