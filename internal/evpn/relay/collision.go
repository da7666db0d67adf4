package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// Both ends may connect, and a neighbour that has lost a session without a word, as by a loss of power, connects anew.
//
// While the neighbour has said no OPEN, the ends choose as of RFC 4271, section 6.8, and RFC 6286: the connection stays that the
// end with the higher identifier has made. The library gets to know of one only: it is the relay that chooses. It gives up its own
// connection, on which the neighbour has said an OPEN, for one on which it has said that, too: who connects may have thought
// better of it since, and closed that.
//
// Later the connection that there is stays as long as the neighbour knows of it, and the other one has its place when that ends
// in time. One that has not been chosen is closed: if it is left open, and nobody speaks on it, some speakers do not get on with
// the other one either (GoBGP 4.8).

// heard is the first message on a connection.
type heard struct {
	from    net.Conn
	message []byte
	err     error
}

// silentError is why a connection has ended on which the neighbour had said nothing, or only that it has chosen another one,
// which may not have come here yet.
type silentError struct{ error }

var errRefused = errors.New("the neighbor has chosen another connection")

// refuses says whether a message is that there is another connection (Cease, Connection Collision Resolution: RFC 4486).
func refuses(m []byte) bool {
	const cease, collision = 6, 7
	return m[18] == typeNotification && len(m) >= headerLen+2 && m[headerLen] == cease && m[headerLen+1] == collision
}

// contest is between a connection and one of the neighbour's that comes before an answer.
type contest struct {
	link *link
	open []byte // what the library says

	used   net.Conn // on which it has been said
	mine   bool     // the relay has made that
	other  net.Conn // the neighbour's; nil: there is none
	firsts chan heard

	answer  *heard           // the neighbour's open on used, which is to yield to other once there is one on that; nil: there is none
	silence <-chan time.Time // passes for as long as that may take
}

// choose says the library's open on a connection, and returns the one on which the neighbour answers: that, or one of the
// neighbour's that comes meanwhile. Others are closed. mine says that the relay has made the first one; from has what the
// library says after its open.
func (l *link) choose(ctx context.Context, used net.Conn, mine bool, open []byte, from *bufio.Reader, gone <-chan error) (chosen net.Conn, err error) {
	l.enter(used)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &contest{link: l, open: open, used: used, mine: mine, firsts: make(chan heard)}
	defer func() { c.closeRest(err == nil) }()
	c.say()
	go c.listen(ctx, used)
	for {
		select {
		case conn := <-l.inbound:
			if c.other != nil {
				_ = c.other.Close()
			}
			c.other = conn
			go c.listen(ctx, conn)
		case <-c.silence:
			return c.stay(c.answer), nil
		case h := <-c.firsts:
			if chosen, err := c.judge(h); chosen != nil || err != nil {
				return chosen, err
			}
		case err := <-gone:
			if err == nil { // it has no answer yet, so that is why it gives up
				var m []byte
				if m, err = readMessage(from, make([]byte, usualLen)); err == nil {
					_, err = c.used.Write(m)
				}
			}
			return nil, errors.Join(errEnded, err)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// judge says what follows from the first message on a connection: which one stays, or why none does. Both are nil
// as long as that is open.
func (c *contest) judge(h heard) (chosen net.Conn, err error) {
	if h.err == nil && h.message[18] == typeOpen && over(h.from) {
		h.err = io.EOF // the neighbour had chosen another one, in a session that has ended since
	}
	switch {
	case h.from == c.used && c.other != nil && (h.err != nil || h.message[18] != typeOpen):
		c.turn()
	case h.from == c.used && h.err != nil:
		return nil, &silentError{h.err}
	case h.from == c.used && refuses(h.message):
		return nil, &silentError{errRefused}
	case h.from == c.used && c.other != nil && c.mine && yields(c.open, h.message):
		c.answer, c.silence = &h, time.After(retry)
	case h.from == c.used:
		return c.stay(&h), nil
	case h.from != c.other: // it was closed
	case h.err != nil || c.mine && !yields(c.open, h.message):
		_ = c.other.Close()
		c.other = nil
		if c.answer != nil {
			return c.stay(c.answer), nil
		}
	default: // it is to stay, or the neighbour has forgotten that it has connected before
		c.turn()
		return c.stay(&h), nil
	}
	return nil, nil
}

// listen waits for the first message on a connection.
func (c *contest) listen(ctx context.Context, conn net.Conn) {
	m, err := readMessage(conn, make([]byte, usualLen))
	select {
	case c.firsts <- heard{conn, m, err}:
	case <-ctx.Done():
	}
}

func (c *contest) say() {
	_, _ = c.used.Write(c.link.opening(c.open)) // why that fails reading tells
}

// turn goes over to the neighbour's connection.
func (c *contest) turn() {
	_ = c.used.Close()
	c.used, c.other, c.mine = c.other, nil, false
	c.link.enter(c.used)
	c.say()
}

// stay is the connection that is used, with what was heard on it.
func (c *contest) stay(h *heard) net.Conn {
	return &begun{c.used, io.MultiReader(bytes.NewReader(h.message), c.used)}
}

// closeRest closes what was not chosen.
func (c *contest) closeRest(chosen bool) {
	if !chosen {
		_ = c.used.Close()
	}
	if c.other != nil {
		_ = c.other.Close()
	}
}

// begun is a connection of which something has been read.
type begun struct {
	net.Conn
	from io.Reader
}

func (c *begun) Read(b []byte) (int, error) { return c.from.Read(b) }

// yields says whether the one who says an open has the lower identifier, or with the same one the lower AS.
func yields(open, to []byte) bool {
	const as, id, end = headerLen + 1, headerLen + 5, headerLen + 9
	if len(open) < end || len(to) < end || to[18] != typeOpen {
		return false
	}
	if c := bytes.Compare(open[id:end], to[id:end]); c != 0 {
		return c < 0
	}
	return bytes.Compare(open[as:as+2], to[as:as+2]) < 0
}

// forgotten is in what time a connection ends that the neighbour does not know of, or that nobody is at the end of.
const forgotten = 5 * time.Second

// asking is how the kernel asks meanwhile.
var asking = net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3}

// take has a connection of the neighbour's wait: for the library, or for the end of the one that there is.
func (l *link) take(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.inbound <- conn:
		l.ask()
	default:
		_ = conn.Close()
	}
}

// ask finds out, if a connection waits, whether the neighbour knows of the one that there is. l.mu is held.
func (l *link) ask() {
	current, ok := l.current.(*net.TCPConn)
	if !ok || len(l.inbound) == 0 {
		return
	}
	_ = current.SetKeepAliveConfig(asking) // if it fails that has ended already
	time.AfterFunc(forgotten, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.current == current {
			_ = current.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true})
			l.refuse()
		}
	})
}

// refuse closes a connection that waits.
func (l *link) refuse() {
	select {
	case conn := <-l.inbound:
		_ = conn.Close()
	default:
	}
}
