package server

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/storage"
)

// database is one database that the server serves.
type database struct {
	// Constant.
	name  string
	srv   *Server
	log   *slog.Logger
	path  string // of the file; empty: the database lives in memory only
	queue *queue
	ended chan struct{} // closed when the loop has ended
	// readOnly refuses every change by a client.
	readOnly bool
	// relay has a source for its contents, which executes what clients want changed, for ever.
	relay bool

	// turn is held by the loop while it executes something, or by a reader that helps it: "the loop"
	// means both elsewhere.
	turn turn

	// Guarded by turn.
	db        *db.Database
	file      *storage.Log // nil: in memory only
	monitors  *monitors
	history   *history
	triggers  []*trigger // in the order of their requests
	arrears   map[*session]*arrears
	unwatched []*session // that have arrears, and of whose peers' taking it we have not asked to hear yet
	failed    error      // why the database is read-only; nil: it is not
	refused   string     // why the last write to the log failed, as logged; empty: it did not
	lost      bool       // the file was not at its place when that was looked at
	looking   bool       // it will be looked at
	compact   *compaction
	closing   sync.WaitGroup       // of files that compactions have replaced
	watch     map[string]*managers // the db: remotes that live in this database, by name
	followers []*follower
	unsent    []*jsonrpc.Conn // that have something queued which nobody sends yet
	compacts  int             // how often the log was compacted
	lastTry   time.Time       // of the last compaction begun by itself, or such that the first is not too early
	requests  int             // executed
	commits   int             // transactions that changed something
	logged    map[string]bool // the tables whose changes are logged
	backup    bool            // there is a source for the contents, and no client changes anything

	source    atomic.Pointer[source] // of the contents; nil: none. Guarded by Server.admin for changes
	connected atomic.Bool            // relay only: it has its source, or had a moment ago; the loop's to change

	position atomic.Uint64 // an ovsdb.Position: how far the file is written; the loop's to change

	mu     sync.Mutex // guards what follows
	schema []byte     // JSON; nil: the source of a relay has not told it yet
}

func newDatabase(srv *Server, path string, file *storage.Log, d *db.Database) *database {
	name := d.Schema().Name
	db := &database{
		name:    name,
		srv:     srv,
		log:     srv.log.With("database", name),
		path:    path,
		queue:   newQueue(),
		ended:   make(chan struct{}),
		turn:    newTurn(),
		db:      d,
		file:    file,
		history: newHistory(srv.historyLimit()),
		arrears: map[*session]*arrears{},
		logged:  map[string]bool{},
		watch:   map[string]*managers{},
		schema:  d.Schema().AppendJSON(nil),
	}
	db.monitors = newMonitors(db)
	if file != nil && d.Atoms() > 0 {
		db.lastTry = time.Now().Add(startPause - compactInterval)
	}
	return db
}

func (d *database) schemaJSON() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.schema
}

// A batch, whose requests share a write to the log and are answered together, ends when it has
// reached one of these.
const (
	batchLimit = 512                   // requests
	batchBytes = 4 << 20               // of their replies
	batchTime  = 10 * time.Millisecond // of their execution
)

// loop is the goroutine that serves the queue until it is closed.
func (d *database) loop() {
	defer close(d.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		d.turn.Lock()
		if d.serve() {
			d.turn.Unlock()
			continue
		}
		if d.queue.finished() {
			d.close()
			d.turn.Unlock()
			return
		}
		timer.Reset(d.untilTimeout())
		compacted := d.compact.done()
		d.turn.Unlock()
		select {
		case <-d.queue.wake:
		case <-timer.C:
			d.turn.Lock()
			d.expireTriggers()
			d.flush()
			d.watchStuck()
			d.turn.Unlock()
		case err := <-compacted:
			d.turn.Lock()
			d.endCompaction(err)
			d.turn.Unlock()
		}
	}
}

// serve executes a batch of what is in the queue, in the loop; false: there was nothing.
func (d *database) serve() bool {
	b := &batch{base: d}
	if !d.fill(b, true) {
		d.watchStuck() // whom help has held back
		return false
	}
	d.runTriggers(b)
	b.commit()
	d.attend()
	d.flush()
	d.watchStuck()
	d.maybeCompact()
	return true
}

// help has the reader of a session execute what is in the queue, if the loop is idle: handing a
// short request to the loop would take longer than to execute it. What arrives at other sessions
// while this waits for the disk becomes the next batch, of the loop.
func (d *database) help() {
	if d.turn.TryLock() {
		if b := (&batch{base: d}); d.fill(b, false) {
			d.runTriggers(b)
			b.commit()
			d.flush()
			d.maybeCompact()
		}
		rest := d.compact != nil || len(d.triggers)+len(d.unwatched) > 0 || !d.queue.empty()
		d.turn.Unlock()
		if !rest {
			return
		}
	}
	d.queue.poke()
}

// fill executes jobs from the queue until the batch is full or there are none; false: there was
// none at all. Those that are to be alone are executed only if that is wanted.
func (d *database) fill(b *batch, alone bool) bool {
	began := time.Now()
	n := 0
	for n < batchLimit && b.bytes < batchBytes && (n == 0 || time.Since(began) < batchTime) {
		j, ok := d.queue.next(alone && n == 0)
		if !ok {
			break
		}
		n++
		if d.run(j, b); j.alone {
			break
		}
	}
	return n > 0
}

// attend does what is due beside requests, which may never leave the loop idle.
func (d *database) attend() {
	select {
	case err := <-d.compact.done():
		d.endCompaction(err)
	default:
	}
	if len(d.triggers) > 0 && d.untilTimeout() == 0 {
		d.expireTriggers()
	}
}

// send queues a message for a session's peer; flush sends it. So what a batch has for one peer
// goes out together.
func (d *database) send(conn *jsonrpc.Conn, pieces ...[]byte) {
	d.srv.trim.NoteAll(pieces)
	if first, _ := conn.Queue(pieces...); first {
		d.unsent = append(d.unsent, conn)
	}
}

// flush sends what was queued.
func (d *database) flush() {
	for _, conn := range d.unsent {
		conn.Flush()
	}
	clear(d.unsent)
	d.unsent = d.unsent[:0]
}

// do has f run alone by the loop and waits for it; false if the database is gone.
func (d *database) do(f func()) bool {
	done := make(chan struct{})
	ok := d.queue.put(job{alone: true, run: func(*batch) {
		defer close(done)
		f()
	}})
	if !ok {
		<-d.ended
		return false
	}
	<-done
	return true
}

// forget removes what a session has in the database.
func (d *database) forget(s *session) {
	s.mu.Lock()
	var gone []*monitor
	for _, m := range s.monitors {
		if m.base == d {
			gone = append(gone, m)
		}
	}
	s.mu.Unlock()
	for _, m := range gone {
		d.removeMonitor(m)
	}
	for _, t := range d.triggersOf(s) {
		d.dropTrigger(t)
	}
	d.writeOff(s)
}

// close ends everything that the database has.
func (d *database) close() {
	d.dropAll() // what requests that were queued last have made
	d.abandon()
	d.abandonCompaction()
	d.closing.Wait()
	if d.file != nil {
		if err := d.file.Close(); err != nil {
			d.log.Warn("close failed", "err", err)
		}
	}
}

// written notes that a batch is in the log.
func (d *database) written() {
	if d.refused != "" {
		d.refused = ""
		d.log.Info("the log can be written again")
		d.tellUnwritable(nil)
	}
	if !d.looking {
		d.looking = true
		time.AfterFunc(lookAfter, func() {
			d.queue.put(job{run: func(*batch) { d.looking = false; d.lookForFile() }})
		})
	}
}

// lookAfter is how long after something was written it is looked whether the file is at its place, once for all
// that is written until then.
const lookAfter = time.Second

// lookForFile looks whether the file that is written is the one that will be found.
func (d *database) lookForFile() {
	lost := d.file.Lost()
	if lost == d.lost {
		return
	}
	if d.lost = lost; lost {
		d.log.Error("the file is not at its place any more: what is written now will be lost with the process", "file", d.path)
	} else {
		d.log.Info("the file is at its place again", "file", d.path)
	}
	if tell := d.srv.opts.Lost; tell != nil {
		tell(d.name, lost)
	}
}

// tellUnwritable tells whether the log can be written.
func (d *database) tellUnwritable(err error) {
	if tell := d.srv.opts.Unwritable; tell != nil {
		tell(d.name, err, d.failed != nil)
	}
}

// writeFailed notes that a batch could not be written. As long as the log is whole the next
// one may try again, as after a disk was full. A log that is broken takes no more: the
// database is read-only until a compaction has made a new file.
func (d *database) writeFailed(err error) {
	if d.file.Err() == nil {
		if text := err.Error(); d.refused != text { // one line, not one for each client that tries
			d.refused = text
			d.log.Error("transactions are rolled back until the log can be written again", "err", err)
			d.tellUnwritable(err)
		}
		return
	}
	d.failed = err
	d.log.Error("a batch of transactions was rolled back; the database is read-only from now on", "err", err)
	d.tellUnwritable(err)
}
