package idl_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/testenv"
)

// Of two writers one may; its transactions come one after the other, and wait longer and longer while they fail.
func TestWriter(t *testing.T) {
	server := startCServer(t)
	calls := make(chan func())
	ctx, cancel := context.WithCancel(t.Context())
	call := func(f func()) {
		select {
		case calls <- f:
		case <-ctx.Done():
		}
	}
	client := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	w := idl.NewWriter(client, "w", call)
	state := func(w *idl.Writer, want string) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			if got := w.State(); got != want || w.May() != (want == "active") {
				return fmt.Errorf("it is %s, want %s", got, want)
			}
			return nil
		})
	}
	state(w, "active")
	other := run(t, idl.Options{Dial: idl.DialTarget(server.target, nil)})
	second := idl.NewWriter(other, "w", call)
	state(second, "standby")

	// send returns what came of a transaction, when the next may be sent.
	send := func(name string) (again time.Duration, err error) {
		t.Helper()
		tx := hwvtep.NewTxn(nil)
		tx.Assert(w.Asserts())
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: name})
		go w.Send(ctx, tx.Ops(), func(e error, a time.Duration) { err, again = e, a })()
		if w.Idle() {
			t.Error("a transaction is under way, and the writer idle")
		}
		for !w.Idle() {
			(<-calls)()
		}
		return again, err
	}
	if again, err := send("ls0"); err != nil || again != 0 || w.Transactions != 1 {
		t.Error(err, again, w.Transactions)
	}
	var last time.Duration
	for range 3 { // there is one of that name
		again, err := send("ls0")
		if err == nil || again <= last || w.Failure != err.Error() {
			t.Errorf("%v, again in %v after %v, failure %q", err, again, last, w.Failure)
		}
		last = again
	}
	if again, err := send("ls1"); err != nil || again != 0 || w.Transactions != 2 || w.Failures != 3 || w.Failure != "" {
		t.Error(err, again, w)
	}
	server.stop()
	state(w, "connecting")
	if again, err := send("ls2"); err == nil || again != 0 {
		t.Error(err, again)
	}
	cancel()
}
