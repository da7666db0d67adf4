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

	built      bool // flows were built of the present site and vswitch
	dirtyMACs  []intent.MACKey
	wantCfg    int64
	dbRetry    retry
	waiters    []chan struct{}
	lost       uint64 // events that the agent has not been told of
	linkUp     map[string]bool
	counters   counters
	stalled    time.Time // since when something is pending; zero: nothing is
	bfdTold    map[netip.Addr]map[string]string
	pendingWhy string

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

func newEngine(p *Plane, db *idl.Client) *engine {
	return &engine{
		plane: p, log: p.log, db: db, mail: newMailbox(), site: newSite(),
		names:    &names{ps: p.opts.Name, next: 1, of: map[intent.SwitchID]string{}, taken: map[string]bool{}},
		bridges:  map[string]*bridge{},
		switches: map[intent.SwitchID]*logical{},
		physical: &physical{},
		stations: newStations(),
		linkUp:   map[string]bool{},
		counters: newCounters(),
	}
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

func (e *engine) nextTimer() (next time.Time) {
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	sooner(e.dbRetry.at)
	if e.begun && e.vs != nil && !e.routes.asking {
		sooner(e.routes.due)
	}
	for _, b := range e.bridges {
		if b.conn != nil {
			sooner(b.retryAt)
		}
	}
	return next
}

func (e *engine) retryFlows() {
	now := time.Now()
	if at := e.dbRetry.at; !at.IsZero() && !now.Before(at) {
		e.dbRetry.at = time.Time{}
	}
	for _, b := range e.bridges {
		if !b.retryAt.IsZero() && !now.Before(b.retryAt) {
			b.retry()
		}
	}
}

// apply takes a change of the State. The channel is closed when all is done that can be.
func (e *engine) apply(d *intent.Delta) chan struct{} {
	e.begun = true
	unicast, more := e.site.apply(d)
	if more {
		e.built = false
	} else {
		e.dirtyMACs = append(e.dirtyMACs, unicast...)
	}
	for _, c := range d.Bindings {
		if c.Old != nil {
			e.unbind(c.Old.Switch, c.Key)
		}
	}
	for _, c := range d.Switches {
		if c.New == nil {
			e.forgetSwitch(c.Key)
		}
	}
	settled := make(chan struct{})
	e.waiters = append(e.waiters, settled)
	return settled
}

// takeDatabase takes what is new in the database.
func (e *engine) takeDatabase() {
	snapshot, delta := e.db.Take()
	if snapshot == nil || delta.Empty() && e.vs != nil {
		return
	}
	before := e.vs
	e.vs = readVSwitch(snapshot)
	e.built = false
	e.routes.want()
	e.tellPorts(before)
	e.tellProblems()
	e.tellBFD()
}

// takeMail takes what bridges have told.
func (e *engine) takeMail() {
	for _, l := range e.mail.take() {
		b := l.from
		if e.bridges[b.name] != b {
			continue
		}
		switch {
		case l.connected:
			b.conn, b.lastErr = l.conn, nil
			b.have = flowSet{}
			clear(b.refused)
			b.retryAt = time.Time{}
			for i := range l.flows {
				k, f := flowOf(&l.flows[i])
				b.have[k] = f
			}
			b.all = true
			e.built = false
			e.adoptFlows(b)
			e.log.Debug("connected", "bridge", b.name, "flows", len(b.have))
		case l.lost != nil:
			if b.conn != nil && b.conn == l.conn || l.conn == nil {
				if b.conn != nil {
					e.log.Info("lost the connection to a bridge", "bridge", b.name, "err", l.lost)
				}
				b.conn, b.lastErr = nil, l.lost
				e.built = false
			}
		case b.conn != l.conn:
			// of a connection that is over
		case l.packet != nil:
			e.learn(b, l.packet)
		default:
			for i := range l.flows {
				e.flowChanged(b, &l.flows[i])
			}
		}
	}
}

// follow connects to the bridges whose flows are ours to see to, and lets go of others.
func (e *engine) follow() {
	wanted := map[string]bool{}
	if e.vs != nil {
		if e.vs.bridges[e.names.ps] != nil {
			wanted[e.names.ps] = true
		}
		for name, b := range e.vs.bridges {
			if e.names.ours(b) {
				wanted[name] = true
			}
		}
	}
	for name, b := range e.bridges {
		if !wanted[name] {
			e.unfollow(b)
		}
	}
	byName := map[string]intent.SwitchID{}
	for id, name := range e.names.of {
		byName[name] = id
	}
	for name := range wanted {
		b := e.bridges[name]
		if b == nil {
			ctx, stop := context.WithCancel(e.plane.ctx)
			b = &bridge{
				name: name, path: e.plane.socket(name), log: e.log, mail: e.mail, stop: stop,
				have: flowSet{}, want: flowSet{}, touched: map[flowKey]struct{}{}, refused: map[flowKey]error{},
				physical: name == e.names.ps,
			}
			b.takeOver = e.leftovers(b)
			b.keep = func(f *flow) bool { return !b.physical && e.keptByHand(b, f) }
			e.bridges[name] = b
			e.plane.wait.Go(func() { b.connect(ctx) })
		}
		b.ls = byName[name]
	}
}

// leftovers says whether an emulator may have left flows in a bridge that has none of our marks.
func (e *engine) leftovers(b *bridge) bool {
	row := e.vs.bridges[b.name]
	if !b.physical {
		return row.externalIDs[markOwner] == ""
	}
	for _, p := range row.ports {
		if i := p.single(); i != nil && isOuter(i) && p.externalIDs[markOwner] == "" {
			return true
		}
	}
	return false
}

func (e *engine) unfollow(b *bridge) {
	b.stop()
	if b.conn != nil {
		b.conn.Close()
	}
	delete(e.bridges, b.name)
}

func (e *engine) closeBridges() {
	for _, b := range e.bridges {
		if b.conn != nil {
			b.conn.Close()
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
		if !e.built {
			e.build()
		} else {
			e.buildMACs()
		}
		e.checkRoutes()
		pending = e.install(ctx)
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
		return
	}
	was := e.stalled
	e.stalled = time.Time{}
	waiting := len(e.waiters) > 0
	for _, w := range e.waiters {
		close(w)
	}
	e.waiters = nil
	if !was.IsZero() && !waiting {
		// What an Apply reported as failed is well now.
		e.emit(plane.Event{Kind: plane.ReportChanged})
	}
}

// build works out what each bridge is to do.
func (e *engine) build() {
	e.built = true
	e.dirtyMACs = nil
	e.physical = e.buildPhysical()
	if b := e.bridges[e.names.ps]; b != nil {
		b.setWant(e.physical.flows())
	}
	tunnels := e.site.tunnelPorts()
	seen := map[string]bool{e.names.ps: true}
	for _, ls := range e.site.sorted() {
		name := e.names.of[ls.id]
		b := e.bridges[name]
		if b == nil {
			delete(e.switches, ls.id)
			continue
		}
		seen[name] = true
		l := e.buildLogical(ls, name, tunnels[ls.id])
		e.switches[ls.id] = l
		b.setWant(l.flows())
	}
	for name, b := range e.bridges {
		if !seen[name] { // its switch is gone, and it goes
			b.setWant(flowSet{})
		}
	}
}

// buildMACs brings what each bridge is to do up to date with MACs that moved behind tunnels.
func (e *engine) buildMACs() {
	for _, key := range e.dirtyMACs {
		l := e.switches[key.Switch]
		b := e.bridges[e.names.of[key.Switch]]
		if l == nil || b == nil {
			continue
		}
		s := flowSet{}
		if _, there := l.ls.unicast[key.MAC]; there {
			l.remote(s, key.MAC)
			b.put(s)
			continue
		}
		b.drop(remoteKey(key.MAC))
	}
	e.dirtyMACs = nil
}

// buildPhysical finds out which bindings can be in force: both ends of their pair are there,
// and the bridge of the logical switch is in our hands.
func (e *engine) buildPhysical() *physical {
	p := &physical{ports: map[string]uint32{}}
	ps := e.vs.bridges[e.names.ps]
	if ps == nil {
		return p
	}
	for name, port := range e.site.ports {
		if n := ps.ports[name].number(); n != 0 && !port.ServiceTags {
			p.ports[name] = n
		}
	}
	for at, id := range e.site.bindings {
		inner := e.inner(id, at)
		outer := ps.ports[outerName(at)]
		port := p.ports[at.Port]
		if inner == 0 || outer.number() == 0 || port == 0 || outer.single().options["peer"] != innerName(at) {
			continue
		}
		in := patch{at, port, inner, outer.number(), e.site.vlans[at.Port] > 0}
		if b := e.bridges[e.names.of[id]]; (b == nil || b.conn == nil) && !e.installed(&in) {
			continue
		}
		p.bindings = append(p.bindings, in)
	}
	slices.SortFunc(p.bindings, func(a, b patch) int { return a.at.Compare(b.at) })
	return p
}

// installed says whether the flow is there that lets a binding's frames in: it then stays while
// the bridge of the logical switch can't be talked to, as when both have just been found.
func (e *engine) installed(p *patch) bool {
	ps := e.bridges[e.names.ps]
	if ps == nil {
		return false
	}
	for k, f := range (&physical{bindings: []patch{*p}}).flows() {
		if have := ps.have[k]; k.priority >= prioUntagged && have != nil && have.text == f.text {
			if in, ok := f.mod.Match.InPort(); ok && in == p.port {
				return true
			}
		}
	}
	return false
}

// inner returns the number of a binding's patch port in the bridge of its logical switch; 0: it
// is not there.
func (e *engine) inner(id intent.SwitchID, at intent.BindingKey) uint32 {
	row := e.vs.bridges[e.names.of[id]]
	if row == nil {
		return 0
	}
	p := row.ports[innerName(at)]
	if p.single() == nil || p.single().options["peer"] != outerName(at) {
		return 0
	}
	return p.number()
}

func (e *engine) buildLogical(ls *lswitch, name string, tunnels []tunnelPort) *logical {
	l := &logical{ls: ls, anyPeer: e.site.AcceptAnySource, learned: e.stations.of(ls.id)}
	row := e.vs.bridges[name]
	if row == nil {
		return l
	}
	for at := range ls.bindings {
		if n := e.inner(ls.id, at); n != 0 {
			l.members = append(l.members, patch{at: at, inner: n})
		}
	}
	slices.SortFunc(l.members, func(a, b patch) int { return int(a.inner) - int(b.inner) })
	if len(tunnels) == 0 {
		return l
	}
	local := e.site.TunnelIP.String()
	own := uint32(0)
	for _, t := range tunnels {
		p := row.ports[tunnelName(name, t)]
		n := p.number()
		if n == 0 || p.single().options["local_ip"] != local {
			continue
		}
		l.tunnels = append(l.tunnels, tunnelEnd{t, n})
		switch {
		case t.remote.IsValid():
		case l.egress == 0:
			l.egress = n
		case ls.overlay && t.vni == ls.vni && !t.blind:
			own = n
		}
	}
	if own != 0 {
		l.egress = own
	}
	if l.egress == 0 { // on the way to another VNI: any of the old ones can send
		for _, p := range row.ports {
			if i := p.single(); i != nil && i.kind == "vxlan" && i.options["remote_ip"] == "flow" && i.options["out_key"] == "flow" &&
				i.options["local_ip"] == local && i.ofport != 0 && (l.egress == 0 || i.ofport < l.egress) {
				l.egress = i.ofport
			}
		}
	}
	return l
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
		if err := b.sync(ctx, restrict, b.all); err != nil {
			note(b, err)
		}
	}
	ps := e.bridges[e.names.ps]
	if ps != nil {
		sync(ps, true)
	}
	for _, name := range slices.Sorted(maps.Keys(e.bridges)) {
		if b := e.bridges[name]; b != ps && (b.all || len(b.touched) > 0 || b.conn == nil) {
			sync(b, false)
		}
	}
	if ps != nil && ps.conn != nil {
		sync(ps, false)
	}
	return pending
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
		case e.plane.events <- plane.Event{Kind: plane.Lost, Count: e.lost}:
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
