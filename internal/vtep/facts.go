package vtep

import (
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/compact"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// facts are what the Compiler has found out of the rows, and all that the Reporter knows of it.
// The Compiler writes them, the Reporter reads them, but for what is said of single fields.
type facts struct {
	name     string         // of our Physical_Switch
	features plane.Features // of the dataplane
	view     *hwvtep.View   // of the last Update
	scope    scope

	ports       map[UUID]*port
	portsByName map[string][]UUID // sorted; never an empty list
	segments    segments
	acls        map[UUID]*acl
	aclEntries  map[UUID]*aclEntry
	guarded     map[string]map[uint16]UUID // the ACLs that bindings are to have, by port
	unserved    map[UUID]int               // ACLs by how many of our ports bind them, where there are none
	routers     map[UUID]*router
	switches    map[intent.SwitchID]*lswitch

	switchNumbers numbered[lswitch]
	lastSwitch    *lswitch // that a row of a MAC named: the next mostly names it too; nil: none, or it has gone

	locators  map[UUID]*locator
	lastFound *locator                          // of them, mostly the next too that is looked for; nil: none, or it has gone
	numbers   numbered[locator]                 // of locators
	byAddr    compact.Map[netip.Addr, []UUID]   // locators that have a row, the best for a tunnel first
	sets      map[UUID][]UUID                   // locator sets
	peers     compact.Map[netip.Addr, struct{}] // that a (switch, tunnel) needs
	monitored map[netip.Addr]intent.BFD         // peers that there is to be a session with
	problems  problems
	arpSource intent.MAC // as in the State, while there are routers

	news    news
	adopted map[intent.MACKey]struct{} // Local rows of an earlier process, not learned again yet; the reporter's
}

// news are what has changed since the reporter last looked, which takes them.
type news struct {
	activity map[intent.SwitchID]bool // switches that became active, or ceased to be
	peers    bool                     // which peers there are
	own      bool                     // a locator of our own has another key
	ports    bool
	segments bool // the number of one
	routers  bool // their ACLs

	arpSource bool // it is another one
	groups    bool // which switches snoop

	acls, aclEntries map[UUID]struct{} // those whose faults have changed
}

func newFacts(name string, features plane.Features) *facts {
	return &facts{
		name: name, features: features, problems: newProblems(),
		news: news{activity: map[intent.SwitchID]bool{}, acls: map[UUID]struct{}{}, aclEntries: map[UUID]struct{}{}}, adopted: map[intent.MACKey]struct{}{},
	}
}

// reset forgets what rows have said.
func (f *facts) reset() {
	f.ports = map[UUID]*port{}
	f.portsByName = map[string][]UUID{}
	f.segments = newSegments()
	f.acls = map[UUID]*acl{}
	f.aclEntries = map[UUID]*aclEntry{}
	f.guarded = map[string]map[uint16]UUID{}
	f.unserved = map[UUID]int{}
	f.routers = map[UUID]*router{}
	f.switches, f.switchNumbers = map[intent.SwitchID]*lswitch{}, numbered[lswitch]{}
	f.locators, f.numbers = map[UUID]*locator{}, numbered[locator]{}
	f.lastSwitch, f.lastFound = nil, nil
	f.byAddr.Clear()
	f.sets = map[UUID][]UUID{}
	f.peers.Clear()
	f.monitored = nil
	f.problems.restart()
}

// Present says whether the row of our Physical_Switch exists, and which it is.
func (f *facts) Present() (UUID, bool) { return f.scope.id, f.scope.present }

// Aging returns how long an unseen MAC is remembered; 0: for ever.
func (f *facts) Aging() time.Duration { return f.scope.aging }

// Active says whether a switch is active here (it has a binding on our ports, or a router).
func (f *facts) Active(id intent.SwitchID) bool {
	ls := f.switches[id]
	return ls != nil && ls.active
}

// snoopsGroups says whether frames to groups are to go only to those bindings of a switch that have
// members.
func (f *facts) snoopsGroups(id intent.SwitchID) bool {
	ls := f.switches[id]
	return ls != nil && ls.active && ls.options.resolve(f.scope.options, f.features).SnoopGroups
}

// snoopsIPs says whether ipaddr of a switch's local rows says what hosts say.
func (f *facts) snoopsIPs(id intent.SwitchID) bool {
	ls := f.switches[id]
	return ls != nil && ls.active && ls.options.resolve(f.scope.options, f.features).SnoopIPs
}

// ActiveSwitches yields the active switches.
func (f *facts) ActiveSwitches() iter.Seq[intent.SwitchID] {
	return func(yield func(intent.SwitchID) bool) {
		for id, ls := range f.switches {
			if ls.active && !yield(id) {
				return
			}
		}
	}
}

// locatorOf returns the locator of that row; nil: nothing names it.
func (f *facts) locatorOf(id UUID) *locator {
	if l := f.lastFound; l != nil && l.id == id {
		return l
	}
	l := f.locators[id]
	if l != nil {
		f.lastFound = l
	}
	return l
}

// addrOf returns the address of a locator; the zero Addr: there is none.
func (f *facts) addrOf(id UUID) netip.Addr {
	if l := f.locatorOf(id); l != nil {
		return l.addr
	}
	return netip.Addr{}
}

// Elsewhere says whether another switch of the database has learned the MAC.
func (f *facts) Elsewhere(key intent.MACKey) bool {
	ls := f.switches[key.Switch]
	return ls != nil && slices.ContainsFunc(f.rowsOfMAC(ls, key.MAC), candidate.weak)
}

// Port is what the reporter needs to know of one of our Physical_Port rows.
type Port struct {
	ID       UUID
	Name     string
	Bindings map[uint16]intent.SwitchID // those in force; nil for a row without name, or one that gives way to another
	Faults   []string                   // by the rows alone, sorted
}

// Ports yields our ports.
func (f *facts) Ports() iter.Seq[Port] {
	return func(yield func(Port) bool) {
		for id, p := range f.ports {
			out := Port{ID: id, Name: p.name, Bindings: p.bindings}
			if f.portsByName[p.name][0] != id || p.name == "" {
				out.Bindings = nil
			}
			if p.badACL || slices.ContainsFunc(slices.Collect(maps.Values(p.acls)), f.badACL) {
				out.Faults = append(out.Faults, hwvtep.FaultInvalidACLBinding)
			}
			if p.badVLAN || out.Bindings == nil && len(p.bindings) > 0 {
				out.Faults = append(out.Faults, hwvtep.FaultInvalidVLANMap)
			}
			if p.unserved {
				out.Faults = append(out.Faults, hwvtep.FaultUnspecified)
			}
			if !yield(out) {
				return
			}
		}
	}
}

// Faults returns the elements that switch_fault_status must have by the rows alone, sorted.
func (f *facts) Faults() []string {
	faults := f.problems.switchFaults()
	for _, r := range f.routers {
		if r.foreign {
			faults = append(faults, hwvtep.FaultLRSupport)
			slices.Sort(faults)
			break
		}
	}
	return faults
}
