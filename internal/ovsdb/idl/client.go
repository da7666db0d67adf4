package idl

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/client"
)

// Client keeps a replica of one database. Its methods may be called by any
// goroutine; Take is meant for one consumer.
type Client struct {
	opts    Options       // constant after New
	log     *slog.Logger  // constant after New
	updates chan struct{} // cap 1

	mu      sync.Mutex      // guards what follows
	session *client.Session // the one whose replica is in step; nil: none
	current *Snapshot       // nil: never synchronized
	lastID  string          // of the transaction that made current; empty: not known
	taken   *Snapshot       // what Take returned last; nil: never
	step    *step           // from taken to current; nil: they are to be compared
	reset   bool            // for the next Delta
	since   time.Time       // likewise
	changed chan struct{}   // closed, and made anew, when what follows changes
	lastErr error           // why there is no connection
	ended   bool            // Run has returned
	locks   map[string]*lock
}

// New returns a client that does nothing until Run.
func New(opts Options) *Client {
	if opts.Name == "" {
		opts.Name = opts.Database
	}
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Client{
		opts:    opts,
		log:     log,
		updates: make(chan struct{}, 1),
		changed: make(chan struct{}),
		locks:   map[string]*lock{},
	}
}

// Run connects and keeps connected until ctx ends. It returns the cause of ctx's end,
// or with Once the error that ended the connection. It is called once.
func (c *Client) Run(ctx context.Context) (err error) {
	defer func() {
		c.mu.Lock()
		c.ended = true
		c.mu.Unlock()
		c.disconnected(err, false)
	}()
	o := &c.opts
	targets := o.Targets
	if targets == nil {
		targets = []client.Target{{Name: o.Name, Dial: o.Dial, Passive: o.Passive}}
	}
	return client.New(client.Options{
		Database: o.Database, Targets: targets, Cluster: o.Cluster, LeaderOnly: o.LeaderOnly, Writes: o.Writes, Once: o.Once,
		Handler: &replica{client: c}, Status: o.Status, Logger: c.log,
		Values: true, MaxBackoff: o.MaxBackoff, ProbeInterval: o.ProbeInterval, MaxMessage: o.MaxMessage,
	}).Run(ctx)
}

// disconnected notes that there is no connection any more, and why. inconsistent: the replica and
// the server did not agree, so that the next connection reads everything.
func (c *Client) disconnected(err error, inconsistent bool) {
	c.mu.Lock()
	if inconsistent {
		c.lastID = ""
	}
	if c.session != nil {
		c.session = nil
		for _, l := range c.locks {
			l.owned, l.known = false, false
		}
		c.poke()
	}
	c.mu.Unlock()
	c.setError(err)
}

func (c *Client) setError(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastErr = err
	close(c.changed)
	c.changed = make(chan struct{})
}

// resume returns what the replica of the next connection goes on from: the newest
// snapshot, nil if there is none, and the last transaction in it, if it is known.
func (c *Client) resume() (*Snapshot, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current, c.lastID
}

// synchronized makes s the session in step, and its replica the current snapshot. It
// returns the locks to ask for.
func (c *Client) synchronized(s *client.Session, r *replica) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
	c.current, c.lastID, c.step = r.data, r.lastID, nil
	c.reset = true
	c.lastErr = nil
	close(c.changed)
	c.changed = make(chan struct{})
	c.poke()
	return slices.Collect(maps.Keys(c.locks))
}

// publish makes the replica the current snapshot, to which step leads from the one before.
func (c *Client) publish(r *replica, step *step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.taken == nil || step.rows > mostNoted:
		c.step = nil
	case c.taken == c.current:
		c.step = step
	case c.step != nil && !c.step.add(step):
		c.step = nil
	}
	c.current, c.lastID = r.data, r.lastID
	if c.since.IsZero() {
		c.since = r.came
	}
	c.poke()
}

func (c *Client) poke() {
	select {
	case c.updates <- struct{}{}:
	default:
	}
}

// Updates receives a value when there may be something new: to take, or about a lock
// or the connection.
func (c *Client) Updates() <-chan struct{} { return c.updates }

// Take returns the newest snapshot and how it differs from the one taken before; the
// first time, from an empty database. Before the replica was ever synchronized both
// are nil.
func (c *Client) Take() (*Snapshot, *Delta) {
	c.mu.Lock()
	before, after, step := c.taken, c.current, c.step
	d := &Delta{Reset: c.reset, Since: c.since}
	c.taken, c.step, c.reset, c.since = after, nil, false, time.Time{}
	c.mu.Unlock()
	switch {
	case after == nil:
		return nil, nil
	case before == nil:
		d.whole = after
	case step != nil:
		d.tables = step.difference(after.plan)
	default:
		d.tables = difference(before, after)
	}
	return after, d
}

// Snapshot returns the newest snapshot, nil if the replica was never synchronized. It
// is not taken: Take tells the same changes as without.
func (c *Client) Snapshot() *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// Connected reports whether there is a connection and the replica is in step.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session != nil
}

// LastError returns why there is no connection. It is nil while there is one, and
// before the first attempt has ended.
func (c *Client) LastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastErr
}

// WaitReady waits until Connected, and returns the newest snapshot. When Run has
// returned, so does WaitReady, with its error.
func (c *Client) WaitReady(ctx context.Context) (*Snapshot, error) {
	for {
		c.mu.Lock()
		ready, current := c.session != nil, c.current
		changed, lastErr, ended := c.changed, c.lastErr, c.ended
		c.mu.Unlock()
		switch {
		case ready:
			return current, nil
		case ended:
			return nil, fmt.Errorf("connect to %s: %w", c.opts.Name, lastErr)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			err := context.Cause(ctx)
			if lastErr != nil {
				err = fmt.Errorf("%w (%w)", err, lastErr)
			}
			return nil, fmt.Errorf("connect to %s: %w", c.opts.Name, err)
		}
	}
}
