package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	upstream "github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// A relay and a backup have their contents from another server, the source: what it tells of its
// transactions is executed here, each as one transaction.
//
//	source ──> client.Session ──> Schema, Contents, Changes ──> queue ──> loop: Replicate, append, publish
//	       <── relay only: what clients want changed        <──────────── forward.go

// Source says where the contents of a database come from.
type Source struct {
	Targets  string         // one server, or several with commas between them
	Settings RemoteSettings // of the connection: MaxBackoff, Probe and DSCP
	// Exclude are tables that a backup leaves as they are, by name.
	Exclude []string
	// Failed, if not nil, is told why a backup can't go on, ever: the source is this server itself,
	// its schema is another one, or what it tells does not fit to it. It is called once, and may
	// call the Server.
	Failed func(error)
}

// SourceState says how far a database has come with its source.
type SourceState uint8

// The states.
const (
	SourceNone       SourceState = iota // the database has no source
	SourceConnecting                    // the source does not answer, or not everything was received yet
	SourceInStep                        // all that the source has told is here
	SourceFailed                        // see Source.Failed
)

// source is the connection of a database to where its contents come from.
type source struct {
	Source
	base   *database
	client *upstream.Client
	except map[string]bool
	cancel context.CancelFunc
	ended  chan struct{} // closed when the client has ended
	window chan struct{} // holds a token for each update that is queued and not executed

	// The reader's own.
	schema *ovsdb.DatabaseSchema // that the contents are of, if it is another one than here

	// The loop's own.
	session *upstream.Session // in step; nil: none
	unsent  []*trigger        // transactions that wait for a session

	mu      sync.Mutex // guards what follows
	resync  bool       // the next session has to give everything
	lastID  string     // of the last transaction that was queued; empty: not known
	state   SourceState
	settled chan struct{} // closed when there is something to say: in step, failed, or not reached
	decided bool          // settled is closed
	stopped bool
	grace   *time.Timer // runs while a relay without a session still counts as connected
}

// sourceWindow is how many updates of a source may wait to be executed.
const sourceWindow = 256

// relayGrace is how long a relay that has lost its source still says that it is connected: its
// clients would all look for another one.
const relayGrace = 30 * time.Second

// ErrSameServer says that the source of a backup is the server that has the backup.
var ErrSameServer = errors.New("the source is this server itself")

// start makes the connection.
func (d *database) startSource(cfg Source) (*source, error) {
	src := &source{
		Source: cfg, base: d, except: map[string]bool{}, ended: make(chan struct{}),
		window: make(chan struct{}, sourceWindow), state: SourceConnecting, settled: make(chan struct{}),
	}
	for _, table := range cfg.Exclude {
		src.except[table] = true
	}
	settings := cfg.Settings.options(cfg.Targets)
	targets, cluster, err := upstream.ParseTargets(cfg.Targets, func() stream.Options {
		return stream.Options{TLS: d.srv.tls.Load(), DSCP: settings.dscp, RunDir: d.srv.opts.RunDir}
	})
	if err != nil {
		return nil, err
	}
	opts := upstream.Options{
		Database: d.name, Targets: targets, Cluster: cluster, Handler: src,
		Logger: d.srv.log, MaxBackoff: cfg.Settings.MaxBackoff, ProbeInterval: probeOption(settings.probe),
	}
	if !d.relay {
		opts.Self = d.srv.id.String()
	}
	src.client = upstream.New(opts)
	ctx, cancel := context.WithCancel(context.Background())
	src.cancel = cancel
	go func() {
		defer close(src.ended)
		_ = src.client.Run(ctx) // it ends with ctx
	}()
	return src, nil
}

// probeOption is an interval, where 0 is none, as Options of a client want it.
func probeOption(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// stop ends the connection, and waits for that.
func (src *source) stop() {
	src.mu.Lock()
	src.stopped = true
	if src.grace != nil {
		src.grace.Stop()
	}
	src.mu.Unlock()
	src.cancel()
	<-src.ended
}

// tell notes a state.
func (src *source) tell(state SourceState) {
	src.mu.Lock()
	defer src.mu.Unlock()
	if src.state == SourceFailed {
		return
	}
	src.state = state
	if !src.decided {
		src.decided = true
		close(src.settled)
	}
}

// fail ends the replication of a backup for good.
func (src *source) fail(why error) {
	src.mu.Lock()
	first := src.state != SourceFailed && !src.stopped
	src.mu.Unlock()
	src.tell(SourceFailed)
	if !first {
		return
	}
	src.base.log.Warn(fmt.Sprintf("%s: replication from %s has failed: %v", src.base.name, src.Targets, why))
	src.cancel()
	if src.Failed != nil {
		go src.Failed(why)
	}
}

// Schema asks for all tables of the source that are wanted here.
func (src *source) Schema(_ *upstream.Session, text wire.Value) (requests []byte, since string, err error) {
	schema, err := ovsdb.ParseSchema(text)
	if err == nil && schema.Name != src.base.name {
		err = fmt.Errorf("unexpected schema %s", schema.Name)
	}
	if err != nil {
		return nil, "", fmt.Errorf("schema of %s: %w", src.base.name, err)
	}
	var here *ovsdb.DatabaseSchema
	if !src.base.do(func() { here = src.base.db.Schema() }) {
		return nil, "", errRemoved
	}
	src.mu.Lock()
	if since = src.lastID; src.resync {
		since, src.resync = "", false
	}
	src.mu.Unlock()
	src.schema = nil
	if src.base.schemaJSON() == nil || !schema.Equal(here) {
		switch {
		case src.base.relay:
			src.schema, since = schema, ""
		default:
			if err := src.compare(schema, here); err != nil {
				src.fail(err)
				return nil, "", err
			}
		}
	}
	return appendTables(nil, schema, src.except), since, nil
}

// appendTables appends <monitor-requests> for all columns of the tables of a schema, but for some.
func appendTables(dst []byte, schema *ovsdb.DatabaseSchema, except map[string]bool) []byte {
	dst = append(dst, '{')
	first := true
	for _, t := range schema.SortedTables() {
		if except[t.Name] {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(wire.AppendString(dst, t.Name), `:[{"columns":[`...)
		for i, c := range t.Columns {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = wire.AppendString(dst, c.Name)
		}
		dst = append(dst, "]}]"...)
	}
	return append(dst, '}')
}

// compare says why a backup with the schema here can't have what there is with that of the source.
func (src *source) compare(theirs, here *ovsdb.DatabaseSchema) error {
	log, name := src.base.srv.log.With("module", "replication"), src.base.name
	log.Info(fmt.Sprintf("%s: Schema version mismatch, checking if %s can still be replicated or not.", name, name))
	if why := lacks(here, theirs); why != "" {
		log.Info(why)
		log.Info(name + " cannot be replicated.")
		return errors.New(why)
	}
	log.Info(name + " can be replicated.")
	return nil
}

// lacks says which of the tables and columns of want a schema does not have; empty: it has all.
func lacks(schema, want *ovsdb.DatabaseSchema) string {
	for _, t := range want.SortedTables() {
		own := schema.Tables[t.Name]
		if own == nil {
			return fmt.Sprintf("Table %s not present in the local db schema", t.Name)
		}
		for _, c := range t.Columns {
			switch have := own.Column(c.Name); {
			case have == nil:
				return fmt.Sprintf("Column %s not present in the local db schema table %s.", c.Name, t.Name)
			case !have.Type.Equal(&c.Type) || have.Mutable != c.Mutable || have.Persistent != c.Persistent:
				return fmt.Sprintf("Column %s mismatch in local db schema table %s.", c.Name, t.Name)
			}
		}
	}
	return ""
}

// Notified ignores what nobody has asked for.
func (src *source) Notified(*upstream.Session, jsonrpc.Message) error { return nil }

// Lost notes that there is no session.
func (src *source) Lost(why error, inconsistent bool) {
	src.mu.Lock()
	src.resync = src.resync || inconsistent
	src.mu.Unlock()
	if errors.Is(why, upstream.ErrSelf) {
		src.base.srv.log.With("module", "replication").Warn("Server ID check failed: " + src.base.name + ": Self replicating is not allowed") // scripts look for it
		src.fail(ErrSameServer)
		return
	}
	src.tell(SourceConnecting)
	src.base.queue.put(job{alone: true, run: func(*batch) { src.lost() }})
}

// lost is Lost in the loop. What was sent to the source is answered by the session's end.
func (src *source) lost() {
	if src.session == nil {
		return
	}
	src.session = nil
	if !src.base.relay {
		return
	}
	src.mu.Lock()
	defer src.mu.Unlock()
	if src.stopped {
		return
	}
	src.grace = time.AfterFunc(relayGrace, func() {
		src.base.queue.put(job{alone: true, run: func(*batch) { src.graceOver() }})
	})
}

// graceOver says that a relay has no source, if it is so.
func (src *source) graceOver() {
	if src.session == nil {
		src.base.setConnected(false)
	}
}

// setConnected says in the catalog whether a relay has its source.
func (d *database) setConnected(yes bool) {
	if d.connected.Swap(yes) != yes {
		d.srv.catalog.internal(catalogUpdate(nil, d), nil)
	}
}

// SourceState says how far a database has come with its source, and which one that is.
func (s *Server) SourceState(name string) (SourceState, Source) {
	d := s.find(name)
	if d == nil {
		return SourceNone, Source{}
	}
	src := d.source.Load()
	if src == nil {
		return SourceNone, Source{}
	}
	src.mu.Lock()
	defer src.mu.Unlock()
	return src.state, src.Source
}

// AwaitSource waits until there is something to say of the source of a database: it is in step, has
// failed, or was not reached; or until ctx ends.
func (s *Server) AwaitSource(ctx context.Context, name string) {
	d := s.find(name)
	if d == nil {
		return
	}
	if src := d.source.Load(); src != nil {
		select {
		case <-src.settled:
		case <-ctx.Done():
		}
	}
}

// SetSourceProbe changes after how long without a sign of life the source of a database is probed;
// 0: never.
func (s *Server) SetSourceProbe(name string, interval time.Duration) {
	if d := s.find(name); d != nil {
		if src := d.source.Load(); src != nil {
			src.client.SetProbeInterval(probeOption(interval))
		}
	}
}
