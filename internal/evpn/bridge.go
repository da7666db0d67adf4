package evpn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/osrg/gobgp/v4/pkg/apiutil"

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
	hwvtep.TablePhysicalSwitch:     {"name", "tunnel_ips"},
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
	Config *Config
	TLS    *stream.TLS  // for targets with ssl:; nil: there are none
	Logger *slog.Logger // nil: nothing is logged
}

// Bridge joins one database with the fabric. Its methods may be called by any goroutine, Run once.
type Bridge struct {
	opts  Options
	log   *slog.Logger
	calls chan func() // to be run by Run

	// What follows belongs to Run.
	ctx       context.Context
	speaker   *speaker
	database  *database
	routes    map[path]*route // of others, that may become rows
	imports   index
	refused   map[path]refusal // of others, that may not
	refusedIn map[path]int     // in which session, of those with its neighbor, each of them was heard last
	speakers  map[key]*network // whose each route is that is announced
	sessions  map[netip.Addr]*session
	rds       map[uint16]uint32 // VNIs by the last part of their route distinguishers
	numbers   map[uint32]uint16 // and the other way around
	ready     bool              // hosts may be announced, and rows written
	settled   bool              // rows may be deleted for which there is no route
	failure   string            // the last route that could not be announced
	past      past
}

// session is that with one neighbour.
type session struct {
	peerState
	since  time.Time
	routes int
	whole  bool // it has said all that it had to say at the beginning
	flaps  int
	most   int         // routes; more end the session
	over   *time.Timer // until which there is none; nil: it may be
}

// New returns a bridge.
func New(opts Options) *Bridge {
	b := &Bridge{opts: opts, log: opts.Logger, calls: make(chan func(), 64), routes: map[path]*route{}, imports: index{}, refused: map[path]refusal{}, refusedIn: map[path]int{}, speakers: map[key]*network{},
		sessions: map[netip.Addr]*session{}, rds: map[uint16]uint32{}, numbers: map[uint32]uint16{}}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	for _, n := range opts.Config.Neighbors {
		b.sessions[n.Address] = &session{peerState: peerState{address: n.Address, state: "idle"}, since: time.Now(), most: int(cmp.Or(n.MaxRoutes, MaxRoutes))}
	}
	return b
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
	b.speaker, err = startSpeaker(ctx, b.opts.Config, b.log, func(n news) { _ = b.do(ctx, func() { b.hear(n) }) })
	if err != nil {
		return err
	}
	defer b.speaker.close()
	ended := make(chan struct{})
	go func() { defer close(ended); _ = replica.Run(ctx) }() // its error is the end of ctx
	defer func() { cancel(); <-ended; b.database.writer.Hurry() }()
	wait := time.AfterFunc(patience, func() { _ = b.do(ctx, b.begin) })
	defer wait.Stop()
	end := time.AfterFunc(grace, func() { _ = b.do(ctx, b.settleAll) })
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case f := <-b.calls:
			f()
		case <-replica.Updates():
			b.database.take()
		}
		for more, n := true, 0; more && n < 4096; n++ { // what has come meanwhile belongs into the same transaction
			select {
			case f := <-b.calls:
				f()
			default:
				more = false
			}
		}
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

// hear takes news of the speaker.
func (b *Bridge) hear(n news) {
	for _, p := range n.paths {
		b.path(p)
	}
	if len(n.paths) > 0 {
		b.limit(n.paths[0].PeerAddress)
	}
	if s := b.sessions[n.whole]; s != nil && !s.whole {
		s.whole = true
		b.sweep(n.whole)
		b.log.Info("neighbor has sent its routes", "neighbor", n.whole, "routes", s.routes)
		b.beginIfWhole()
	}
	if n.peer == nil {
		return
	}
	s := b.sessions[n.peer.address]
	if s == nil || s.state == n.peer.state {
		return
	}
	if s.up != n.peer.up {
		b.log.Info("BGP session", "neighbor", s.address, "was", s.state, "is", n.peer.state, "reason", n.peer.reason)
		if s.since = time.Now(); !n.peer.up {
			s.flaps++
			s.whole = false
		}
	}
	reason := s.reason
	s.peerState = *n.peer
	if s.up {
		s.reason = ""
	} else if s.reason == "" || s.over != nil {
		s.reason = reason // of the last time
	}
}

// overPause is how long a neighbor that has announced too many routes has no session.
const overPause = 5 * time.Minute

// limit ends the session with a neighbor that has announced too many routes, for a time. The library could, but counts
// all of them for each message.
func (b *Bridge) limit(neighbor netip.Addr) {
	s := b.sessions[neighbor]
	if s == nil || s.routes <= s.most || s.over != nil {
		return
	}
	why := fmt.Sprintf("it has announced more than max-routes: %d", s.most)
	b.log.Warn("session is ended", "neighbor", neighbor, "err", why, "again in", overPause)
	s.over = time.AfterFunc(overPause, func() {
		_ = b.do(b.ctx, func() {
			s.over = nil
			go b.admit(neighbor, true, "")
		})
	})
	s.reason = why
	go b.admit(neighbor, false, why) // which waits for the library, as that may for the bridge
}

func (b *Bridge) admit(neighbor netip.Addr, allowed bool, why string) {
	if err := b.speaker.admit(b.ctx, neighbor, allowed, why); err != nil && b.ctx.Err() == nil {
		b.log.Error("session", "neighbor", neighbor, "err", err)
	}
}

// sweep forgets what a neighbor had announced in an earlier session, and not in this one, when it has sent everything. The
// library does not tell of what it drops then.
func (b *Bridge) sweep(peer netip.Addr) {
	epoch := b.sessions[peer].flaps
	for id, r := range b.routes {
		if id.peer == peer && r.epoch != epoch {
			b.withdrawn(id)
		}
	}
	for id, heard := range b.refusedIn {
		if id.peer == peer && heard != epoch {
			b.withdrawn(id)
		}
	}
}

// beginIfWhole begins when all neighbours that there is a session with have told.
func (b *Bridge) beginIfWhole() {
	for _, s := range b.sessions {
		if !s.whole {
			return
		}
	}
	b.begin()
	b.settleAll()
}

// settleAll has what is left of before deleted.
func (b *Bridge) settleAll() {
	if b.settled {
		return
	}
	b.settled = true
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

// begin announces the hosts that are here.
func (b *Bridge) begin() {
	if b.ready {
		return
	}
	b.ready = true
	for _, n := range b.database.networks {
		for mac, h := range n.hosts {
			b.claimAll(n, mac, h)
		}
		b.announceGateway(n)
	}
}

func (b *Bridge) claimAll(n *network, mac string, h *host) {
	if !slices.ContainsFunc(slices.Collect(maps.Values(h.locals)), func(l *local) bool { return l.ours }) {
		return
	}
	lost := !h.claim(time.Now())
	for _, l := range h.locals {
		l.lost = lost
	}
	b.settle(n, mac)
}

// path takes one path of a neighbour.
func (b *Bridge) path(p *apiutil.Path) {
	s := b.sessions[p.PeerAddress]
	if s == nil {
		return // an own one
	}
	k, known := keyOf(p)
	if !known {
		if p.Nlri == nil {
			return
		}
		k = key{rd: p.Nlri.String()} // of another type: only counted
	}
	id := path{p.PeerAddress, p.RemoteID, k}
	if p.Withdrawal {
		b.withdrawn(id)
		return
	}
	b.drop(id)
	s.routes++
	r, err := decode(p)
	why := refusal("")
	if errors.As(err, &why) {
		b.refused[id], b.refusedIn[id] = why, s.flaps
		return
	}
	r.epoch = s.flaps
	b.routes[id] = r
	b.place(id, r)
}

// withdrawn forgets a path, and has hosts announced that are here and had been left to its VTEP.
func (b *Bridge) withdrawn(id path) {
	var in []*network
	if r := b.routes[id]; r != nil {
		in = slices.Clone(r.in)
	}
	b.drop(id)
	for _, n := range in {
		macs := []string{id.mac}
		if s := n.segments[id.esi]; id.kind == Discovery && s != nil {
			macs = slices.Collect(maps.Keys(s.macs))
		}
		for _, mac := range macs {
			if h := n.hosts[mac]; h != nil && b.ready && h.here() == nil && h.until.IsZero() && h.best() == nil {
				b.claimAll(n, mac, h)
			}
		}
	}
}

// drop forgets a path, if it is known.
func (b *Bridge) drop(id path) {
	if _, ok := b.refused[id]; ok {
		delete(b.refused, id)
		delete(b.refusedIn, id)
		b.sessions[id.peer].routes--
	}
	r := b.routes[id]
	if r == nil {
		return
	}
	b.sessions[id.peer].routes--
	for _, n := range slices.Clone(r.in) {
		b.take(n, id)
	}
	delete(b.routes, id)
}

// place puts a route into the networks that it is for. Routes that lead here come back from neighbours.
func (b *Bridge) place(id path, r *route) {
	if b.database.own[r.vtep] {
		return
	}
	for n := range b.imports.networks(r) {
		if b.refuses(n, r) == "" {
			b.put(n, id, r)
		}
	}
}

func (b *Bridge) put(n *network, id path, r *route) {
	r.in = append(r.in, n)
	n.vteps[r.vtep]++
	if n.l3 != nil {
		n.prefixes[id] = r
		b.database.markRouter(n.l3)
		return
	}
	if r.kind == Multicast {
		n.floods[id] = r
		b.database.markMembers(n)
		return
	}
	if r.kind == Discovery {
		s := n.segment(r.segment)
		s.discoveries(id.key)[id] = r
		for mac := range s.macs {
			b.reconsider(n, mac)
		}
		return
	}
	h := n.host(id.mac)
	h.paths = append(h.paths, r)
	h.heard(r)
	n.attach(id.mac, r.segment)
	b.reconsider(n, id.mac)
}

// reconsider looks at a MAC of which more is known.
func (b *Bridge) reconsider(n *network, mac string) {
	if h := n.hosts[mac]; h.yield() {
		best := h.best()
		b.log.Info("host has moved away", "switch", n.row.Name, "mac", mac, "to", best.vtep, "sequence", best.sequence)
	}
	b.settle(n, mac)
}

// take takes a route out of a network, if it is in there.
func (b *Bridge) take(n *network, id path) {
	if r := b.routes[id]; r != nil {
		r.in = slices.DeleteFunc(r.in, func(o *network) bool { return o == n })
	}
	if r := n.prefixes[id]; r != nil {
		delete(n.prefixes, id)
		n.leave(r.vtep)
		if n.l3 != nil {
			b.database.markRouter(n.l3)
		}
		return
	}
	if r := n.floods[id]; r != nil {
		delete(n.floods, id)
		n.leave(r.vtep)
		b.database.markMembers(n)
		return
	}
	if s := n.segments[id.esi]; id.kind == Discovery && s != nil {
		if r := s.discoveries(id.key)[id]; r != nil {
			delete(s.discoveries(id.key), id)
			n.leave(r.vtep)
			n.tidy(id.esi)
		}
		for mac := range s.macs {
			b.settle(n, mac)
		}
		return
	}
	h, r := n.hosts[id.mac], b.routes[id]
	if h == nil || r == nil || !slices.Contains(h.paths, r) {
		return
	}
	n.leave(r.vtep)
	h.paths = slices.DeleteFunc(h.paths, func(o *route) bool { return o == r })
	n.attach(id.mac, r.segment)
	b.settle(n, id.mac)
}

func (n *network) leave(vtep netip.Addr) {
	if n.vteps[vtep]--; n.vteps[vtep] == 0 {
		delete(n.vteps, vtep)
	}
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

func (b *Bridge) announceHost(n *network, mac string) {
	wanted := map[key]*route{}
	if b.ready {
		for _, r := range b.withRouter(n, mac, n.routes(mac, b.rd)) {
			wanted[r.key] = r
		}
	}
	for k := range n.said(mac) {
		if wanted[k] == nil {
			b.say(n, k, nil)
		}
	}
	for k, r := range wanted {
		b.say(n, k, r)
	}
}

// say announces a route of a network, or with nil withdraws it.
func (b *Bridge) say(n *network, k key, r *route) {
	if r == nil && b.speakers[k] != n { // another switch has the VNI now, and announces it
		n.unsay(k)
		return
	}
	if err := b.speaker.announce(k, r); err != nil {
		b.failure = err.Error()
		b.log.Warn("route is not announced", "switch", n.row.Name, "mac", k.mac, "err", err)
		return
	}
	b.failure = ""
	if r == nil {
		n.unsay(k)
		delete(b.speakers, k)
		return
	}
	n.note(k)
	b.speakers[k] = n
}

// announceHeads announces the VTEPs of ours that want what is flooded.
func (b *Bridge) announceHeads(n *network) {
	wanted := map[key]*route{}
	if n.vni != 0 && len(n.exp) > 0 && n.l3 == nil {
		for _, heads := range n.heads {
			for ip := range heads {
				if b.database.own[ip] {
					k := key{kind: Multicast, rd: b.rd(ip, n.vni), ip: ip}
					wanted[k] = &route{key: k, vtep: ip, vni: n.vni, targets: n.exp}
				}
			}
		}
	}
	for k := range n.said("") {
		if wanted[k] == nil {
			b.say(n, k, nil)
		}
	}
	for k, r := range wanted {
		b.say(n, k, r)
	}
}

// reimport looks at all routes anew for a network whose configuration has changed, and announces what it has.
func (b *Bridge) reimport(n *network) {
	for id, r := range b.routes {
		there := slices.Contains(r.in, n)
		switch wanted := n.imports(r) && !b.database.own[r.vtep] && b.refuses(n, r) == ""; {
		case wanted && !there:
			b.put(n, id, r)
		case !wanted && there:
			b.take(n, id)
		}
	}
	for mac := range n.hosts {
		b.announceHost(n, mac)
		b.database.markHost(n, mac)
	}
	b.announceHeads(n)
	b.announceGateway(n)
	b.announcePrefixes(n)
	b.database.markMembers(n)
}

// rd is the route distinguisher of a VTEP in a network: no two VTEPs share one, since many speakers keep one path of each only.
func (b *Bridge) rd(vtep netip.Addr, vni uint32) string {
	admin := vtep
	if !vtep.Is4() {
		admin = b.opts.Config.RouterID
	}
	return fmt.Sprintf("%v:%d", admin, b.number(vni))
}

// release gives the numbers back of VNIs that no network has any more; nothing is announced with them.
func (b *Bridge) release() {
	if len(b.numbers) <= len(b.database.networks) {
		return
	}
	used := map[uint32]bool{}
	for _, n := range b.database.networks {
		used[n.vni] = true
	}
	for vni, n := range b.numbers {
		if !used[vni] {
			delete(b.numbers, vni)
			delete(b.rds, n)
		}
	}
}

// number gives each VNI one of 16 bits: its own one, if it has no more and no other VNI has that.
func (b *Bridge) number(vni uint32) uint16 {
	if n, ok := b.numbers[vni]; ok {
		return n
	}
	first := uint16(vni)
	for n := first; ; n++ {
		if _, taken := b.rds[n]; n != 0 && !taken {
			b.rds[n], b.numbers[vni] = vni, n
			return n
		}
		if n+1 == first {
			return first // there are no more than 65,535 networks
		}
	}
}

// canonical is how MACs are compared.
func canonical(mac string) string { return strings.ToLower(mac) }
