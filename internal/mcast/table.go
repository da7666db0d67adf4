// Package mcast is the table of IP multicast groups of a VTEP: behind which of its bindings there
// are hosts that are in a group, for each logical switch that asks for that. It goes by what hosts
// and routers say (IGMP, MLD, PIM; package igmp), as RFC 4541 has it for switches:
//
//   - frames to a group go to the bindings that have members and to those that have routers;
//     to groups without members, to routers only.
//   - reports of hosts go to routers, and to those who ask in the place of a router, and not
//     to other hosts, which would keep theirs to themselves.
//   - a member that is not heard of again is forgotten; one that leaves is, when nobody else
//     behind its binding answers a query.
//
// What is not known must not keep a frame from anybody. So a binding is *open*, which means that
// it gets every frame, until its hosts have been asked and had the time to answer; while nobody
// asks, all bindings are; and so is one that has more members than are remembered, for as long as
// some may be missing. A switch whose bindings are all open forwards as one without this table; but where
// it floods not everything, there is a set of all bindings meanwhile, for Lifetime at most if nobody asks:
// what members have been getting must not end because something is not known for a while.
//
// Frames that come by tunnels tell of routers there, and their queries are answered by hosts here;
// of members there the database tells.
//
// The package does no I/O, starts no goroutine and reads no clock: callers pass now. A Table belongs
// to one goroutine (here the agent loop).
package mcast

import (
	"time"

	"github.com/vtep/vtep/internal/igmp"
	"github.com/vtep/vtep/internal/intent"
)

// Config is what a Table obeys.
type Config struct {
	// PerBinding is the most memberships (group and binding) that are remembered of one binding,
	// Total of all. 0: 1024, and 65536.
	PerBinding, Total int
	// Asks says that Queries are sent. Otherwise only routers ask those who stay behind when a
	// member leaves.
	Asks bool
}

// Table holds the groups of the switches that snoop. The zero Table is not ready; use New.
type Table struct {
	cfg         Config // constant after New
	switches    map[intent.SwitchID]*lswitch
	bindings    map[intent.BindingKey]*binding // those of switches, and no others
	memberships int
	alarms      alarms
	counts      Counts

	dirty   map[*family]struct{}
	rows    map[intent.MACKey]struct{} // groups that have, or have lost, all their members
	queries []Query
}

// lswitch is a logical switch that snoops.
type lswitch struct {
	id       intent.SwitchID
	floods   bool // frames to groups without members go to all
	limited  bool // it floods not everything
	bindings map[intent.BindingKey]*binding
	families [2]*family
}

// binding is one of a lswitch.
type binding struct {
	at          intent.BindingKey
	ls          *lswitch
	memberships int
}

// Query is to be sent to the hosts behind a binding.
type Query struct {
	Switch intent.SwitchID
	At     intent.BindingKey
	igmp.Asking
}

// Change is a set of members that is another now; a nil Set: there is none any more.
type Change struct {
	Key intent.MACKey
	Set intent.MemberSet
}

// Counts are of messages since the Table was made.
type Counts struct {
	Queries, Reports, Hellos uint64 // that were taken
	Ignored                  map[igmp.Reason]uint64
	Refused                  uint64 // joins for which there was no room
	Lost                     uint64 // times that messages were lost
}

// New returns a Table without switches.
func New(cfg Config) *Table {
	if cfg.PerBinding == 0 {
		cfg.PerBinding = 1024
	}
	if cfg.Total == 0 {
		cfg.Total = 1 << 16
	}
	return &Table{
		cfg: cfg, switches: map[intent.SwitchID]*lswitch{}, bindings: map[intent.BindingKey]*binding{},
		counts: Counts{Ignored: map[igmp.Reason]uint64{}}, dirty: map[*family]struct{}{}, rows: map[intent.MACKey]struct{}{},
	}
}

// Follow takes the switches that snoop, and their bindings, from s, of which d has changed since
// the last call. A nil d: anything may have.
func (t *Table) Follow(now time.Time, s *intent.State, d *intent.Delta) {
	if d == nil {
		t.followAll(now, s)
		return
	}
	fresh := map[intent.SwitchID]bool{}
	for _, c := range d.Switches {
		if t.followSwitch(now, s, c.Key) {
			fresh[c.Key] = true
		}
	}
	if len(fresh) > 0 {
		for at, b := range s.Bindings {
			if fresh[b.Switch] {
				t.addBinding(now, b.Switch, at)
			}
		}
	}
	for _, c := range d.Bindings {
		if b := t.bindings[c.Key]; b != nil && (c.New == nil || c.New.Switch != b.ls.id) {
			t.removeBinding(b)
		}
		if c.New != nil {
			t.addBinding(now, c.New.Switch, c.Key)
		}
	}
}

func (t *Table) followAll(now time.Time, s *intent.State) {
	for id := range t.switches {
		t.followSwitch(now, s, id)
	}
	for id := range s.Switches {
		t.followSwitch(now, s, id)
	}
	for at, b := range t.bindings {
		if is, ok := s.Bindings[at]; !ok || is.Switch != b.ls.id {
			t.removeBinding(b)
		}
	}
	for at, b := range s.Bindings {
		t.addBinding(now, b.Switch, at)
	}
}

// followSwitch says whether the switch is new here.
func (t *Table) followSwitch(now time.Time, s *intent.State, id intent.SwitchID) bool {
	row, ls := s.Switches[id], t.switches[id]
	limited := row.Flooding != intent.FloodAll
	switch {
	case !row.SnoopGroups && ls != nil:
		t.removeSwitch(ls)
	case row.SnoopGroups && ls == nil:
		t.addSwitch(now, id, row.FloodUnregistered, limited)
		return true
	case ls != nil && (ls.floods != row.FloodUnregistered || ls.limited != limited):
		ls.floods, ls.limited = row.FloodUnregistered, limited
		for _, f := range ls.families {
			t.doubt(now, f)
			t.touch(f)
		}
	}
	return false
}

func (t *Table) addSwitch(now time.Time, id intent.SwitchID, floods, limited bool) {
	ls := &lswitch{id: id, floods: floods, limited: limited, bindings: map[intent.BindingKey]*binding{}}
	ls.families = [2]*family{newFamily(ls, false), newFamily(ls, true)}
	for _, f := range ls.families {
		t.doubt(now, f)
	}
	t.switches[id] = ls
}

func (t *Table) removeSwitch(ls *lswitch) {
	for _, b := range ls.bindings {
		t.removeBinding(b)
	}
	for _, f := range ls.families {
		t.alarms.stop(&f.querier.gone)
		t.alarms.stop(&f.doubtful)
		t.touch(f)
	}
	delete(t.switches, ls.id)
}

func (t *Table) addBinding(now time.Time, id intent.SwitchID, at intent.BindingKey) {
	ls := t.switches[id]
	if ls == nil || t.bindings[at] != nil {
		return
	}
	b := &binding{at: at, ls: ls}
	t.bindings[at], ls.bindings[at] = b, b
	for _, f := range ls.families {
		t.open(f, b)
		t.ask(now, f, b)
	}
}

func (t *Table) removeBinding(b *binding) {
	for _, f := range b.ls.families {
		t.forget(f, b)
		if a := f.opened[b.at]; a != nil {
			t.alarms.stop(a)
			delete(f.opened, b.at)
		}
		t.touch(f)
	}
	delete(b.ls.bindings, b.at)
	delete(t.bindings, b.at)
}

// forget drops what was heard from a binding.
func (t *Table) forget(f *family, b *binding) {
	for group, members := range f.groups {
		if m := members[b.at]; m != nil {
			t.drop(f, group, m)
		}
	}
	for _, heard := range []map[intent.BindingKey]*alarm{f.routers, f.askers, f.full} {
		if a := heard[b.at]; a != nil {
			t.alarms.stop(a)
			delete(heard, b.at)
			t.touch(f)
		}
	}
}

// PortChanged takes that the hosts behind a port may be others now: its link has gone, or come.
func (t *Table) PortChanged(now time.Time, port string, up bool) {
	for at, b := range t.bindings {
		if at.Port != port {
			continue
		}
		for _, f := range b.ls.families {
			if !up {
				t.forget(f, b)
			}
			t.open(f, b)
			if up {
				t.ask(now, f, b)
			}
		}
	}
}

// Lost takes that messages were lost: nobody knows whose.
func (t *Table) Lost() {
	t.counts.Lost++
	for _, ls := range t.switches {
		for _, f := range ls.families {
			for _, b := range ls.bindings {
				t.open(f, b)
			}
		}
	}
}

// Expire does what is due.
func (t *Table) Expire(now time.Time) {
	for {
		a := t.alarms.pop(now)
		if a == nil {
			return
		}
		a.due(now)
	}
}

// Next returns when Expire is due; the zero Time: never.
func (t *Table) Next() time.Time { return t.alarms.next() }

// Flush forgets all groups, routers and queriers of a switch.
func (t *Table) Flush(id intent.SwitchID) {
	ls := t.switches[id]
	if ls == nil {
		return
	}
	for _, f := range ls.families {
		t.alarms.stop(&f.querier.gone)
		f.querier = querier{gone: alarm{due: f.querier.gone.due}}
		for _, b := range ls.bindings {
			t.forget(f, b)
			t.open(f, b)
		}
	}
}

// Counts returns the counters.
func (t *Table) Counts() Counts { return t.counts }

// Len is the number of memberships: of a group and a binding.
func (t *Table) Len() int { return t.memberships }

// Has says whether there are members of a group here.
func (t *Table) Has(key intent.MACKey) bool {
	ls := t.switches[key.Switch]
	return ls != nil && len(ls.families[familyOf(key.MAC.IsIPv6Group())].byMAC[key.MAC]) > 0
}

// All yields the groups that have members here.
func (t *Table) All(yield func(intent.MACKey) bool) {
	for id, ls := range t.switches {
		for _, f := range ls.families {
			for mac := range f.byMAC {
				if !yield(intent.MACKey{Switch: id, MAC: mac}) {
					return
				}
			}
		}
	}
}

// Take returns the sets that have changed since it was last called, the groups that have members
// now and had none, or the other way round, and the queries that are to be sent.
func (t *Table) Take(now time.Time) (sets []Change, groups []intent.MACKey, queries []Query) {
	for f := range t.dirty {
		alive, was := t.switches[f.ls.id] == f.ls, f.known
		if f.known = f.limits(); alive && was && !f.known {
			t.doubt(now, f)
		}
		sets = f.changes(alive, sets)
		delete(t.dirty, f)
	}
	for key := range t.rows {
		groups = append(groups, key)
		delete(t.rows, key)
	}
	queries, t.queries = t.queries, nil
	return sets, groups, queries
}

// doubt takes that it is not known from now on who wants the groups of f.
func (t *Table) doubt(now time.Time, f *family) {
	if !f.ls.limited {
		return // what is not known is flooded anyway
	}
	f.doubtful.due = func(time.Time) { t.touch(f) }
	t.alarms.set(&f.doubtful, now.Add(Lifetime))
}

// touch has all sets of f made anew.
func (t *Table) touch(f *family) {
	f.all = true
	t.dirty[f] = struct{}{}
}

// membership is that there are members of a group behind a binding.
type membership struct {
	b     *binding
	end   alarm
	old   time.Time // hosts that can't leave (IGMPv1) may be among them until then
	asked int       // while they are asked whether one is left: how often
}
