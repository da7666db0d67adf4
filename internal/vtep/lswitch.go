package vtep

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/compact"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/trim"
)

// lswitch is a logical switch, active here or not. One is made when the first row names it.
type lswitch struct {
	id     intent.SwitchID
	number ordinal
	row    bool // its row exists

	// of the row
	name       string
	vni        uint32 // 0: unassigned, or 0 if vni0
	assigned   bool   // it has a VNI
	badVNI     string // what is wrong with the VNI that it is given; "": nothing
	vni0       bool   // VNI 0 is data
	options    switchOptions
	sourceNode bool
	flood      choice // whether to the peers of unicast rows; see floods
	prune      choice // whether it sends no copies to members that BFD sees dead

	bound  int    // bindings of our ports
	routed int    // addresses of its router
	active bool   // as of the last settling
	seq    uint64 // counts activations: the older has the lower

	router     UUID                       // who has it of routers; zero: nobody
	routers    []UUID                     // those that want it, sorted
	neighbours map[netip.Addr][]neighbour // who has an IP address, best first; nil: nothing is known

	macs      compact.Map[intent.MAC, macEntry]
	more      map[intent.MAC]moreRows // what few of macs have; nil: none
	groups    map[intent.MAC]*groupEntry
	anyone    bool // it claims anyoneVNI from any source
	anyoneVNI uint32

	wants  int                            // claims
	behind compact.Map[ordinal, struct{}] // claims that have MACs of it
	bad    map[UUID]int                   // how many groups and MACs name each locator that leads nowhere; nil: none
}

const vniRemedy = "give it one from 1 to 16777215"

// up says whether the switch has a VNI of its own to use.
func (ls *lswitch) up() bool { return ls.assigned && (ls.vni != 0 || ls.vni0) }

func (c *Compiler) lswitch(id UUID) *lswitch {
	if ls := c.lastSwitch; ls != nil && ls.id == switchID(id) {
		return ls
	}
	ls := c.switches[switchID(id)]
	if ls == nil {
		ls = &lswitch{
			id:     switchID(id),
			groups: map[intent.MAC]*groupEntry{},
		}
		ls.number = c.switchNumbers.add(ls)
		c.switches[ls.id] = ls
	}
	c.lastSwitch = ls
	return ls
}

func (c *Compiler) switchChanged(before, after *hwvtep.LogicalSwitch) {
	if after == nil {
		ls := c.lswitch(before.UUID)
		ls.row, ls.name, ls.badVNI = false, "", ""
		c.problems.setAll(rowOf(hwvtep.TableLogicalSwitch, before.UUID), nil)
		c.markRouters(ls)
		c.dirty.switches[ls.id] = struct{}{}
		return
	}
	ls := c.lswitch(after.UUID)
	was := *ls
	set := settings{values: after.OtherConfig}
	ls.row, ls.name = true, after.Name
	ls.sourceNode = after.ReplicationMode == hwvtep.ReplicationModeSourceNode
	ls.vni0 = set.bool(keyAllowVNI0)
	ls.options = set.switchOptions()
	ls.options.check(&set, c.features)
	ls.flood = set.choice(keyFloodToUnicast)
	ls.prune = set.choice(keyPruneByBFD)
	ls.vni, ls.assigned, ls.badVNI = 0, false, ""
	if key, ok := after.TunnelKey.Get(); ok {
		if key >= 0 && key <= intent.MaxVNI {
			ls.vni, ls.assigned = uint32(key), true
		} else {
			ls.badVNI = fmt.Sprintf("tunnel_key %d is not a VNI: the overlay is down", key)
		}
	}
	c.problems.setAll(rowOf(hwvtep.TableLogicalSwitch, after.UUID), set.bad)
	if !was.row || was.name != ls.name {
		c.markRouters(ls)
	}
	if was.row && was.name != ls.name {
		c.renamed()
		c.markMACs(ls)
		c.markGroups(ls)
	}
	c.dirty.switches[ls.id] = struct{}{}
	if ls.vni != was.vni || ls.up() != was.up() || ls.vni0 != was.vni0 {
		c.markMACs(ls)
		c.markGroups(ls)
	} else if ls.sourceNode != was.sourceNode || ls.flood != was.flood || ls.prune != was.prune {
		c.markGroups(ls)
	}
}

// floods says whether ls floods to the peers of its unicast rows where no row says where to.
func (c *Compiler) floods(ls *lswitch) bool {
	return ls.flood == yes || ls.flood == open && c.scope.flood
}

func (c *Compiler) markMACs(ls *lswitch) {
	for mac := range ls.macs.All() {
		c.markEntry(ls, mac)
	}
	for mac := range c.arps {
		c.markEntry(ls, mac)
	}
}

func (c *Compiler) markGroups(ls *lswitch) {
	for mac := range ls.groups {
		c.dirty.groups[intent.MACKey{Switch: ls.id, MAC: mac}] = struct{}{}
	}
	c.dirty.groups[intent.MACKey{Switch: ls.id, MAC: intent.UnknownDst}] = struct{}{}
}

// resolveSwitches brings activity and the Switches of the State up to date.
func (c *Compiler) resolveSwitches() {
	ids := slices.SortedFunc(maps.Keys(c.dirty.switches), intent.SwitchID.Compare)
	for _, id := range ids {
		ls := c.switches[id]
		if ls == nil {
			continue
		}
		active := ls.row && (ls.bound > 0 || ls.routed > 0)
		if active != ls.active {
			ls.active = active
			c.markMACs(ls)
			c.markGroups(ls)
			c.markNeighbours(ls)
			c.news.activity[id] = active
			if active {
				ls.seq = c.nextSeq(id)
			}
		}
		if active && ls.badVNI != "" {
			c.problems.set(vniSubject(id), complaint{
				kind: problem.BadVNI, fault: hwvtep.FaultUnspecified, text: ls.badVNI, remedy: vniRemedy})
		} else {
			c.problems.clear(vniSubject(id))
		}
		c.claimOwnVNI(ls)
		c.dirty.publish[id] = struct{}{}
	}
	trim.Empty(&c.dirty.switches)
}

// nextSeq returns the activation number of a switch: the one that it had before a rebuild.
func (c *Compiler) nextSeq(id intent.SwitchID) uint64 {
	if seq, ok := c.sticky.seqs[id]; ok {
		return seq
	}
	c.lastSeq++
	return c.lastSeq
}

// publishSwitches writes the switches of the State. It comes after claims are resolved.
func (c *Compiler) publishSwitches() {
	for id := range c.dirty.publish {
		ls := c.switches[id]
		if c.state.Switches[id].Probe {
			c.probing--
		}
		if ls == nil || !ls.active {
			intent.SwitchTable.Delete(c.edit, id)
			continue
		}
		s := intent.Switch{Name: ls.name, SwitchOptions: ls.options.resolve(c.scope.options, c.features)}
		if ls.routed > 0 {
			s.Router = intent.RouterID(ls.router)
		}
		if ls.up() && (!c.scope.anyone || c.claims.owner(intent.Tunnel{VNI: ls.vni}) == ls.number) {
			s.VNI, s.VNI0 = ls.vni, ls.vni == 0
		}
		if c.state.Switches[id].Suppress != s.Suppress {
			c.markNeighbours(ls)
		}
		if c.state.Switches[id].SnoopGroups != s.SnoopGroups {
			c.news.groups = true
		}
		if s.Probe {
			c.probing++
		}
		intent.SwitchTable.Set(c.edit, id, s)
	}
	c.publishARPSource()
}

// forgetSwitch drops a switch that nothing names any more. It may be dropped already, and somebody else have its number.
func (c *Compiler) forgetSwitch(ls *lswitch) {
	if c.switches[ls.id] != ls {
		return
	}
	if !ls.row && ls.bound+ls.routed == 0 && !ls.anyone && ls.macs.Len()+len(ls.groups)+ls.wants+len(ls.routers)+len(ls.neighbours) == 0 {
		delete(c.switches, ls.id)
		c.switchNumbers.remove(ls.number)
		c.lastSwitch = nil
	}
}
