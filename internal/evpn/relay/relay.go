// Package relay carries BGP between neighbours and the library that speaks it, which then has no connection of
// its own to anybody but this process.
//
//	neighbour ── TCP ── Relay: session.go ── TCP of 127.0.0.0/8 ── library
//	                      └── Events: what neighbours announce
//
// The library (GoBGP 4.8) opens sessions, keeps them alive, and announces. What neighbours announce is for whoever
// reads Events, and does not get to the library, which would have tables of it that nobody asks for.
//
// The library's decoder fails for a route of EVPN of a type that it does not know, and for an extended community that
// it does not know; RFC 7606, section 5.4, and RFC 4360 want both ignored. The relay takes such things out of the
// messages before, and counts them (screen.go).
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// What is left out of a neighbour's messages, beside types of routes and communities.
const (
	Malformed          = "malformed route"     // it has not the length of its type
	MalformedAttribute = "malformed attribute" // it is left out, or the routes of its message are taken for withdrawn (RFC 7606)
)

// Neighbor is one BGP speaker.
type Neighbor struct {
	Address  netip.Addr
	Port     uint16     // 0: 179
	Local    netip.Addr // invalid: as the route goes
	Password string     // of TCP MD5 (RFC 2385); "": none
	Passive  bool       // it connects
	Hops     int        // that it may be away; 0: any number
	External bool       // of another AS
	NDFlags  bool       // it gets the community of RFC 9047
}

// Options configure a Relay.
type Options struct {
	Listen    []string // addresses; none: all
	Port      int      // 0: 179; -1: nobody can connect
	Neighbors []Neighbor
	Logger    *slog.Logger
	Last      []byte // a route (type, length, value) that the library announces behind all that there is to say at the beginning; neighbours do not get it; nil: there is none
}

// Relay is the connections to all neighbours.
type Relay struct {
	log    *slog.Logger
	ctx    context.Context
	stop   context.CancelFunc // has all end
	done   sync.WaitGroup
	events chan Event
	last   []byte

	complete atomic.Bool // all that there is to say at the beginning has been given to the library

	mu        sync.Mutex
	links     map[netip.Addr]*link
	given     int            // addresses of 127.0.0.0/8
	listeners []net.Listener // for neighbours
	strangers map[netip.Addr]struct{}
}

// queued is how many events may wait; then neighbours have to.
const queued = 256

// Events is what neighbours have said, of each in order.
func (r *Relay) Events() <-chan Event { return r.events }

// Start listens. It ends with ctx; Wait waits for that.
func Start(ctx context.Context, o Options) (*Relay, error) {
	r := &Relay{log: o.Logger, links: map[netip.Addr]*link{}, strangers: map[netip.Addr]struct{}{}, events: make(chan Event, queued), last: o.Last}
	r.ctx, r.stop = context.WithCancel(ctx)
	context.AfterFunc(r.ctx, r.close)
	if err := r.start(o); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

func (r *Relay) start(o Options) error {
	r.mu.Lock() // so that nobody who connects is not known yet
	defer r.mu.Unlock()
	if o.Port != -1 {
		if err := r.listen(o); err != nil {
			return err
		}
	}
	for _, n := range o.Neighbors {
		if err := r.add(n); err != nil {
			return err
		}
	}
	return nil
}

// Add makes one more neighbour known.
func (r *Relay) Add(n Neighbor) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.add(n)
}

func (r *Relay) add(n Neighbor) error {
	// An address of its own for each, since the library tells neighbours by it.
	i := r.given % (1 << 21)
	ip := netip.AddrFrom4([4]byte{127, byte(65 + i>>16), byte(i >> 8), byte(i)})
	l := &link{Neighbor: n, log: r.log, events: r.events, over: r.ctx.Done(), inbound: make(chan net.Conn, 1), ended: make(chan struct{}), ignored: map[string]uint64{}, state: "idle", last: r.last, complete: &r.complete}
	var err error
	if l.library, err = net.Listen("tcp4", netip.AddrPortFrom(ip, 0).String()); err != nil {
		return fmt.Errorf("listen for the library: %w", err)
	}
	if n.Password != "" {
		if err := r.sign(n.Address, n.Password); err != nil {
			_ = l.library.Close()
			return err
		}
	}
	r.given++
	r.links[n.Address] = l
	delete(r.strangers, n.Address)
	var ctx context.Context
	ctx, l.end = context.WithCancel(r.ctx)
	context.AfterFunc(ctx, func() { _ = l.library.Close() })
	r.done.Go(func() {
		defer close(l.ended)
		l.serve(ctx)
		l.refuse()
	})
	return nil
}

// Remove ends the session with a neighbour, and knows it no more. When it returns all events of it have been told.
func (r *Relay) Remove(neighbor netip.Addr) {
	r.mu.Lock()
	l := r.links[neighbor]
	delete(r.links, neighbor)
	if l.Password != "" {
		_ = r.sign(neighbor, "") // at worst it can't connect, which it may not anyway
	}
	r.mu.Unlock()
	l.end()
	<-l.ended
}

// sign has connections from a neighbour signed with a password; "": not any more.
func (r *Relay) sign(neighbor netip.Addr, password string) error {
	for _, listener := range r.listeners {
		at := listener.Addr().(*net.TCPAddr).AddrPort().Addr()
		if neighbor.Is4() != at.Unmap().Is4() {
			continue
		}
		raw, err := listener.(*net.TCPListener).SyscallConn()
		if err != nil {
			return err
		}
		if err := control(raw, func(fd int) error { return setPassword(fd, neighbor, password) }); err != nil {
			return err
		}
	}
	return nil
}

// close ends what listens.
func (r *Relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.listeners {
		_ = l.Close()
	}
}

// Wait waits until all has ended.
func (r *Relay) Wait() { r.done.Wait() }

// Library is where the library finds a neighbour; invalid: it is not known.
func (r *Relay) Library(neighbor netip.Addr) netip.AddrPort {
	l := r.link(neighbor)
	if l == nil {
		return netip.AddrPort{}
	}
	return l.library.Addr().(*net.TCPAddr).AddrPort()
}

// State is what there is of a connection to a neighbour: "" if there is one, else as in RFC 4271.
func (r *Relay) State(neighbor netip.Addr) string {
	l := r.link(neighbor)
	if l == nil {
		return "idle"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Ignored counts what was taken out of a neighbour's messages, by what it was.
func (r *Relay) Ignored(neighbor netip.Addr) map[string]uint64 {
	l := r.link(neighbor)
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.ignored)
}

func (r *Relay) link(neighbor netip.Addr) *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.links[neighbor]
}

// listen lets neighbours connect.
func (r *Relay) listen(o Options) error {
	port := strconv.Itoa(o.Port)
	if o.Port == 0 {
		port = "179"
	}
	hosts := o.Listen
	if len(hosts) == 0 {
		hosts = []string{"0.0.0.0", "::"}
	}
	for _, host := range hosts {
		network := "tcp4"
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
			network = "tcp6"
		}
		config := net.ListenConfig{}
		config.SetMultipathTCP(false) // which knows of no TCP MD5
		listener, err := config.Listen(r.ctx, network, net.JoinHostPort(host, port))
		if len(o.Listen) == 0 && network == "tcp6" && (errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)) {
			continue // a machine without IPv6
		}
		if err != nil {
			return fmt.Errorf("listen for neighbors: %w", err)
		}
		r.listeners = append(r.listeners, listener)
		r.done.Go(func() { r.accept(listener) })
	}
	return nil
}

func (r *Relay) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files
			if !pause(r.ctx, retry) {
				return
			}
			continue
		}
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		l := r.link(from)
		if l == nil || l.hops(conn) != nil {
			if l == nil {
				r.refuse(from)
			}
			_ = conn.Close()
			continue
		}
		l.take(conn)
	}
}

// told is how many addresses of which nobody is a neighbour are told of.
const told = 64

// refuse tells once of an address that is no neighbour's: it may be another one of a neighbour. Of one that was a neighbour's meanwhile it tells
// again.
func (r *Relay) refuse(from netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.strangers[from]; !known && len(r.strangers) < told {
		r.strangers[from] = struct{}{}
		r.log.Info("connections from an address that is no neighbor's are closed", "address", from)
		if len(r.strangers) == told {
			r.log.Info("of connections from further addresses that are no neighbor's nothing is told", "addresses", told)
		}
	}
}

// pause waits, and says whether the context has not ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
