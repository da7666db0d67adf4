package vtep

import (
	"hash/maphash"
	"slices"
)

// setPeers is where a locator set leads, whatever the switch. Many switches flood to the same locators, each by a
// set of its own: that is found out once for all that are looked at together.
type setPeers struct {
	locators []UUID
	peers    []uint32 // numbers among claims.peers, in the order of addresses, each once
	keyed    bool     // a locator has a VNI of its own, so that the switch matters: there are no peers
	good     bool     // no locator is wrong
}

var setSeed = maphash.MakeSeed()

// peersOf finds out where the locators of a set lead. It holds until forgetSetPeers.
func (c *Compiler) peersOf(locators []UUID) *setPeers {
	var h maphash.Hash
	h.SetSeed(setSeed)
	for i := range locators {
		h.Write(locators[i][:])
	}
	key := h.Sum64()
	if was := c.setPeers[key]; was != nil {
		if slices.Equal(was.locators, locators) {
			return was
		}
		return &setPeers{keyed: true} // for once without; but for their hash they have nothing in common
	}
	set := &setPeers{locators: locators, good: true}
	var reachable []*locator
	for _, id := range locators {
		l := c.locators[id]
		set.good = set.good && (l == nil || l.wrong == nil)
		if c.reachable(l) {
			set.keyed = set.keyed || l.keyed
			reachable = append(reachable, l)
		}
	}
	if !set.keyed {
		slices.SortFunc(reachable, func(a, b *locator) int { return a.addr.Compare(b.addr) })
		reachable = slices.CompactFunc(reachable, func(a, b *locator) bool { return a.addr == b.addr })
		for _, l := range reachable {
			set.peers = append(set.peers, c.claims.peers.Use(l.addr))
		}
	}
	if c.setPeers == nil {
		c.setPeers = map[uint64]*setPeers{}
	}
	c.setPeers[key] = set
	return set
}

// forgetSetPeers is for when locators may change again.
func (c *Compiler) forgetSetPeers() {
	for _, set := range c.setPeers {
		for _, peer := range set.peers {
			c.claims.peers.Drop(peer)
		}
	}
	c.setPeers = nil
}

// claimsOf returns the claims of ls by which it reaches the peers of a set.
func (c *Compiler) claimsOf(ls *lswitch, set *setPeers) []ordinal {
	if !ls.up() || len(set.peers) == 0 {
		return nil
	}
	c.claims.table(ls.vni).Expect(len(set.peers))
	list := make([]ordinal, len(set.peers))
	for i, peer := range set.peers {
		list[i] = c.claims.makeOf(peer, ls.vni).number
	}
	return list
}
