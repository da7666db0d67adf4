package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	upstream "github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// session is one connection of a client.
type session struct {
	srv    *Server
	name   string
	conn   *jsonrpc.Conn
	values *upstream.Values // of a client in this process; nil: it is none
	access access
	peerID string // name in the certificate of a TLS peer

	reading   atomic.Bool  // the reader waits for the peer rather than for the server
	aware     atomic.Bool  // wants to know of changes of the set of databases: set_db_change_aware
	stuck     atomic.Int32 // databases that hold something back for it
	due       atomic.Int64 // bytes of replies in batches under way
	postponed atomic.Int64 // about the bytes that the updates postponed keep

	where   *database // reader only: the database that has the requests not answered yet
	onFirst func()    // reader only: called when the first message comes; nil then, or if nobody waits for it

	claims map[string]*lockWaiter // guarded by lockTable.mu

	mu       sync.Mutex // guards what follows
	inFlight int        // requests in the queue of where
	bytes    int        // of their messages
	kept     int        // bytes of the requests that wait or made a monitor, and of the names of locks
	keptTold int        // what the intake knows of that
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
	role     string // of the remote; empty: none
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
	}
	s.idle = sync.NewCond(&s.mu)
	expected := 0 // length of a request
	s.conn = jsonrpc.NewConn(nc, jsonrpc.Options{
		MaxMessage: srv.opts.Limits.Message,
		Drained:    s.drained,
		Holds: func(text, values int) {
			srv.intake.reads(s, text+values)
			if text != expected {
				expected = text
				srv.trim.Expect(text)
			}
		},
	})
	return s
}

// lastPatience is how long a peer that sends no more may take nothing of its answers.
const lastPatience = 5 * time.Second

// serve reads requests until the connection ends, and then takes the session apart. It
// returns why the connection ended.
func (s *session) serve() error {
	err := s.read()
	if errors.As(err, new(net.Error)) {
		s.abort(err) // the peer is gone: what it has asked for is not done any more
	}
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
		if s.onFirst != nil {
			s.onFirst()
			s.onFirst = nil
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

// finish executes what the session still has in a queue, as long as its peer takes the answers,
// then removes all traces of it.
func (s *session) finish() {
	s.conn.Hurry(lastPatience)
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
	s.srv.intake.forget(s)
	// A client that closed its side after its last request still gets the answers.
	s.conn.CloseSoon(lastPatience)
	<-s.conn.Done()
}

// abort ends the session for a reason.
func (s *session) abort(cause error) { s.conn.Abort(cause) }

// send queues a message for the peer. When the connection has ended it is dropped: the
// reader sees the end too.
func (s *session) send(pieces ...[]byte) {
	s.srv.trim.NoteAll(pieces)
	_ = s.conn.Send(pieces...)
}

// submit queues a request of the session to d; its gone is called in place of it if d is gone.
// What a session may have in flight is limited.
func (s *session) submit(d *database, j job) {
	j.sess = s
	if s.where != d {
		s.waitIdle()
		s.where = d
	}
	s.mu.Lock()
	for s.inFlight > 0 && (s.inFlight >= pipeline || s.bytes+j.size > pipelineBytes) {
		s.idle.Wait()
	}
	s.inFlight++
	s.bytes += j.size
	s.mu.Unlock()
	s.srv.intake.add(s, j.size)
	switch {
	case !d.queue.add(j):
		s.answered(j.size)
		j.gone()
	case j.alone, s.conn.HasMore(): // with more of them the loop makes a batch
		d.queue.poke()
	default:
		d.help()
	}
}

// answered takes a request off those in flight.
func (s *session) answered(size int) {
	s.mu.Lock()
	s.inFlight--
	s.bytes -= size
	s.idle.Broadcast()
	s.mu.Unlock()
	s.srv.intake.add(s, -size)
}

// keep counts bytes that the session keeps after the request that brought them; false: they
// would be too many.
func (s *session) keep(bytes int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept+bytes > s.srv.opts.Limits.Kept {
		return false
	}
	s.kept += bytes
	s.countKept()
	return true
}

// release takes back what keep has counted.
func (s *session) release(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept -= bytes
	s.countKept()
}

// countKept tells the intake of what is kept, if that matters. The caller holds mu.
func (s *session) countKept() {
	n := s.kept
	if n < countedFrom {
		n = 0
	}
	if n != s.keptTold {
		s.keptTold = n
		s.srv.intake.keeps(s, n)
	}
}

// waitRoom waits while the peer leaves too much of its answers lying: it gets no more until
// it has taken those.
func (s *session) waitRoom() {
	if s.conn.Backlog() <= s.srv.opts.Limits.Queue {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.conn.Backlog() > s.srv.opts.Limits.Queue && s.conn.WatchDrain() {
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

// inOrder runs f, which is for the request m, after all requests of the session that came
// before: in the loop of the database that has some, or else at once.
func (s *session) inOrder(m jsonrpc.Message, f func()) {
	s.mu.Lock()
	busy := s.inFlight > 0
	s.mu.Unlock()
	if !busy {
		f()
		return
	}
	n := size(m)
	s.submit(s.where, job{alone: true, size: n, gone: f, run: func(*batch) {
		f()
		s.answered(n)
	}})
}

// drained is called by the writer when everything queued has been sent, or never will be.
func (s *session) drained() {
	s.mu.Lock()
	s.idle.Broadcast()
	var bases []*database
	if s.stuck.Load() > 0 {
		for d := range s.bases {
			bases = append(bases, d)
		}
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
