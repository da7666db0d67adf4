package vtepctl

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

// connectionError says that the server can't be reached, or went away.
type connectionError struct {
	target string
	err    error
}

func (e *connectionError) Error() string {
	return fmt.Sprintf("%s: database connection failed (%s)", e.target, reason(e.err))
}

func (e *connectionError) Unwrap() error { return e.err }

// reason words the cause of an error as the C library does.
func reason(err error) string {
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

// session is the connection to the server.
type session struct {
	target string
	client *jsonrpc.Client
	events chan event
	calls  int
	have   *replica
	// observe, if not nil, is told of each change of a row.
	observe func(t *ovsdb.TableSchema, old, new *ovsdb.Row)
}

// close ends the connection.
func (s *session) close() {
	go func() { // the client's reader may want to hand over one more event
		for range s.events {
		}
	}()
	s.client.Close()
	close(s.events)
}

// call makes a call and waits for its result, while it takes over updates.
func (s *session) call(method string, params []byte) (wire.Value, error) {
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

func (s *session) failed(err error) error { return &connectionError{s.target, err} }

// take takes over an update.
func (s *session) take(e event) error {
	if e.call != 0 {
		return nil // the reply to a call that nobody waits for any more
	}
	return s.have.update(e.result, s.observe)
}

// monitor fills the replica with what is needed, and keeps it up to date from then on.
func (s *session) monitor(n *needs) error {
	have := func(string, string) bool { return true }
	for attempt := 0; ; attempt++ {
		params := wire.AppendString([]byte{'['}, hwvtep.Database)
		params = append(n.appendRequest(append(params, ",null,"...), have), ']')
		result, err := s.call("monitor", params)
		if err == nil {
			return s.have.update(result, s.observe)
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
func (s *session) schema() (func(table, column string) bool, error) {
	result, err := s.call("get_schema", append(wire.AppendString([]byte{'['}, hwvtep.Database), ']'))
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

// await takes over updates until one has come after version.
func (s *session) await(version int) error {
	for s.have.version == version {
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
