package vtep

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// claim is a tunnel that switches need. Frames that arrive by it can belong to one of them
// only: the one that needed it first keeps it, the others do without until it is free.
//
// A tunnel whose peer is the zero Addr stands for a VNI that is accepted from any source.
type claim struct {
	number ordinal
	peer   uint32 // its number among claims.peers
	vni    uint32
	owner  ordinal // of the switch that has it; 0: none
	first  wanter  // one of those that want it, or nobody; claims.others has the rest
	dirty  bool    // it is in Compiler.dirty.claims
	told   bool    // it is told of a switch that it can't have it
}

// wanter is a switch that wants a claim, and what for.
type wanter struct {
	ls      ordinal // its number; 0: nobody
	needs   int32   // how many of its MACs and groups do
	macs    int32   // how many MACs do
	accepts int32   // how many needs have it accept frames of the tunnel: of that, and of its siblings
}

// wanterOf returns how ls, which may not have wanted it before, wants a claim. It is good until another one wants it.
func (c *Compiler) wanterOf(ls *lswitch, cl *claim) *wanter {
	if cl.first.ls == ls.number {
		return &cl.first
	}
	if cl.first.ls == 0 {
		cl.first.ls = ls.number
		ls.wants++
		return &cl.first
	}
	others := c.claims.others[cl.number]
	i := slices.IndexFunc(others, func(w wanter) bool { return w.ls == ls.number })
	if i < 0 {
		i, others = len(others), append(others, wanter{ls: ls.number})
		c.claims.others[cl.number] = others
		ls.wants++
	}
	return &others[i]
}

// dropWanter has ls want a claim no more.
func (c *Compiler) dropWanter(ls *lswitch, cl *claim) {
	if cl.told {
		c.problems.clear(claimSubject(ls.id, c.claims.tunnel(cl)))
	}
	ls.wants--
	others := c.claims.others[cl.number]
	if last := len(others) - 1; last < 0 {
		cl.first = wanter{}
		return
	} else if cl.first.ls == ls.number {
		cl.first, others = others[last], others[:last]
	} else {
		others = slices.DeleteFunc(others, func(w wanter) bool { return w.ls == ls.number })
	}
	if len(others) > 0 {
		c.claims.others[cl.number] = others
	} else {
		delete(c.claims.others, cl.number)
	}
}

// wanters returns all who want a claim.
func (c *Compiler) wanters(cl *claim) []wanter {
	if cl.first.ls == 0 {
		return nil
	}
	return append([]wanter{cl.first}, c.claims.others[cl.number]...)
}

// countNeed counts how often ls needs a claim.
func (c *Compiler) countNeed(ls *lswitch, cl *claim, n int32) {
	w := c.wanterOf(ls, cl)
	was := w.needs
	if w.needs += n; (was == 0) == (w.needs == 0) {
		return
	}
	c.countPeer(cl.peer, int(n))
	c.countAccepted(ls, cl, n)
	if len(c.scope.siblings) == 0 {
		return
	}
	t := c.claims.tunnel(cl)
	for _, ip := range c.scope.siblings[t.Peer] {
		c.countAccepted(ls, c.claims.make(intent.Tunnel{Peer: ip, VNI: t.VNI}), n)
	}
}

// countMAC counts a MAC of ls behind t, which so needs it, and returns the claim of t, which is there as long as somebody
// needs it. Switches that flood to the peers of their MACs do so with the first, and no more without the last.
func (c *Compiler) countMAC(ls *lswitch, t intent.Tunnel, n int32) *claim {
	cl := c.claims.make(t)
	w := c.wanterOf(ls, cl)
	was := w.macs
	if w.macs += n; (was == 0) != (w.macs == 0) {
		if was == 0 {
			ls.behind.Set(cl.number, struct{}{})
		} else {
			ls.behind.Delete(cl.number)
		}
		if c.floods(ls) {
			c.dirty.groups[intent.MACKey{Switch: ls.id, MAC: intent.UnknownDst}] = struct{}{}
		}
	}
	c.countNeed(ls, cl, n)
	return cl
}

// countAccepted counts what has ls accept frames of a claim: that it needs it, or a sibling of it.
func (c *Compiler) countAccepted(ls *lswitch, cl *claim, n int32) {
	w := c.wanterOf(ls, cl)
	if w.accepts += n; w.accepts == 0 {
		c.dropWanter(ls, cl)
	}
	c.markClaim(cl) // who needs it itself goes before who does not
}

func (c *Compiler) markClaim(cl *claim) {
	if !cl.dirty {
		cl.dirty = true
		c.dirty.claims = append(c.dirty.claims, cl.number)
	}
}

func (c *Compiler) countPeer(peer uint32, n int) {
	if peer == 0 {
		return
	}
	if missing := int(peer) + 1 - len(c.needs); missing > 0 {
		c.needs = append(c.needs, make([]int, missing)...)
	}
	was := c.needs[peer]
	c.needs[peer] += n
	switch {
	case was == 0:
		c.peers.Set(c.claims.peers.Addr(peer), struct{}{})
		c.news.peers = true
	case was+n == 0:
		c.peers.Delete(c.claims.peers.Addr(peer))
		c.news.peers = true
	}
}

// claimOwnVNI claims the VNI of ls from any source, where that is to be accepted.
func (c *Compiler) claimOwnVNI(ls *lswitch) {
	wanted := c.scope.anyone && ls.active && ls.up()
	if ls.anyone && (!wanted || ls.anyoneVNI != ls.vni) {
		c.countAccepted(ls, c.claims.make(intent.Tunnel{VNI: ls.anyoneVNI}), -1)
		ls.anyone = false
	}
	if wanted && !ls.anyone {
		c.countAccepted(ls, c.claims.make(intent.Tunnel{VNI: ls.vni}), 1)
		ls.anyone, ls.anyoneVNI = true, ls.vni
	}
}

// resolveClaims gives every dirty claim its owner.
func (c *Compiler) resolveClaims() {
	fresh, last := 0, -1
	for _, n := range c.dirty.claims {
		cl := c.claims.at(n)
		if cl.owner != 0 || cl.first.ls == 0 || cl.peer == 0 {
			continue
		}
		if fresh++; int(cl.vni) != last {
			c.state.Decap.Expect(cl.vni, c.claims.of(cl.vni).Len())
			last = int(cl.vni)
		}
	}
	intent.DecapTable.Expect(c.edit, fresh)
	for _, n := range c.dirty.claims {
		cl := c.claims.at(n)
		was := cl.owner
		cl.dirty = false
		if len(c.claims.others) == 0 || len(c.claims.others[n]) == 0 {
			cl.owner = cl.first.ls
		} else if wanters := needing(c.wanters(cl)); !slices.ContainsFunc(wanters, func(w wanter) bool { return w.ls == was }) {
			cl.owner = c.nextOwner(c.claims.tunnel(cl), wanters)
		}
		if cl.owner != was {
			c.moveClaim(cl, was)
		}
		c.tellClaim(cl)
		if cl.first.ls == 0 {
			c.claims.remove(cl)
		}
	}
	if cap(c.dirty.claims) > 1024 {
		c.dirty.claims = nil
	}
	c.dirty.claims = c.dirty.claims[:0]
}

// tellClaim tells the switches that need a claim and don't have it.
func (c *Compiler) tellClaim(cl *claim) {
	if !cl.told && (len(c.claims.others) == 0 || len(c.claims.others[cl.number]) == 0) {
		return // the only one has it
	}
	t := c.claims.tunnel(cl)
	cl.told = false
	for _, w := range c.wanters(cl) {
		id := c.switchNumbers.at(w.ls).id
		if w.ls == cl.owner || w.needs == 0 && t.Peer.IsValid() {
			c.problems.clear(claimSubject(id, t))
		} else {
			c.problems.set(claimSubject(id, t), c.contested(t, c.switchNumbers.at(cl.owner).id))
			cl.told = true
		}
	}
}

// needing returns those of the wanters that need the tunnel itself, or all of them if none does.
func needing(all []wanter) []wanter {
	var needing []wanter
	for _, w := range all {
		if w.needs > 0 {
			needing = append(needing, w)
		}
	}
	if len(needing) == 0 {
		return all
	}
	return needing
}

// nextOwner returns who of several gets a free claim: who had it before a rebuild, else the switch that is
// active for the longest time.
func (c *Compiler) nextOwner(t intent.Tunnel, wanters []wanter) ordinal {
	if id, ok := c.sticky.owner(t); ok {
		for _, w := range wanters {
			if c.switchNumbers.at(w.ls).id == id {
				return w.ls
			}
		}
	}
	var heir *lswitch
	for _, w := range wanters {
		ls := c.switchNumbers.at(w.ls)
		if heir == nil || cmp.Or(cmp.Compare(ls.seq, heir.seq), ls.id.Compare(heir.id)) < 0 {
			heir = ls
		}
	}
	return heir.number
}

// owner returns the switch that had a tunnel, and whether one had.
func (s *sticky) owner(t intent.Tunnel) (intent.SwitchID, bool) {
	if id, ok := s.owners.Get(t); ok {
		return id, true
	}
	if n := s.claims.owner(t); n != 0 {
		return s.before.at(n).id, true
	}
	return intent.SwitchID{}, false
}

// moveClaim writes what follows when a claim goes from one switch to another; number 0 is of none.
func (c *Compiler) moveClaim(cl *claim, from ordinal) {
	if cl.peer == 0 {
		for _, n := range []ordinal{from, cl.owner} {
			if n != 0 {
				c.dirty.publish[c.switchNumbers.at(n).id] = struct{}{}
			}
		}
		return
	}
	if cl.owner == 0 {
		intent.DecapTable.Delete(c.edit, c.claims.tunnel(cl))
		return
	}
	ls := c.switchNumbers.at(cl.owner)
	intent.DecapTable.Set(c.edit, c.claims.tunnel(cl), ls.id)
	// A switch that has waited for it can now have what it went without.
	if from != 0 {
		for mac, e := range ls.macs.All() {
			if e.target == cl.number {
				c.dirty.macs = append(c.dirty.macs, dirtyMAC{ls, mac, cl})
			}
		}
		for mac, e := range ls.groups {
			if slices.Contains(e.members, cl.number) || slices.Contains(e.flood, cl.number) {
				c.dirty.groups[intent.MACKey{Switch: ls.id, MAC: mac}] = struct{}{}
			}
		}
	}
}

func (c *Compiler) contested(t intent.Tunnel, owner intent.SwitchID) complaint {
	name := problem.LogicalSwitch(c.switchName(owner))
	what := complaint{
		kind: problem.ContestedVNI, fault: hwvtep.FaultUnspecified,
		remedy: "give each switch a tunnel_key of its own",
	}
	if t.Peer.IsValid() {
		what.text = fmt.Sprintf("VNI %d with peer %v belongs to %s: this one can't use it", t.VNI, t.Peer, name)
	} else {
		what.text = fmt.Sprintf("VNI %d from any source belongs to %s: this one is cut off from the overlay", t.VNI, name)
	}
	return what
}

func claimSubject(id intent.SwitchID, t intent.Tunnel) subject {
	return subject{table: hwvtep.TableLogicalSwitch, row: UUID(id), aspect: "claim", tunnel: t}
}
