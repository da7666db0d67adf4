package idl_test

import (
	"fmt"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/testenv"
)

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
	b.Steal("l")
	await(b, true)
	await(a, false)
	b.Unlock("l")
	await(a, true)
	if b.HasLock("l") {
		t.Error("a lock is held that was given up")
	}
	tx := hwvtep.NewTxn(nil)
	tx.Assert("l")
	transact(t, a, tx)

	server.stop()
	await(a, false)
	server.start()
	await(a, true)
}
