package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// remotes is what the server listens on and connects to: the remotes that were named to it,
// and those that the database columns named to it list.
type remotes struct {
	srv *Server

	apply sync.Mutex // one reconciliation at a time; taken before mu

	mu       sync.Mutex // guards what follows
	names    []string   // as given, "db:..." among them, in order
	settings map[string]RemoteSettings
	managed  map[string]map[string]remoteOptions
	active   map[string]*remote // by target
	failures map[string]string  // of targets that could not be opened: why, as logged
	troubles *troubles
	closed   bool

	wake chan struct{} // cap 1: something to reconcile
	quit chan struct{}
	done sync.WaitGroup
}

func newRemotes(srv *Server) *remotes {
	r := &remotes{
		srv:      srv,
		settings: map[string]RemoteSettings{},
		managed:  map[string]map[string]remoteOptions{},
		active:   map[string]*remote{},
		failures: map[string]string{},
		troubles: newTroubles(srv.opts.Troubles),
		wake:     make(chan struct{}, 1),
		quit:     make(chan struct{}),
	}
	r.done.Add(1)
	go r.run()
	return r
}

// statusInterval is how often the status columns of managed remotes are brought up to date,
// and how often a listener that failed is tried again.
const statusInterval = 2500 * time.Millisecond

// run reconciles when something has changed, and keeps the status columns.
func (r *remotes) run() {
	defer r.done.Done()
	tick := time.NewTimer(time.Hour)
	defer tick.Stop()
	for {
		// Without status columns and failures there is nothing to wake up for.
		if r.needTick() {
			tick.Reset(statusInterval)
		} else {
			tick.Stop()
		}
		select {
		case <-r.quit:
			return
		case <-r.wake:
			r.reconcile()
		case <-tick.C:
			if r.haveFailures() {
				r.reconcile()
			}
		}
		r.srv.writeStatus()
	}
}

func (r *remotes) needTick() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failures) > 0 {
		return true
	}
	for _, targets := range r.managed {
		for _, opts := range targets {
			if opts.refused == "" {
				return true
			}
		}
	}
	return false
}

func (r *remotes) haveFailures() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failures) > 0
}

func (r *remotes) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Errors of AddRemote and RemoveRemote.
var (
	ErrRemoteExists = errors.New("remote exists already")
	ErrNoRemote     = errors.New("no such remote")
)

// RemoteSettings is how a remote is to be treated where it has no row that says so.
type RemoteSettings struct {
	MaxBackoff time.Duration  // 0: the default
	Probe      *time.Duration // of inactivity; nil: the default, 0: none
	DSCP       *int           // 0..63; nil: the default
	ReadOnly   bool           // also of what a "db:" remote lists: its sessions can change nothing
	Role       string         // whose rules hold for its sessions; empty: none
}

func (o RemoteSettings) options(target string) remoteOptions {
	all := defaultOptions(target)
	if o.MaxBackoff != 0 {
		all.maxBackoff = o.MaxBackoff
	}
	if o.Probe != nil {
		all.probe = *o.Probe
	}
	if o.DSCP != nil {
		all.dscp = *o.DSCP
	}
	all.readOnly, all.role = o.ReadOnly, o.Role
	return all
}

// AddRemote serves a target: one of those of package stream, or "db:DB,TABLE,COLUMN" for
// all that a column of a database lists, as targets or as references to rows with a column
// "target". When the target cannot be listened on it returns why, but keeps trying.
func (s *Server) AddRemote(name string) error { return s.addRemote(name, RemoteSettings{}, false) }

// AddReadOnlyRemote is AddRemote for a remote whose sessions can change nothing.
func (s *Server) AddReadOnlyRemote(name string) error {
	return s.addRemote(name, RemoteSettings{ReadOnly: true}, false)
}

// SetRemote is AddRemote for a remote that is treated as settings say, and changes how one that
// is there is treated.
func (s *Server) SetRemote(name string, settings RemoteSettings) error {
	return s.addRemote(name, settings, true)
}

func (s *Server) addRemote(name string, settings RemoteSettings, replace bool) error {
	r := s.remotes
	if strings.HasPrefix(name, "db:") {
		if err := s.watchColumn(name); err != nil {
			return err
		}
	} else if _, err := stream.ParseTarget(name); err != nil {
		return err
	}
	r.mu.Lock()
	known := slices.Contains(r.names, name)
	if known && !replace {
		r.mu.Unlock()
		return fmt.Errorf("%s: %w", name, ErrRemoteExists)
	}
	if !known {
		r.names = append(r.names, name)
	}
	r.settings[name] = settings
	r.mu.Unlock()
	err := r.reconcile()[name]
	s.writeStatus()
	return err
}

// RemoveRemote stops serving what AddRemote was given.
func (s *Server) RemoveRemote(name string) error {
	r := s.remotes
	r.mu.Lock()
	i := slices.Index(r.names, name)
	if i < 0 {
		r.mu.Unlock()
		return fmt.Errorf("%s: %w", name, ErrNoRemote)
	}
	r.names = slices.Delete(r.names, i, i+1)
	delete(r.settings, name)
	delete(r.managed, name)
	r.mu.Unlock()
	s.unwatchColumn(name)
	r.reconcile()
	return nil
}

// Remotes returns what AddRemote was given, sorted.
func (s *Server) Remotes() []string {
	s.remotes.mu.Lock()
	defer s.remotes.mu.Unlock()
	names := slices.Clone(s.remotes.names)
	slices.Sort(names)
	return names
}

// resolve looks again for the columns of "db:" remotes, after the set of databases changed.
func (r *remotes) resolve() {
	r.mu.Lock()
	names := slices.Clone(r.names)
	r.mu.Unlock()
	for _, name := range names {
		if !strings.HasPrefix(name, "db:") {
			continue
		}
		if err := r.srv.watchColumn(name); err != nil {
			r.srv.log.Warn(err.Error())
			r.setManaged(name, nil)
		}
	}
}

// setManaged says what the column of a "db:" remote lists.
func (r *remotes) setManaged(name string, targets map[string]remoteOptions) {
	r.mu.Lock()
	same := maps.Equal(r.managed[name], targets)
	_, known := r.managed[name]
	r.managed[name] = targets
	r.mu.Unlock()
	if !same || !known {
		r.poke()
	}
}

// wanted is all targets with their options. A target that several names list is read-only if
// it is so by one of them.
func (r *remotes) wanted() map[string]remoteOptions {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]remoteOptions{}
	if r.closed {
		return all
	}
	enter := func(name, target string, opts remoteOptions) {
		other, twice := all[target]
		if twice && opts.refused != "" {
			return
		}
		twice = twice && other.refused == ""
		opts.managed = strings.HasPrefix(name, "db:") && (!twice || other.managed)
		opts.readOnly = opts.readOnly || r.settings[name].ReadOnly || twice && other.readOnly
		all[target] = opts
	}
	for _, name := range r.names {
		if !strings.HasPrefix(name, "db:") {
			enter(name, name, r.settings[name].options(name))
			continue
		}
		for target, opts := range r.managed[name] {
			enter(name, target, opts)
		}
	}
	return all
}

// reconcile makes what is served what is wanted. It returns what could not be opened.
func (r *remotes) reconcile() map[string]error {
	r.apply.Lock()
	defer r.apply.Unlock()
	wanted := r.wanted()
	r.mu.Lock()
	active, closed := maps.Clone(r.active), r.closed
	r.mu.Unlock()
	for target, rem := range active {
		opts, ok := wanted[target]
		ok = ok && opts.refused == ""
		rem.mu.Lock()
		same := opts.dscp == rem.opts.dscp && opts.role == rem.opts.role && opts.readOnly == rem.opts.readOnly
		rem.mu.Unlock()
		if !ok && !closed {
			r.srv.log.Info(target + ": remote deconfigured")
		}
		if !ok || !same {
			r.set(target, nil)
			rem.close()
			delete(active, target)
			continue
		}
		rem.setOptions(opts)
	}
	failed := map[string]error{}
	for target, opts := range wanted {
		if active[target] != nil || opts.refused != "" {
			continue
		}
		rem, err := newRemote(r.srv, target, opts)
		if err != nil {
			failed[target] = err
			continue
		}
		r.set(target, rem)
	}
	r.report(failed)
	r.troubles.settle(wanted, failed)
	return failed
}

// set records what serves a target; nil: nothing.
func (r *remotes) set(target string, rem *remote) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rem == nil {
		delete(r.active, target)
	} else {
		r.active[target] = rem
	}
}

// report logs failures, each once as long as it stays the same.
func (r *remotes) report(failed map[string]error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for target := range r.failures {
		if failed[target] == nil {
			delete(r.failures, target)
		}
	}
	for target, err := range failed {
		text := err.Error()
		if r.failures[target] != text {
			r.failures[target] = text
			r.poke() // run tries again from now on
			r.srv.log.Error(target + ": listen failed: " + stream.Reason(err))
		}
	}
}

// find returns what serves a target, nil if nothing does.
func (r *remotes) find(target string) *remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active[target]
}

// close ends everything.
func (r *remotes) close() {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.closed = true
	r.mu.Unlock()
	r.troubles.close()
	close(r.quit)
	r.done.Wait()
	r.reconcile()
}
