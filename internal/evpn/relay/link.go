package relay

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

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
	trouble trouble
}

// retry is how long a connection that was refused waits for the next.
const retry = 2 * time.Second

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
			if !errors.Is(err, errRefused) {
				l.hinder(whySilent)
			}
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
	l.unhinder()
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
	why := whyEnded(err)
	if ctx.Err() != nil { // it is not wanted any more
		why = ""
	}
	cancel()
	<-ended
	s.end(why)
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
			if ctx.Err() == nil {
				l.hinder(unreached(err))
			}
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
	if strings.HasPrefix(l.trouble.since, cantConnect) {
		l.trouble.since = ""
	}
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
