package client

import (
	"context"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/reconnect"
)

// dialNext begins an attempt, if one is due and none is under way.
func (c *Client) dialNext(ctx context.Context) {
	k := c.next()
	if k == nil {
		return
	}
	now := time.Now()
	if k.fsm.Run(now) != reconnect.Connect {
		return
	}
	if k.Passive {
		k.fsm.Listening(now)
	} else {
		k.fsm.Connecting(now)
	}
	cancel := func() {}
	if at, ok := k.fsm.Deadline(now); ok {
		ctx, cancel = context.WithDeadline(ctx, at)
	}
	c.dialling = true
	go func() {
		defer cancel()
		nc, err := k.Dial(ctx)
		c.dialled <- result{k, nc, err}
	}()
}

// next is the candidate that is to be dialled next, now or later: the one that is due first, and
// of those the one after the last. nil: none.
func (c *Client) next() *candidate {
	if c.dialling || c.undecided() {
		return nil
	}
	var first *candidate
	var when time.Time
	at := 0
	for i := range c.candidates {
		n := (c.last + 1 + i) % len(c.candidates)
		k := c.candidates[n]
		if k.fsm.State() != reconnect.Backoff {
			continue
		}
		due, _ := k.fsm.Deadline(time.Now())
		if first == nil || due.Before(when) {
			first, when, at = k, due, n
		}
	}
	if first != nil && !time.Now().Before(when) {
		c.last = at
	}
	return first
}

// undecided says whether there is a session that is used, or one that may still turn out fit.
func (c *Client) undecided() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chosen != nil {
		return true
	}
	for _, k := range c.candidates {
		if k.session != nil && c.held[k.session] == nil {
			return true
		}
	}
	return false
}

// connected takes the result of an attempt.
func (c *Client) connected(r result) {
	k := r.of
	if r.err != nil {
		k.fsm.Disconnected(time.Now(), r.err)
		c.failed(k, r.err)
		return
	}
	k.fsm.SetProbeInterval(syncPatience)
	k.fsm.Connected(time.Now())
	k.alive = time.Now()
	k.session = newSession(c, k.Name, r.nc)
	k.session.start()
}

// deadline is when Run has something to do if nothing happens before.
func (c *Client) deadline() (first time.Time, ok bool) {
	sooner := func(at time.Time, is bool) {
		if is && (!ok || at.Before(first)) {
			first, ok = at, true
		}
	}
	for _, k := range c.candidates {
		if k.session != nil {
			sooner(k.fsm.Deadline(time.Now()))
			sooner(k.ask, !k.ask.IsZero())
		}
	}
	if k := c.next(); k != nil {
		sooner(k.fsm.Deadline(time.Now()))
	}
	return first, ok
}
