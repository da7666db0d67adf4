package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/reconnect"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// remoteOptions is how a remote is to be treated.
type remoteOptions struct {
	maxBackoff time.Duration
	probe      time.Duration // 0: no probes
	dscp       int
	readOnly   bool
	role       string
	managed    bool   // see Trouble
	refused    string // why it may not be served; empty: it may
}

func defaultOptions(target string) remoteOptions {
	o := remoteOptions{maxBackoff: reconnect.DefaultMaxBackoff, dscp: stream.DefaultDSCP}
	if stream.NeedsProbes(target) {
		o.probe = reconnect.DefaultProbeInterval
	}
	return o
}

// remote is one target: a listener and the sessions it has accepted, or a peer that is
// dialled again and again.
type remote struct {
	// Constant.
	srv      *Server
	target   string
	listener net.Listener // nil: active
	ctx      context.Context
	stop     context.CancelFunc
	done     sync.WaitGroup

	tries int    // dial only: attempts since the peer was last heard
	told  string // likewise: the state that Options.Connections was told last; empty: none

	mu    sync.Mutex // guards what follows
	opts  remoteOptions
	links map[*link]struct{} // of an active remote: exactly one, connected or not
	last  string             // text of the last error of an active remote; empty: none since it was connected
}

// newRemote starts to serve a target.
func newRemote(srv *Server, target string, opts remoteOptions) (*remote, error) {
	t, err := stream.ParseTarget(target)
	if err != nil {
		return nil, err
	}
	r := &remote{srv: srv, target: target, opts: opts, links: map[*link]struct{}{}}
	r.ctx, r.stop = context.WithCancel(context.Background())
	if !t.Passive() {
		fsm := reconnect.New(target, time.Now(), srv.log)
		fsm.Enable(time.Now())
		l := newLink(fsm, nil)
		r.links[l] = struct{}{}
		r.configure(l)
		r.done.Add(1)
		go r.dial(l)
		return r, nil
	}
	listen := srv.opts.Listen
	if listen == nil {
		listen = r.stream().Listen
	}
	if r.listener, err = listen(target); err != nil {
		r.stop()
		return nil, err
	}
	if port := r.boundPort(); port != 0 && t.Port == 0 {
		_, rest, _ := cutTarget(target)
		srv.log.Info(fmt.Sprintf("%s: listening on port %d", rest, port))
	}
	if (t.Scheme == "ptcp" || t.Scheme == "pfd" && !r.isLocal()) && !r.onLoopback() {
		can := "change"
		if opts.readOnly || srv.opts.ReadOnly {
			can = "read"
		}
		srv.log.Warn(target + ": anybody who reaches this address can " + can + " the databases: " +
			"the remote has no TLS and is not on the loopback interface")
	}
	r.done.Add(1)
	go r.accept()
	return r, nil
}

func cutTarget(target string) (scheme, rest string, ok bool) {
	for i := range target {
		if target[i] == ':' {
			return target[:i], target[i+1:], true
		}
	}
	return target, "", false
}

func (r *remote) stream() stream.Options {
	r.mu.Lock()
	defer r.mu.Unlock()
	return stream.Options{TLS: r.srv.tls.Load(), DSCP: r.opts.dscp, RunDir: r.srv.opts.RunDir, Share: r.srv.opts.Share}
}

// boundPort is the port of a TCP listener, 0 if it is none.
func (r *remote) boundPort() int {
	if r.listener == nil {
		return 0
	}
	if a, ok := r.listener.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

func (r *remote) onLoopback() bool {
	a, ok := r.listener.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

func (r *remote) access() access {
	r.mu.Lock()
	defer r.mu.Unlock()
	return access{local: r.isLocal(), readOnly: r.opts.readOnly, role: r.opts.role}
}

// isLocal says whether only processes of this machine reach the remote.
func (r *remote) isLocal() bool {
	if strings.HasPrefix(r.target, "pfd:") {
		return r.listener.Addr().Network() == "unix"
	}
	return !stream.NeedsProbes(r.target)
}

// setOptions changes the options; those of them that can be changed on a connection.
func (r *remote) setOptions(opts remoteOptions) {
	r.mu.Lock()
	r.opts = opts
	links := make([]*link, 0, len(r.links))
	for l := range r.links {
		links = append(links, l)
	}
	r.mu.Unlock()
	for _, l := range links {
		r.configure(l)
	}
}

func (r *remote) configure(l *link) {
	r.mu.Lock()
	opts := r.opts
	r.mu.Unlock()
	l.do(func(fsm *reconnect.FSM, _ time.Time) {
		fsm.SetBackoff(0, opts.maxBackoff)
		fsm.SetProbeInterval(opts.probe)
	})
}

// close ends the listener and all sessions.
func (r *remote) close() {
	r.stop()
	if r.listener != nil {
		if err := r.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			r.srv.log.Warn(r.target+": close failed", "err", err)
		}
	}
	r.mu.Lock()
	for l := range r.links {
		l.do(func(*reconnect.FSM, time.Time) {
			if l.sess != nil {
				l.sess.abort(errRemoved)
			}
		})
	}
	r.mu.Unlock()
	r.done.Wait()
}

// accept is the goroutine of a listener.
func (r *remote) accept() {
	defer r.done.Done()
	told := "" // why accepting fails, as logged
	for {
		nc, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) || r.ctx.Err() != nil {
			if err == nil {
				nc.Close()
			}
			return
		}
		if err != nil {
			if why := stream.Reason(err); why != told {
				told = why
				r.srv.log.Warn(r.target + ": accept failed: " + why)
			}
			time.Sleep(100 * time.Millisecond) // out of descriptors, most likely
			continue
		}
		told = ""
		r.done.Add(1)
		go r.serveAccepted(nc)
	}
}

// serveAccepted is the goroutine of an accepted connection.
func (r *remote) serveAccepted(nc net.Conn) {
	defer r.done.Done()
	name := r.srv.nameOf(nc, r.target)
	unblock := context.AfterFunc(r.ctx, func() { nc.Close() })
	secure := r.srv.log.With("module", "stream_ssl") // where log filters expect it
	err := r.srv.handshake(nc)
	if !unblock() && err == nil {
		err = errRemoved
	}
	if err != nil {
		nc.Close()
		if r.ctx.Err() == nil {
			secure.Warn(name + ": handshake failed: " + stream.Reason(err))
			if refusal(err) {
				r.trouble(Trouble{Kind: PeerRefused, Peer: hostOf(nc), Reason: stream.Reason(err)})
			}
		}
		return
	}
	r.srv.remotes.troubles.over(r.target, PeerRefused, hostOf(nc))
	if host := stream.ServerName(nc); host != "" {
		secure.Debug("connection indicated server name " + host)
	}
	a := r.access()
	if uid, local := stream.PeerUID(nc); local && r.srv.opts.Reader != nil && r.srv.opts.Reader(uid) {
		a.readOnly = true
	}
	sess, err := r.srv.start(nc, name, a)
	if err != nil {
		nc.Close()
		r.srv.log.Warn(name + ": connection refused: " + err.Error())
		return
	}
	defer r.srv.serving.Done()
	defer r.srv.remove(sess)
	if !a.local {
		r.srv.tell(Connection{Name: name, Accepted: true, Before: "absent", After: "connected"})
	}
	l := newLink(reconnect.New(name, time.Now(), r.srv.log), sess)
	r.configure(l)
	r.mu.Lock()
	r.links[l] = struct{}{}
	r.mu.Unlock()
	if r.ctx.Err() != nil {
		sess.abort(errRemoved) // close may have missed it
	}
	err = sess.serve()
	l.stop()
	r.mu.Lock()
	delete(r.links, l)
	r.mu.Unlock()
	r.srv.ended(sess, err)
	if !a.local {
		r.srv.tell(Connection{Name: name, Accepted: true, Before: "connected", After: "absent", Why: describe(err)})
	}
}

// handshake completes the handshake of an accepted connection. Peers that leave theirs half
// done have a limit together, that of sessions.
func (s *Server) handshake(nc net.Conn) error {
	defer s.handshakes.Add(-1)
	if s.handshakes.Add(1) > int64(s.opts.Limits.Sessions) {
		return fmt.Errorf("limit of %d handshakes at once reached", s.opts.Limits.Sessions)
	}
	return stream.Handshake(nc)
}

// dial is the goroutine of an active remote.
func (r *remote) dial(l *link) {
	defer r.done.Done()
	defer l.stop()
	r.tellState("disconnected", "")
	defer r.tellState("absent", "")
	for r.ctx.Err() == nil {
		var action reconnect.Action
		var wait time.Duration
		l.do(func(fsm *reconnect.FSM, now time.Time) {
			action = fsm.Run(now)
			if at, ok := fsm.Deadline(now); ok {
				wait = at.Sub(now)
			}
		})
		if action == reconnect.Connect {
			r.attempt(l)
			continue
		}
		select {
		case <-time.After(max(wait, time.Millisecond)):
		case <-r.ctx.Done():
		}
	}
}

// attempt dials once and, if it succeeds, serves the session to its end.
func (r *remote) attempt(l *link) {
	var limit time.Duration
	l.do(func(fsm *reconnect.FSM, now time.Time) {
		fsm.Connecting(now)
		at, _ := fsm.Deadline(now)
		limit = at.Sub(now)
	})
	ctx, cancel := context.WithTimeout(r.ctx, limit)
	nc, err := r.stream().Dial(ctx, r.target)
	cancel()
	var sess *session
	if err == nil {
		if sess, err = r.srv.start(nc, r.target, r.access()); err != nil {
			nc.Close()
		}
	}
	if err != nil {
		cause := errors.New(stream.Reason(err))
		if errors.Is(err, context.DeadlineExceeded) {
			cause = nil // "attempt timed out"
		}
		r.setLast(stream.Reason(err))
		if r.ctx.Err() == nil {
			r.unheard(stream.Reason(err))
		}
		l.do(func(fsm *reconnect.FSM, now time.Time) { fsm.ConnectFailed(now, cause) })
		return
	}
	sess.onFirst = r.heard
	defer r.srv.serving.Done()
	defer r.srv.remove(sess)
	r.setLast("")
	l.attach(sess)
	r.tellState("connected", "")
	if r.ctx.Err() != nil {
		sess.abort(errRemoved)
	}
	err = sess.serve()
	if text := describe(err); text != "" {
		err = errors.New(stream.Reason(err))
		r.setLast(err.Error())
	} else {
		r.setLast(stream.Reason(err))
	}
	if r.ctx.Err() == nil && sess.onFirst != nil {
		r.unheard(r.lastError())
	}
	l.detach(err)
	r.tellState("disconnected", r.lastError())
}

// tellState tells that the remote is in another state than before. The goroutine of dial calls it.
func (r *remote) tellState(now, why string) {
	before := r.told
	if before == "" {
		before = "absent"
	}
	r.told = now
	r.srv.tell(Connection{Name: r.target, Before: before, After: now, Why: why})
}

// unheard notes that an attempt has ended without a word of the peer: it could not be reached,
// or has refused us, which with TLS may come after the handshake.
func (r *remote) unheard(why string) {
	if r.tries++; r.tries >= triesBeforeTrouble {
		r.trouble(Trouble{Kind: NoAnswer, Reason: why})
	}
}

// heard notes that the peer has sent something.
func (r *remote) heard() {
	r.tries = 0
	r.srv.remotes.troubles.over(r.target, NoAnswer, "")
}

func (r *remote) trouble(t Trouble) {
	r.mu.Lock()
	t.Managed = r.opts.managed
	r.mu.Unlock()
	r.srv.remotes.troubles.set(r.target, t)
}

func (r *remote) lastError() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *remote) setLast(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = text
}

// nameOf names an accepted connection for the log.
func (s *Server) nameOf(nc net.Conn, target string) string {
	scheme, _, _ := cutTarget(target)
	local := nc.LocalAddr().Network() == "unix"
	switch {
	case scheme == "pfd" && !local:
		return "tcp:" + nc.RemoteAddr().String()
	case local:
		return fmt.Sprintf("unix#%d", s.unixSessions.Add(1)-1)
	}
	return scheme[1:] + ":" + nc.RemoteAddr().String()
}

// ended logs the end of an accepted session, if it was not an orderly one.
func (s *Server) ended(sess *session, err error) {
	text := describe(err)
	switch {
	case text == "" || errors.Is(err, errRemoved):
		s.log.Debug(sess.name + ": disconnected")
	case errors.Is(err, errNoAnswer):
		// The link has said so.
	case errors.As(err, new(net.Error)), errors.Is(err, io.ErrUnexpectedEOF):
		s.log.Info(sess.name + ": connection dropped (" + stream.Reason(err) + ")")
	default:
		s.log.Warn(sess.name + ": " + text)
	}
}
