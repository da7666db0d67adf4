package server

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// request answers one request. It is called by the reader of the session.
func (s *session) request(m jsonrpc.Message) {
	switch m.Method {
	case "transact":
		s.toDatabase(m, false, (*database).transact)
	case "convert":
		s.toDatabase(m, true, (*database).convert)
	case "monitor":
		s.toDatabase(m, true, (*database).monitor)
	case "monitor_cond", "monitor_cond_since":
		if s.srv.noMonitorCond.Load() {
			s.answer(m, nil, errUnknownMethod)
			return
		}
		s.toDatabase(m, true, (*database).monitor)
	case "monitor_cond_change":
		s.monitorChange(m)
	case "monitor_cancel":
		s.monitorCancel(m)
	case "get_schema":
		d, err := s.database(m)
		if err != nil {
			s.answer(m, nil, err)
			return
		}
		s.inOrder(m, func() { s.reply(m, d.schemaJSON(), nil) })
	case "list_dbs":
		s.inOrder(m, func() { s.reply(m, s.srv.appendNames(nil), nil) })
	case "get_server_id":
		s.answer(m, quoted(s.srv.id.String()), nil)
	case "lock", "steal":
		s.inOrder(m, func() { s.reply2(m)(s.lock(m)) })
	case "unlock":
		s.inOrder(m, func() { s.reply2(m)(s.unlock(m)) })
	case "set_db_change_aware":
		s.inOrder(m, func() { s.reply2(m)(s.setAware(m)) })
	case "echo":
		s.answer(m, m.Params.Raw(), nil)
	default:
		s.answer(m, nil, errUnknownMethod)
	}
}

// textError is an error that goes over the wire as a mere string.
type textError string

func (e textError) Error() string { return string(e) }

const (
	errUnknownMethod  = textError("unknown method")
	errUnknownMonitor = textError("unknown monitor")
	errCanceled       = textError("canceled")
	errLockReadOnly   = textError("lock and unlock methods not allowed, DB server is read only.")
)

// answer replies to a request in its turn.
func (s *session) answer(m jsonrpc.Message, result []byte, err error) {
	s.inOrder(m, func() { s.reply(m, result, err) })
}

// reply replies to a request: with the result if err is nil.
func (s *session) reply(m jsonrpc.Message, result []byte, err error) {
	s.send(appendReply(nil, m.ID.Raw(), result, err))
}

func (s *session) reply2(m jsonrpc.Message) func([]byte, error) {
	return func(result []byte, err error) { s.reply(m, result, err) }
}

func appendReply(dst, id, result []byte, err error) []byte {
	switch e := err.(type) {
	case nil:
		return jsonrpc.AppendReply(dst, result, id)
	case textError:
		return jsonrpc.AppendError(dst, quoted(string(e)), id)
	default:
		return jsonrpc.AppendError(dst, ovsdb.AsError(err).AppendJSON(nil), id)
	}
}

func quoted(s string) []byte { return wire.AppendString(nil, s) }

var emptyObject = []byte("{}")

// database finds the database that the first of the request's parameters names.
func (s *session) database(m jsonrpc.Message) (*database, error) {
	first := m.Params.Index(0)
	if first.Kind() != wire.String {
		return nil, ovsdb.SyntaxError(m.Params, "", "%s request params must begin with <db-name>", m.Method)
	}
	d := s.srv.find(first.Str())
	if d == nil {
		return nil, unknownDatabase(m)
	}
	if d.schemaJSON() == nil {
		return nil, ovsdb.NewError("database not available", "%s request specifies database %s which is not yet available "+
			"because its relay has not received it from its source", m.Method, d.name)
	}
	return d, nil
}

func unknownDatabase(m jsonrpc.Message) error {
	return ovsdb.SyntaxError(m.Params, "unknown database", "%s request specifies unknown database %s",
		m.Method, m.Params.Index(0).Str())
}

// toDatabase has a request executed by the loop of the database that it names.
func (s *session) toDatabase(m jsonrpc.Message, alone bool, run func(*database, *session, jsonrpc.Message, *batch)) {
	d, err := s.database(m)
	if err != nil {
		s.answer(m, nil, err)
		return
	}
	if !s.join(d) {
		return
	}
	s.submit(d, job{
		alone: alone,
		size:  size(m),
		run:   func(b *batch) { run(d, s, m, b) },
		gone:  func() { s.reply(m, nil, unknownDatabase(m)) },
	})
}

// join notes that d may hold something of the session; false if the session is over.
func (s *session) join(d *database) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.bases[d] = struct{}{}
	return true
}

// canonical gives JSON a form that is equal for equal values.
func canonical(v wire.Value) string { return string(v.AppendTo(nil, true)) }

// findMonitor finds the monitor that v names, nil if there is none.
func (s *session) findMonitor(v wire.Value) *monitor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.monitors[canonical(v)]
}

func (s *session) monitorChange(m jsonrpc.Message) {
	if m.Params.Len() != 3 {
		s.answer(m, nil, ovsdb.SyntaxError(m.Params, "", "invalid parameters"))
		return
	}
	s.toMonitor(m, unknownMonitorSession(m), (*database).changeMonitor)
}

func (s *session) monitorCancel(m jsonrpc.Message) {
	if m.Params.Len() != 1 {
		s.answer(m, nil, textError("invalid parameters"))
		return
	}
	s.toMonitor(m, errUnknownMonitor, (*database).cancelMonitor)
}

// toMonitor has a request executed by the loop of the database of the monitor that its
// first parameter names. The monitor may still be in the making, so what was asked before
// is waited for.
func (s *session) toMonitor(m jsonrpc.Message, unknown error, run func(*database, *session, jsonrpc.Message, *batch)) {
	s.waitIdle()
	mon := s.findMonitor(m.Params.Index(0))
	if mon == nil {
		s.reply(m, nil, unknown)
		return
	}
	d := mon.base
	s.submit(d, job{
		alone: true,
		size:  size(m),
		run:   func(b *batch) { run(d, s, m, b) },
		gone:  func() { s.reply(m, nil, unknown) },
	})
}

// cancel ends a transaction that waits. It is a notification: it has no answer of its own.
func (s *session) cancel(m jsonrpc.Message) {
	if m.Params.Len() != 1 {
		return
	}
	id := canonical(m.Params.Index(0))
	s.inOrder(m, func() {
		s.mu.Lock()
		t := s.waiting[id]
		s.mu.Unlock()
		if t != nil {
			t.base.queue.put(job{alone: true, run: func(b *batch) { t.base.cancelTrigger(t) }})
		}
	})
}

func (s *session) setAware(m jsonrpc.Message) ([]byte, error) {
	v := m.Params.Index(0)
	if m.Params.Len() != 1 || v.Kind() != wire.True && v.Kind() != wire.False {
		return nil, ovsdb.SyntaxError(m.Params, "", "%s: true or false parameter expected", m.Method)
	}
	s.aware.Store(v.Bool())
	return emptyObject, nil
}

// lockName parses the parameters of lock, steal and unlock.
func lockName(m jsonrpc.Message) (string, error) {
	name := m.Params.Index(0)
	if m.Params.Len() != 1 || name.Kind() != wire.String || !ovsdb.IsID(name.Str()) {
		return "", ovsdb.SyntaxError(m.Params, "", "%s request params must be <id>", m.Method)
	}
	return name.Str(), nil
}

func (s *session) lock(m jsonrpc.Message) ([]byte, error) {
	if s.readOnly() {
		return nil, errLockReadOnly
	}
	name, err := lockName(m)
	if err != nil {
		return nil, err
	}
	if s.srv.locks.count(s) >= s.srv.opts.Limits.Locks {
		return nil, ovsdb.ResourcesError("session has reached its limit of %d locks", s.srv.opts.Limits.Locks)
	}
	if !s.keep(len(name)) {
		return nil, ovsdb.ResourcesError("names of locks of this session are too long together")
	}
	owner, victim, claimed := s.srv.locks.claim(s, name, m.Method == "steal")
	if !claimed {
		s.release(len(name))
		return nil, ovsdb.SyntaxError(m.Params, "", `must issue "unlock" before new "%s"`, m.Method)
	}
	if victim != nil {
		victim.notify("stolen", name)
	}
	return append(wire.AppendBool([]byte(`{"locked":`), owner), '}'), nil
}

func (s *session) unlock(m jsonrpc.Message) ([]byte, error) {
	if s.readOnly() {
		return nil, errLockReadOnly
	}
	name, err := lockName(m)
	if err != nil {
		return nil, err
	}
	next, had := s.srv.locks.release(s, name)
	if !had {
		return nil, ovsdb.SyntaxError(m.Params, "", `%s: "unlock" without "lock" or "steal"`, m.Method)
	}
	s.release(len(name))
	if next != nil {
		next.notify("locked", name)
	}
	return emptyObject, nil
}

// notify tells the session what became of a lock.
func (s *session) notify(method, lock string) {
	params := append(wire.AppendString([]byte{'['}, lock), ']')
	s.send(jsonrpc.AppendNotify(nil, method, params))
}

func notifyLocked(name string, next *session) { next.notify("locked", name) }

// readOnly says whether the session may only look.
func (s *session) readOnly() bool {
	return !s.access.trusted && (s.access.readOnly || s.srv.opts.ReadOnly)
}
