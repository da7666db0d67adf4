package server

import (
	"errors"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/storage"
)

// compaction is the rewriting of a log that is under way in the background.
type compaction struct {
	log     *storage.Compaction
	copying *db.Copying // the snapshot is being taken; nil: it is written
	date    time.Time   // of the snapshot
	written chan error  // the background part has ended
	waiting []func(error)
}

// compactInterval is the least time between compactions that nobody asked for.
const compactInterval = 10 * time.Minute

// startPause is how long a file that has something is left as it was found: who starts a server waits for what its clients
// do first.
const startPause = time.Minute

// done is ready when the background part has ended; never for a nil compaction.
func (c *compaction) done() <-chan error {
	if c == nil {
		return nil
	}
	return c.written
}

// maybeCompact begins a compaction if the log has grown enough.
func (d *database) maybeCompact() {
	if d.file == nil || d.compact != nil || !d.file.ShouldCompact() || time.Since(d.lastTry) < compactInterval {
		return
	}
	d.lastTry = time.Now()
	d.startCompaction(nil)
}

var errInMemory = errors.New("the database is not stored in a file")

// startCompaction begins a compaction, or joins the one under way; done is told how it ended.
func (d *database) startCompaction(done func(error)) {
	tell := func(err error) {
		switch {
		case done != nil:
			done(err)
		case err != nil:
			d.log.Warn("compaction failed", "err", err)
		case d.srv.trimCompacted.Load():
			d.srv.trim.Soon()
		}
	}
	if d.file == nil {
		tell(errInMemory)
		return
	}
	if d.compact == nil {
		log, err := d.file.StartCompact()
		if err != nil {
			tell(err)
			return
		}
		d.compact = &compaction{log: log, copying: d.db.StartSnapshot(), date: d.snapshotDate(), written: make(chan error, 1)}
		d.goOnCopying(d.compact)
	}
	d.compact.waiting = append(d.compact.waiting, tell)
}

// copyAtOnce is how many rows are copied for a snapshot before requests have their turn: it
// takes about a millisecond.
const copyAtOnce = 8192

// goOnCopying takes more of the snapshot, which is written in the background once it is whole.
func (d *database) goOnCopying(c *compaction) {
	if d.compact != c {
		return // abandoned
	}
	if !c.copying.Step(copyAtOnce) {
		d.queue.put(job{alone: true, run: func(*batch) { d.goOnCopying(c) }}) // or it is abandoned
		return
	}
	snapshot := c.copying.Snapshot()
	c.copying = nil
	go func() { c.written <- c.log.Write(snapshot.Records("compacting database online", c.date)...) }()
}

// endCompaction puts the new file in the place of the old, if it was written without error.
func (d *database) endCompaction(err error) {
	c := d.compact
	d.compact = nil
	if err == nil {
		err = c.log.Finish()
		d.closing.Go(c.log.Close)
	} else {
		c.log.Abort()
	}
	if err == nil {
		d.compacts++
		d.log.Info("compacted the log", "bytes", d.file.Size())
		d.lookForFile()
		if d.failed != nil && d.file.Err() == nil {
			d.log.Info("the database can be written again")
			d.failed, d.refused = nil, ""
			d.tellUnwritable(nil)
		}
	}
	for _, tell := range c.waiting {
		tell(err)
	}
}

// abandonCompaction ends a compaction without effect.
func (d *database) abandonCompaction() {
	switch c := d.compact; {
	case c == nil:
		return
	case c.copying != nil:
		c.copying.Stop()
	default:
		<-c.written
	}
	d.endCompaction(errShutdown)
}
