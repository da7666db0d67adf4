package server

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// monitor starts a monitor: monitor, monitor_cond or monitor_cond_since. The answer is the
// present content, or what changed since the transaction that the client names.
func (d *database) monitor(s *session, m jsonrpc.Message, _ *batch) {
	result, err := d.startMonitor(s, m)
	d.answer(s, m, result, err)
}

// answer answers a request in flight that is executed alone.
func (d *database) answer(s *session, m jsonrpc.Message, result []byte, err error) {
	d.reply(s, appendReply(make([]byte, 0, len(result)+len(m.ID.Raw())+40), m.ID.Raw(), result, err), true, size(m))
}

func (d *database) startMonitor(s *session, m jsonrpc.Message) ([]byte, error) {
	proto, n := protoMonitor, max(3, m.Params.Len())
	switch m.Method {
	case "monitor_cond":
		proto, n = protoCond, 3
	case "monitor_cond_since":
		proto, n = protoCondSince, 4
	}
	if m.Params.Len() != n {
		return nil, ovsdb.SyntaxError(m.Params, "", "invalid parameters")
	}
	id := m.Params.Index(1)
	key := canonical(id)
	spec, err := parseMonitorSpec(m.Params.Index(2), d.db.Schema(), proto)
	if err == nil && s.findMonitor(id) != nil {
		err = ovsdb.SyntaxError(id, "", "duplicate monitor ID")
	}
	if err != nil {
		return nil, err
	}
	var after *changes
	if proto == protoCondSince {
		if after, err = d.changesSince(m.Params.Index(3), spec); err != nil {
			return nil, err
		}
	}
	mon := &monitor{base: d, sess: s, id: bytes.Clone(id.Raw()), key: key, spec: spec, handed: s.values.Wanted()}
	if err := s.addMonitor(mon); err != nil {
		return nil, err
	}
	d.monitors.add(mon)
	var body []byte
	handed := false
	if after != nil {
		if body, handed = mon.hand(after, after.bytes); !handed {
			body = after.render(spec)
		}
	} else if body, handed = mon.handContents(); !handed {
		body = renderInitial(d.db, spec)
	}
	if body == nil {
		body = emptyObject
	}
	if proto == protoCondSince {
		head := wire.AppendBool([]byte{'['}, after != nil)
		head = append(head, `,"`...)
		head = d.history.last.AppendText(head)
		head = append(head, `",`...)
		body = append(append(head, body...), ']')
	}
	return body, nil
}

// changesSince gives what changed since the transaction that v names, nil if that is not
// known.
func (d *database) changesSince(v wire.Value, spec *monitorSpec) (*changes, error) {
	if v.Kind() != wire.String {
		return nil, ovsdb.SyntaxError(v, "", "last-txn-id must be string")
	}
	id, ok := ovsdb.ParseUUID(v.Str())
	if !ok {
		return nil, ovsdb.SyntaxError(v, "", "last-txn-id must be UUID format.")
	}
	after, ok := d.history.since(id, spec)
	if !ok || id.IsZero() {
		return nil, nil
	}
	return after, nil
}

// addMonitor gives the session one more monitor.
func (s *session) addMonitor(m *monitor) error {
	s.mu.Lock()
	n, limit := len(s.monitors), s.srv.opts.Limits.Monitors
	s.mu.Unlock()
	if n >= limit {
		return ovsdb.ResourcesError("session has reached its limit of %d monitors", limit)
	}
	if m.kept = m.size(); !s.keep(m.kept) {
		return errMonitorSize()
	}
	s.mu.Lock()
	s.monitors[m.key] = m
	s.mu.Unlock()
	return nil
}

func errMonitorSize() error {
	return ovsdb.ResourcesError("monitors of this session are too large together")
}

// removeMonitor ends a monitor.
func (d *database) removeMonitor(m *monitor) {
	d.monitors.remove(m)
	m.forgive()
	m.sess.mu.Lock()
	delete(m.sess.monitors, m.key)
	m.sess.mu.Unlock()
	m.sess.release(m.kept)
}

// cancelMonitor is monitor_cancel.
func (d *database) cancelMonitor(s *session, m jsonrpc.Message, _ *batch) {
	mon := s.findMonitor(m.Params.Index(0))
	if mon == nil {
		d.answer(s, m, nil, errUnknownMonitor)
		return
	}
	d.removeMonitor(mon)
	d.answer(s, m, emptyObject, nil)
}

// changeMonitor is monitor_cond_change: new conditions, and maybe a new id. What the
// conditions let in and out of view is sent before the answer.
func (d *database) changeMonitor(s *session, m jsonrpc.Message, _ *batch) {
	result, err := d.applyChange(s, m)
	d.answer(s, m, result, err)
}

func (d *database) applyChange(s *session, m jsonrpc.Message) ([]byte, error) {
	mon := s.findMonitor(m.Params.Index(0))
	if mon == nil || mon.base != d {
		return nil, unknownMonitorSession(m)
	}
	id := m.Params.Index(1)
	key := canonical(id)
	if key != mon.key && s.findMonitor(id) != nil {
		return nil, ovsdb.SyntaxError(id, "", "duplicate monitor ID")
	}
	conds, err := mon.parseConditions(m.Params.Index(2), d.db.Schema())
	if err != nil {
		return nil, err
	}
	if !s.keep(size(m)) {
		return nil, errMonitorSize()
	}
	mon.flush(d.history.last)
	d.monitors.remove(mon)
	body := mon.changeConditions(d.db, conds)
	if key != mon.key {
		s.mu.Lock()
		delete(s.monitors, mon.key)
		s.monitors[key] = mon
		s.mu.Unlock()
		mon.id, mon.key = bytes.Clone(id.Raw()), key
	}
	before := mon.kept
	mon.kept = mon.size()
	s.release(size(m) + before - mon.kept)
	d.monitors.add(mon)
	mon.send(body, d.history.last)
	return emptyObject, nil
}

func unknownMonitorSession(m jsonrpc.Message) error {
	return ovsdb.SyntaxError(m.Params.Index(0), "", "unknown monitor session")
}

// dropAll ends every monitor and every waiting transaction, because the database goes or
// its schema changes. Sessions that care are told.
func (d *database) dropAll() {
	for _, t := range slices.Clone(d.triggers) {
		if t.sess.aware.Load() {
			d.cancelTrigger(t)
		} else {
			d.dropTrigger(t) // its session is about to end
		}
	}
	var all []*monitor
	for m := range d.monitors.all {
		all = append(all, m)
	}
	for _, m := range all {
		// What a slow peer has not been told of it will not miss: it has to begin anew.
		if m.sess.aware.Load() {
			d.reply(m.sess, m.appendCanceled(nil), false, 0)
		}
		d.removeMonitor(m)
	}
}

// convert gives the database another schema, keeping what data fits.
func (d *database) convert(s *session, m jsonrpc.Message, _ *batch) {
	err := d.convertTo(s, m)
	if err == errForward {
		t := &trigger{base: d, sess: s, method: m.Method, id: m.ID.Raw(), key: canonical(m.ID), params: m.Params, size: size(m), arrived: time.Now()}
		if d.park(t) {
			return
		}
		err = errParked()
	}
	d.answer(s, m, emptyObject, err)
	if err == nil {
		d.srv.converted(d)
	}
}

// errForward says that a conversion is for the source of a relay to do.
var errForward = errors.New("the source converts the database")

func (d *database) convertTo(s *session, m jsonrpc.Message) error {
	switch {
	case s.access.role != "":
		return ovsdb.PermissionError(`RBAC rules for client "%s" role "%s" prohibit "convert" of database %s `+
			"(only the root role may convert databases)", s.peerID, s.access.role, d.name)
	case s.readOnly() || d.readOnly || d.backup:
		return ovsdb.NewError("not allowed", "conversion is not allowed for read-only database %s", d.name)
	case m.Params.Len() != 2:
		return ovsdb.SyntaxError(m.Params, "", "array expected")
	case d.srv.opts.Roles != nil && !s.access.trusted && !s.access.local:
		return ovsdb.PermissionError(`"convert" of database %s is not allowed over the network`, d.name)
	case d.failed != nil:
		return ovsdb.IOError(d.failed, "database %s is read-only after an I/O error", d.name)
	case d.relay:
		return errForward
	}
	// The message's memory goes with it; the schema keeps copies.
	schema, err := ovsdb.ParseSchema(m.Params.Index(1))
	if err != nil {
		return err
	}
	if schema.Name != d.name {
		return ovsdb.NewError("invalid parameters", "new schema name (%s) does not match database name (%s)",
			schema.Name, d.name)
	}
	next, err := d.db.Convert(schema)
	if err != nil {
		return err
	}
	d.abandonCompaction()
	if d.file != nil {
		if err := d.file.Compact(next.Snapshot().Records("converted by ovsdb-server", d.snapshotDate())...); err != nil {
			return ovsdb.IOError(err, "the converted database could not be stored")
		}
	}
	d.dropAll()
	d.db = next
	d.refreshManagers()
	d.history = newHistory(d.srv.historyLimit())
	d.mu.Lock()
	d.schema = schema.AppendJSON(nil)
	d.mu.Unlock()
	d.log.Info("converted the database", "version", schema.Version)
	return nil
}
