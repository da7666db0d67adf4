package jsonrpc

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// RemoteError is an error that the peer answered a call with.
type RemoteError struct {
	Method string
	Value  wire.Value // a string, or an object with "error" and "details" as in RFC 7047
}

func (e *RemoteError) Error() string {
	text := string(e.Value.Raw())
	switch e.Value.Kind() {
	case wire.String:
		text = e.Value.Str()
	case wire.Object:
		text = e.Value.Get("error").Str()
		if d := e.Value.Get("details"); d.Exists() {
			text += ": " + d.Str()
		}
	}
	return fmt.Sprintf("%s: %s", e.Method, text)
}

// Client makes calls over a connection. It answers the peer's echo requests itself.
type Client struct {
	conn   *Conn
	notify func(Message)
	ended  chan struct{} // closed after err is set

	mu      sync.Mutex // guards what follows
	nextID  int64
	pending map[int64]call
	err     error // why the connection ended; nil while it has not
}

type call struct {
	method string
	done   func(wire.Value, error)
}

// NewClient starts a client on nc, which it owns from now on. notify is called for each
// notification, in the order of arrival and by the client's reader: what it does delays
// the messages behind. It may be nil.
func NewClient(nc net.Conn, opts Options, notify func(Message)) *Client {
	c := &Client{
		conn:    NewConn(nc, opts),
		notify:  notify,
		ended:   make(chan struct{}),
		pending: map[int64]call{},
	}
	go c.read()
	return c
}

// Call makes a call and waits for its result. params is a JSON array. The result is valid
// as long as it is referred to.
func (c *Client) Call(ctx context.Context, method string, params []byte) (wire.Value, error) {
	type outcome struct {
		result wire.Value
		err    error
	}
	got := make(chan outcome, 1)
	id, err := c.start(method, params, func(v wire.Value, err error) { got <- outcome{v, err} })
	if err != nil {
		return wire.Value{}, err
	}
	select {
	case o := <-got:
		return o.result, o.err
	case <-ctx.Done():
		c.forget(id)
		return wire.Value{}, fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

// Go makes a call without waiting. done is called once, by the client's reader, in the
// order in which replies and notifications arrive: whoever must see a reply before the
// notifications behind it uses Go.
func (c *Client) Go(method string, params []byte, done func(wire.Value, error)) error {
	_, err := c.start(method, params, done)
	return err
}

// Notify sends a notification. params is a JSON array.
func (c *Client) Notify(method string, params []byte) error {
	if err := c.conn.Send(AppendNotify(nil, method, params)); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// start sends a request. When it returns an error, done is not called.
func (c *Client) start(method string, params []byte, done func(wire.Value, error)) (int64, error) {
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return 0, fmt.Errorf("%s: %w", method, c.err)
	}
	id := c.nextID
	c.nextID++
	c.pending[id] = call{method, done}
	// Sent under the lock, so that ids go out in order.
	err := c.conn.Send(AppendRequest(nil, method, params, strconv.AppendInt(nil, id, 10)))
	if err != nil {
		delete(c.pending, id)
	}
	c.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", method, err)
	}
	return id, nil
}

func (c *Client) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

// Conn is the connection underneath, for its backlog, activity and addresses.
func (c *Client) Conn() *Conn { return c.conn }

// Done is closed when the connection has ended and every call has been answered; Err then
// says why.
func (c *Client) Done() <-chan struct{} { return c.ended }

// Err is why the connection ended, nil while it has not. io.EOF: the peer closed it.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection; calls that wait fail. Not to be called from a callback of the
// client itself.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.ended
	return err
}

// read is the reader goroutine.
func (c *Client) read() {
	var err error
	for {
		var m Message
		if m, err = c.conn.Read(); err != nil {
			break
		}
		if err = c.received(m); err != nil {
			break
		}
	}
	c.conn.Abort(err)
	c.mu.Lock()
	c.err = err
	pending := c.pending
	c.pending = nil
	c.mu.Unlock()
	for _, call := range pending {
		call.done(wire.Value{}, fmt.Errorf("%s: %w", call.method, err))
	}
	<-c.conn.Done()
	close(c.ended)
}

func (c *Client) received(m Message) error {
	switch m.Kind {
	case Notify:
		if c.notify != nil {
			c.notify(m)
		}
	case Request:
		if m.Method != "echo" {
			return c.conn.Send(AppendError(nil, []byte(`"unknown method"`), m.ID.Raw()))
		}
		return c.conn.Send(AppendReply(nil, m.Params.Raw(), m.ID.Raw()))
	default:
		c.mu.Lock()
		call, ok := c.pending[m.ID.Int()]
		ok = ok && m.ID.Kind() == wire.Integer
		if ok {
			delete(c.pending, m.ID.Int())
		}
		c.mu.Unlock()
		if !ok {
			return nil // the caller has given up waiting
		}
		if m.Kind == Error {
			call.done(wire.Value{}, &RemoteError{call.method, m.Err})
		} else {
			call.done(m.Result, nil)
		}
	}
	return nil
}
