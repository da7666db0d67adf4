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
	"bufio"
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
	"syscall"
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
}

// queued is how many events may wait; then neighbours have to.
const queued = 256

// Events is what neighbours have said, of each in order.
func (r *Relay) Events() <-chan Event { return r.events }

// link is one neighbour.
type link struct {
	Neighbor
	log     *slog.Logger
	events  chan<- Event
	over    <-chan struct{} // closed when nobody reads events any more
	library net.Listener
	inbound chan net.Conn
	end     func() // has it end
	ended   chan struct{}

	last     []byte       // as in Options
	complete *atomic.Bool // that of the Relay

	mu      sync.Mutex
	state   string // "" while there is a connection
	ignored map[string]uint64
	current net.Conn // the connection to the neighbour; nil: there is none
}

// retry is how long a connection that was refused waits for the next.
const retry = 2 * time.Second

// Start listens. It ends with ctx; Wait waits for that.
func Start(ctx context.Context, o Options) (*Relay, error) {
	r := &Relay{log: o.Logger, links: map[netip.Addr]*link{}, events: make(chan Event, queued), last: o.Last}
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
		l := r.link(conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap())
		if l == nil || l.hops(conn) != nil {
			_ = conn.Close()
			continue
		}
		l.take(conn)
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

// serve takes the library's connections, one after the other.
func (l *link) serve(ctx context.Context) {
	for {
		conn, err := l.library.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if !pause(ctx, retry) {
				return
			}
			continue
		}
		if !own(conn) {
			l.log.Warn("a process that is not the speaker has connected to its relay", "neighbor", l.Address, "from", conn.RemoteAddr())
		} else if err := l.relay(ctx, conn); err != nil && ctx.Err() == nil {
			l.log.Debug("connection has ended", "neighbor", l.Address, "err", err)
		}
		_ = conn.Close()
	}
}

// relay finds a connection to the neighbour for one of the library, and carries messages until either ends.
func (l *link) relay(ctx context.Context, library net.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = library.Close() })
	defer stop()
	// The library says its open at once, and is quiet until it gets an answer, or gives up.
	from := bufio.NewReader(library)
	opened, gone := make(chan []byte, 1), make(chan error, 1)
	go func() {
		m, err := readMessage(from, make([]byte, usualLen))
		if err == nil {
			opened <- m
			_, err = from.Peek(1)
		}
		gone <- err
	}()
	defer l.leave()
	var open []byte
	select {
	case open = <-opened:
	case err := <-gone:
		return errors.Join(errEnded, err)
	case <-ctx.Done():
		return ctx.Err()
	}
	var neighbor net.Conn
	for wait := time.Duration(0); neighbor == nil; wait = retry {
		first, mine, err := l.connect(ctx, gone, wait)
		if err != nil {
			return err
		}
		neighbor, err = l.choose(ctx, first, mine, open, from, gone)
		if silent := (*silentError)(nil); errors.As(err, &silent) {
			l.log.Debug("the neighbor has ended a connection without a word", "neighbor", l.Address, "err", err)
		} else if err != nil {
			return err
		}
	}
	defer neighbor.Close()
	stop2 := context.AfterFunc(ctx, func() { _ = neighbor.Close() })
	defer stop2()
	return l.carry(ctx, cancel, &session{link: l, library: library, neighbor: neighbor, from: from, to: bufio.NewWriter(library), out: bufio.NewWriterSize(neighbor, batch), accepted: make(chan struct{})}, open, gone)
}

// carry carries what comes after the library's open, until either connection ends.
func (l *link) carry(ctx context.Context, cancel func(), s *session, open []byte, gone <-chan error) error {
	s.offered = addPathOf(open)
	ended := make(chan error, 2)
	go func() { ended <- s.inbound(ctx) }()
	go func() {
		err := <-gone
		if err == nil {
			err = s.outbound()
		}
		ended <- errors.Join(errEnded, err)
	}()
	err := <-ended
	cancel()
	<-ended
	s.end()
	return err
}

var errEnded = errors.New("the speaker has ended the connection")

// connect gets a connection to the neighbour, whoever makes it; the relay does after some time. mine says that it did.
func (l *link) connect(ctx context.Context, gone <-chan error, after time.Duration) (conn net.Conn, mine bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of what is under way: a connection that nobody speaks on may keep the neighbour from the other one
	select {
	case conn := <-l.inbound:
		return conn, false, nil
	default:
	}
	l.tell("active")
	if !l.Passive {
		l.tell("connect")
	}
	wait := time.NewTimer(after)
	defer wait.Stop()
	dialled := make(chan net.Conn)
	dial := func() {
		conn, err := l.dial(ctx)
		if err != nil {
			l.log.Debug("can't connect", "neighbor", l.Address, "err", err)
		}
		select {
		case dialled <- conn:
		case <-ctx.Done():
			if conn != nil {
				_ = conn.Close()
			}
		}
	}
	for {
		select {
		case conn := <-l.inbound:
			return conn, false, nil
		case conn := <-dialled:
			if conn != nil {
				return conn, true, nil
			}
			wait.Reset(retry)
		case <-wait.C:
			if !l.Passive {
				go dial()
			}
		case err := <-gone:
			return nil, false, errors.Join(errEnded, err)
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

func (l *link) tell(state string) {
	l.mu.Lock()
	l.state = state
	l.mu.Unlock()
}

func (l *link) enter(conn net.Conn) {
	l.mu.Lock()
	l.state, l.current = "", conn
	l.ask()
	l.mu.Unlock()
}

func (l *link) leave() {
	l.mu.Lock()
	l.state, l.current = "idle", nil
	l.mu.Unlock()
}

func (l *link) dial(ctx context.Context) (net.Conn, error) {
	port := l.Port
	if port == 0 {
		port = 179
	}
	d := net.Dialer{Timeout: 10 * time.Second, Control: func(_, _ string, c syscall.RawConn) error {
		if l.Password == "" {
			return nil
		}
		return control(c, func(fd int) error { return setPassword(fd, l.Address, l.Password) })
	}}
	if l.Local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.Local, 0))
	}
	conn, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(l.Address, port).String())
	if err != nil {
		return nil, err
	}
	if err := l.hops(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// ignore counts. There are as many reasons as types of routes and communities at most.
func (l *link) ignore(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ignored[reason]++; l.ignored[reason] == 1 {
		l.log.Warn("left out of a neighbor's routes", "neighbor", l.Address, "what", reason)
	}
}
