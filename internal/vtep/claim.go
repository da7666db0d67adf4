package vtep

import (
	"cmp"
	"fmt"
	"net/netip"
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
	number  ordinal
	tunnel  intent.Tunnel
	owner   intent.SwitchID // zero: nobody
	wanters []wanter        // most often one, each switch once
	first   [1]wanter       // room for that
	dirty   bool            // it is in Compiler.dirty.claims
}

// wanter is a switch that wants a claim.
type wanter struct {
	ls  *lswitch
	use *use // of the tunnel; nil: the claim is of a VNI from any source
}

// needs says whether it needs the tunnel itself.
func (w wanter) needs() bool { return w.use != nil && w.use.needs > 0 }

// use is how a switch uses a tunnel.
type use struct {
	needs   int    // how many of its MACs and groups do
	macs    int    // how many MACs do
	accepts int    // how many needs have it accept frames of it: of the tunnel, and of its siblings
	claim   *claim // nil: nothing has it accept any
}

// useOf returns how a switch uses t. Who changes it calls countedUse then.
func (ls *lswitch) useOf(t intent.Tunnel) *use {
	u := ls.uses[t]
	if u == nil {
		u = &use{}
		ls.uses[t] = u
	}
	return u
}

func (ls *lswitch) countedUse(t intent.Tunnel, u *use) {
	if u.needs == 0 && u.macs == 0 && u.accepts == 0 {
		delete(ls.uses, t)
	}
}

// owns says whether ls, which uses t, may send by it.
func (ls *lswitch) owns(t intent.Tunnel) bool {
	u := ls.uses[t]
	return u != nil && u.claim != nil && u.claim.owner == ls.id
}

// countNeed counts the uses of t in ls.
func (c *Compiler) countNeed(ls *lswitch, t intent.Tunnel, n int) {
	u := ls.useOf(t)
	c.countNeedOf(ls, t, u, n)
	ls.countedUse(t, u)
}

func (c *Compiler) countNeedOf(ls *lswitch, t intent.Tunnel, u *use, n int) {
	was := u.needs
	if u.needs += n; (was == 0) == (u.needs == 0) {
		return
	}
	c.countPeer(t.Peer, n)
	c.countAccepted(ls, t, u, n)
	for _, ip := range c.scope.siblings[t.Peer] {
		t := intent.Tunnel{Peer: ip, VNI: t.VNI}
		u := ls.useOf(t)
		c.countAccepted(ls, t, u, n)
		ls.countedUse(t, u)
	}
}

// countMAC counts a MAC of ls behind t, which so needs it, and returns the claim of t, which is there as long as somebody
// needs it. Switches that flood to the peers of their MACs do so with the first, and no more without the last.
func (c *Compiler) countMAC(ls *lswitch, t intent.Tunnel, n int) *claim {
	u := ls.useOf(t)
	c.countNeedOf(ls, t, u, n)
	was := u.macs
	if u.macs += n; (was == 0) != (u.macs == 0) && c.floods(ls) {
		c.dirty.groups[intent.MACKey{Switch: ls.id, MAC: intent.UnknownDst}] = struct{}{}
	}
	ls.countedUse(t, u)
	return u.claim
}

// countAccepted counts what has ls accept frames of t: that it needs t, or a sibling of it.
func (c *Compiler) countAccepted(ls *lswitch, t intent.Tunnel, u *use, n int) {
	was := u.accepts
	u.accepts += n
	switch {
	case was == 0:
		u.claim = c.addClaim(wanter{ls, u}, t)
	case u.accepts == 0:
		c.dropClaim(ls, u.claim)
		u.claim = nil
	default: // who needs t itself goes before who does not
		c.markClaim(u.claim)
	}
}

func (c *Compiler) markClaim(cl *claim) {
	if !cl.dirty {
		cl.dirty = true
		c.dirty.claims = append(c.dirty.claims, cl)
	}
}

func (c *Compiler) addClaim(w wanter, t intent.Tunnel) *claim {
	cl := c.claims[t]
	if cl == nil {
		cl = &claim{tunnel: t}
		cl.wanters = cl.first[:0]
		cl.number = c.claimNumbers.add(cl)
		c.claims[t] = cl
	}
	cl.wanters = append(cl.wanters, w)
	c.markClaim(cl)
	return cl
}

func (c *Compiler) dropClaim(ls *lswitch, cl *claim) {
	cl.wanters = slices.DeleteFunc(cl.wanters, func(w wanter) bool { return w.ls == ls })
	c.problems.clear(claimSubject(ls.id, cl.tunnel))
	c.markClaim(cl)
}

func (c *Compiler) countPeer(peer netip.Addr, n int) {
	if !peer.IsValid() {
		return
	}
	was := c.peers[peer]
	if c.peers[peer] += n; c.peers[peer] == 0 {
		delete(c.peers, peer)
	}
	if (was == 0) != (was+n == 0) {
		c.news.peers = true
	}
}

// claimOwnVNI claims the VNI of ls from any source, where that is to be accepted.
func (c *Compiler) claimOwnVNI(ls *lswitch) {
	wanted := c.scope.anyone && ls.active && ls.up()
	t := intent.Tunnel{VNI: ls.vni}
	if ls.anyone && (!wanted || ls.anyoneVNI != ls.vni) {
		c.dropClaim(ls, c.claims[intent.Tunnel{VNI: ls.anyoneVNI}])
		ls.anyone = false
	}
	if wanted && !ls.anyone {
		c.addClaim(wanter{ls: ls}, t)
		ls.anyone, ls.anyoneVNI = true, ls.vni
	}
}

// ownsVNI says whether a switch has a VNI from any source.
func (c *Compiler) ownsVNI(id intent.SwitchID, vni uint32) bool {
	cl := c.claims[intent.Tunnel{VNI: vni}]
	return cl != nil && cl.owner == id
}

// resolveClaims gives every dirty claim its owner.
func (c *Compiler) resolveClaims() {
	for _, cl := range c.dirty.claims {
		t, was := cl.tunnel, cl.owner
		cl.dirty = false
		if wanters := needing(cl.wanters); !slices.ContainsFunc(wanters, func(w wanter) bool { return w.ls.id == was }) {
			cl.owner = c.nextOwner(t, wanters)
		}
		if cl.owner != was {
			c.moveClaim(cl, was)
		}
		for _, w := range cl.wanters {
			if id := w.ls.id; id == cl.owner || !w.needs() && t.Peer.IsValid() {
				c.problems.clear(claimSubject(id, t))
			} else {
				c.problems.set(claimSubject(id, t), c.contested(t, cl.owner))
			}
		}
		if len(cl.wanters) == 0 {
			delete(c.claims, t)
			c.claimNumbers.remove(cl.number)
		}
	}
	if clear(c.dirty.claims); cap(c.dirty.claims) > 1024 {
		c.dirty.claims = nil
	}
	c.dirty.claims = c.dirty.claims[:0]
}

// needing returns those of the wanters that need the tunnel itself, or all of them if none does.
func needing(all []wanter) []wanter {
	if len(all) <= 1 {
		return all
	}
	var needing []wanter
	for _, w := range all {
		if w.needs() {
			needing = append(needing, w)
		}
	}
	if len(needing) == 0 {
		return all
	}
	return needing
}

// nextOwner returns who gets a free claim: who had it before a rebuild, else the switch that is
// active for the longest time.
func (c *Compiler) nextOwner(t intent.Tunnel, wanters []wanter) intent.SwitchID {
	if id, ok := c.sticky.owners[t]; ok {
		if slices.ContainsFunc(wanters, func(w wanter) bool { return w.ls.id == id }) {
			return id
		}
	}
	var heir *lswitch
	for _, w := range wanters {
		if heir == nil || cmp.Or(cmp.Compare(w.ls.seq, heir.seq), w.ls.id.Compare(heir.id)) < 0 {
			heir = w.ls
		}
	}
	if heir == nil {
		return intent.SwitchID{}
	}
	return heir.id
}

// moveClaim writes what follows when a claim goes from one switch to another.
func (c *Compiler) moveClaim(cl *claim, from intent.SwitchID) {
	t, to := cl.tunnel, cl.owner
	if !t.Peer.IsValid() {
		c.dirty.publish[from] = struct{}{}
		c.dirty.publish[to] = struct{}{}
		return
	}
	if to == (intent.SwitchID{}) {
		intent.DecapTable.Delete(c.edit, t)
		return
	}
	intent.DecapTable.Set(c.edit, t, to)
	// A switch that has waited for it can now have what it went without.
	if from != (intent.SwitchID{}) {
		ls := c.switches[to]
		for mac, e := range ls.macs.All() {
			if e.target == cl.number {
				c.dirty.macs = append(c.dirty.macs, dirtyMAC{ls, mac, cl})
			}
		}
		for mac, e := range ls.groups {
			if slices.Contains(e.members, t) || slices.Contains(e.flood, t) {
				c.dirty.groups[intent.MACKey{Switch: to, MAC: mac}] = struct{}{}
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
