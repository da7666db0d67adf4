package txn

import (
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// ErrRetry says that the commands have to run again when the database has changed: the
// transaction lost a race, or a condition is not met yet.
var ErrRetry = errors.New("try again")

// RefusedError is a refusal of the server; it can't be helped by trying again.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return "transaction error: " + e.Text }

// Judge says how a transaction ended. It returns the UUIDs that the server gave to new rows,
// by their provisional ones.
func (q *request) Judge(result wire.Value, err error) (map[ovsdb.UUID]ovsdb.UUID, error) {
	var remote *jsonrpc.RemoteError
	if errors.As(err, &remote) {
		// The database was removed or converted under us.
		if remote.Value.Kind() == wire.String && remote.Value.Str() == "canceled" {
			return nil, ErrRetry
		}
		return nil, &RefusedError{remote.Value.String()}
	}
	if err != nil {
		return nil, err
	}
	if result.Kind() != wire.Array {
		return nil, &RefusedError{result.String()}
	}
	retry := false
	for op := range result.Elems() {
		switch op.Kind() {
		case wire.Null: // not run, because one before it failed
			retry = true
		case wire.Object:
			e := op.Get("error")
			switch {
			case !e.Exists() || e.Str() == "aborted": // by our own "abort"
			case e.Str() == "timed out", e.Str() == "unknown database":
				retry = true
			default:
				return nil, &RefusedError{op.String()}
			}
		default:
			return nil, &RefusedError{op.String()}
		}
	}
	if retry {
		return nil, ErrRetry
	}
	return q.inserted(result)
}

func (q *request) inserted(result wire.Value) (map[ovsdb.UUID]ovsdb.UUID, error) {
	given := make(map[ovsdb.UUID]ovsdb.UUID, len(q.inserts))
	replies := make([]wire.Value, 0, result.Len())
	for op := range result.Elems() {
		replies = append(replies, op)
	}
	for provisional, i := range q.inserts {
		if i >= len(replies) {
			return nil, fmt.Errorf("transaction reply has %d results, too few", len(replies))
		}
		u, ok := ovsdb.ParseUUID(replies[i].Get("uuid").Index(1).Str())
		if !ok {
			return nil, fmt.Errorf("transaction reply has no UUID for an inserted row: %s", replies[i])
		}
		given[provisional] = u
	}
	return given, nil
}
