// Package session is the connection to the server of a database, and the copy of what was asked for
// of it: the needs of the commands.
package session

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// ConnectionError says that the server can't be reached, or went away.
type ConnectionError struct {
	Target string
	err    error
}

func (e *ConnectionError) Error() string {
	return fmt.Sprintf("%s: database connection failed (%s)", e.Target, Reason(e.err))
}

func (e *ConnectionError) Unwrap() error { return e.err }

// Reason words the cause of an error as the C library does.
func Reason(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.Name + ": " + dns.Err
	}
	return stream.Reason(err)
}

// event is something that the connection brings: the reply to a call, or an update.
type event struct {
	call   int // number of the call; 0: an update
	result wire.Value
	err    error
}

// Session is the connection to the server.
type Session struct {
	target string
	client *jsonrpc.Client
	events chan event
	calls  int
	Have   *Replica
	// Observe, if not nil, is told of each change of a row.
	Observe func(t *ovsdb.TableSchema, old, new *ovsdb.Row)
}

// Close ends the connection.
func (s *Session) Close() {
	go func() { // the client's reader may want to hand over one more event
		for range s.events {
		}
	}()
	s.client.Close()
	close(s.events)
}

// Call makes a call and waits for its result, while it takes over updates.
func (s *Session) Call(method string, params []byte) (wire.Value, error) {
	s.calls++
	number := s.calls
	if err := s.client.Go(method, params, func(v wire.Value, err error) {
		s.events <- event{call: number, result: v, err: err}
	}); err != nil {
		return wire.Value{}, s.failed(err)
	}
	for e := range s.events {
		if e.call == number {
			var remote *jsonrpc.RemoteError
			if e.err != nil && !errors.As(e.err, &remote) {
				return wire.Value{}, s.failed(e.err)
			}
			return e.result, e.err
		}
		if err := s.take(e); err != nil {
			return wire.Value{}, err
		}
	}
	return wire.Value{}, s.failed(io.EOF)
}

func (s *Session) failed(err error) error { return &ConnectionError{s.target, err} }

// take takes over an update.
func (s *Session) take(e event) error {
	if e.call != 0 {
		return nil // the reply to a call that nobody waits for any more
	}
	return s.Have.update(e.result, s.Observe)
}

// Monitor fills the replica with what is needed, and keeps it up to date from then on.
func (s *Session) Monitor(n *Needs) error {
	have := func(string, string) bool { return true }
	for attempt := 0; ; attempt++ {
		params := wire.AppendString([]byte{'['}, hwvtep.Database)
		params = append(n.appendRequest(append(params, ",null,"...), have), ']')
		result, err := s.Call("monitor", params)
		if err == nil {
			return s.Have.update(result, s.Observe)
		}
		var remote *jsonrpc.RemoteError
		if attempt > 0 || !errors.As(err, &remote) {
			return err
		}
		// A database of an older schema does not have all that we know.
		if have, err = s.schema(); err != nil {
			return err
		}
	}
}

// schema asks the server for its schema.
func (s *Session) schema() (func(table, column string) bool, error) {
	result, err := s.Call("get_schema", append(wire.AppendString([]byte{'['}, hwvtep.Database), ']'))
	var remote *jsonrpc.RemoteError
	if errors.As(err, &remote) {
		return nil, fmt.Errorf("%s: server does not have %s database", s.target, hwvtep.Database)
	}
	if err != nil {
		return nil, err
	}
	theirs, err := ovsdb.ParseSchema(result)
	if err != nil {
		return nil, fmt.Errorf("%s: schema of %s database: %w", s.target, hwvtep.Database, err)
	}
	return func(table, column string) bool {
		t := theirs.Tables[table]
		return t != nil && (column == "" || t.Column(column) != nil)
	}, nil
}

// Await takes over updates until one has come after version.
func (s *Session) Await(version int) error {
	for s.Have.Version == version {
		select {
		case e := <-s.events:
			if err := s.take(e); err != nil {
				return err
			}
		case <-s.client.Done():
			return s.failed(s.client.Err())
		}
	}
	return nil
}
