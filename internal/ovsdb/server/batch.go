package server

import (
	"sync"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
)

// batch is what the loop of a database does between two writes to the log.
type batch struct {
	base     *database
	outcomes []outcome
	changed  bool // some outcome has changes that triggers have not seen yet
	bytes    int  // of the results
}

// outcome is what came of one executed transaction.
type outcome struct {
	sess    *session      // nil: the server's own transaction
	id      []byte        // of the request
	results []byte        // JSON
	changes *db.ChangeSet // nil: none
	durable bool          // the client asked for it
	failed  bool          // the results hold an error
	refused error         // the request was not executed at all, because of this
	queued  bool          // the request counts as in flight
	size    int           // of the request
	done    func(error)   // the server's own transaction: called at the end; may be nil
}

func (b *batch) add(o outcome) {
	b.outcomes = append(b.outcomes, o)
	b.bytes += len(o.results)
	if o.sess != nil {
		o.sess.due.Add(int64(len(o.results)))
	}
	if o.changes != nil {
		b.changed = true
	}
}

// commit makes the batch durable, then visible, then answers its requests. When it cannot
// be made durable nothing of it happens.
func (b *batch) commit() {
	if len(b.outcomes) == 0 {
		return
	}
	d := b.base
	err := b.write()
	if err != nil {
		b.rollBack()
		d.writeFailed(err)
	}
	for i := range b.outcomes {
		o := &b.outcomes[i]
		if o.changes != nil && err == nil {
			held := o.changes.Held()
			d.commits++
			d.logChanges(o.changes)
			d.history.add(o.changes, held, d.db.Atoms())
			d.srv.trim.Note(held)
			d.monitors.publish(o.changes, held, d.history.last)
			d.notifyManagers(o.changes)
			d.notifyFollowers(o.changes)
		}
		b.answer(o, err)
	}
	b.outcomes = nil
}

func (b *batch) answer(o *outcome, err error) {
	if o.done != nil {
		o.done(err)
	}
	if o.sess == nil {
		return
	}
	o.sess.due.Add(-int64(len(o.results)))
	if err != nil && !o.failed && o.refused == nil {
		// Also of what it only read, something may be gone again.
		o.results = db.AppendCommitError(o.results, ovsdb.IOError(err, "the transaction could not be made durable"))
	}
	text := appendReply(make([]byte, 0, len(o.results)+len(o.id)+40), o.id, o.results, o.refused)
	b.base.srv.trim.Note(o.size)
	b.base.reply(o.sess, text, o.queued, o.size)
}

// write appends what the batch changed to the log, and syncs it if anybody asked for that.
func (b *batch) write() error {
	d := b.base
	if d.file == nil {
		return nil
	}
	var records [][]byte
	durable := false
	now := time.Now()
	for i := range b.outcomes {
		cs := b.outcomes[i].changes
		if cs == nil {
			continue
		}
		if r := cs.AppendRecord(recordMemory(cs), now); len(r) > 0 {
			records = append(records, r)
			durable = durable || b.outcomes[i].durable
		}
	}
	if len(records) == 0 {
		return nil
	}
	err := d.file.Append(records...)
	for _, r := range records {
		if cap(r) >= longRecord {
			longRecords.Put(&r)
		}
	}
	if err != nil {
		return err
	}
	if d.srv.opts.Durability.sync(durable) {
		if err := d.file.Sync(); err != nil {
			return err
		}
	}
	for range records {
		d.wrote(now)
	}
	d.written()
	return nil
}

// longRecords are the memory of records, until the collector takes it: to get as much from the system takes longer than to
// write them.
var longRecords sync.Pool

const longRecord = 256 << 10

// recordMemory is memory for the record of a change-set; nil: it is short, or there is none.
func recordMemory(cs *db.ChangeSet) []byte {
	if cs.TextSize() < longRecord {
		return nil
	}
	r, _ := longRecords.Get().(*[]byte)
	if r == nil {
		return nil
	}
	return (*r)[:0]
}

// rollBack undoes the changes of the batch, the last first.
func (b *batch) rollBack() {
	for i := len(b.outcomes) - 1; i >= 0; i-- {
		if cs := b.outcomes[i].changes; cs != nil {
			b.base.db.Undo(cs)
		}
	}
}

// Durability says when a transaction is answered: how far its changes must have got.
type Durability uint8

const (
	// DurableAlways waits until the disk has every transaction. It is the default.
	DurableAlways Durability = iota
	// DurableClient waits for the disk only if the client asks for it with a "commit"
	// operation, as the C server does. Others survive the end of the process, not of the
	// machine.
	DurableClient
	// DurableOff never waits for the disk.
	DurableOff
)

func (p Durability) sync(asked bool) bool {
	return p == DurableAlways || p == DurableClient && asked
}
