package server

import (
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
	upstream "github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/db"
)

// Backup makes a database the backup of another server: it has what that has, and nobody else
// changes it. A database that is one begins anew.
func (s *Server) Backup(name string, cfg Source) error {
	s.admin.Lock()
	defer s.admin.Unlock()
	d := s.find(name)
	if d == nil || d == s.catalog || d.relay {
		return fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	d.dropSource()
	d.do(func() { d.backup = true })
	src, err := d.startSource(cfg)
	if err != nil {
		d.do(func() { d.backup = false })
		return err
	}
	d.source.Store(src)
	return nil
}

// Activate ends the replication of a backup: it goes on with what it has.
func (s *Server) Activate(name string) error {
	s.admin.Lock()
	defer s.admin.Unlock()
	d := s.find(name)
	if d == nil || d.relay {
		return fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	d.dropSource()
	d.do(func() { d.backup = false })
	return nil
}

// dropSource ends the connection to the source, if there is one.
func (d *database) dropSource() {
	if src := d.source.Swap(nil); src != nil {
		src.stop()
		d.do(func() { src.session = nil })
	}
}

// AddRelay serves the database called name as another server has it: what clients want changed is
// for that one to do.
func (s *Server) AddRelay(name string, cfg Source) error {
	s.admin.Lock()
	defer s.admin.Unlock()
	if !ovsdb.IsID(name) {
		return fmt.Errorf("%s: not a valid database name", name)
	}
	d := newDatabase(s, "", nil, db.New(&ovsdb.DatabaseSchema{Name: name}))
	d.relay, d.schema = true, nil
	if err := s.add(d); err != nil {
		return err
	}
	src, err := d.startSource(cfg)
	if err != nil {
		s.drop(d)
		return errors.Join(err, s.enter(catalogRemove(nil, d)))
	}
	d.source.Store(src)
	return nil
}

// SetRelay changes where a relay has its contents from.
func (s *Server) SetRelay(name string, cfg Source) error {
	s.admin.Lock()
	defer s.admin.Unlock()
	d := s.find(name)
	if d == nil || !d.relay {
		return fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	var waiting []*trigger
	if old := d.source.Swap(nil); old != nil {
		old.stop()
		d.do(func() { waiting, old.unsent = old.unsent, nil })
	}
	src, err := d.startSource(cfg)
	if err != nil {
		return err
	}
	src.unsent = waiting // nobody has src yet but its client, which changes that in the loop only
	d.source.Store(src)
	return nil
}

// IsRelay says whether a database is a relay.
func (s *Server) IsRelay(name string) bool {
	d := s.find(name)
	return d != nil && d.relay
}

// Contents makes the database what the source has.
func (src *source) Contents(s *upstream.Session, u upstream.Update) error {
	failed := make(chan error, 1)
	schema := src.schema
	ok := src.base.queue.put(job{alone: true, run: func(b *batch) { src.contents(s, u, schema, b, failed) }})
	if !ok {
		return errRemoved
	}
	if err := <-failed; err != nil {
		return src.refuse(err)
	}
	src.mu.Lock()
	src.lastID = u.LastID
	if src.grace != nil {
		src.grace.Stop()
	}
	src.mu.Unlock()
	src.tell(SourceInStep)
	return nil
}

// refuse takes an error of the execution here. What a backup can't have it never will.
func (src *source) refuse(err error) error {
	var refused *ovsdb.Error
	if !src.base.relay && errors.As(err, &refused) {
		src.fail(err)
	}
	return err
}

// contents is Contents in the loop.
func (src *source) contents(s *upstream.Session, u upstream.Update, schema *ovsdb.DatabaseSchema, b *batch, failed chan<- error) {
	d := src.base
	update := src.update(u)
	update.Whole = !u.Since
	done := func(err error) {
		if err == nil {
			src.session = s
			if d.relay {
				d.setConnected(true)
			}
			src.sendUnsent()
		}
		failed <- err
	}
	if schema != nil {
		next := db.New(schema)
		d.srv.trim.Note(len(update.Tables.Raw()))
		cs, err := next.Replicate(update)
		if err == nil {
			d.replace(next, cs.TxnID, u.LastID != "")
		}
		done(err)
		return
	}
	if d.relay && (u.LastID == "") != (d.history.limit == 0) {
		// Without names of its transactions nobody can go on from one of them elsewhere.
		d.history = newHistory(map[bool]int{true: d.srv.historyLimit()}[u.LastID != ""])
	}
	src.execute(update, b, done)
}

// replace puts another database, of another schema, in the place of a relay's. last is the last
// transaction in it; named: the source has called it so.
func (d *database) replace(next *db.Database, last ovsdb.UUID, named bool) {
	d.dropAll()
	d.db = next
	d.refreshManagers()
	d.history = newHistory(0)
	if named {
		d.history = newHistoryFrom(d.srv.historyLimit(), last)
	}
	d.mu.Lock()
	d.schema = next.Schema().AppendJSON(nil)
	d.mu.Unlock()
	d.connected.Store(true)
	d.srv.converted(d)
}

// update is what Replicate takes.
func (src *source) update(u upstream.Update) db.Update {
	id, _ := ovsdb.ParseUUID(u.LastID)
	return db.Update{Tables: u.Tables, Second: u.Version > 1, Except: src.except, TxnID: id}
}

// execute executes an update as a part of the batch.
func (src *source) execute(u db.Update, b *batch, done func(error)) {
	d := src.base
	if d.failed != nil {
		done(fmt.Errorf("database %s is read-only after an I/O error: %w", d.name, d.failed))
		return
	}
	d.srv.trim.Note(len(u.Tables.Raw()))
	cs, err := d.db.Replicate(u)
	if err != nil {
		done(err)
		return
	}
	b.add(outcome{changes: cs, done: done})
}

// Changes does what the source has done. It does not wait for that: only some may be under way.
func (src *source) Changes(s *upstream.Session, u upstream.Update) error {
	src.window <- struct{}{}
	src.mu.Lock()
	src.lastID = u.LastID
	src.mu.Unlock()
	done := func(err error) {
		<-src.window
		if err != nil {
			src.broken(s, err)
		}
	}
	ok := src.base.queue.put(job{run: func(b *batch) {
		if src.session != s {
			<-src.window // one before has failed
			return
		}
		src.execute(src.update(u), b, done)
	}})
	if !ok {
		<-src.window
		return errRemoved
	}
	return nil
}

// broken ends a session whose updates can't be executed: the next one gives everything again.
func (src *source) broken(s *upstream.Session, err error) {
	if src.session == s {
		src.session = nil
	}
	src.mu.Lock()
	src.resync = true
	src.mu.Unlock()
	s.Abort(src.refuse(err))
}
