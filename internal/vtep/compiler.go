package vtep

import (
	"maps"
	"net/netip"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/trim"
)

// Compiler turns the rows of a database into the State of one Physical_Switch.
//
// An update goes through three stages, each of which looks only at what the one before has
// marked dirty, so that its cost is that of the change:
//
//	feed     rows into the indexes: who uses which locator, set, switch      feed.go
//	resolve  port.go       bindings,
//	         router.go     interfaces of routers, and with both
//	         acl.go        the ACLs that guard them, and
//	         lswitch.go    which switches are active
//	         unicast.go    the tunnel of each MAC
//	         flood.go      the tunnels of each group
//	         claim.go      whose frames a tunnel carries
//	publish  what each switch may use of that, in the State
//
// When our own row or anybody's tunnel IPs change, all is compiled anew, which gives the same
// as the steps would have: what depends on history (who had a tunnel first, which service node
// was chosen) is carried over.
type Compiler struct {
	*facts

	state *intent.State
	edit  *intent.Edit // the only one who writes state's maps

	bound    map[string]map[uint16]intent.Binding  // the bindings in state, by port
	setUsers map[UUID]map[intent.FloodKey]struct{} // never an empty map
	arps     map[intent.MAC][]candidate            // of Arp_Sources_Remote
	claims   claims
	needs    []int                // by the number of a peer among claims: how many (switch, tunnel) need it
	setPeers map[uint64]*setPeers // by the hash of the locators; during resolveGroups

	probing int // switches in state that ask hosts whether they are there

	rooms   rooms
	dirty   dirty
	lastSeq uint64
	sticky  sticky // during a rebuild

	inherited sticky // for the next one

	unconfirmed map[intent.IPKey]intent.MAC // neighbours that an earlier process has known, and nobody has told of since
	liveness    map[netip.Addr]Liveness
	damping     map[netip.Addr]damping                              // of peers that have failed
	learned     Learned                                             // nil: nothing is
	memberSets  map[intent.SwitchID]map[intent.MAC]intent.MemberSet // as SetMembers has it; never an empty map
	moved       []intent.MACKey                                     // see TakeMoved
}

// rooms are those of the Compiler's maps that may be large.
type rooms struct {
	switches, locators, sets, setUsers, standing, told trim.Room
}

// dirty is what the next stages have to look at.
type dirty struct {
	ports    map[UUID]struct{}
	switches map[intent.SwitchID]struct{}
	macs     []dirtyMAC
	every    bool                                // all MACs are: none is in macs before they are resolved
	attached map[intent.MACKey]intent.BindingKey // those of macs that are at bindings of ours
	locators map[UUID]struct{}                   // with MACs behind them
	groups   map[intent.FloodKey]struct{}
	claims   []ordinal
	publish  map[intent.SwitchID]struct{}

	routed     map[intent.SwitchID]struct{} // other routers want them than before
	routers    map[UUID]*router
	neighbours map[intent.IPKey]struct{}
	members    map[intent.MACKey]struct{}
	acls       map[UUID]struct{}
}

// sticky is what depends on history.
type sticky struct {
	owners *intent.Decap     // of tunnels, and of VNIs from any source, as an earlier process had them
	claims claims            // before a rebuild, and
	before numbered[lswitch] // who wanted them
	chosen map[intent.FloodKey]intent.Tunnel
	seqs   map[intent.SwitchID]uint64

	routers map[intent.SwitchID]UUID
	heard   map[intent.IPKey]intent.MAC
	acls    map[intent.ACLID]intent.ACL // in force
}

// NewCompiler returns a compiler for the Physical_Switch called name and a dataplane that can do
// features. Its State is empty until the first Update.
func NewCompiler(name string, features plane.Features) *Compiler {
	c := &Compiler{facts: newFacts(name, features), liveness: map[netip.Addr]Liveness{}, damping: map[netip.Addr]damping{},
		memberSets: map[intent.SwitchID]map[intent.MAC]intent.MemberSet{}}
	c.reset()
	return c
}

// reset forgets all rows.
func (c *Compiler) reset() {
	c.state = intent.NewState()
	c.edit = intent.NewEdit(c.state)
	c.facts.reset()
	c.probing = 0
	c.bound = map[string]map[uint16]intent.Binding{}
	c.setUsers = map[UUID]map[intent.FloodKey]struct{}{}
	c.arps = map[intent.MAC][]candidate{}
	c.claims, c.needs = newClaims(), nil
	c.rooms = rooms{}
	c.dirty = dirty{
		map[UUID]struct{}{}, map[intent.SwitchID]struct{}{}, nil, false, map[intent.MACKey]intent.BindingKey{}, map[UUID]struct{}{},
		map[intent.FloodKey]struct{}{}, nil, map[intent.SwitchID]struct{}{},
		map[intent.SwitchID]struct{}{}, map[UUID]*router{}, map[intent.IPKey]struct{}{},
		map[intent.MACKey]struct{}{},
		map[UUID]struct{}{},
	}
}

// Update brings the State up to date with v, and returns what changed in it. changes says how
// v differs from the view of the last call; nil is for when that is not known.
func (c *Compiler) Update(v *hwvtep.View, changes *hwvtep.Changes) *intent.Delta {
	c.view = v
	if changes == nil {
		return c.recompile()
	}
	if scopeChanged(changes) {
		s := readScope(v, c.name, c.features)
		if !s.sameWorld(&c.scope) {
			return c.recompile()
		}
		c.rescope(s)
	}
	c.feedLocators(changes)
	if c.scope.present {
		c.feed(changes)
		c.resolve()
	}
	if tunnelsChanged(changes) {
		c.resolveSessions()
	}
	return c.delta()
}

// Refresh is an Update for when no row has changed, but what BFD says or what is learned.
func (c *Compiler) Refresh() *intent.Delta {
	c.resolve()
	return c.delta()
}

func (c *Compiler) delta() *intent.Delta {
	c.checkScope()
	return c.edit.Close()
}

// rescope takes a scope that leaves whose addresses are whose as it was.
func (c *Compiler) rescope(s scope) {
	old := c.scope
	c.scope = s
	c.state.Physical = intent.SwitchID(s.id)
	c.state.TunnelIPs = s.TunnelIPs
	for ip := range s.ownIPs {
		if ip != s.Source(ip) {
			intent.EndTable.Set(c.edit, ip, intent.End{})
		}
	}
	c.state.AcceptAnySource = s.anyone
	c.state.MACLimit = uint32(s.macLimit)
	c.state.TunnelDSCP, c.state.TagPCP, c.state.GroupMark = s.dscp, s.pcp, s.group
	c.state.FragmentOuter = s.fragment
	for id := range s.ports {
		if !old.ports[id] || (s.group == 0) != (old.group == 0) {
			c.dirty.ports[id] = struct{}{}
		}
	}
	for id := range old.ports {
		if !s.ports[id] {
			c.dirty.ports[id] = struct{}{}
		}
	}
	if s.anyone != old.anyone || s.options != old.options {
		for id := range c.switches {
			c.dirty.switches[id] = struct{}{}
		}
	}
	if s.flood != old.flood || s.prune != old.prune {
		for _, ls := range c.switches {
			if ls.flood == open || ls.prune == open {
				c.markGroups(ls)
			}
		}
	}
	c.problems.setAll(rowOf(hwvtep.TablePhysicalSwitch, UUID{}), s.trouble)
}

// Load is Update for when nobody needs to know what changed, as at the start.
func (c *Compiler) Load(v *hwvtep.View) {
	c.view = v
	c.rebuild()
}

func (c *Compiler) recompile() *intent.Delta {
	old := c.state
	c.rebuild()
	return intent.Diff(old, c.state)
}

// rebuild compiles all anew.
func (c *Compiler) rebuild() {
	wasActive := map[intent.SwitchID]bool{}
	for id, ls := range c.switches {
		wasActive[id] = ls.active
	}
	numbered := len(c.segments.byNumber) > 0
	c.keepSticky()
	c.reset()
	c.edit.Quiet(true)
	c.scope = scope{}
	c.rescope(readScope(c.view, c.name, c.features))
	if c.scope.present {
		c.dirty.every = true
		c.feedAll()
		for key, mac := range c.sticky.heard {
			c.setHeard(key, mac)
		}
		c.resolve()
	} else {
		c.feedAllLocators()
		c.publishARPSource()
	}
	c.resolveSessions()
	c.sticky = sticky{}
	c.moved = nil // what is there already is no news
	for id, was := range wasActive {
		if ls := c.switches[id]; was && (ls == nil || !ls.active) {
			c.news.activity[id] = false
		}
	}
	c.news.peers, c.news.ports = true, true
	c.news.segments = c.news.segments || numbered
	c.checkScope()
	c.edit.Quiet(false)
}

func (c *Compiler) keepSticky() {
	c.sticky = sticky{owners: c.inherited.owners, claims: c.claims, before: c.switchNumbers, chosen: map[intent.FloodKey]intent.Tunnel{},
		seqs: map[intent.SwitchID]uint64{}, routers: map[intent.SwitchID]UUID{}, heard: c.heard(), acls: maps.Clone(c.state.ACLs)}
	for id, ls := range c.switches {
		if ls.active {
			c.sticky.seqs[id] = ls.seq
		}
		if ls.routed > 0 {
			c.sticky.routers[id] = ls.router
		}
		for mac, e := range ls.groups {
			if e.chosen.Peer.IsValid() {
				c.sticky.chosen[intent.MACKey{Switch: id, MAC: mac}] = e.chosen
			}
		}
	}
	maps.Copy(c.sticky.chosen, c.inherited.chosen)
	maps.Copy(c.sticky.routers, c.inherited.routers)
	maps.Copy(c.sticky.acls, c.inherited.acls)
	c.inherited = sticky{}
}

func (c *Compiler) resolve() {
	c.resolvePorts()
	c.resolveLocators()
	c.resolveRouters()
	c.resolveACLs()
	c.resolveSwitches()
	c.resolveMACs()
	c.resolveGroups()
	c.resolveClaims()
	c.publishSwitches()
	c.publishMACs()
	c.publishGroups()
	c.publishNeighbours()
	c.publishMembers()
	c.checkDirty()
	for id := range c.dirty.publish {
		c.forgetUnused(id)
	}
	var before *lswitch // mostly it is the same
	for i := range c.dirty.macs {
		if ls := c.dirty.macs[i].ls; ls != before {
			c.forgetSwitch(ls)
			before = ls
		}
	}
	for key := range c.dirty.groups {
		c.forgetUnused(key.Switch)
	}
	c.fit()
	trim.Empty(&c.dirty.publish)
	if clear(c.dirty.macs); cap(c.dirty.macs) > 1024 {
		c.dirty.macs = nil
	}
	c.dirty.macs = c.dirty.macs[:0]
	trim.Empty(&c.dirty.attached)
	trim.Empty(&c.dirty.groups)
}

// fit gives memory back after much has gone.
func (c *Compiler) fit() {
	c.edit.Fit()
	trim.Fit(&c.switches, &c.rooms.switches)
	trim.Fit(&c.locators, &c.rooms.locators)
	c.claims.fit()
	trim.Fit(&c.sets, &c.rooms.sets)
	trim.Fit(&c.setUsers, &c.rooms.setUsers)
	trim.Fit(&c.problems.standing, &c.rooms.standing)
	trim.Fit(&c.problems.told, &c.rooms.told)
}

func (c *Compiler) forgetUnused(id intent.SwitchID) {
	if ls := c.switches[id]; ls != nil {
		c.forgetSwitch(ls)
	}
}

// State returns the State as of the last Update, which goes on editing it.
func (c *Compiler) State() *intent.State { return c.state }

// lacksTunnelIP says whether rows of active switches ask for tunnels, and there is no address
// that they could begin at.
func (c *Compiler) lacksTunnelIP() bool {
	if !c.scope.present || c.scope.Any() {
		return false
	}
	for _, ls := range c.switches {
		if ls.active && ls.macs.Len()+len(ls.groups) > 0 {
			return true
		}
	}
	return false
}
