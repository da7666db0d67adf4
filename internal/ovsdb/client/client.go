package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/reconnect"
)

// Client keeps a session with the first of several servers that is fit.
type Client struct {
	opts  Options       // constant after New
	log   *slog.Logger  // constant after New
	wake  chan struct{} // cap 1: a session has news for Run
	probe atomic.Int64  // the probe interval, a time.Duration

	// Run's own.
	candidates []*candidate
	dialled    chan result
	dialling   bool
	last       int    // index of the candidate that was dialled last
	told       string // the gist of what was told to Options.Status; "": that there is a session

	mu       sync.Mutex // guards what follows
	chosen   *Session   // the one that is used, in step or on the way there; nil: none
	held     map[*Session]error
	restless bool   // a server that is not fit has other news than before
	cluster  string // that index is of
	index    int64  // the newest that a server that was used had
}

// candidate is a target and what became of it.
type candidate struct {
	Target
	fsm     *reconnect.FSM
	session *Session // nil: not connected
	alive   time.Time
	settled bool  // its session was seen in step
	err     error // why it is not used; nil: not tried since there was a session
	told    error // the reason that was logged last

	ask time.Time // when to ask again whether it can be written; zero: never
}

// result is what came of an attempt to dial.
type result struct {
	of  *candidate
	nc  net.Conn
	err error
}

// New returns a client that does nothing until Run.
func New(opts Options) *Client {
	c := &Client{
		opts:    opts,
		log:     opts.Logger,
		wake:    make(chan struct{}, 1),
		dialled: make(chan result, 1),
		held:    map[*Session]error{},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.probe.Store(int64(opts.ProbeInterval))
	return c
}

// SetProbeInterval changes Options.ProbeInterval, also of the session that there is.
func (c *Client) SetProbeInterval(d time.Duration) {
	c.probe.Store(int64(d))
	c.poke()
}

func (c *Client) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// choose makes s the session that is used, if there is none; it says whether it is it.
func (c *Client) choose(s *Session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chosen == nil {
		c.chosen = s
		delete(c.held, s)
		c.poke()
	}
	return c.chosen == s
}

func (c *Client) isChosen(s *Session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chosen == s
}

// Run connects and keeps connected until ctx ends. It returns the cause of ctx's end, or with
// Once the error that ended the session. It is called once.
func (c *Client) Run(ctx context.Context) error {
	dialCtx, cancel := context.WithCancel(ctx)
	defer c.end(cancel)
	for _, i := range rand.Perm(len(c.opts.Targets)) {
		t := c.opts.Targets[i]
		fsm := reconnect.New(t.Name, time.Now(), c.log)
		fsm.SetBackoff(0, c.opts.MaxBackoff)
		fsm.SetPassive(t.Passive, time.Now())
		if c.opts.Once {
			fsm.SetMaxTries(1)
		}
		fsm.Enable(time.Now())
		c.candidates = append(c.candidates, &candidate{Target: t, fsm: fsm})
	}
	c.last = len(c.candidates) - 1
	for {
		c.attend()
		if c.over() {
			return c.failure()
		}
		c.dialNext(dialCtx)
		var timer <-chan time.Time
		if at, ok := c.deadline(); ok {
			timer = time.After(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case r := <-c.dialled:
			c.dialling = false
			c.connected(r)
		case <-c.wake:
		case <-timer:
		}
	}
}

// end closes everything.
func (c *Client) end(cancel func()) {
	cancel()
	if c.dialling {
		if r := <-c.dialled; r.nc != nil {
			r.nc.Close()
		}
	}
	for _, k := range c.candidates {
		if k.session != nil {
			k.session.rpc.Close()
		}
	}
}

// over says whether nothing is tried any more.
func (c *Client) over() bool {
	for _, k := range c.candidates {
		if k.fsm.State() != reconnect.Void {
			return false
		}
	}
	return true
}

// failure is why there is no session: the reason, or those of all targets.
func (c *Client) failure() error {
	var all []error
	for _, k := range c.candidates {
		switch {
		case k.err == nil:
		case len(c.candidates) == 1:
			return k.err
		case strings.HasPrefix(k.err.Error(), k.Name+": "): // dialling says so itself
			all = append(all, k.err)
		default:
			all = append(all, fmt.Errorf("%s: %w", k.Name, k.err))
		}
	}
	return errors.Join(all...)
}

// attend sees to every candidate that has a session: whether it has ended, is superfluous, or
// wants to be probed.
func (c *Client) attend() {
	c.mu.Lock()
	chosen := c.chosen
	held := make(map[*Session]error, len(c.held))
	for s, why := range c.held {
		held[s] = why
	}
	restless := c.restless
	c.restless = false
	c.mu.Unlock()
	for _, k := range c.candidates {
		s := k.session
		if s == nil {
			continue
		}
		select {
		case <-s.rpc.Done():
			c.disconnected(k, s.rpc.Err())
			continue
		default:
		}
		switch {
		case s == chosen:
			c.settle(k)
		case chosen != nil && chosen.inStep.Load():
			s.rpc.Close()
			c.disconnected(k, nil)
			continue
		case held[s] != nil:
			c.refuse(k, held[s])
			if k.session == s {
				c.askAgain(k, held[s])
			}
		}
		c.observe(k)
	}
	if restless && chosen == nil {
		c.hurry(nil)
	}
}

// settle notes that the session that is used is in step.
func (c *Client) settle(k *candidate) {
	if k.settled || !k.session.inStep.Load() {
		return
	}
	k.settled, c.told = true, ""
	for _, other := range c.candidates {
		other.err, other.told = nil, nil
	}
}

// refuse notes that a server is not fit. Its connection is held, unless there is one try only.
func (c *Client) refuse(k *candidate, why error) {
	if k.told == nil || k.told.Error() != why.Error() {
		text := k.Name + ": " + why.Error()
		if len(c.candidates) > 1 {
			text += "; trying another server"
		}
		c.log.Info(text)
		k.told = why
	}
	if c.opts.Once {
		k.session.rpc.Close()
		c.disconnected(k, why)
		return
	}
	c.failed(k, why)
}

// failed notes why a candidate is not used. When that is so of all, everybody is told.
func (c *Client) failed(k *candidate, why error) {
	news := k.err == nil || k.err.Error() != why.Error()
	k.err = why
	for _, other := range c.candidates {
		news = news && other.err != nil
	}
	if !news {
		return
	}
	// Meanwhile no session is chosen, which would have something else to tell.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chosen != nil {
		return
	}
	err := c.failure()
	c.opts.Handler.Lost(err, false)
	if gist := c.gist(); gist != c.told {
		c.told = gist
		c.opts.status(err)
	}
}

// gist is what there is to tell of why there is no session: of a single target all, of several
// what those say that answer, as the others are tried again and again.
func (c *Client) gist() string {
	if len(c.candidates) == 1 {
		return c.candidates[0].err.Error()
	}
	gist := map[string]bool{}
	for _, k := range c.candidates {
		var unfit UnfitError
		if errors.As(k.err, &unfit) {
			gist[string(unfit)] = true
		}
	}
	return "not in step: " + strings.Join(slices.Sorted(maps.Keys(gist)), "; ")
}

// disconnected takes the session of a candidate off.
func (c *Client) disconnected(k *candidate, why error) {
	s := k.session
	k.session, k.settled, k.ask = nil, false, time.Time{}
	wasInStep := s.inStep.Load()
	if c.isChosen(s) {
		var unfit UnfitError
		c.opts.Handler.Lost(why, s.failed && !errors.As(why, &unfit) && !errors.Is(why, ErrSelf))
	}
	c.mu.Lock()
	if c.chosen == s {
		c.chosen = nil
	}
	delete(c.held, s)
	c.mu.Unlock()
	k.fsm.Disconnected(time.Now(), c.trouble(k, why))
	if why == nil {
		return // it was superfluous
	}
	c.failed(k, why)
	switch {
	case wasInStep && c.opts.Once:
		for _, other := range c.candidates {
			other.fsm.Disable(time.Now())
		}
	case errors.Is(why, errCanceled): // there is something new, and not something wrong
		c.hurry(nil)
	case wasInStep:
		c.hurry(k)
	}
}

// trouble is why a session has ended, for the state machine to log; nil: that is no trouble, and is told
// here if there is something to tell.
func (c *Client) trouble(k *candidate, why error) error {
	var unfit UnfitError
	if !errors.As(why, &unfit) && !errors.Is(why, errCanceled) {
		return why
	}
	c.log.Info(k.Name + ": " + why.Error())
	return nil
}

// hurry has all candidates that are not connected tried now, but for one.
func (c *Client) hurry(except *candidate) {
	now := time.Now()
	for _, k := range c.candidates {
		if k != except && k.fsm.State() == reconnect.Backoff {
			k.fsm.Disable(now)
			k.fsm.Enable(now)
		}
	}
}

// observe probes the server of a session when it is time.
func (c *Client) observe(k *candidate) {
	s := k.session
	if s == nil {
		return
	}
	patience := probeInterval(time.Duration(c.probe.Load()))
	if !s.inStep.Load() && (c.isChosen(s) || len(c.candidates) == 1) {
		patience = max(patience, syncPatience)
	}
	k.fsm.SetProbeInterval(patience)
	if at := s.activity(); at.After(k.alive) {
		k.alive = at
		k.fsm.Activity(at)
	}
	switch k.fsm.Run(time.Now()) {
	case reconnect.Probe:
		s.probe()
	case reconnect.Disconnect:
		s.rpc.Close()
		c.disconnected(k, errors.New("no response to inactivity probe"))
	}
}
