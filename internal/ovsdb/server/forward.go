package server

import (
	"errors"

	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// A relay executes transactions to answer those that only read, and those that would fail. Those
// that would change something it forwards to its source, as they are. They wait among the triggers
// without a condition. One whose answer is lost with the connection is answered with "canceled":
// nobody knows whether it was executed.

// forward sends a transaction to the source, or has it wait for a connection.
func (d *database) forward(t *trigger) {
	src := d.source.Load()
	if src == nil { // it is being changed, or the database goes
		d.cancelTrigger(t)
		return
	}
	if src.session == nil {
		src.unsent = append(src.unsent, t)
		return
	}
	src.send(t)
}

// send sends a transaction to the source.
func (src *source) send(t *trigger) {
	err := src.session.Start(t.method, t.params.Raw(), func(result wire.Value, err error) {
		src.base.queue.put(job{alone: true, run: func(*batch) { src.base.answerForwarded(t, result, err) }})
	})
	if err != nil { // the session has ended, and nothing was sent
		src.unsent = append(src.unsent, t)
	}
}

// sendUnsent sends what waited for a connection.
func (src *source) sendUnsent() {
	waiting := src.unsent
	src.unsent = nil
	for _, t := range waiting {
		if !t.over {
			src.send(t)
		}
	}
}

// answerForwarded answers a transaction with what the source has answered.
func (d *database) answerForwarded(t *trigger, result wire.Value, err error) {
	if t.over {
		return
	}
	d.dropTrigger(t)
	var text []byte
	var refused *jsonrpc.RemoteError
	switch {
	case err == nil:
		text = jsonrpc.AppendReply(nil, result.Raw(), t.id)
	case errors.As(err, &refused):
		text = jsonrpc.AppendError(nil, refused.Value.Raw(), t.id)
	default:
		text = jsonrpc.AppendError(nil, quoted(string(errCanceled)), t.id)
	}
	d.reply(t.sess, text, false, 0)
}
