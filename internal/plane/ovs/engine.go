package ovs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/ops"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// engine is the state of a plane and the goroutine that owns it.
type engine struct {
	plane *Plane
	log   *slog.Logger
	db    *idl.Client
	mail  *mailbox

	begun bool // there was an Apply
	site  *site
	names *names
	vs    *vswitch // nil: the database was never reached

	bridges  map[string]*bridge
	switches map[intent.SwitchID]*logical // as last built
	physical *physical                    // as last built
	stations *stations

	built                    bool // flows were built of the present site and vswitch
	dirtyMACs                []intent.MACKey
	wantCfg                  int64
	dbRetry                  retry
	waiters                  []chan struct{}
	lost                     uint64 // events that the agent has not been told of
	links                    links
	counters                 counters
	access                   accessLists
	routing                  routing
	dirtyIPs                 []intent.IPKey
	renote                   bool // the notes are to be written again: what flows had counted that are gone
	asking, hearing, telling budget
	echoes                   packet.Echoes
	used                     map[intent.IPKey]used
	stale                    bool      // the datapath may have what it did by flows of ACLs or routers that are gone
	stalled                  time.Time // since when something is pending; zero: nothing is
	bfdTold                  map[netip.Addr]plane.PeerState
	pendingWhy               string

	routes       routes
	problemsTold []problem.Problem
}

// retry is when to try again what has failed.
type retry struct {
	at       time.Time
	failures int
}

func (r *retry) failed() {
	r.failures++
	r.at = time.Now().Add(min(50*time.Millisecond<<min(r.failures, 8), 10*time.Second))
}

// rarely is failed for what is not likely to change soon.
func (r *retry) rarely() {
	r.failures++
	r.at = time.Now().Add(min(time.Second<<min(r.failures, 6), time.Minute))
}

func newEngine(p *Plane, db *idl.Client) *engine {
	e := &engine{
		plane: p, log: p.log, db: db, mail: newMailbox(), site: newSite(),
		names:    &names{ps: p.opts.Name, port: p.opts.Port, next: 1, of: map[intent.SwitchID]string{}, taken: map[string]bool{}},
		bridges:  map[string]*bridge{},
		switches: map[intent.SwitchID]*logical{},
		physical: &physical{},
		links:    newLinks(),
		counters: newCounters(),
		access:   newAccessLists(),
	}
	e.stations = newStations(e.relocated)
	e.routing = routing{site: e.site, numbers: newNumbering[intent.RouterID](), ports: map[intent.SwitchID]uint32{}, access: &e.access,
		members: func(id intent.SwitchID) []patch {
			if l := e.switches[id]; l != nil {
				return l.members
			}
			return nil
		}, largest: e.largest}
	return e
}

func (e *engine) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if at := e.nextTimer(); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(0, time.Until(at)))
		}
		select {
		case <-ctx.Done():
			return
		case f := <-e.plane.calls:
			f()
		case <-e.db.Updates():
			e.takeDatabase()
		case <-e.mail.wake:
		case <-timer.C:
			e.retryFlows()
		}
		e.takeMail()
		if e.begun {
			e.converge(ctx)
		}
	}
}

// apply takes a change of the State. The channel is closed when all is done that can be.
func (e *engine) apply(d *intent.Delta) chan struct{} {
	e.begun = true
	for _, c := range d.ACLs {
		e.access.change(c)
	}
	macs, ips, routes, more := e.site.apply(d)
	e.routing.dirty = append(e.routing.dirty, routes...)
	e.routing.changed = e.routing.changed || d.Global || len(d.Routers)+len(d.Interfaces)+len(d.Switches) > 0
	for _, c := range d.Routers {
		if c.New == nil {
			e.routing.numbers.drop(c.Key)
		}
	}
	e.dirtyIPs = append(e.dirtyIPs, ips...)
	e.dirtyMACs = append(e.dirtyMACs, macs...)
	for _, key := range macs {
		e.relocated(key)
	}
	if more {
		e.built = false
	}
	for _, c := range d.Bindings {
		if c.Old != nil && c.Old.Forgets(c.New) {
			e.unbind(c.Old.Switch, c.Key)
		}
	}
	for _, c := range d.Attached {
		if c.Old != nil {
			e.detach(c.Key, *c.Old)
		}
	}
	for _, c := range d.Switches {
		if c.New == nil {
			e.forgetSwitch(c.Key)
		}
	}
	settled := make(chan struct{})
	if e.away() && time.Since(e.bridges[e.names.ps].gone) >= grace { // it may stay so for long
		close(settled)
	} else {
		e.waiters = append(e.waiters, settled)
	}
	return settled
}

// outcome is what an Apply reports, which waits no longer: what is well later is told by an event. The agent takes hosts behind ports
// that don't work for unknown, and has to be told when they are heard again.
func (e *engine) outcome(settled chan struct{}) plane.Report {
	e.waiters = slices.DeleteFunc(e.waiters, func(w chan struct{}) bool { return w == settled })
	r := e.report()
	if len(r.Ports) > 0 {
		for id, macs := range e.stations.bySwitch {
			for mac, st := range macs {
				if !st.static && r.Ports[st.at.Port] != nil && r.Bindings[st.at] != nil {
					e.unlearn(intent.MACKey{Switch: id, MAC: mac})
				}
			}
		}
	}
	return r
}

// takeDatabase takes what is new in the database.
func (e *engine) takeDatabase() {
	snapshot, delta := e.db.Take()
	if snapshot == nil || delta.Empty() && e.vs != nil {
		return
	}
	before := e.vs
	e.vs = readVSwitch(snapshot)
	e.vs.keepUntold(before)
	e.built = false
	if before != nil && before.curCfg != e.vs.curCfg {
		e.kick()
	}
	e.routes.want()
	e.notifyPorts(before)
	e.notifyProblems()
	e.notifyBFD()
}

// takeMail takes what bridges have told.
func (e *engine) takeMail() {
	letters, lost := e.mail.take()
	for cookie, n := range lost {
		e.counters.add(lostPunts[cookie&0xff], n)
	}
	for _, l := range letters {
		b := l.from
		if e.bridges[b.name] != b {
			continue
		}
		switch {
		case l.connected:
			b.found(l.conn)
			e.tellWhy(b)
			b.have = flowSet{}
			clear(b.refused)
			b.retryAt = time.Time{}
			for i := range l.flows {
				k, f := flowOf(&l.flows[i])
				b.have[k] = f
			}
			b.all = true
			e.built = false
			e.adopt(b)
			e.log.Debug("connected", "bridge", b.name, "flows", len(b.have))
		case l.lost != nil:
			if b.conn != nil && b.conn == l.conn || l.conn == nil {
				if b.conn != nil {
					e.log.Info("lost the connection to a bridge", "bridge", b.name, "err", l.lost)
				}
				b.lose(l.lost)
				e.tellWhy(b)
				e.built = false
			}
		case b.conn != l.conn:
			// of a connection that is over
		case l.packet != nil:
			if isPunt(l.packet) {
				e.punt(b, l.packet)
			} else {
				e.learn(b, l.packet)
			}
		default:
			for i := range l.flows {
				e.flowChanged(b, &l.flows[i])
			}
		}
	}
}

// converge makes what is there equal to what is wanted, as far as it can be now.
func (e *engine) converge(ctx context.Context) {
	pending := ""
	switch {
	case e.vs == nil:
		pending = "the database Open_vSwitch can't be reached"
	default:
		e.names.adopt(e.vs, e.site)
		e.follow()
		e.checkRoutes() // what is built may depend on them
		if !e.built {
			e.build()
		}
		e.buildMACs()
		e.buildRoutes()
		e.buildNeighbors()
		pending = e.install(ctx)
		if ps := e.bridges[e.names.ps]; pending == "" && e.renote && ps != nil {
			e.physical.notes = e.notes()
			ps.setWant(e.physical.flows())
			pending = e.install(ctx)
		}
		e.renote = false
		if e.stale { // whatever else is not done yet
			e.purge(ctx)
		}
		if pending == "" {
			pending = e.editDatabase(ctx)
		}
		if ctx.Err() != nil {
			return
		}
	}
	if pending == "" && !e.built { // the database is new
		pending = "the database has changed"
	}
	e.pendingWhy = pending
	if pending != "" {
		if e.stalled.IsZero() {
			e.stalled = time.Now()
		}
		e.tellGone()
		return
	}
	was := e.stalled
	e.stalled = time.Time{}
	if ps := e.bridges[e.names.ps]; ps != nil {
		ps.settled()
	}
	e.tookACLs()
	e.tellBounces()
	waiting := len(e.waiters) > 0
	for _, w := range e.waiters {
		close(w)
	}
	e.waiters = nil
	if !was.IsZero() && !waiting {
		// What an Apply reported as failed is well now.
		e.emit(plane.ReportChanged{})
	}
}

// install makes the flows right: first the bridge of the physical switch lets nothing in any
// more that is not wanted, then the logical switches change, then it lets in what is new.
func (e *engine) install(ctx context.Context) (pending string) {
	note := func(b *bridge, err error) {
		if pending == "" {
			pending = fmt.Sprintf("bridge %s: %v", b.name, err)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, errNotConnected) {
			e.log.Info("flows not changed", "bridge", b.name, "err", err)
		}
	}
	sync := func(b *bridge, restrict bool) {
		if b.conn == nil {
			err := b.lastErr
			if err == nil {
				err = errNotConnected
			}
			note(b, fmt.Errorf("%w", errors.Join(errNotConnected, err)))
			return
		}
		err := b.sync(ctx, restrict, b.all || b.together)
		if err != nil {
			note(b, err)
		}
		if errors.Is(err, errACL) {
			e.refuseACLs(b)
		}
	}
	ps := e.bridges[e.names.ps]
	if ps != nil {
		sync(ps, true)
	}
	for _, name := range e.order() {
		if b := e.bridges[name]; b != ps && (b.all || len(b.touched) > 0 || b.conn == nil) {
			sync(b, false)
		}
	}
	if ps != nil && ps.conn != nil {
		sync(ps, false)
	}
	return pending
}

// order lists the bridges as they are to change: that of the routers before those that lead there, but where it takes nothing
// more from some, after them.
func (e *engine) order() []string {
	names := slices.Sorted(maps.Keys(e.bridges))
	lr := e.names.router()
	i := slices.Index(names, lr)
	if i < 0 {
		return names
	}
	names = slices.Delete(names, i, i+1)
	b := e.bridges[lr]
	for k, f := range b.have {
		if b.all && k.table == tableIn && k.priority == prioRouted && b.want[k] == nil && b.ours(f) {
			return append(names, lr)
		}
	}
	return slices.Insert(names, 0, lr)
}

var errNotConnected = errors.New("not connected")

// editDatabase makes the database what is wanted, and says what is not done yet.
func (e *engine) editDatabase(ctx context.Context) (pending string) {
	if e.vs.root.IsZero() {
		return "ovs-vswitchd has not begun yet"
	}
	if e.vs.curCfg < e.wantCfg {
		return "ovs-vswitchd has not done yet what it was told"
	}
	if e.vs.bridges[e.names.ps] == nil {
		return "" // nothing can be done: see report
	}
	if !e.dbRetry.at.IsZero() {
		return "the database did not take a change"
	}
	edit := e.names.edit(e.vs, e.names.plan(e.vs, e.site))
	e.names.editBFD(edit, e.vs, e.site)
	if edit.Len() == 0 {
		return ""
	}
	e.built = false
	next := e.vs.nextCfg + 1
	edit.Update("Open_vSwitch", e.vs.root, ops.Values{"next_cfg": next}.Append)
	edit.Comment("vtep: " + e.names.ps)
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	if _, err := e.db.Transact(ctx, edit.Ops()); err != nil {
		e.dbRetry.failed()
		if e.dbRetry.failures > 2 && ctx.Err() == nil {
			e.log.Warn("the database does not take what Open vSwitch has to have: trying again", "err", err)
		}
		return fmt.Sprintf("change the database: %v", err)
	}
	e.dbRetry = retry{}
	e.wantCfg = next
	e.takeDatabase()
	return "ovs-vswitchd has not done yet what it was told"
}

// emit tells the agent something.
func (e *engine) emit(ev plane.Event) {
	if e.lost > 0 {
		select {
		case e.plane.events <- plane.Lost{Count: e.lost}:
			e.lost = 0
		default:
		}
	}
	if e.lost == 0 {
		select {
		case e.plane.events <- ev:
			return
		default:
		}
	}
	e.lost++
}
