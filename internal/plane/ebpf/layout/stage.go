package layout

import (
	"github.com/vtep/vtep/internal/intent"
)

// Joiner joins the contents of the maps with the machine.
type Joiner struct {
	// PortWanted is told of a port that is new, or wanted otherwise, and says by SetDevice which device it is on.
	PortWanted func(*Port, intent.Port)
	// PortGone is told of one that is about to go.
	PortGone func(name string)
}

// Stage works the delta into the tables. It returns the switches whose features are others now, by bd.
func (c *Contents) Stage(next *intent.State, d *intent.Delta, j Joiner) map[uint32]*Domain {
	changed := map[uint32]*Domain{}
	for _, ch := range d.Switches {
		if ch.New != nil {
			if dom := c.setDomain(ch.Key, *ch.New); dom != nil {
				changed[dom.BD] = dom
			}
		}
	}
	c.setFeatures(changed)
	for _, ch := range d.Ports {
		if ch.New != nil {
			j.PortWanted(c.setPort(ch.Key, *ch.New), *ch.New)
		} else {
			j.PortGone(ch.Key)
			c.delPort(ch.Key)
		}
	}
	c.stageSegments(d.Segments)
	for _, ch := range d.Bindings {
		if dom := c.domainOf(ch.New); dom != nil {
			c.setBinding(ch.Key, dom, ch.New.Role)
		} else {
			c.delBinding(ch.Key)
		}
	}
	for _, ch := range d.Policies {
		c.stagePolicy(ch)
	}
	c.stageUnicasts(next, d)
	c.stageRouters(next, d)
	c.expectChunks(d.Floods)
	for _, ch := range d.Floods {
		dom := c.ByUUID[ch.Key.Switch]
		if dom == nil {
			continue
		}
		key := MACKey{BD: dom.BD, MAC: ch.Key.MAC, Kind: FloodTunnels}
		if ch.New != nil {
			c.setTunnels(key, *ch.New)
		} else {
			c.delTunnels(key)
		}
	}
	c.stageMembers(d.Members)
	c.stageDecaps(d.Decap)
	for _, ch := range d.Switches {
		if ch.New == nil {
			c.delDomain(ch.Key)
		}
	}
	if d.Global || len(d.Switches) > 0 {
		c.stageAnySource(next.AcceptAnySource)
	}
	for _, ch := range d.BFD {
		c.stageSession(ch)
	}
	c.FloodMembers()
	c.forgetPeers()
	return changed
}

func (c *Contents) domainOf(b *intent.Binding) *Domain {
	if b == nil {
		return nil
	}
	return c.ByUUID[b.Switch]
}

// setDomain returns the domain if its features are others now.
func (c *Contents) setDomain(id intent.SwitchID, sw intent.Switch) *Domain {
	d := c.ByUUID[id]
	if d == nil {
		d = &Domain{ID: id, members: map[uint32]*Binding{}}
		if d.BD = c.Adopted.switches[id]; d.BD == 0 {
			d.BD = c.NextBD
			c.NextBD++
		}
		c.ByUUID[id], c.Domains[d.BD] = d, d
		c.markSwitch(d.BD)
		c.Maps.Switches.Set(SwitchID{UUID: id}, d.BD)
	}
	was := d.Features
	d.Switch, d.Features = sw, featuresOf(sw)
	if d.Features == was {
		return nil
	}
	return d
}

func (c *Contents) delDomain(id intent.SwitchID) {
	d := c.ByUUID[id]
	if d == nil {
		return
	}
	for _, b := range d.members { // the compiler has removed them already
		c.delBinding(b.Key)
	}
	c.delFlood(MACKey{BD: d.BD, Kind: FloodMembers})
	for mac := range d.groups {
		c.delFlood(MACKey{BD: d.BD, MAC: mac, Kind: FloodMembers})
	}
	c.Maps.Switches.Del(SwitchID{UUID: id})
	delete(c.ByUUID, id)
	delete(c.Domains, d.BD)
	c.markSwitch(d.BD)
}

// isIn has dom be the domain of a switch, and says whether that has one.
func (c *Contents) isIn(dom **Domain, id intent.SwitchID) bool {
	if *dom == nil || (*dom).ID != id {
		*dom = c.ByUUID[id]
	}
	return *dom != nil
}

// stageUnicast has a MAC be reached by a tunnel; nil: by none.
func (c *Contents) stageUnicast(key MACKey, by *intent.Tunnel) {
	if len(c.Nameless) > 0 { // a key in an interface costs memory
		delete(c.Nameless, any(key))
	}
	var to Target
	var wanted, had bool
	var old Remote
	if by != nil {
		to, wanted = c.target(key, *by)
	}
	if wanted {
		old, had = c.Maps.Remotes.Set(key, Remote{Peer: to.Peer, VNI: to.ID})
	} else {
		old, had = c.Maps.Remotes.Del(key)
	}
	if had {
		c.dropTarget(old.Peer)
	}
}

func (c *Contents) stageDecaps(changes []intent.Change[intent.Tunnel, intent.SwitchID]) {
	var dom *Domain // of the change before, often of the same switch
	for i := range changes {
		ch := &changes[i]
		if !ch.Key.Peer.IsValid() {
			continue
		}
		if len(c.Nameless) > 0 { // a key in an interface costs memory
			delete(c.Nameless, any(ch.Key))
		}
		if ch.New != nil && (dom == nil || dom.ID != *ch.New) {
			dom = c.ByUUID[*ch.New]
		}
		if ch.New != nil && dom != nil {
			c.setDecap(ch.Key, dom)
		} else {
			c.delDecap(ch.Key)
		}
	}
	c.tunnels.settle()
}

// stageAnySource makes the decap entries that hold for every source: one for each VNI that
// is a switch's own. Of two switches with the same VNI, the one with the lower id gets it.
func (c *Contents) stageAnySource(accept bool) {
	owners := map[uint32]*Domain{}
	if accept {
		for _, d := range c.Domains {
			if !d.Switch.OverlayUp() {
				continue
			}
			if o := owners[d.Switch.VNI]; o == nil || string(d.ID[:]) < string(o.ID[:]) {
				owners[d.Switch.VNI] = d
			}
		}
	}
	for vni := range c.anyVNI {
		if owners[vni] == nil {
			c.tunnels.delete(TunnelKey{VNI: vni})
		}
	}
	c.anyVNI = map[uint32]struct{}{}
	for vni, d := range owners {
		c.tunnels.set(TunnelKey{VNI: vni}, d.decap())
		c.anyVNI[vni] = struct{}{}
	}
	c.tunnels.settle()
}
