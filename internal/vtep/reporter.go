package vtep

import (
	"iter"
	"maps"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/trim"
)

// Reporter makes database rows of what the dataplane does. It compares what the rows should
// say with what they do say, as the replica shows them, and Build makes the transaction that
// is missing; no difference, no transaction.
//
//	mark.go      what has to be looked at again
//	macs.go      Ucast_Macs_Local
//	mcast.go     Mcast_Macs_Local: unknown-dst, and groups with members
//	strays.go    rows of these that others have made ours, or spoilt
//	tunnels.go   Tunnel, Physical_Switch.tunnels
//	portrows.go  vlan_stats, Logical_Binding_Stats, port_fault_status
//	arpsource.go Arp_Sources_Local
//	kept.go      Physical_Port rows of ports that the dataplane lists
//	faults.go    switch_fault_status, and the faults of routers
//	aclrows.go   the faults of ACLs and their entries
//
// One transaction is under way at a time: after Build comes its execution, then an Update that
// shows what it did, then Done. The rest is retried or no longer wanted, as the rows then say.
//
// Several switches may share the database, each with its own agent. Ours are the Local rows
// whose locators have one of our tunnel IPs, or had one since we began.
type Reporter struct {
	f       *facts
	learned Learned
	groups  Groups // nil: there are none

	ownAs *hwvtep.Row           // the row of the switch that was decoded last,
	ownIs hwvtep.PhysicalSwitch // and what it says

	own      map[netip.Addr]bool // our tunnel IPs, now and formerly
	homed    netip.Addr          // the tunnel IP that Local rows are written for
	macs     map[intent.SwitchID]map[intent.MAC]localMAC
	spare    map[intent.MACKey][]localMAC                     // our rows beside those in macs, for the same MAC
	mcasts   map[intent.SwitchID]map[intent.MAC]map[UUID]UUID // rows of anybody: their locator sets; never an empty map
	ips      map[intent.MACKey]string                         // what rows of an earlier process say in ipaddr, as long as nothing else is known
	adopted  map[intent.MACKey]struct{}                       // groups of an earlier process that have no members yet
	hidden   map[intent.MACKey]struct{}                       // learned, but not to be told of; see Hide
	outdated map[UUID]struct{}                                // our rows that go, even if their MACs are learned again; see GiveUp
	counters map[intent.BindingKey]plane.Counters             // as last read
	base     map[intent.BindingKey]plane.Counters             // to add to what is read, so that nothing counts back
	raised   map[shared]struct{}                              // the faults of routers, ACLs and their entries that are ours
	idle     map[UUID]time.Time                               // Tunnel rows that nobody needs, since when
	due      time.Time                                        // when the first of them goes; zero: none does
	strays   map[UUID]stray                                   // Local rows with our locator that we can't have written
	pace     pace                                             // of rows of groups
	mine     mine
	kept     keptPorts
	report   plane.Report
	full     bool // a MAC limit is reached
	frozen   bool // forwarding does not follow the rows

	withdrawn bool // see Withdraw

	begun    bool
	now      time.Time // of the last Build
	todo     work
	pending  work         // handed to the transaction under way
	failures int          // transactions that failed in a row
	inserted map[end]UUID // stand for the locators of ours that the transaction under way inserts
}

// Learned says which MACs are learned on local ports.
type Learned interface {
	Get(intent.MACKey) (intent.BindingKey, bool)
	IP(intent.MACKey) netip.Addr // that it says it has; the zero Addr: none is known
	All() iter.Seq2[intent.MACKey, intent.BindingKey]
}

// maxPart bounds each part of a transaction, in operations. An NVC must be able to get a word
// in: what a part leaves out stays to be done, by the next transaction.
const maxPart = 5000

// NewReporter returns a reporter beside c, whose facts it goes by.
func NewReporter(c *Compiler, learned Learned) *Reporter {
	r := &Reporter{
		f:        c.facts,
		learned:  learned,
		own:      map[netip.Addr]bool{},
		macs:     map[intent.SwitchID]map[intent.MAC]localMAC{},
		spare:    map[intent.MACKey][]localMAC{},
		mcasts:   map[intent.SwitchID]map[intent.MAC]map[UUID]UUID{},
		ips:      map[intent.MACKey]string{},
		adopted:  map[intent.MACKey]struct{}{},
		pace:     pace{waiting: map[intent.MACKey]struct{}{}},
		hidden:   map[intent.MACKey]struct{}{},
		outdated: map[UUID]struct{}{},
		counters: map[intent.BindingKey]plane.Counters{},
		base:     map[intent.BindingKey]plane.Counters{},
		raised:   map[shared]struct{}{},
		strays:   map[UUID]stray{},
		mine:     newMine(),
		inserted: map[end]UUID{},
		todo:     newWork(),
		pending:  newWork(),
	}
	return r
}

// ownRow returns the row of the switch, which nobody may edit.
func (r *Reporter) ownRow() (hwvtep.PhysicalSwitch, bool) {
	if !r.f.scope.present {
		return hwvtep.PhysicalSwitch{}, false
	}
	row := r.f.view.PhysicalSwitchRow(r.f.scope.id)
	if row == nil {
		return hwvtep.PhysicalSwitch{}, false
	}
	if row != r.ownAs {
		r.ownAs = row
		r.ownIs, _ = r.f.view.PhysicalSwitch(r.f.scope.id)
	}
	return r.ownIs, true
}

// ours says whether a locator is an end of our tunnels.
func (r *Reporter) ours(id UUID) bool { return r.own[r.f.addrOf(id)] }

// SetReport takes what the plane says of the last Apply.
func (r *Reporter) SetReport(report plane.Report) {
	if !maps.Equal(r.report.BFD, report.BFD) || !plane.SameErrors(r.report.Sessions, report.Sessions) {
		r.todo.tunnels = true
	}
	for _, acls := range []map[intent.ACLID]error{r.report.ACLs, report.ACLs} {
		for id := range acls {
			r.todo.acls[UUID(id)] = struct{}{}
		}
	}
	// A report comes with every Apply, and says most often what the one before has said: rows with
	// thousands of bindings and tunnels are not to be looked at each time.
	acls := !plane.SameErrors(r.report.ACLs, report.ACLs)
	if acls || !plane.SameErrors(r.report.Ports, report.Ports) || !plane.SameErrors(r.report.Bindings, report.Bindings) ||
		!plane.SameErrors(r.report.Disturbed, report.Disturbed) || !maps.Equal(r.report.Down, report.Down) {
		r.markPorts()
	}
	if acls || (r.report.Tunnels == nil) != (report.Tunnels == nil) || !plane.SameErrors(r.report.Full, report.Full) {
		r.todo.faults = true
	}
	r.report = report
	r.report.BFD = maps.Clone(report.BFD) // SetPeer edits it
}

// Report returns what the plane has said last, with what it has told since of peers.
func (r *Reporter) Report() *plane.Report { return &r.report }

// SetPeer takes what the session of BFD with a peer says, which is more recent than the report.
func (r *Reporter) SetPeer(peer netip.Addr, s plane.PeerState) {
	if s == r.report.BFD[peer] {
		return
	}
	r.todo.tunnels = true
	if s == (plane.PeerState{}) {
		delete(r.report.BFD, peer)
		return
	}
	if r.report.BFD == nil {
		r.report.BFD = map[netip.Addr]plane.PeerState{}
	}
	r.report.BFD[peer] = s
}

// SetFull takes whether the MAC table is at its limit.
func (r *Reporter) SetFull(full bool) {
	if r.full != full {
		r.full = full
		r.todo.faults = true
	}
}

// SetFrozen takes whether forwarding is left as an earlier process had it.
func (r *Reporter) SetFrozen(frozen bool) {
	r.frozen = frozen
	r.todo.faults = true
}

// Withdraw has the rows go that tell others what they reach here. It is for the end: from now
// on nothing is wanted.
func (r *Reporter) Withdraw() {
	r.withdrawn = true
	r.reread()
}

// Build returns the transaction that makes the rows right; nil: they are. It is called again
// when Due says so.
//
// While transactions fail, it is made of one part at a time, so that a part that can't succeed
// does not hold up the others.
func (r *Reporter) Build(now time.Time) *hwvtep.Txn {
	if r.f.view == nil {
		return nil
	}
	r.now = now
	if r.pace.isDue(now) {
		maps.Copy(r.todo.groups, r.pace.waiting)
		trim.Empty(&r.pace.waiting)
	}
	parts := r.parts()
	for i := range parts {
		tx := hwvtep.NewTxn(r.f.view.Layout())
		clear(r.inserted)
		if r.failures > 0 {
			parts[(r.failures+i)%len(parts)](tx)
		} else {
			for _, build := range parts {
				build(tx)
			}
		}
		if tx.Len() > 0 {
			return tx
		}
		r.pending = newWork() // it was right already
		if r.failures == 0 {
			break
		}
	}
	return nil
}

func (r *Reporter) parts() []func(*hwvtep.Txn) {
	return []func(*hwvtep.Txn){r.buildFaults, r.buildACLs, r.buildKept, r.buildPorts, r.buildTunnels, r.buildMcasts, r.buildARPSource, r.buildMACs, r.buildStrays}
}

// Done takes the outcome of the transaction that Build returned. It comes after the Update
// that shows its effects. It says whether somebody has undone them since: what was done and
// undone between two Updates shows in neither.
func (r *Reporter) Done(err error) (undone bool) {
	done := r.pending
	r.pending = newWork()
	if err != nil {
		r.failures++
		r.todo.add(&done)
		return false
	}
	r.failures = 0
	return r.recheck(&done)
}

// recheck compares again what a transaction was to make right, but for what is to be compared
// anyway. What is wrong becomes work again.
func (r *Reporter) recheck(done *work) (undone bool) {
	rest := r.todo // there may be much more of it: it is to cost nothing
	done.remove(&rest)
	r.todo = *done
	tx := hwvtep.NewTxn(r.f.view.Layout())
	clear(r.inserted)
	for _, build := range r.parts() {
		build(tx)
	}
	left := r.todo
	r.todo = rest
	r.todo.add(&left)
	r.todo.add(&r.pending)
	r.pending = newWork()
	return tx.Len() > 0
}

// Busy says whether there may be something for Build to do now.
func (r *Reporter) Busy(now time.Time) bool {
	w := &r.todo
	return w.stats || w.tunnels || w.faults || w.strays || w.kept || w.arpSource ||
		w.macs.len()+len(w.groups)+len(w.ports)+len(w.acls)+len(w.aclEntries) > 0 || r.isDue(now) || r.pace.isDue(now)
}
