package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Session is one connection to a server. Requests follow one another:
//
//	get_server_id ──> get_schema _Server ──> monitor_cond _Server ──> get_schema ──> monitor_cond_since
//	(if need be)             │ refused             │ refused   │ not fit: wait          │ refused
//	                         └────────> get_schema <┘          └──> ...                 └──> monitor_cond ──> monitor
type Session struct {
	client *Client
	target string
	rpc    *jsonrpc.Client
	values *Values // nil: the server gives text alone

	busy   atomic.Bool // the reader is at work, so its silence means nothing
	inStep atomic.Bool
	relay  atomic.Bool
	asking atomic.Bool // whether it can be written

	// The reader's own.
	failed    bool     // what still arrives is of no interest
	server    catalog  // what _Server says
	following bool     // _Server is monitored
	v         Version  // that the database is monitored with; 0: it is not, or not yet
	state     database // what _Server says of the database
	judged    bool     // state was looked at
}

const serverDatabase = "_Server"

// errCanceled is why a session ends when the database goes, or has another schema.
var errCanceled = errors.New("the server canceled the monitor")

func newSession(c *Client, target string, nc net.Conn) *Session {
	s := &Session{client: c, target: target, server: catalog{}}
	if local, ok := nc.(*Local); ok && c.opts.Values {
		s.values = local.Values
	}
	ready := make(chan struct{})
	s.rpc = jsonrpc.NewClient(nc, jsonrpc.Options{MaxMessage: c.opts.maxMessage()}, func(m jsonrpc.Message) {
		<-ready
		s.work(func() error { return s.notified(m) })
	})
	close(ready)
	go func() {
		<-s.rpc.Done()
		c.poke()
	}()
	return s
}

// Call makes a request and waits for its result.
func (s *Session) Call(ctx context.Context, method string, params []byte) (wire.Value, error) {
	return s.rpc.Call(ctx, method, params)
}

// Go makes a request. handle, called by the reader, gets the result, or the error that the
// server answered with, and nothing if the connection ends before; an error of it ends the
// session.
func (s *Session) Go(method string, params []byte, handle func(wire.Value, *jsonrpc.RemoteError) error) error {
	return s.rpc.Go(method, params, func(result wire.Value, err error) {
		var refused *jsonrpc.RemoteError
		if err == nil || errors.As(err, &refused) {
			s.work(func() error { return handle(result, refused) })
		}
	})
}

// Start makes a request. done is called once, by the reader: with the result, the
// *jsonrpc.RemoteError that the server answered with, or why the connection ended before.
func (s *Session) Start(method string, params []byte, done func(wire.Value, error)) error {
	return s.rpc.Go(method, params, done)
}

// Relay says whether the server relays another one's database.
func (s *Session) Relay() bool { return s.relay.Load() }

// Abort ends the session.
func (s *Session) Abort(why error) { s.rpc.Conn().Abort(why) }

// work runs f, and gives the connection up if that fails.
func (s *Session) work(f func() error) {
	if s.failed {
		return
	}
	s.busy.Store(true)
	defer s.busy.Store(false)
	if err := f(); err != nil {
		s.failed = true
		s.rpc.Conn().Abort(err)
	}
}

// start makes the first request. An error of a call means that the connection has ended, which
// Run sees anyway.
func (s *Session) start() {
	if s.client.opts.Self == "" {
		_ = s.askServer()
		return
	}
	_ = s.Go("get_server_id", []byte("[]"), func(id wire.Value, refused *jsonrpc.RemoteError) error {
		if refused == nil && id.Str() == s.client.opts.Self {
			return ErrSelf
		}
		return s.askServer()
	})
}

// askServer asks what the server says about itself.
func (s *Session) askServer() error {
	if s.client.opts.Database == serverDatabase {
		s.client.choose(s)
		return s.requestSchema()
	}
	return s.Go("get_schema", appendParams(nil, serverDatabase), s.gotServerSchema)
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

// use goes on with a server that is fit as far as it says.
func (s *Session) use() error {
	if s.client.opts.Writes != "" {
		return s.askWritable()
	}
	return s.take()
}

// take goes on with a server that is fit, if none was found before it.
func (s *Session) take() error {
	if !s.client.choose(s) {
		return UnfitError("another server is used")
	}
	return s.requestSchema()
}

func (s *Session) requestSchema() error {
	return s.Go("get_schema", appendParams(nil, s.client.opts.Database), s.gotSchema)
}

func (s *Session) gotSchema(result wire.Value, refused *jsonrpc.RemoteError) error {
	if refused != nil {
		return refused
	}
	requests, since, err := s.client.opts.Handler.Schema(s, result)
	if err != nil {
		return err
	}
	return s.monitor(requests, since, 3)
}

// monitor asks for the contents of the database, and what changes from then on. The database's
// name is the monitor's too.
func (s *Session) monitor(requests []byte, since string, v Version) error {
	name := s.client.opts.Database
	params := wire.AppendString(append([]byte(nil), '['), name)
	params = wire.AppendString(append(params, ','), name)
	params = append(append(params, ','), requests...)
	if v == 3 {
		last := since
		if last == "" {
			last = ovsdb.UUID{}.String()
		}
		params = wire.AppendString(append(params, ','), last)
	}
	params = append(params, ']')
	s.values.Open() // for what is monitored from now on: of _Server we want text
	return s.Go(v.Method(), params, func(result wire.Value, refused *jsonrpc.RemoteError) error {
		switch {
		case refused != nil && v > 1:
			return s.monitor(requests, since, v-1)
		case refused != nil:
			return refused
		}
		return s.gotContents(since, v, result)
	})
}

func (s *Session) gotContents(since string, v Version, result wire.Value) error {
	s.v = v
	u := Update{Version: v, Tables: result}
	if v == 3 {
		if result.Kind() != wire.Array || result.Len() != 3 || result.Index(1).Kind() != wire.String {
			return errors.New("reply to monitor_cond_since is not [<boolean>, <last-txn-id>, <table-updates2>]")
		}
		u.Since = result.Index(0).Bool() && since != ""
		u.LastID = lastID(result.Index(1))
		u.Tables = result.Index(2)
	}
	u.Rows = s.values.take(u.Tables)
	if err := s.client.opts.Handler.Contents(s, u); err != nil {
		return fmt.Errorf("reply to %s: %w", v.Method(), err)
	}
	s.inStep.Store(true)
	s.client.opts.status(nil)
	s.client.poke()
	return nil
}

// lastID is the last transaction that a server names. The zero id is that of a server that
// keeps no history.
func lastID(v wire.Value) string {
	id := v.Str()
	if id == (ovsdb.UUID{}).String() {
		return ""
	}
	return string(append([]byte(nil), id...))
}

// notified handles a notification.
func (s *Session) notified(m jsonrpc.Message) error {
	switch m.Method {
	case "update":
		return s.updated(m.Params, 1)
	case "update2":
		return s.updated(m.Params, 2)
	case "update3":
		return s.updated(m.Params, 3)
	case "monitor_canceled":
		return errCanceled
	}
	if s.v == 0 {
		return nil
	}
	return s.client.opts.Handler.Notified(s, m)
}

func (s *Session) updated(params wire.Value, v Version) error {
	want := 2
	if v == 3 {
		want = 3
	}
	if params.Len() != want {
		return fmt.Errorf("update%d has %d parameters, not %d", v, params.Len(), want)
	}
	u := Update{Version: v, Tables: params.Index(want - 1)}
	switch name := params.Index(0).Str(); {
	case name == s.client.opts.Database && v == s.v:
	case name == serverDatabase && s.following && v == 2:
		return s.serverUpdated(u.Tables)
	default:
		return fmt.Errorf("update%d of %q, which is not monitored so", v, name)
	}
	if v == 3 {
		u.LastID = lastID(params.Index(1))
	}
	u.Rows = s.values.take(u.Tables)
	return s.client.opts.Handler.Changes(s, u)
}

// probe sends what the server answers.
func (s *Session) probe() {
	_ = s.rpc.Go("echo", []byte("[]"), func(wire.Value, error) {})
}

// activity is the last time the server showed life.
func (s *Session) activity() time.Time {
	if s.busy.Load() {
		return time.Now()
	}
	return s.rpc.Conn().Activity()
}
