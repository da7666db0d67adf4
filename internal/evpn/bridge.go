package evpn

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// Lock is the OVSDB lock that a bridge holds in its database: a second one waits for it.
const Lock = "vtep_evpn"

// patience is how long a start waits for the routes of neighbours before it announces hosts: their sequences are to be
// known first (RFC 7432, section 15).
const patience = 10 * time.Second

// grace is how long rows of before a start wait for their routes, while a neighbor has not sent all of its.
const grace = 120 * time.Second

// tables are what a bridge reads.
var tables = map[string][]string{
	hwvtep.TablePhysicalSwitch:     {"name", "tunnel_ips", "ports"},
	hwvtep.TablePhysicalPort:       {"name", "vlan_bindings", "other_config", "port_fault_status"},
	hwvtep.TableLogicalSwitch:      nil,
	hwvtep.TablePhysicalLocator:    nil,
	hwvtep.TablePhysicalLocatorSet: nil,
	hwvtep.TableUcastMACLocal:      nil,
	hwvtep.TableUcastMACRemote:     nil,
	hwvtep.TableMcastMACLocal:      nil,
	hwvtep.TableMcastMACRemote:     nil,
	hwvtep.TableLogicalRouter:      nil,
	hwvtep.TableARPSourceLocal:     nil,
}

// Options configure a Bridge.
type Options struct {
	Config  *Config      // at the start
	TLS     *stream.TLS  // for targets with ssl:; nil: there are none
	Logger  *slog.Logger // nil: nothing is logged
	Started func() error // called when neighbors can connect; an error ends Run. nil: nobody waits for that
}

// Bridge joins one database with the fabric. Its methods may be called by any goroutine, Run once.
type Bridge struct {
	opts   Options
	log    *slog.Logger
	calls  chan func()            // to be run by Run
	config atomic.Pointer[Config] // that is in use

	// What follows belongs to Run.
	ctx      context.Context
	speaker  *speaker
	database *database
	routes   map[path]*route // of others, that may become rows
	targeted targeted        // those that switches may import
	imports  index
	refused  map[path]refused // of others, that may not
	speakers map[key]*network // whose each route is that is announced
	sessions map[netip.Addr]*session
	rds      map[uint16]instance // by the last part of their route distinguishers
	numbers  map[instance]uint16 // and the other way around
	shared   bool                // some have the same, as there are too few
	begun    bool                // neighbours have told what they know, or had the time to
	ready    bool                // and the database is read: hosts may be announced, and rows written
	settled  bool                // rows may be deleted for which there is no route
	failure  string              // the last route that could not be announced
	past     past
	timers   map[*time.Timer]struct{}         // that wait for something
	members  map[esi]map[path]*route          // of Attached: who else is attached to a segment
	lingers  map[esi]map[netip.Addr]lingering // VTEPs that were attached when the session with a neighbor ended
	attached map[key]struct{}                 // routes that are announced of whole segments

	recounted map[*network]struct{} // attach.go
	forsaken  map[*host]string      // path.go; with their MACs

	configuring sync.Mutex // held while neighbors are added to the library, or removed
}

// session is that with one neighbour.
type session struct {
	peerState
	since     time.Time
	external  bool // of another AS
	routes    int
	epoch     int  // counts the sessions, and their ends
	opened    bool // it is there
	telling   bool // and the neighbor says what it knows, at the beginning
	whole     bool // it has said all that it had to say at the beginning
	restarted bool // it has begun anew, and does not say all before others do
	flaps     int
	most      int  // routes; more end the session
	over      bool // there is none for a time, since there were more
	ending    bool // one ends for that, and what begins the next one is no business of its end
	overMost  int  // that then
	overUntil time.Time
}

// New returns a bridge.
func New(opts Options) *Bridge {
	b := &Bridge{opts: opts, log: opts.Logger, calls: make(chan func(), 64), routes: map[path]*route{}, targeted: targeted{}, imports: index{}, refused: map[path]refused{}, speakers: map[key]*network{},
		sessions: map[netip.Addr]*session{}, timers: map[*time.Timer]struct{}{}, rds: map[uint16]instance{}, numbers: map[instance]uint16{}, members: map[esi]map[path]*route{}, lingers: map[esi]map[netip.Addr]lingering{}, attached: map[key]struct{}{}, recounted: map[*network]struct{}{}, forsaken: map[*host]string{}}
	b.config.Store(opts.Config)
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	for _, n := range opts.Config.Neighbors {
		b.sessions[n.Address] = newSession(n, opts.Config.AS)
	}
	return b
}

// Config is what is in use: as it was given last, without neighbors that could not be added.
func (b *Bridge) Config() *Config { return b.config.Load() }

func newSession(n Neighbor, as uint32) *session {
	return &session{peerState: peerState{address: n.Address, state: "idle"}, since: time.Now(), external: n.external(as), most: int(cmp.Or(n.MaxRoutes, MaxRoutes))}
}

// Run joins the database at the target with the fabric until ctx ends. Rows stay; routes go with the sessions.
func (b *Bridge) Run(ctx context.Context, name string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.ctx = ctx
	targets, cluster, err := idl.ParseTargets(name, b.opts.TLS)
	if err != nil {
		return fmt.Errorf("database %s: %w", name, err)
	}
	replica := idl.New(idl.Options{Database: hwvtep.Database, Targets: targets, Cluster: cluster, LeaderOnly: true, Name: name, Logger: b.log, Tables: tables})
	b.database = newDatabase(b, replica)
	b.database.writer = idl.NewWriter(replica, Lock, func(f func()) { _ = b.do(ctx, f) })
	b.speaker, err = startSpeaker(ctx, b.Config(), b.log, func(p peerState) { _ = b.do(ctx, func() { b.sessionIs(p) }) })
	if err != nil {
		return err
	}
	defer b.speaker.close()
	if b.opts.Started != nil {
		if err := b.opts.Started(); err != nil {
			return err
		}
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = replica.Run(ctx) }() // its error is the end of ctx
	defer func() { cancel(); <-ended; b.database.writer.Hurry() }()
	wait := time.AfterFunc(patience, func() { _ = b.do(ctx, b.begin) })
	defer wait.Stop()
	defer b.stopTimers()
	end := time.AfterFunc(grace, func() { _ = b.do(ctx, b.settleAll) })
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case f := <-b.calls:
			f()
		case e := <-b.speaker.relay.Events():
			b.heard(e)
		case <-replica.Updates():
			b.database.take()
		}
		for more, n := true, 0; more && n < 256; n++ { // what has come meanwhile belongs into the same transaction
			select {
			case f := <-b.calls:
				f()
			case e := <-b.speaker.relay.Events():
				b.heard(e)
			default:
				more = false
			}
		}
		b.reattachRecounted()
		b.reclaim()
		b.database.write()
	}
}

// do has Run execute f, at some time.
func (b *Bridge) do(ctx context.Context, f func()) error {
	select {
	case b.calls <- f:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ask has Run execute f, and waits.
func (b *Bridge) ask(ctx context.Context, f func()) error {
	done := make(chan struct{})
	if err := b.do(ctx, func() { f(); close(done) }); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sessionIs takes news of the speaker about a session.
func (b *Bridge) sessionIs(now peerState) {
	s := b.sessions[now.address]
	if s == nil || s.state == now.state {
		return
	}
	if s.up != now.up {
		if s.up {
			if !s.over && !s.ending {
				b.renewAfter(s)
			}
			s.ending = false
		}
		reason := now.reason
		switch {
		case now.up:
		case s.over:
			reason = s.overWhy()
		default:
			reason = cmp.Or(b.speaker.relay.NoSession(s.address), reason)
		}
		b.log.Info("BGP session", "neighbor", s.address, "was", s.state, "is", now.state, "reason", reason)
		if s.since = time.Now(); !now.up {
			s.flaps++
		}
	}
	s.peerState = now
}

// overPause is how long a neighbor that has announced too many routes has no session.
const overPause = 5 * time.Minute

// limit ends the session with a neighbor that has announced too many routes, for a time. The library could, but counts
// all of them for each message.
func (b *Bridge) limit(neighbor netip.Addr) {
	s := b.sessions[neighbor]
	if s == nil || s.routes <= s.most || s.over {
		return
	}
	s.over, s.overMost, s.overUntil = true, s.most, time.Now().Add(overPause)
	s.ending = s.up
	why := s.overWhy()
	b.log.Warn("session is ended", "neighbor", neighbor, "err", why, "again in", overPause)
	b.later(overPause, func() {
		if b.sessions[neighbor] == s && !time.Now().Before(s.overUntil) {
			b.admit(s)
		}
	})
	go b.refuse(s, why) // which waits for the library, as that may for the bridge
}

func (s *session) overWhy() string {
	return fmt.Sprintf("it has announced more than max-routes: %d", s.overMost)
}

// admit has a neighbor begin anew that has announced too many routes: some time later, or when it may announce more.
func (b *Bridge) admit(s *session) {
	if s.over {
		s.over = false
		go b.renew(s.address)
	}
}

// refuse has the library end a session, if there is still to be none: the neighbor may have been admitted again, or be another one, since.
func (b *Bridge) refuse(s *session, why string) {
	b.configuring.Lock()
	defer b.configuring.Unlock()
	var neighbor netip.Addr
	over := false
	err := b.ask(b.ctx, func() { // s is the loop's
		neighbor = s.address
		over = b.sessions[neighbor] == s && s.over
	})
	if err == nil && over {
		err = b.speaker.refuse(b.ctx, neighbor, why)
	}
	if err != nil && b.ctx.Err() == nil {
		b.log.Error("session", "neighbor", neighbor, "err", err)
	}
}

// A session that has not even lasted for short is followed by the next one after a pause only.
const (
	short = 10 * time.Second
	pause = 3 * time.Second
)

// renewAfter has the library begin anew with a neighbor whose session has ended.
func (b *Bridge) renewAfter(s *session) {
	neighbor := s.address // s is the loop's
	if time.Since(s.since) >= short {
		go b.renew(neighbor)
		return
	}
	time.AfterFunc(pause, func() { b.renew(neighbor) })
}

func (b *Bridge) renew(neighbor netip.Addr) {
	b.configuring.Lock()
	defer b.configuring.Unlock()
	var of []Neighbor
	err := b.ask(b.ctx, func() {
		if s := b.sessions[neighbor]; s != nil && !s.over {
			of = slices.DeleteFunc(slices.Clone(b.Config().Neighbors), func(n Neighbor) bool { return n.Address != neighbor })
		}
	})
	for _, n := range of { // one, or none if it was removed
		err = b.speaker.renew(b.ctx, n)
	}
	if err != nil && b.ctx.Err() == nil {
		b.log.Error("session", "neighbor", neighbor, "err", err)
	}
}

// beginIfWhole begins when all neighbours have told what they know, but for those that have just begun, too: two that wait
// for one another would wait for long (RFC 4724, section 3). What is left of before is deleted when all have.
func (b *Bridge) beginIfWhole() {
	whole := true
	for _, s := range b.sessions {
		if !s.whole && !s.restarted {
			return
		}
		whole = whole && s.whole
	}
	b.begin()
	if whole {
		b.settleAll()
	}
}

// settleAll has what is left of before deleted.
func (b *Bridge) settleAll() {
	if b.settled {
		return
	}
	b.settled = true
	for _, a := range b.database.ports {
		a.former = nil
		b.hold(a)
	}
	for ls, rows := range b.database.ucast {
		for mac := range rows {
			b.database.marked[mark{ls, mac}] = struct{}{}
		}
	}
	for _, n := range b.database.networks {
		b.database.markMembers(n)
	}
	for _, r := range b.database.routers {
		b.database.markRouter(r)
	}
}

// begin announces the hosts that are here, when the database is read.
func (b *Bridge) begin() {
	b.begun = true
	if b.ready || b.database.view == nil {
		return
	}
	b.ready = true
	for _, a := range b.database.ports {
		b.hold(a)
	}
	for _, n := range b.database.networks {
		for mac, h := range n.hosts {
			if b.movedMeanwhile(n, mac, h) {
				for _, l := range h.locals {
					l.lost = true
				}
				b.settle(n, mac)
			} else {
				b.claimAll(n, mac, h)
			}
		}
		b.announceGateway(n)
	}
	if err := b.speaker.complete(); err != nil {
		b.failure = err.Error()
		b.log.Warn("end of the routes is not announced", "err", err)
	}
}

// movedMeanwhile says whether a host that has a row here has gone to another VTEP since, while there was no bridge: one that
// numbers its route has got the host from somewhere. If it were the other way around, the row of that VTEP would be there beside
// the one of here, which VTEPs withdraw when they see it. If that is wrong the host's next frame tells.
func (b *Bridge) movedMeanwhile(n *network, mac string, h *host) bool {
	best := h.best()
	return best != nil && best.moved && !h.beyond(best) && !slices.ContainsFunc(b.database.ucast[n.row.UUID][mac], func(r hwvtep.UcastMACRemote) bool { return b.database.mine(n, &r) })
}

func (b *Bridge) claimAll(n *network, mac string, h *host) {
	if !slices.ContainsFunc(slices.Collect(maps.Values(h.locals)), func(l *local) bool { return l.ours }) {
		return
	}
	lost := !b.claim(n, mac, h)
	for _, l := range h.locals {
		l.lost = lost
	}
	b.settle(n, mac)
}

// settle makes what is announced of a MAC what it should be, and has its row looked at.
func (b *Bridge) settle(n *network, mac string) {
	b.announceHost(n, mac)
	b.database.markHost(n, mac)
	if n.router != nil && n.l3 == nil { // it may lead to networks by the host, or to the host itself
		b.database.markRouter(n.router)
	}
	b.age(n, mac, time.Now())
}

// reimport looks at the routes of others anew for a network whose configuration has changed, and announces what it has.
func (b *Bridge) reimport(n *network) {
	there, wanted := n.all(), b.targeted.of(n)
	maps.DeleteFunc(wanted, func(r *route, _ struct{}) bool { return b.database.own[r.vtep] || b.refuses(n, r) != "" })
	for r := range there {
		if _, stays := wanted[r]; !stays {
			b.take(n, r.path())
		}
	}
	for r := range wanted {
		if _, is := there[r]; !is {
			b.put(n, r.path(), r)
		}
	}
	for mac := range n.hosts {
		b.announceHost(n, mac)
		b.database.markHost(n, mac)
		b.forsake(n, mac)
	}
	b.announceHeads(n)
	b.announceDiscoveries(n)
	b.announceGateway(n)
	b.announcePrefixes(n)
	b.database.markMembers(n)
}

// canonical is how MACs are compared.
func canonical(mac string) string { return strings.ToLower(mac) }
