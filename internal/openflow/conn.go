package openflow

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ErrClosed is returned for what was asked of a connection after Close.
var ErrClosed = errors.New("the OpenFlow connection is closed")

// ErrVersion is returned when the switch does not speak OpenFlow 1.4.
var ErrVersion = errors.New("the switch does not speak OpenFlow 1.4 (see the column protocols of its Bridge row)")

// writeTimeout is how long a switch may leave what is sent unread.
const writeTimeout = 10 * time.Second

// Conn is a connection to a switch. Its methods may be called by any goroutine.
type Conn struct {
	nc      net.Conn
	handler func(Message)
	done    chan struct{}

	write sync.Mutex // guards what follows
	buf   []byte
	next  uint32 // transaction ID

	mu    sync.Mutex // guards what follows
	calls []*call
	err   error // why it is over
}

// call is a request under way: messages with the transaction IDs from first to last.
type call struct {
	first, last uint32
	settle      Type // of the message with ID last that ends it
	refused     []Refusal
	replies     []Message
	done        chan struct{}
}

// Refusal is one message that the switch refused.
type Refusal struct {
	Index int // in the request
	Err   *Error
}

// RefusedError tells which messages of a request the switch refused.
type RefusedError struct{ Refusals []Refusal }

func (e *RefusedError) Error() string {
	first := e.Refusals[0]
	if len(e.Refusals) == 1 {
		return fmt.Sprintf("message %d: %v", first.Index, first.Err)
	}
	return fmt.Sprintf("message %d, and %d others: %v", first.Index, len(e.Refusals)-1, first.Err)
}

// Unwrap returns the error of the first message.
func (e *RefusedError) Unwrap() error { return e.Refusals[0].Err }

// maxSocketPath is how long the path of a socket may be.
const maxSocketPath = 107

// Dial connects to a switch's socket, such as /run/openvswitch/br0.mgmt. handler is called
// with every message that answers no request, in order, by one goroutine, which reads
// nothing else meanwhile; it must not wait for the connection.
func Dial(ctx context.Context, path string, handler func(Message)) (*Conn, error) {
	name := path
	if len(path) > maxSocketPath {
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", path, err)
		}
		defer dir.Close()
		name = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", name)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	c, err := NewConn(ctx, nc, handler)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	return c, nil
}

// NewConn agrees with the switch at the other end of nc on the version. It closes nc if that
// fails.
func NewConn(ctx context.Context, nc net.Conn, handler func(Message)) (*Conn, error) {
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c := &Conn{nc: nc, handler: handler, done: make(chan struct{}), next: 1}
	in := bufio.NewReaderSize(nc, 1<<16)
	if err := c.hello(in); err != nil {
		nc.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	if !stop() {
		nc.Close()
		return nil, context.Cause(ctx)
	}
	go c.read(in)
	return c, nil
}

func (c *Conn) hello(in *bufio.Reader) error {
	if _, err := c.nc.Write(Append(nil, 0, &Hello{Bitmap: 1 << Version})); err != nil {
		return fmt.Errorf("send hello: %w", err)
	}
	frame, _, err := readFrame(in, nil)
	if err != nil {
		return fmt.Errorf("receive hello: %w", err)
	}
	_, m, err := Decode(frame)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *Hello:
		if !m.speaks(Version) {
			return ErrVersion
		}
		return nil
	case *Error:
		if m.Kind == HelloFailed {
			return ErrVersion
		}
		return m
	}
	return fmt.Errorf("receive hello: a message of type %d came first", m.Type())
}

// read hands messages on until the connection ends.
func (c *Conn) read(in *bufio.Reader) {
	var buf []byte
	for {
		frame, grown, err := readFrame(in, buf)
		if err != nil {
			c.end(fmt.Errorf("OpenFlow connection: %w", err))
			return
		}
		buf = grown
		xid, m, err := Decode(frame)
		if err != nil {
			c.end(err)
			return
		}
		switch m := m.(type) {
		case *EchoRequest:
			if err := c.sendAs(xid, &EchoReply{m.Data}); err != nil {
				return
			}
			continue
		case *Error:
			if m.Kind == HelloFailed {
				c.end(ErrVersion)
				return
			}
		}
		if !c.answer(xid, m) {
			c.handler(m)
		}
	}
}

// answer gives m to the call that it is for.
func (c *Conn) answer(xid uint32, m Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, k := range c.calls {
		if xid-k.first > k.last-k.first {
			continue
		}
		settled := false
		switch m := m.(type) {
		case *Error:
			k.refused = append(k.refused, Refusal{int(xid - k.first), m})
			settled = xid == k.last
		case *MultipartReply:
			k.replies = append(k.replies, m)
			settled = xid == k.last && m.Type() == k.settle && !m.More
		default:
			k.replies = append(k.replies, m)
			settled = xid == k.last && m.Type() == k.settle
		}
		if settled {
			c.calls = append(c.calls[:i:i], c.calls[i+1:]...)
			close(k.done)
		}
		return true
	}
	return false
}

func (c *Conn) end(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
		close(c.done)
	}
	c.mu.Unlock()
	c.nc.Close()
}

// Close ends the connection.
func (c *Conn) Close() { c.end(ErrClosed) }

// Done is closed when the connection has ended; Err then says why.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection has ended.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// sendAs sends one message with a given transaction ID.
func (c *Conn) sendAs(xid uint32, m Message) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.flush(Append(c.buf[:0], xid, m))
}

func (c *Conn) flush(b []byte) error {
	if cap(b) <= 1<<20 {
		c.buf = b[:0]
	}
	c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := c.nc.Write(b); err != nil {
		err = fmt.Errorf("OpenFlow connection: %w", err)
		c.end(err)
		return err
	}
	return nil
}

// Send sends messages and waits for nothing.
func (c *Conn) Send(messages ...Message) error {
	c.write.Lock()
	defer c.write.Unlock()
	b := c.buf[:0]
	for _, m := range messages {
		b = Append(b, c.next, m)
		c.next++
	}
	return c.flush(b)
}

// start sends messages, and the call that waits for the last of them to be settled.
func (c *Conn) start(settle Type, messages []Message) (*call, error) {
	c.write.Lock()
	defer c.write.Unlock()
	k := &call{first: c.next, last: c.next + uint32(len(messages)) - 1, settle: settle, done: make(chan struct{})}
	c.next = k.last + 1
	b := c.buf[:0]
	for i, m := range messages {
		if add, ok := m.(*BundleAdd); ok {
			add.XID = k.first + uint32(i)
		}
		b = Append(b, k.first+uint32(i), m)
	}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return nil, c.err
	}
	c.calls = append(c.calls, k)
	c.mu.Unlock()
	return k, c.flush(b)
}

func (c *Conn) wait(ctx context.Context, k *call) error {
	select {
	case <-k.done:
		return nil
	default:
	}
	select {
	case <-k.done:
		return nil
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		c.mu.Lock()
		for i, other := range c.calls {
			if other == k {
				c.calls = append(c.calls[:i:i], c.calls[i+1:]...)
				break
			}
		}
		c.mu.Unlock()
		return context.Cause(ctx)
	}
}

func refusal(k *call) error {
	if len(k.refused) > 0 {
		return &RefusedError{k.refused}
	}
	return nil
}

// Do sends messages and waits until the switch has done them. A *RefusedError says which it
// refused; the others are done.
func (c *Conn) Do(ctx context.Context, messages ...Message) error {
	k, err := c.start(TypeBarrierReply, append(messages[:len(messages):len(messages)], &BarrierRequest{}))
	if err == nil {
		err = c.wait(ctx, k)
	}
	if err != nil {
		return err
	}
	return refusal(k)
}

// bundleID is that of every bundle: one is open on a connection at a time.
const bundleID = 1

// DoTogether makes all changes at one moment, or none of them: it looks at every answer before
// it commits, since Open vSwitch commits the rest of a bundle from which it has refused a
// message.
func (c *Conn) DoTogether(ctx context.Context, changes ...*FlowMod) error {
	const flags = BundleAtomic | BundleOrdered
	messages := make([]Message, 0, len(changes)+2)
	messages = append(messages, &BundleControl{bundleID, BundleOpen, flags})
	for _, m := range changes {
		messages = append(messages, &BundleAdd{ID: bundleID, Flags: flags, Message: m})
	}
	messages = append(messages, &BundleControl{bundleID, BundleClose, flags})
	k, err := c.start(TypeBundleControl, messages)
	if err == nil {
		err = c.wait(ctx, k)
	}
	if err != nil {
		return err
	}
	if len(k.refused) > 0 {
		_ = c.control(ctx, BundleDiscard, flags)
		return indexed(k.refused)
	}
	// The errors of messages that fail at the commit come with the IDs that they were added with.
	late := &call{first: k.first, last: k.last, done: make(chan struct{})}
	c.mu.Lock()
	c.calls = append(c.calls, late)
	c.mu.Unlock()
	err = c.control(ctx, BundleCommit, flags)
	c.mu.Lock()
	for i, other := range c.calls {
		if other == late {
			c.calls = append(c.calls[:i:i], c.calls[i+1:]...)
			break
		}
	}
	refused := late.refused
	c.mu.Unlock()
	if len(refused) > 0 {
		return indexed(refused)
	}
	return err
}

// indexed counts in changes rather than in messages, the first of which opened the bundle.
func indexed(refused []Refusal) error {
	for i := range refused {
		refused[i].Index--
	}
	return &RefusedError{refused}
}

func (c *Conn) control(ctx context.Context, a BundleAction, flags uint16) error {
	k, err := c.start(TypeBundleControl, []Message{&BundleControl{bundleID, a, flags}})
	if err == nil {
		err = c.wait(ctx, k)
	}
	if err != nil {
		return err
	}
	if len(k.refused) > 0 {
		return k.refused[0].Err
	}
	return nil
}

// Query sends a request that is answered in several parts, and returns them.
func (c *Conn) Query(ctx context.Context, m *MultipartRequest) ([]*MultipartReply, error) {
	k, err := c.start(TypeMultipartReply, []Message{m})
	if err == nil {
		err = c.wait(ctx, k)
	}
	if err != nil {
		return nil, err
	}
	if len(k.refused) > 0 {
		return nil, k.refused[0].Err
	}
	var parts []*MultipartReply
	for _, r := range k.replies {
		if p, ok := r.(*MultipartReply); ok {
			parts = append(parts, p)
		}
	}
	return parts, nil
}
