package idl_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/testenv"
)

// asker connects a client of another kind, and returns what it calls methods by.
func asker(t *testing.T, dial func(context.Context) (net.Conn, error)) func(method, params string) {
	t.Helper()
	nc, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := jsonrpc.NewClient(nc, jsonrpc.Options{}, nil)
	t.Cleanup(func() { c.Close() })
	return func(method, params string) {
		t.Helper()
		if _, err := c.Call(t.Context(), method, []byte(params)); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestLocks(t *testing.T) {
	server := startCServer(t)
	a := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	b := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	await := func(c *idl.Client, want bool) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			if c.HasLock("l") != want {
				return fmt.Errorf("HasLock() = %v", !want)
			}
			return nil
		})
	}
	a.Lock("l")
	await(a, true)
	ready(t, b)
	b.Lock("l")
	b.Lock("l") // on a connection it may be asked for once
	thief := asker(t, idl.DialTarget(server.target, nil))
	thief("steal", `["l"]`)
	await(a, false)
	thief("unlock", `["l"]`)
	await(a, true) // it has not stopped to wait for it
	if b.HasLock("l") {
		t.Error("two have the lock")
	}
	tx := hwvtep.NewTxn(nil)
	tx.Assert("l")
	transact(t, a, tx)

	server.stop()
	await(a, false)
	server.start()
	testenv.Eventually(t, deadline, func() error {
		if a.HasLock("l") == b.HasLock("l") {
			return fmt.Errorf("of two that ask anew HasLock() = %v", a.HasLock("l"))
		}
		return nil
	})
}
