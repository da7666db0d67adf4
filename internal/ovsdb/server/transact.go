package server

import (
	"math"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// trigger is a transaction with a "wait" that is not met yet: it is executed again whenever
// a table that it names changes, until it stops waiting.
type trigger struct {
	base    *database
	sess    *session
	method  string // "transact", or of one that is forwarded "convert"
	id      []byte // of the request
	key     string // the same in canonical form
	params  wire.Value
	arrived time.Time
	wait    *db.Wait // nil: it waits for the answer of the source: see forward.go
	size    int      // of the request
	over    bool     // it waits no more
}

// transact executes a transaction within the batch.
func (d *database) transact(s *session, m jsonrpc.Message, b *batch) {
	t := &trigger{base: d, sess: s, method: m.Method, id: m.ID.Raw(), size: size(m), params: m.Params, arrived: time.Now()}
	if len(d.triggers) > 0 { // only then can the id be in use
		t.key = canonical(m.ID)
		s.mu.Lock()
		used, full := s.waiting[t.key] != nil, len(s.waiting) >= s.srv.opts.Limits.Waiting
		s.mu.Unlock()
		if used || full {
			err := ovsdb.SyntaxError(m.Params, "", "%s: duplicate request ID", m.Method)
			if full && !used {
				err = ovsdb.ResourcesError("too many transactions of this session wait")
			}
			b.add(outcome{sess: s, id: t.id, queued: true, size: size(m), refused: err})
			return
		}
	}
	if d.try(t, b, true) {
		m.Params.Release()
		return
	}
	if t.key = canonical(m.ID); !d.park(t) {
		b.add(outcome{sess: s, id: t.id, queued: true, size: t.size, refused: errParked()})
	}
}

// park keeps a request that is not answered yet, and forwards one that is for the source; false
// if its session may not have more of them.
func (d *database) park(t *trigger) bool {
	s := t.sess
	if !s.keep(t.size) {
		return false
	}
	s.mu.Lock()
	over := s.over
	if !over {
		s.waiting[t.key] = t
	}
	s.mu.Unlock()
	if !over {
		d.triggers = append(d.triggers, t)
	}
	s.answered(t.size) // the requests behind it need not wait for it
	if !over && t.wait == nil {
		d.forward(t)
	}
	return true
}

func errParked() error {
	return ovsdb.ResourcesError("transactions of this session that wait are too large together")
}

// try executes a transaction; false if it waits, or is for the source to execute.
func (d *database) try(t *trigger, b *batch, queued bool) bool {
	env := t.sess.env(d)
	env.Elapsed = time.Since(t.arrived)
	result := d.db.Transact(t.params, &env)
	if t.wait = result.Wait; t.wait != nil || result.Forward {
		return false
	}
	if d.failed != nil && result.Changes != nil {
		d.db.Undo(result.Changes)
		result.Changes = nil
		result.Reply = db.AppendCommitError(result.Reply,
			ovsdb.IOError(d.failed, "database %s is read-only after an I/O error", d.name))
	}
	b.add(outcome{
		sess:    t.sess,
		id:      t.id,
		results: result.Reply,
		failed:  result.Failed,
		changes: result.Changes,
		durable: result.Durable,
		queued:  queued,
		size:    t.size,
	})
	return true
}

// env is what the session may do in d.
func (s *session) env(d *database) db.Env {
	env := db.Env{ReadOnly: s.readOnly() || d.readOnly || d.backup, Rehearse: d.relay, Cascade: s.srv.opts.Cascade, Role: s.access.role, Client: s.peerID}
	if s.access.role != "" && !d.db.HasRoles() && s.srv.opts.Roles == nil {
		env.ReadOnly = true // there are no rules that could allow anything
	}
	env.HasLock = func(name string) bool { return s.srv.locks.holds(s, name) }
	if roles := s.srv.opts.Roles; roles != nil && !s.access.trusted && !s.access.local {
		env.Permit = func(d *db.Database, table *ovsdb.TableSchema, row *db.RowChange) error {
			return roles(s.access.role, d, table, row)
		}
	}
	return env
}

// runTriggers executes what waited for the changes of the batch, and for the changes of
// those in turn.
func (d *database) runTriggers(b *batch) {
	seen := 0
	for len(d.triggers) > 0 && b.changed {
		b.changed = false
		tables := map[*ovsdb.TableSchema]bool{}
		for _, o := range b.outcomes[seen:] {
			if o.changes != nil {
				for i := range o.changes.Tables {
					tables[o.changes.Tables[i].Schema] = true
				}
			}
		}
		seen = len(b.outcomes)
		for _, t := range slices.Clone(d.triggers) {
			if t.wait != nil && slices.ContainsFunc(t.wait.Tables, func(ts *ovsdb.TableSchema) bool { return tables[ts] }) {
				d.retry(t, b)
			}
		}
	}
}

// retry executes a transaction that waits again, unless its session gets nothing for now.
func (d *database) retry(t *trigger, b *batch) {
	switch {
	case t.sess.conn.Err() != nil:
		d.dropTrigger(t)
	case t.wait == nil: // the source executes it
	case d.behind(t.sess):
		d.holdBack(t.sess).retry = true
	case d.try(t, b, false):
		d.dropTrigger(t)
	case t.wait == nil:
		d.forward(t)
	}
}

// retryTriggers executes the transactions of a session that wait again.
func (d *database) retryTriggers(s *session) {
	b := &batch{base: d}
	for _, t := range d.triggersOf(s) {
		d.retry(t, b)
	}
	d.runTriggers(b)
	b.commit()
}

// expireTriggers executes the transactions whose time is up.
func (d *database) expireTriggers() {
	b := &batch{base: d}
	now := time.Now()
	for _, t := range slices.Clone(d.triggers) {
		if t.wait != nil && t.wait.Timeout >= 0 && now.Sub(t.arrived) >= t.wait.Timeout {
			d.retry(t, b)
		}
	}
	d.runTriggers(b)
	b.commit()
}

// untilTimeout is how long the first transaction to time out has. Those of sessions that get
// nothing for now are looked at when they do again.
func (d *database) untilTimeout() time.Duration {
	left := time.Duration(math.MaxInt64)
	now := time.Now()
	for _, t := range d.triggers {
		if t.wait != nil && t.wait.Timeout >= 0 && d.arrears[t.sess] == nil {
			left = min(left, t.arrived.Add(t.wait.Timeout).Sub(now))
		}
	}
	return max(left, 0)
}

// triggersOf lists the waiting transactions of a session.
func (d *database) triggersOf(s *session) []*trigger {
	var own []*trigger
	for _, t := range d.triggers {
		if t.sess == s {
			own = append(own, t)
		}
	}
	return own
}

// dropTrigger takes a transaction off those that wait.
func (d *database) dropTrigger(t *trigger) {
	t.over = true
	if i := slices.Index(d.triggers, t); i >= 0 {
		d.triggers = slices.Delete(d.triggers, i, i+1)
	}
	t.sess.mu.Lock()
	delete(t.sess.waiting, t.key)
	t.sess.mu.Unlock()
	t.sess.release(t.size)
}

// cancelTrigger answers a transaction that still waits as RFC 7047, section 4.1.4, says.
func (d *database) cancelTrigger(t *trigger) {
	if !slices.Contains(d.triggers, t) {
		return
	}
	d.dropTrigger(t)
	d.reply(t.sess, jsonrpc.AppendError(nil, quoted(string(errCanceled)), t.id), false, 0)
}
