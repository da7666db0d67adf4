package idl

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// session is one connection. Requests follow one another:
//
//	get_schema _Server ──> monitor_cond _Server ──> get_schema ──> monitor_cond_since
//	       │ refused             │ refused   │ not fit to serve         │ refused
//	       └────────> get_schema <┘          └──> give up               └──> monitor_cond ──> monitor
//
// All of it but start, probe and activity runs in jsonrpc's reader, so the fields
// need no lock.
type session struct {
	client *Client
	rpc    *jsonrpc.Client
	inStep chan struct{} // closed when the replica is in step

	busy   atomic.Bool // the reader is at work, so its silence means nothing
	failed bool        // what still arrives is of no interest
	server *Snapshot   // of _Server; nil: not monitored
	data   *Snapshot   // nil until in step
	v      version     // that data is monitored with
	lastID string      // of the transaction that data is the result of; empty: none
	came   time.Time   // of the last update; zero: none did yet
}

const serverDatabase = "_Server"

func newSession(c *Client, nc net.Conn) *session {
	s := &session{client: c, inStep: make(chan struct{})}
	ready := make(chan struct{})
	s.rpc = jsonrpc.NewClient(nc, jsonrpc.Options{MaxMessage: c.opts.maxMessage()}, func(m jsonrpc.Message) {
		<-ready
		s.work(func() error { return s.notified(m) })
	})
	close(ready)
	return s
}

// work runs f, and gives the connection up if that fails.
func (s *session) work(f func() error) {
	if s.failed {
		return
	}
	s.busy.Store(true)
	defer s.busy.Store(false)
	if err := f(); err != nil {
		s.failed = true
		s.client.distrust()
		s.rpc.Conn().Abort(err)
	}
}

// call makes a request; handle gets the result, or the error that the server answered
// with, and nothing if the connection ends before.
func (s *session) call(method string, params []byte, handle func(wire.Value, *jsonrpc.RemoteError) error) error {
	return s.rpc.Go(method, params, func(result wire.Value, err error) {
		var refused *jsonrpc.RemoteError
		if err == nil || errors.As(err, &refused) {
			s.work(func() error { return handle(result, refused) })
		}
	})
}

// start makes the first request.
func (s *session) start() {
	// An error of a call means that the connection has ended, which Run sees anyway.
	if s.client.opts.Database == serverDatabase {
		_ = s.requestSchema()
		return
	}
	_ = s.call("get_schema", appendParams(nil, serverDatabase), s.gotServerSchema)
}

// appendParams appends names as parameters.
func appendParams(dst []byte, names ...string) []byte {
	dst = append(dst, '[')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, name)
	}
	return append(dst, ']')
}

func (s *session) requestSchema() error {
	return s.call("get_schema", appendParams(nil, s.client.opts.Database), s.gotSchema)
}

func (s *session) gotSchema(result wire.Value, refused *jsonrpc.RemoteError) error {
	if refused != nil {
		return refused
	}
	schema, err := ovsdb.ParseSchema(result)
	if err != nil {
		return fmt.Errorf("schema of %s: %w", s.client.opts.Database, err)
	}
	// The replica of an earlier connection goes on if it is of the same schema.
	old, lastID := s.client.resume()
	if old == nil || !old.plan.schema.Equal(schema) {
		old, lastID = newSnapshot(newPlan(schema, s.client.opts.Tables)), ""
	}
	s.lastID = lastID
	return s.monitor(old, 3)
}

// monitor asks for the contents of the database, of which old is an earlier state.
func (s *session) monitor(old *Snapshot, v version) error {
	params := appendMonitor(nil, s.client.opts.Database, old.plan)
	if v == 3 {
		since := s.lastID
		if since == "" {
			since = ovsdb.UUID{}.String()
		}
		params = wire.AppendString(append(params, ','), since)
	}
	params = append(params, ']')
	return s.call(v.method(), params, func(result wire.Value, refused *jsonrpc.RemoteError) error {
		switch {
		case refused != nil && v > 1:
			return s.monitor(old, v-1)
		case refused != nil:
			return refused
		}
		return s.gotContents(old, v, result)
	})
}

// appendMonitor appends the parameters of a request to monitor, without the bracket
// at the end. The database's name is the monitor's too.
func appendMonitor(dst []byte, database string, p *plan) []byte {
	dst = wire.AppendString(append(dst, '['), database)
	dst = wire.AppendString(append(dst, ','), database)
	return p.appendRequests(append(dst, ','))
}

func (s *session) gotContents(old *Snapshot, v version, result wire.Value) error {
	s.v = v
	updates := result
	d := newDraftAfresh(old)
	if v == 3 {
		if result.Kind() != wire.Array || result.Len() != 3 || result.Index(1).Kind() != wire.String {
			return errors.New("reply to monitor_cond_since is not [<boolean>, <last-txn-id>, <table-updates2>]")
		}
		if result.Index(0).Bool() && s.lastID != "" {
			d = newDraft(old) // the server remembers: updates is what changed since
		}
		s.setLastID(result.Index(1).Str())
		updates = result.Index(2)
	}
	if err := d.apply(updates, v); err != nil {
		return fmt.Errorf("reply to %s: %w", v.method(), err)
	}
	s.data = d.publish()
	wanted := s.client.synchronized(s)
	s.client.opts.status(nil)
	close(s.inStep)
	for name, steal := range wanted {
		if err := s.lock(name, steal); err != nil {
			return err
		}
	}
	return nil
}

// notified handles a notification.
func (s *session) notified(m jsonrpc.Message) error {
	switch m.Method {
	case "update":
		return s.updated(m.Params, 1)
	case "update2":
		return s.updated(m.Params, 2)
	case "update3":
		return s.updated(m.Params, 3)
	case "locked":
		s.client.lockChanged(m.Params.Index(0).Str(), true)
	case "stolen":
		s.client.lockChanged(m.Params.Index(0).Str(), false)
	case "monitor_canceled":
		return errors.New("the server canceled the monitor")
	}
	return nil
}

func (s *session) updated(params wire.Value, v version) error {
	want := 2
	if v == 3 {
		want = 3
	}
	if params.Len() != want {
		return fmt.Errorf("update%d has %d parameters, not %d", v, params.Len(), want)
	}
	updates := params.Index(want - 1)
	switch name := params.Index(0).Str(); {
	case name == s.client.opts.Database && s.data != nil && v == s.v:
	case name == serverDatabase && s.server != nil && v == 2:
		return s.serverUpdated(updates)
	default:
		return fmt.Errorf("update%d of %q, which is not monitored so", v, name)
	}
	s.came = time.Now()
	d := newDraft(s.data)
	if err := d.apply(updates, v); err != nil {
		return err
	}
	if v == 3 {
		s.setLastID(params.Index(1).Str())
	}
	s.data = d.publish()
	s.client.publish(s)
	return nil
}

// setLastID notes the last transaction. The zero id is that of a server that keeps
// no history.
func (s *session) setLastID(id string) {
	if id == (ovsdb.UUID{}).String() {
		id = ""
	}
	s.lastID = string(append([]byte(nil), id...))
}

// probe sends what the server answers.
func (s *session) probe() {
	_ = s.rpc.Go("echo", []byte("[]"), func(wire.Value, error) {})
}

// activity is the last time the server showed life.
func (s *session) activity() time.Time {
	if s.busy.Load() {
		return time.Now()
	}
	return s.rpc.Conn().Activity()
}
