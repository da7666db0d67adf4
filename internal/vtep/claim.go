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
	tunnel  intent.Tunnel
	owner   intent.SwitchID   // zero: nobody
	wanters []intent.SwitchID // most often one, each once
}

// countNeed counts the uses of t in ls.
func (c *Compiler) countNeed(ls *lswitch, t intent.Tunnel, n int) {
	was := ls.needs[t]
	if ls.needs[t] += n; ls.needs[t] == 0 {
		delete(ls.needs, t)
	}
	if (was == 0) == (was+n == 0) {
		return
	}
	c.countPeer(t.Peer, n)
	c.countAccepted(ls, t, n)
	for _, ip := range c.scope.siblings[t.Peer] {
		c.countAccepted(ls, intent.Tunnel{Peer: ip, VNI: t.VNI}, n)
	}
}

// countAccepted counts what has ls accept frames of t: that it needs t, or a sibling of it.
func (c *Compiler) countAccepted(ls *lswitch, t intent.Tunnel, n int) {
	was := ls.accepts[t]
	if ls.accepts[t] += n; ls.accepts[t] == 0 {
		delete(ls.accepts, t)
	}
	switch {
	case was == 0:
		c.addClaim(ls.id, t)
	case was+n == 0:
		c.dropClaim(ls.id, t)
	default: // who needs t itself goes before who does not
		c.dirty.claims[t] = struct{}{}
	}
}

func (c *Compiler) addClaim(id intent.SwitchID, t intent.Tunnel) {
	cl := c.claims[t]
	if cl == nil {
		cl = &claim{tunnel: t}
		c.claims[t] = cl
	}
	cl.wanters = append(cl.wanters, id)
	c.dirty.claims[t] = struct{}{}
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
			c.moveClaim(t, was, cl.owner)
		}
		for _, id := range cl.wanters {
			if id == cl.owner || c.switches[id].needs[t] == 0 && t.Peer.IsValid() {
				c.problems.clear(claimSubject(id, t))
			} else {
				c.problems.set(claimSubject(id, t), c.contested(t, cl.owner))
			}
		}
		if len(cl.wanters) == 0 {
			delete(c.claims, t)
		}
	}
	trim.Empty(&c.dirty.claims)
}

// needing returns those of the wanters that need the tunnel itself, or all of them if none does.
func (c *Compiler) needing(cl *claim) []intent.SwitchID {
	var needing []intent.SwitchID
	for _, id := range cl.wanters {
		if c.switches[id].needs[cl.tunnel] > 0 {
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
func (c *Compiler) moveClaim(t intent.Tunnel, from, to intent.SwitchID) {
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
		for mac, e := range ls.macs {
			if e.target != nil && e.target.tunnel == t {
				c.markEntry(ls, mac, e)
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
