package ovsdbclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// retryPause is the time between two attempts to connect while waiting for a database.
const retryPause = time.Second

// wait waits for a database to be there, to be connected to its cluster, or to be gone. It
// outlasts the server: one that is not there yet is waited for as well.
func (c *client) wait(args []string) error {
	name, state := args[len(args)-2], args[len(args)-1]
	var until string
	switch state {
	case "connected":
		until = `"columns":["connected"],"until":"==","rows":[{"connected":true}]`
	case "added":
		until = `"columns":[],"until":"==","rows":[{}]`
	case "removed":
		until = `"columns":[],"until":"==","rows":[]`
	default:
		return fmt.Errorf("%s: unknown state", state)
	}
	server := c.defaultServer()
	if len(args) > 2 {
		server = args[0]
	}
	query := wire.AppendString([]byte(`["_Server",{"op":"wait","table":"Database","where":[["name","==",`), name)
	query = append(append(append(query, "]],"...), until...), "}]"...)
	ctx := c.Daemon.Context()
	for ctx.Err() == nil {
		err := c.waitOnce(ctx, server, query)
		if err == nil {
			return nil
		}
		var lost lostError
		if !errors.As(err, &lost) {
			return err
		}
		c.log.Info(err.Error())
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
		}
	}
	return nil
}

// lostError says that there is no connection, or none any more.
type lostError struct{ error }

func (c *client) waitOnce(ctx context.Context, server string, query []byte) error {
	if err := c.connect(server); err != nil {
		return lostError{err}
	}
	defer c.rpc.Close()
	var remote *jsonrpc.RemoteError
	if _, err := c.rpc.Call(ctx, "set_db_change_aware", []byte("[true]")); errors.As(err, &remote) {
		return fmt.Errorf("%s: set_db_change_aware failed (%s)", server, remote.Value.AppendTo(nil, true))
	} else if err != nil {
		return lostError{err}
	}
	results, err := c.rpc.Call(ctx, "transact", query)
	if errors.As(err, &remote) {
		return fmt.Errorf("transaction returned error: %s", remote.Value.AppendTo(nil, true))
	} else if err != nil {
		return lostError{err}
	}
	return checkResults(results)
}
