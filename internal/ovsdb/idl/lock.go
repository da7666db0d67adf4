package idl

import (
	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// lock is one that the client wants.
type lock struct {
	owned bool
	known bool // owned is what the server has said on this connection
}

// Lock asks for a lock, and again after each connection. Whether it is held, HasLock tells; a change is
// announced by Updates.
func (c *Client) Lock(name string) {
	c.mu.Lock()
	_, asked := c.locks[name]
	if !asked {
		c.locks[name] = &lock{}
	}
	s := c.session
	c.mu.Unlock()
	if s == nil || asked {
		return // it is asked for when there is a connection, and once on each
	}
	_ = c.lockOn(s, name) // an error means that the connection has ended; the next one asks again
}

// HasLock reports whether the client holds a lock, as far as it knows: to be sure, a
// transaction asserts it.
func (c *Client) HasLock(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.locks[name]
	return l != nil && l.owned
}

// LockState says whether the client holds a lock, and whether the server has said so or the
// contrary since the last connection was made.
func (c *Client) LockState(name string) (owned, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.locks[name]
	return l != nil && l.owned, l != nil && l.known
}

func (c *Client) lockOn(s *client.Session, name string) error {
	return s.Go("lock", append(wire.AppendString([]byte{'['}, name), ']'), func(result wire.Value, refused *jsonrpc.RemoteError) error {
		if refused != nil {
			c.log.Warn("lock "+name+" refused", "error", refused)
			return nil
		}
		c.lockChanged(name, result.Get("locked").Bool())
		return nil
	})
}

// LockAsserts says whether a transaction may assert a lock. A relay has locks of its own clients, but its
// source, which executes the transaction, knows nothing of them.
func (c *Client) LockAsserts() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session == nil || !c.session.Relay()
}

func (c *Client) lockChanged(name string, owned bool) {
	c.mu.Lock()
	if l := c.locks[name]; l != nil {
		l.owned, l.known = owned, true
	}
	c.mu.Unlock()
	c.poke()
}
