package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	upstream "github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/trim"
)

// Options configure a Server. The zero Options are those of a server without TLS.
type Options struct {
	Logger     *slog.Logger // nil: discard
	TLS        *stream.TLS  // nil: ssl and pssl remotes do not work; see also SetTLS
	RunDir     string       // where relative unix sockets are; empty: $OVS_RUNDIR
	Durability Durability
	// History is how many transactions a client may have missed and still get them alone
	// when it comes back (monitor_cond_since); 0: 100, below 0: none, as the C server for
	// databases that are not clustered.
	History  int
	ReadOnly bool // no session but those of Pipe may change anything
	// Roles, if not nil, is asked before a session over the network changes a row; role is
	// that of its remote. An error refuses it. See db.Env.Permit for the other arguments.
	Roles func(role string, d *db.Database, table *ovsdb.TableSchema, row *db.RowChange) error
	// Cascade has rows deleted together with those they refer to, whoever deletes these.
	Cascade []db.Cascade
	Limits  Limits
	// NetworkOnly ignores remotes in database columns that are no TCP or TLS targets: whoever
	// may write there must not make sockets in the file system.
	NetworkOnly bool
	// Share is that of stream.Options. Reader, if not nil, says which users can change nothing over
	// unix sockets.
	Share  func(path string) error
	Reader func(uid uint32) bool
	// Troubles, if not nil, is told all that keeps a remote from its work, each time that it
	// changes; nothing: it works, or is no remote any more. Calls come one at a time, and must
	// not wait for the server.
	Troubles func(target string, all []Trouble)
	// Unwritable, if not nil, is told when the log of a database can't be written, and why, and with nil when it
	// can again: what is broken takes nothing until it was compacted, otherwise each transaction tries again. Calls
	// come one at a time for a database, and must not wait for the server.
	Unwritable func(database string, err error, broken bool)
	// Lost, if not nil, is told of a database that is written whose file is not at its place any more, and when it is
	// there again, in the same way.
	Lost func(database string, lost bool)
	// Connections, if not nil, is told of each Connection over the network that is made or ends. Calls must
	// not wait for the server.
	Connections func(Connection)
	FS          storage.FS // nil: the operating system's
	// Listen, if not nil, takes the place of the system's network where a passive remote listens.
	Listen func(target string) (net.Listener, error)
	Trim   *trim.Trimmer // gives memory back to the system; nil: one of the server's own
}

// Server serves databases to clients.
type Server struct {
	opts    Options // constant after New
	log     *slog.Logger
	id      ovsdb.UUID
	locks   *lockTable
	intake  *intake
	catalog *database
	remotes *remotes
	trim    *trim.Trimmer

	tls           atomic.Pointer[stream.TLS]
	noMonitorCond atomic.Bool
	trimCompacted atomic.Bool
	unixSessions  atomic.Int64 // numbers those over unix sockets, for their names
	handshakes    atomic.Int64 // of accepted connections, under way

	admin sync.Mutex // one change of the set of databases at a time; taken before mu

	mu       sync.Mutex // guards what follows
	dbs      map[string]*database
	damage   map[string]*storage.Recovery // by path: what was cut off
	sessions map[*session]struct{}
	closed   bool
	serving  sync.WaitGroup // goroutines of sessions
}

// New returns a server with no database but _Server and no remote.
func New(opts Options) (*Server, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.Limits.fill()
	s := &Server{
		trim:     opts.Trim,
		opts:     opts,
		log:      opts.Logger,
		id:       ovsdb.NewUUID(),
		locks:    newLockTable(),
		intake:   newIntake(opts.Limits.Intake),
		dbs:      map[string]*database{},
		damage:   map[string]*storage.Recovery{},
		sessions: map[*session]struct{}{},
	}
	if s.trim == nil {
		s.trim = trim.New(nil)
	}
	s.tls.Store(opts.TLS)
	s.trimCompacted.Store(true)
	var err error
	if s.catalog, err = newCatalog(s); err != nil {
		return nil, err
	}
	s.dbs[catalogName] = s.catalog
	go s.catalog.loop()
	if err := s.enter(catalogAdd(nil, s.catalog)); err != nil {
		s.catalog.queue.close()
		return nil, err
	}
	s.remotes = newRemotes(s)
	return s, nil
}

func (s *Server) historyLimit() int {
	switch {
	case s.opts.History < 0:
		return 0
	case s.opts.History == 0:
		return 100
	}
	return s.opts.History
}

// SetTLS changes the keys that connections from now on use.
func (s *Server) SetTLS(tls *stream.TLS) { s.tls.Store(tls) }

// DisableMonitorCond makes the server refuse monitor_cond and monitor_cond_since, as servers
// do that are older than them.
func (s *Server) DisableMonitorCond() { s.noMonitorCond.Store(true) }

// TrimOnCompaction says whether memory is given back to the system after each compaction,
// even if little became free. It is by default.
func (s *Server) TrimOnCompaction(on bool) { s.trimCompacted.Store(on) }

// enter executes operations on the catalog and waits for them.
func (s *Server) enter(ops []byte) error {
	done := make(chan error, 1)
	s.catalog.internal(ops, func(err error) { done <- err })
	if err := <-done; err != nil {
		return fmt.Errorf("update database %s: %w", catalogName, err)
	}
	return nil
}

// Errors of AddDatabase and RemoveDatabase.
var (
	ErrReserved  = errors.New(`names beginning with "_" are reserved`)
	ErrDuplicate = errors.New("duplicate database name")
	ErrAlready   = errors.New("already open")
	ErrUnknown   = errors.New("no such database")
)

// AddDatabase serves the database in the file at path, which must exist, and returns its
// name.
func (s *Server) AddDatabase(path string) (string, error) {
	s.admin.Lock()
	defer s.admin.Unlock()
	for _, d := range s.all() {
		if d.path == path {
			return "", fmt.Errorf("%s: %w", path, ErrAlready)
		}
	}
	file, err := storage.Open(path, storage.Options{FS: s.opts.FS})
	if err != nil {
		return "", err
	}
	content, position, err := s.load(path, file)
	if err == nil {
		d := newDatabase(s, path, file, content)
		d.position.Store(uint64(position))
		err = s.add(d)
	}
	if err != nil {
		file.Close()
		return "", err
	}
	return content.Schema().Name, nil
}

// Damage tells what was cut off the file at path when it was opened; nil: nothing was.
func (s *Server) Damage(path string) *storage.Recovery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damage[path]
}

// AddMemory serves an empty database that is kept in memory only.
func (s *Server) AddMemory(schema *ovsdb.DatabaseSchema) error {
	s.admin.Lock()
	defer s.admin.Unlock()
	return s.add(newDatabase(s, "", nil, db.New(schema)))
}

// add starts to serve a database. The caller holds admin.
func (s *Server) add(d *database) error {
	if d.name[0] == '_' {
		return fmt.Errorf("%s: %w", d.name, ErrReserved)
	}
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return errShutdown
	case s.dbs[d.name] != nil:
		s.mu.Unlock()
		return fmt.Errorf("%s: %w", d.name, ErrDuplicate)
	}
	s.dbs[d.name] = d
	s.mu.Unlock()
	go d.loop()
	// Before the catalog tells: who does not follow it shall not hear of it halfway.
	s.reconnectUnaware("adding " + d.name + " database")
	if err := s.enter(catalogAdd(nil, d)); err != nil {
		s.drop(d)
		return err
	}
	s.remotes.resolve()
	return nil
}

// drop stops serving a database.
func (s *Server) drop(d *database) {
	d.dropSource()
	s.mu.Lock()
	delete(s.dbs, d.name)
	s.mu.Unlock()
	d.do(d.dropAll)
	d.queue.close()
	<-d.ended
}

// RemoveDatabase stops serving a database.
func (s *Server) RemoveDatabase(name string) error {
	s.admin.Lock()
	defer s.admin.Unlock()
	d := s.find(name)
	if d == nil || d == s.catalog {
		return fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	s.drop(d)
	s.reconnectUnaware("removing " + name + " database by user request")
	if err := s.enter(catalogRemove(nil, d)); err != nil {
		return err
	}
	s.remotes.resolve()
	return nil
}

// converted makes the change of a database's schema known.
func (s *Server) converted(d *database) {
	s.reconnectUnaware("committed " + d.name + " database schema conversion")
	s.catalog.internal(catalogUpdate(nil, d), nil)
}

// Databases returns the names of the databases, sorted, _Server among them.
func (s *Server) Databases() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.dbs))
	for name := range s.dbs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// appendNames appends the names of the databases as a JSON array.
func (s *Server) appendNames(dst []byte) []byte {
	dst = append(dst, '[')
	first := true
	for _, d := range s.all() {
		if d.schemaJSON() == nil {
			continue // a relay that has nothing yet
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = wire.AppendString(dst, d.name)
	}
	return append(dst, ']')
}

// find returns the database called name, nil if there is none.
func (s *Server) find(name string) *database {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dbs[name]
}

// all returns the databases sorted by name.
func (s *Server) all() []*database {
	s.mu.Lock()
	defer s.mu.Unlock()
	dbs := make([]*database, 0, len(s.dbs))
	for _, d := range s.dbs {
		dbs = append(dbs, d)
	}
	slices.SortFunc(dbs, func(a, b *database) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return dbs
}

// Compact rewrites the log of a database, and waits for it. Then memory is given back to the
// system, unless TrimOnCompaction said no.
func (s *Server) Compact(name string) error {
	d := s.find(name)
	if d == nil {
		return fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	if d.relay {
		return nil // there is no log
	}
	done := make(chan error, 1)
	if !d.queue.put(job{alone: true, run: func(*batch) { d.startCompaction(func(err error) { done <- err }) }}) {
		return fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	err := <-done
	if err == nil && s.trimCompacted.Load() {
		s.trim.Now()
	}
	return err
}

// Pipe returns the client's end of a connection to the server within the process. Its
// session is trusted: ReadOnly and Roles do not apply to it. It is a *client.Local, by which a
// client that knows it shares the rows that it monitors with the database.
func (s *Server) Pipe() (net.Conn, error) {
	client, server := net.Pipe()
	sess, err := s.start(server, "internal", access{trusted: true, local: true})
	if err != nil {
		client.Close()
		server.Close()
		return nil, err
	}
	sess.values = upstream.NewValues()
	go func() {
		defer s.serving.Done()
		_ = sess.serve()
		s.remove(sess)
	}()
	return &upstream.Local{Conn: client, Values: sess.values}, nil
}

// start makes a session for a connection. The caller runs its serve, then remove, and
// serving.Done.
func (s *Server) start(nc net.Conn, name string, a access) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errShutdown
	}
	if len(s.sessions) >= s.opts.Limits.Sessions {
		return nil, fmt.Errorf("limit of %d sessions reached", s.opts.Limits.Sessions)
	}
	sess := newSession(s, nc, name, a)
	s.sessions[sess] = struct{}{}
	s.serving.Add(1)
	return sess, nil
}

func (s *Server) remove(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, sess)
}

// reconnectUnaware ends the sessions that have not said that they follow changes of the set
// of databases: they find out when they connect again.
func (s *Server) reconnectUnaware(reason string) {
	s.disconnect(reason, func(sess *session) bool { return !sess.aware.Load() })
}

// Reconnect ends all sessions, which clients then start anew.
func (s *Server) Reconnect(reason string) {
	s.disconnect(reason, func(*session) bool { return true })
}

func (s *Server) disconnect(reason string, which func(*session) bool) {
	s.mu.Lock()
	var gone []*session
	for sess := range s.sessions {
		if which(sess) {
			gone = append(gone, sess)
		}
	}
	s.mu.Unlock()
	for _, sess := range gone {
		s.log.Info(sess.name + ": disconnecting (" + reason + ")")
		sess.end()
	}
}

// Close ends all sessions and closes all databases.
func (s *Server) Close() error {
	s.remotes.close()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for sess := range s.sessions {
		sess.abort(errShutdown)
	}
	s.mu.Unlock()
	s.serving.Wait()
	s.admin.Lock()
	defer s.admin.Unlock()
	dbs := s.all()
	for _, d := range dbs {
		d.dropSource()
	}
	for _, d := range dbs {
		d.queue.close()
	}
	for _, d := range dbs {
		<-d.ended
	}
	if s.opts.Trim == nil {
		s.trim.Close()
	}
	return nil
}

// end ends the session after what is queued for the peer has been sent.
func (s *session) end() { s.conn.CloseSoon(time.Second) }
