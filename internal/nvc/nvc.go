package nvc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// Lock is the OVSDB lock that a controller holds in each database: a second one waits for it.
const Lock = "vtep_nvc"

// FirstVNI is the first VNI that is given, unless Options say another.
const FirstVNI = 5000

// allotAfter is how long databases that do not answer may know better which VNIs there are.
const allotAfter = 3 * time.Second

// Options configure an NVC.
type Options struct {
	TLS *stream.TLS // for targets with ssl:; nil: there are none
	// Dial, if not nil, takes the place of the system's network where a target is connected to.
	Dial func(ctx context.Context, target string) (net.Conn, error)
	// Peers are VTEPs without a database: they get what is flooded in every network.
	Peers []netip.Addr
	// Stations are hosts behind peers.
	Stations []Station
	// FirstVNI is the lowest VNI for networks that have none; 0: FirstVNI.
	FirstVNI int64
	// LikeOVN has it write rows in the way of OVN, for VTEPs to be tried with: see ovn.go.
	LikeOVN bool
	Logger  *slog.Logger // nil: nothing is logged
}

// Station is a host behind a peer.
type Station struct {
	Network string // name of the logical switch
	MAC     string // lower case
	Peer    netip.Addr
	IP      string // "": not known
}

// NVC is a controller. Its methods may be called by any goroutine, Run once.
type NVC struct {
	opts  Options
	log   *slog.Logger
	calls chan func() // to be run by Run
	inbox inbox

	// What follows belongs to Run.
	ctx     context.Context
	mesh    *mesh
	targets []*target // in the order in which they were added
	unread  int       // of these, that were not read yet
}

// New returns a controller without databases.
func New(opts Options) *NVC {
	n := &NVC{opts: opts, log: opts.Logger, calls: make(chan func()), inbox: newInbox()}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.mesh = &mesh{networks: map[string]*network{}, base: opts.FirstVNI, peers: opts.Peers, likeOVN: opts.LikeOVN}
	if n.mesh.base == 0 {
		n.mesh.base = FirstVNI
	}
	for i, s := range opts.Stations {
		from := source{row: hwvtep.UUID{0: 0xff, 12: byte(i >> 24), 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}}
		n.mesh.network(s.Network).addStation(s.MAC, from, station{at: end{ip: s.Peer.String()}, ip: s.IP})
	}
	return n
}

// Run follows the databases of the targets until ctx ends, and whatever Add adds. It returns the
// cause of ctx's end. Rows stay.
func (n *NVC) Run(ctx context.Context, targets []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() { // each of them may be about to tell
		cancel()
		for _, t := range n.targets {
			n.end(t)
		}
	}()
	n.ctx = ctx
	for _, name := range targets {
		if err := n.add(name); err != nil {
			return err
		}
	}
	patience := time.AfterFunc(allotAfter, func() {
		_ = n.do(ctx, func() {
			n.mesh.allot = true
			n.mesh.touchAll()
		})
	})
	defer patience.Stop()
	n.finish()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case f := <-n.calls:
			f()
		case <-n.inbox.filled:
			settled, woken := n.inbox.take()
			for _, f := range settled {
				f()
			}
			for _, t := range woken {
				n.take(t)
				t.db.touch()
			}
		}
		n.finish()
	}
}

// do has Run execute f.
func (n *NVC) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case n.calls <- func() { f(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Add has the controller follow one more database.
func (n *NVC) Add(ctx context.Context, target string) error {
	var err error
	return errors.Join(n.do(ctx, func() { err = n.add(target) }), err)
}

// Remove takes a database out of the mesh: the rows that the controller has written there are deleted, and
// in the others those that lead to it. It returns when the first has been done, or could not be.
func (n *NVC) Remove(ctx context.Context, target string) error {
	left := make(chan error, 1)
	if err := n.do(ctx, func() { n.remove(target, left) }); err != nil {
		return err
	}
	select {
	case err := <-left:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Clear takes the whole mesh down, as Remove does for each database.
func (n *NVC) Clear(ctx context.Context) error {
	var names []string
	if err := n.do(ctx, func() {
		for _, t := range n.targets {
			names = append(names, t.name)
		}
	}); err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, n.Remove(ctx, name))
	}
	return errors.Join(errs...)
}

func (n *NVC) add(name string) error {
	if slices.ContainsFunc(n.targets, func(t *target) bool { return t.name == name }) {
		return fmt.Errorf("target %s is there already", name)
	}
	targets, cluster, err := idl.ParseTargets(name, n.opts.TLS)
	if err != nil {
		return fmt.Errorf("target %s: %w", name, err)
	}
	if n.opts.Dial != nil {
		for i, member := range targets {
			targets[i].Dial = func(ctx context.Context) (net.Conn, error) { return n.opts.Dial(ctx, member.Name) }
		}
	}
	t := &target{name: name, db: newDatabase(n.mesh)}
	t.replica = idl.New(idl.Options{Database: hwvtep.Database, Targets: targets, Cluster: cluster, LeaderOnly: true, Name: name,
		Logger: n.log, Tables: tables})
	t.writer = idl.NewWriter(t.replica, Lock, func(f func()) {
		n.inbox.settle(func() {
			f()
			t.db.touch() // it may be idle now
		})
	})
	t.db.owner = t
	n.targets = append(n.targets, t)
	n.unread++
	ctx, cancel := context.WithCancel(n.ctx)
	t.cancel = cancel
	t.ended.Go(func() { _ = t.replica.Run(ctx) }) // its error is the end of ctx
	t.ended.Go(func() {                           // tells of updates
		for {
			select {
			case <-t.replica.Updates():
				n.inbox.wake(t)
			case <-ctx.Done():
				return
			}
		}
	})
	return nil
}

// end ends what runs for a target.
func (n *NVC) end(t *target) {
	t.cancel()
	t.writer.Hurry()
	t.ended.Wait()
}
