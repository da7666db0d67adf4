package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// session is one connection of a client.
type session struct {
	srv    *Server
	name   string
	conn   *jsonrpc.Conn
	access access
	peerID string // name in the certificate of a TLS peer

	reading atomic.Bool // the reader waits for the peer rather than for the server
	aware   atomic.Bool // wants to know of changes of the set of databases: set_db_change_aware
	// behind counts the monitors whose updates are postponed.
	behind atomic.Int32

	where *database // reader only: the database that has the requests not answered yet

	claims map[string]*lockWaiter // guarded by lockTable.mu

	mu       sync.Mutex // guards what follows
	inFlight int        // requests in the queue of where
	bytes    int        // of their messages
	window   int        // how many may be
	idle     *sync.Cond // there is less in flight, or the backlog has been sent
	monitors map[string]*monitor
	waiting  map[string]*trigger // by canonical request id
	bases    map[*database]struct{}
	over     bool // the session has ended; nothing may be added to it
}

// access is what a session may do.
type access struct {
	trusted  bool // in-process: no restriction whatever
	local    bool // over a unix socket
	readOnly bool
	role     string // of the remote, for the Roles option
}

func newSession(srv *Server, nc net.Conn, name string, a access) *session {
	s := &session{
		srv:      srv,
		name:     name,
		access:   a,
		peerID:   stream.PeerID(nc),
		claims:   map[string]*lockWaiter{},
		monitors: map[string]*monitor{},
		waiting:  map[string]*trigger{},
		bases:    map[*database]struct{}{},
		window:   pipeline,
	}
	s.idle = sync.NewCond(&s.mu)
	s.conn = jsonrpc.NewConn(nc, jsonrpc.Options{MaxMessage: srv.opts.Limits.Message, Drained: s.drained})
	return s
}

// serve reads requests until the connection ends, and then takes the session apart. It
// returns why the connection ended.
func (s *session) serve() error {
	err := s.read()
	s.finish()
	return err
}

func (s *session) read() error {
	for {
		s.waitRoom()
		s.reading.Store(true)
		m, err := s.conn.Read()
		s.reading.Store(false)
		if err != nil {
			return err
		}
		switch m.Kind {
		case jsonrpc.Request:
			s.request(m)
		case jsonrpc.Notify:
			if m.Method == "cancel" {
				s.cancel(m)
			}
		default:
			if m.ID.Kind() == wire.String && m.ID.Str() == probeID {
				continue
			}
			return fmt.Errorf("received unexpected %s message", m.Kind)
		}
	}
}

// finish executes what the session still has in a queue, then removes all traces of it.
func (s *session) finish() {
	s.waitIdle()
	s.mu.Lock()
	s.over = true
	bases := s.bases
	s.bases = nil
	s.mu.Unlock()
	for d := range bases {
		d.do(func() { d.forget(s) })
	}
	s.srv.locks.releaseAll(s, notifyLocked)
	// A client that closed its side after its last request still gets the answers.
	s.conn.CloseSoon(5 * time.Second)
	<-s.conn.Done()
}

// abort ends the session for a reason.
func (s *session) abort(cause error) { s.conn.Abort(cause) }

// send queues a message for the peer. When the connection has ended it is dropped: the
// reader sees the end too.
func (s *session) send(pieces ...[]byte) {
	s.srv.trim.notePieces(pieces)
	_ = s.conn.Send(pieces...)
}

// submit queues a request whose message has so many bytes to d; gone is called in place of
// the job if d is gone. What a session may have in flight is limited.
func (s *session) submit(d *database, size int, j job, gone func()) {
	if s.where != d {
		s.waitIdle()
		s.where = d
	}
	s.mu.Lock()
	for s.inFlight > 0 && (s.inFlight >= s.window || s.bytes+size > pipelineBytes) {
		s.idle.Wait()
	}
	s.inFlight++
	s.bytes += size
	s.mu.Unlock()
	if !d.queue.put(j) {
		s.answered(size, 0)
		gone()
	}
}

// answered takes a request off those in flight. Peers that ask for much at once get less of
// it in advance.
func (s *session) answered(size, reply int) {
	s.mu.Lock()
	s.inFlight--
	s.bytes -= size
	s.window = pipeline
	if reply > bigReply {
		s.window = 1
	}
	s.idle.Broadcast()
	s.mu.Unlock()
}

// waitRoom waits while the peer leaves too much of its answers lying: it gets no more until
// it has taken those.
func (s *session) waitRoom() {
	if s.conn.Backlog() <= s.srv.opts.Limits.Queue {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.conn.Backlog() > s.srv.opts.Limits.Queue {
		s.idle.Wait()
	}
}

// size is what a request counts for in the limit of bytes in flight.
func size(m jsonrpc.Message) int { return len(m.Params.Raw()) }

// waitIdle waits until every request in flight has been answered.
func (s *session) waitIdle() {
	s.mu.Lock()
	for s.inFlight > 0 {
		s.idle.Wait()
	}
	s.mu.Unlock()
}

// inOrder runs f after all requests of the session that came before: in the loop of the
// database that has some, or else at once.
func (s *session) inOrder(f func()) {
	s.mu.Lock()
	busy := s.inFlight > 0
	s.mu.Unlock()
	if !busy {
		f()
		return
	}
	d := s.where
	s.submit(d, 0, job{alone: true, run: func(b *batch) {
		d.catchUp(s)
		f()
		s.answered(0, 0)
	}}, f)
}

// drained is called by the writer when everything queued has been sent, or never will be.
func (s *session) drained() {
	s.mu.Lock()
	s.idle.Broadcast()
	if s.behind.Load() == 0 {
		s.mu.Unlock()
		return
	}
	bases := make([]*database, 0, len(s.bases))
	for d := range s.bases {
		bases = append(bases, d)
	}
	s.mu.Unlock()
	for _, d := range bases {
		d.queue.put(job{alone: true, run: func(*batch) { d.catchUp(s) }})
	}
}

// describe words the end of a session for the log; empty when it is nothing to report.
func describe(err error) string {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, jsonrpc.ErrClosed),
		errors.Is(err, errShutdown), errors.Is(err, net.ErrClosed):
		return ""
	}
	return err.Error()
}
