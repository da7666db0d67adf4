package jsonrpc

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// DefaultMaxMessage is the longest message accepted unless told otherwise.
const DefaultMaxMessage = 256 << 20

// ErrClosed is returned by Send after Close.
var ErrClosed = errors.New("connection closed")

// ErrBacklog is the cause of the end of a connection whose peer did not read.
var ErrBacklog = errors.New("sending backlog exceeded its limit")

// Options are the limits of a Conn. Zero values are defaults.
type Options struct {
	MaxMessage int // bytes of one message received; 0: DefaultMaxMessage
	// MaxQueue ends the connection when more bytes than this wait to be sent; 0: no limit.
	MaxQueue int
	// Drained is called, by the writer goroutine and without a lock, when all that was queued
	// has been sent, if WatchDrain asked for it, and in any case when the connection has ended.
	Drained func()
	// Holds is called, by the reader, with the bytes that the text of a message needs which is
	// only half here, and those of its values if it is parsed as it comes, each time they change;
	// and with 0 when it has been read, or never will be.
	// Short messages are not told of.
	Holds func(text, values int)
}

// Conn is a connection that carries messages. One goroutine reads; any goroutine sends.
// Sending queues: a goroutine of the Conn writes, so that a slow peer delays nobody else.
//
// What a message to an idle peer needs stands first: whoever tells thousands of them something
// has none of these in its caches.
type Conn struct {
	mu      sync.Mutex   // guards what follows, to direct
	queued  atomic.Int64 // bytes in queue and in the hands of the writer; read without mu
	queue   [][]byte
	fd      int       // constant: the socket, open while err is nil; -1: there is no writing without waiting, as with TLS
	err     error     // why the connection ended; set once
	writing bool      // the writer has taken what was in the queue
	watched bool      // Drained is to be called
	closing bool      // end when the queue is empty
	single  [1][]byte // memory of queue, mostly
	direct  []byte    // scratch of Flush

	opts     Options // constant
	nc       net.Conn
	r        *wire.Reader
	activity atomic.Int64  // unix nanoseconds of the last sign of life from the peer
	patience atomic.Int64  // nanoseconds that the peer may take over a piece; 0: for ever
	done     chan struct{} // closed when the writer has ended
	wake     chan struct{} // cap 1: something changed above
}

// NewConn starts a Conn on nc, which it owns from now on.
func NewConn(nc net.Conn, opts Options) *Conn {
	if opts.MaxMessage == 0 {
		opts.MaxMessage = DefaultMaxMessage
	}
	c := &Conn{
		fd:   -1,
		nc:   nc,
		opts: opts,
		done: make(chan struct{}),
		wake: make(chan struct{}, 1),
	}
	if sc, ok := nc.(syscall.Conn); ok { // a socket, and nothing in between
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { c.fd = int(fd) })
		}
	}
	c.r = wire.NewReader(aliveReader{c}, opts.MaxMessage)
	c.r.Holds = opts.Holds
	c.touch()
	go c.write()
	return c
}

// aliveReader notes when bytes arrive: a peer in the middle of a long message is alive.
type aliveReader struct{ c *Conn }

func (r aliveReader) Read(p []byte) (int, error) {
	n, err := r.c.nc.Read(p)
	if n > 0 {
		r.c.touch()
	}
	return n, err
}

func (c *Conn) touch() { c.activity.Store(time.Now().UnixNano()) }

// Activity is the last time the peer showed life: sent something, or took what had piled
// up for it.
func (c *Conn) Activity() time.Time { return time.Unix(0, c.activity.Load()) }

// Read returns the next message. After an error the connection is of no more use; io.EOF
// means that the peer closed it.
func (c *Conn) Read() (Message, error) {
	switch v, err := c.r.Value(); {
	case err == nil:
		return MessageOf(v)
	case errors.As(err, new(*wire.SyntaxError)):
		return Message{}, badText(err)
	default:
		return Message{}, c.cause(err)
	}
}

// HasMore says, to the reader, whether some of the next message is here already.
func (c *Conn) HasMore() bool { return c.r.Buffered() > 0 }

// cause prefers the reason why this side ended the connection to the error that ending it
// made for the reader.
func (c *Conn) cause(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return err
}

// Send queues a message given in pieces, which must not change any more, and sees to it
// that it is sent.
func (c *Conn) Send(pieces ...[]byte) error {
	first, err := c.Queue(pieces...)
	if first {
		c.Flush()
	}
	return err
}

// Queue queues a message given in pieces, which must not change any more. When it returns
// true nobody sends it yet: the caller does, with Flush, after it has queued whatever else
// can go along.
func (c *Conn) Queue(pieces ...[]byte) (first bool, err error) {
	c.mu.Lock()
	switch {
	case c.err != nil:
		err = c.err
	case c.closing:
		err = ErrClosed
	}
	if err != nil {
		c.mu.Unlock()
		return false, err
	}
	if c.queue == nil && !c.writing { // else the writer may have it
		c.queue = c.single[:0]
	}
	first = len(c.queue) == 0 && !c.writing
	for _, p := range pieces {
		c.queued.Add(int64(len(p)))
	}
	c.queue = append(c.queue, pieces...)
	over := c.opts.MaxQueue > 0 && c.Backlog() > c.opts.MaxQueue
	c.mu.Unlock()
	if over {
		c.fail(ErrBacklog)
		return false, ErrBacklog
	}
	return first, nil
}

const (
	directLimit = 64 << 10 // the most that Flush writes itself
	keptScratch = 4 << 10  // the most memory for it that stays with a connection
)

// Flush sends what is queued: at once as far as the kernel takes it without waiting, the
// rest by the writer.
func (c *Conn) Flush() {
	c.mu.Lock()
	if c.writing {
		c.mu.Unlock()
		return // the writer looks into the queue again when it is done
	}
	if c.fd >= 0 && c.Backlog() <= directLimit && c.err == nil && len(c.queue) > 0 {
		text := c.queue[0] // the only one, mostly: many connections may share it
		if len(c.queue) > 1 {
			c.direct = c.direct[:0]
			for _, p := range c.queue {
				c.direct = append(c.direct, p...)
			}
			text = c.direct
		}
		n := sendNow(c.fd, text)
		c.queued.Add(int64(-n))
		whole := n == len(text)
		left := text[n:]
		if !whole && len(c.queue) > 1 {
			left = slices.Clone(left)
		}
		if cap(c.direct) > keptScratch {
			c.direct = nil
		}
		clear(c.queue)
		c.queue = c.queue[:0]
		if whole && !c.closing && !c.watched {
			c.mu.Unlock()
			return
		}
		if !whole {
			c.queue = append(c.queue, left)
		}
	}
	c.mu.Unlock()
	c.poke()
}

// quickly is up to what size the kernel takes a message about as fast as it would tell the
// runtime that a call may take long.
const quickly = 4 << 10

// sendNow sends what the kernel takes without waiting. An error is for the writer to find. Nobody
// else writes meanwhile: so this needs not what Write does for those who may have to wait.
func sendNow(fd int, b []byte) int {
	call := syscall.Syscall6
	if len(b) <= quickly {
		call = syscall.RawSyscall6
	}
	n, _, errno := call(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// Backlog is how many bytes wait to be sent.
func (c *Conn) Backlog() int { return int(c.queued.Load()) }

// WatchDrain has Drained called once, when all that is queued has been sent or the connection
// has ended. It returns false, and Drained is not called, if that is so already.
func (c *Conn) WatchDrain() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Backlog() == 0 || c.err != nil {
		return false
	}
	c.watched = true
	return true
}

// Err is why the connection ended, nil while it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection at once; what is queued is lost.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	<-c.done
	return nil
}

// Abort ends the connection at once for the given reason, which readers and senders see.
// Unlike Close it does not wait for the writer, so the writer's own callback may call it.
func (c *Conn) Abort(cause error) { c.fail(cause) }

// CloseSoon ends the connection once what is queued has been sent, or when the peer takes
// nothing of it for as long as the patience given.
func (c *Conn) CloseSoon(patience time.Duration) {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.Hurry(patience)
	c.poke()
}

// Hurry ends the connection when the peer takes nothing of what is sent for as long as the
// patience given.
func (c *Conn) Hurry(patience time.Duration) {
	c.patience.Store(int64(patience))
	_ = c.nc.SetWriteDeadline(time.Now().Add(patience)) // of the write under way
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

func (c *Conn) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// fail ends the connection; the first cause given stays.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
		c.queue = nil
		c.queued.Store(0)
	}
	c.mu.Unlock()
	if first {
		// A TLS connection says goodbye in Close, which must not wait for a peer that does
		// not read.
		_ = c.nc.SetWriteDeadline(time.Now())
		c.nc.Close()
	}
	c.poke()
}

const (
	joinBelow = 32 << 10  // up to this size pieces are copied together for one write
	writeMost = 256 << 10 // the most that one write has: taking it is a sign of life
)

// write is the writer goroutine.
func (c *Conn) write() {
	defer close(c.done)
	if c.opts.Drained != nil {
		defer c.opts.Drained()
	}
	var joined []byte
	for range c.wake {
		for {
			c.mu.Lock()
			queue, size := c.queue, c.queued.Load()
			c.queue = nil
			c.writing = len(queue) > 0
			ended, closing := c.err != nil, c.closing
			c.mu.Unlock()
			if ended {
				return
			}
			if len(queue) == 0 {
				if closing {
					c.fail(ErrClosed)
					return
				}
				if c.tellDrained() {
					continue // there may be more by now
				}
				break
			}
			var err error
			if joined, err = c.writeAll(queue, joined[:0]); err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) && c.isClosing() {
					err = ErrClosed
				}
				c.fail(err)
				return
			}
			if cap(joined) > keptScratch {
				joined = nil
			}
			c.sent(size)
		}
	}
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// sent takes size bytes off the backlog.
func (c *Conn) sent(size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.queued.Add(-size)
	}
}

// tellDrained calls Drained if that was asked for and nothing is queued.
func (c *Conn) tellDrained() bool {
	c.mu.Lock()
	tell := c.watched && c.Backlog() == 0 && c.err == nil
	if tell {
		c.watched = false
	}
	c.mu.Unlock()
	if tell && c.opts.Drained != nil {
		c.opts.Drained()
	}
	return tell
}

// writeAll writes the pieces, small ones together. It returns the scratch buffer.
func (c *Conn) writeAll(queue [][]byte, joined []byte) ([]byte, error) {
	flush := func() error {
		if len(joined) == 0 {
			return nil
		}
		err := c.writeOut(joined)
		joined = joined[:0]
		return err
	}
	for i, p := range queue {
		queue[i] = nil
		if len(joined)+len(p) > joinBelow {
			if err := flush(); err != nil {
				return joined, err
			}
		}
		if len(p) > joinBelow {
			if err := c.writeOut(p); err != nil {
				return joined, err
			}
			continue
		}
		joined = append(joined, p...)
	}
	return joined, flush()
}

// writeOut writes b in parts that are not too large.
func (c *Conn) writeOut(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), writeMost)
		began := time.Now()
		if p := c.patience.Load(); p > 0 {
			_ = c.nc.SetWriteDeadline(began.Add(time.Duration(p)))
			if c.Err() != nil {
				return c.Err() // fail has set a deadline of its own before
			}
		}
		if _, err := c.nc.Write(b[:n]); err != nil {
			return err
		}
		// Writes that the kernel's buffer took say nothing about the peer; one that had to wait
		// does.
		if time.Since(began) > time.Millisecond {
			c.touch()
		}
		b = b[n:]
	}
	return nil
}
