package idl

import (
	"context"
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// OpResult is what one operation of a transaction came to. Which of the fields have
// a meaning depends on the operation.
type OpResult struct {
	UUID     ovsdb.UUID   // of the row that was inserted
	Count    int64        // of the rows that were updated, mutated or deleted
	Rows     wire.Value   // that were selected: an array
	Err      *ovsdb.Error // why it failed
	Executed bool         // false: it was not reached, or failed
}

// TransactError tells which operation of a transaction failed, and with it the
// whole transaction.
type TransactError struct {
	Op  int // index of the operation; the number of operations if it was the commit
	Err *ovsdb.Error
}

func (e *TransactError) Error() string { return fmt.Sprintf("transaction error: %v", e.Err) }

// ReadOnly says whether it failed because the server can't be written.
func (e *TransactError) ReadOnly() bool { return client.RefusesWrites(e.Err) }

// Forbidden says whether the server does not let this client write it.
func (e *TransactError) Forbidden() bool { return e.Err.Tag == ovsdb.PermissionError("").Tag }

// Unwrap returns the *ovsdb.Error.
func (e *TransactError) Unwrap() error { return e.Err }

// Transact executes ops, which are JSON objects with commas between them, as one
// transaction, and waits for the outcome. If that is a failure, the error is a
// *TransactError, and the results are there as well.
//
// With the servers that send updates before the reply, as ovsdb-server does, the
// replica has the transaction's effects when Transact returns.
func (c *Client) Transact(ctx context.Context, ops []byte) ([]OpResult, error) {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s == nil {
		return nil, ErrNotConnected
	}
	params := make([]byte, 0, len(ops)+len(c.opts.Database)+4)
	params = wire.AppendString(append(params, '['), c.opts.Database)
	if len(ops) > 0 {
		params = append(append(params, ','), ops...)
	}
	result, err := s.Call(ctx, "transact", append(params, ']'))
	var refused *jsonrpc.RemoteError
	switch {
	case errors.As(err, &refused):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	results, err := parseResults(result)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	for i, r := range results {
		if r.Err != nil {
			if c.opts.Writes != "" && len(c.opts.Targets) > 1 && client.RefusesWrites(r.Err) { // it was not so when it was chosen
				s.Abort(client.ErrReadOnly)
				return nil, fmt.Errorf("%w: %w", ErrNotConnected, client.ErrReadOnly)
			}
			return results, &TransactError{i, r.Err}
		}
	}
	return results, nil
}

func parseResults(v wire.Value) ([]OpResult, error) {
	if v.Kind() != wire.Array {
		return nil, fmt.Errorf("transact: result is %s, not an array", v.Kind())
	}
	results := make([]OpResult, 0, v.Len())
	for e := range v.Elems() {
		var r OpResult
		switch e.Kind() {
		case wire.Null:
		case wire.Object:
			var failed bool
			if r.Err, failed = ovsdb.ParseError(e); failed {
				break
			}
			r.Executed = true
			r.Count = e.Get("count").Int()
			r.Rows = e.Get("rows")
			if text := e.Get("uuid").Index(1); text.Exists() {
				var ok bool
				if r.UUID, ok = ovsdb.ParseUUID(text.Str()); !ok {
					return nil, fmt.Errorf("transact: %q is not a UUID", text.Str())
				}
			}
		default:
			return nil, fmt.Errorf("transact: result of an operation is %s", e.Kind())
		}
		results = append(results, r)
	}
	return results, nil
}
