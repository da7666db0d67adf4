package vtep

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/trim"
)

// claim is a tunnel that switches need. Frames that arrive by it can belong to one of them
// only: the one that needed it first keeps it, the others do without until it is free.
//
// A tunnel whose peer is the zero Addr stands for a VNI that is accepted from any source.
type claim struct {
	number  ordinal
	tunnel  intent.Tunnel
	owner   intent.SwitchID   // zero: nobody
	wanters []intent.SwitchID // most often one, each once
}

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

// needs says whether a switch needs t itself.
func (ls *lswitch) needs(t intent.Tunnel) bool {
	u := ls.uses[t]
	return u != nil && u.needs > 0
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
		u.claim = c.addClaim(ls.id, t)
	case u.accepts == 0:
		c.dropClaim(ls.id, t)
		u.claim = nil
	default: // who needs t itself goes before who does not
		c.dirty.claims[t] = struct{}{}
	}
}

func (c *Compiler) addClaim(id intent.SwitchID, t intent.Tunnel) *claim {
	cl := c.claims[t]
	if cl == nil {
		cl = &claim{tunnel: t}
		cl.number = c.claimNumbers.add(cl)
		c.claims[t] = cl
	}
	cl.wanters = append(cl.wanters, id)
	c.dirty.claims[t] = struct{}{}
	return cl
}

func (c *Compiler) dropClaim(id intent.SwitchID, t intent.Tunnel) {
	cl := c.claims[t]
	cl.wanters = slices.DeleteFunc(cl.wanters, func(w intent.SwitchID) bool { return w == id })
	c.problems.clear(claimSubject(id, t))
	c.dirty.claims[t] = struct{}{}
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
		c.dropClaim(ls.id, intent.Tunnel{VNI: ls.anyoneVNI})
		ls.anyone = false
	}
	if wanted && !ls.anyone {
		c.addClaim(ls.id, t)
		ls.anyone, ls.anyoneVNI = true, ls.vni
	}
}

// owns says whether ls may use t.
func (c *Compiler) owns(id intent.SwitchID, t intent.Tunnel) bool {
	cl := c.claims[t]
	return cl != nil && cl.owner == id
}

// resolveClaims gives every dirty claim its owner.
func (c *Compiler) resolveClaims() {
	for t := range c.dirty.claims {
		cl := c.claims[t]
		was := cl.owner
		if wanters := c.needing(cl); !slices.Contains(wanters, was) {
			cl.owner = c.nextOwner(t, wanters)
		}
		if cl.owner != was {
			c.moveClaim(cl, was)
		}
		for _, id := range cl.wanters {
			if id == cl.owner || !c.switches[id].needs(t) && t.Peer.IsValid() {
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
	trim.Empty(&c.dirty.claims)
}

// needing returns those of the wanters that need the tunnel itself, or all of them if none does.
func (c *Compiler) needing(cl *claim) []intent.SwitchID {
	var needing []intent.SwitchID
	for _, id := range cl.wanters {
		if c.switches[id].needs(cl.tunnel) {
			if len(cl.wanters) == 1 {
				return cl.wanters
			}
			needing = append(needing, id)
		}
	}
	if len(needing) == 0 {
		return cl.wanters
	}
	return needing
}

// nextOwner returns who gets a free claim: who had it before a rebuild, else the switch that is
// active for the longest time.
func (c *Compiler) nextOwner(t intent.Tunnel, wanters []intent.SwitchID) intent.SwitchID {
	if id, ok := c.sticky.owners[t]; ok {
		if slices.Contains(wanters, id) {
			return id
		}
	}
	var heir *lswitch
	for _, id := range wanters {
		ls := c.switches[id]
		if heir == nil || cmp.Or(cmp.Compare(ls.seq, heir.seq), id.Compare(heir.id)) < 0 {
			heir = ls
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
	if ls := c.switches[to]; from != (intent.SwitchID{}) {
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
