package ovsdbclient

import (
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func (c *client) lock(args []string) error   { return c.locking("lock", args[0]) }
func (c *client) steal(args []string) error  { return c.locking("steal", args[0]) }
func (c *client) unlock(args []string) error { return c.locking("unlock", args[0]) }

// locking asks for something about a lock, prints the answer and what the server tells of the
// lock from then on, and in the background takes further requests from the control socket.
func (c *client) locking(method, name string) error {
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	notify := func(m jsonrpc.Message) {
		fmt.Fprintln(c.out, m.Method)
		c.printJSON(m.Params)
		if err := c.out.Flush(); err != nil {
			fail(fmt.Errorf("write to stdout failed: %w", err))
		}
	}
	c.notify.Store(&notify)
	// Requests wait for the answers to those before them.
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	ask := func(method, name string) error {
		<-turn
		return c.rpc.Go(method, array(wire.AppendString(nil, name)), func(v wire.Value, err error) {
			defer func() { turn <- struct{}{} }()
			if err != nil {
				fail(fmt.Errorf("%s: receive failed (%w)", c.server, err))
				return
			}
			c.printJSON(v)
			if err := c.out.Flush(); err != nil {
				fail(fmt.Errorf("write to stdout failed: %w", err))
				return
			}
			if err := c.Daemon.Ready(); err != nil {
				fail(err)
			}
		})
	}
	if c.detach {
		for _, method := range []string{"unlock", "steal", "lock"} {
			c.Daemon.Register(method, "LOCK", 1, 1, func(args []string) (string, error) {
				return "", ask(method, args[0])
			})
		}
	}
	if err := ask(method, name); err != nil {
		return fmt.Errorf("transaction failed: %w", err)
	}
	select {
	case err := <-failed:
		return err
	case <-c.rpc.Done():
	case <-c.Daemon.Context().Done():
	}
	return c.ended()
}
