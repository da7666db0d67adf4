package idl

import (
	"context"
	"errors"
	"time"
)

// The waits after a transaction that failed.
const (
	firstWait = 100 * time.Millisecond
	maxWait   = 10 * time.Second
)

// Writer sends the transactions of one client, one at a time, and none soon after one that failed. One of several
// processes that want a lock writes. It belongs to one goroutine, that which Call runs functions in.
type Writer struct {
	Transactions, Failures uint64
	Failure                string // the last one; "" once one has succeeded

	client *Client
	lock   string
	call   func(func())
	busy   bool
	retry  *time.Timer // nil: none failed last
	wait   time.Duration
}

// NewWriter has the client ask for the lock. call runs a function in the goroutine that the writer belongs to, at
// some time, or drops it when that ends.
func NewWriter(c *Client, lock string, call func(func())) *Writer {
	c.Lock(lock)
	return &Writer{client: c, lock: lock, call: call}
}

// Asserts is the lock that transactions are to assert; "": a relay knows of no locks.
func (w *Writer) Asserts() string {
	if w.client.LockAsserts() {
		return w.lock
	}
	return ""
}

// May says that the database takes transactions: it is connected, and nobody else has the lock.
func (w *Writer) May() bool {
	return w.client.Connected() && (w.Asserts() == "" || w.client.HasLock(w.lock))
}

// State is "active" if it may, "standby" if somebody else has the lock, else "connecting".
func (w *Writer) State() string {
	switch {
	case w.May():
		return "active"
	case w.client.Connected():
		return "standby"
	}
	return "connecting"
}

// Idle says that no transaction is under way, nor has to wait after one.
func (w *Writer) Idle() bool { return !w.busy && w.retry == nil }

// Send returns what sends a transaction, and has to run in a goroutine of its own; the writer must be Idle. settled is called with
// what came of it, and with the time until the writer is Idle again. An outcome that is not known, or of no connection,
// has no such time: there is news with the next connection.
func (w *Writer) Send(ctx context.Context, ops []byte, settled func(err error, again time.Duration)) (transact func()) {
	w.busy = true
	return func() {
		_, err := w.client.Transact(ctx, ops)
		w.call(func() { w.settle(err, settled) })
	}
}

func (w *Writer) settle(err error, settled func(error, time.Duration)) {
	w.busy = false
	if err == nil {
		w.Transactions++
		w.wait, w.Failure = 0, ""
		settled(nil, 0)
		return
	}
	w.Failures++
	w.Failure = err.Error()
	again := time.Duration(0)
	if !errors.Is(err, ErrNotConnected) && !errors.Is(err, ErrOutcomeUnknown) {
		w.wait = min(max(2*w.wait, firstWait), maxWait)
		again = w.wait
		w.retry = time.AfterFunc(again, func() { w.call(func() { w.retry = nil }) })
	}
	settled(err, again)
}

// Hurry ends a wait.
func (w *Writer) Hurry() {
	if w.retry != nil {
		w.retry.Stop()
		w.retry = nil
	}
}
