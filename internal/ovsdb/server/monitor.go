package server

import (
	"bytes"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// monitor is a session's standing wish to be told of changes. The loop of its database owns
// it.
type monitor struct {
	base    *database
	sess    *session
	id      []byte   // JSON, as the client gave it; of those that share a form, the same memory
	pending *changes // not sent yet because the session is slow; nil: in step
	handed  bool     // its session can be handed rows
	spec    *monitorSpec

	key   string // id in canonical form
	group *group // the monitors that are shown the same; nil: conditional, rendered alone
	place int    // in group.seats
	kept  int    // what it counts for in what the session keeps here
}

// group is the monitors of a database whose updates have equal bodies: one rendering serves
// them all.
type group struct {
	key   string
	spec  *monitorSpec
	seats []seat
}

// seat is a monitor in its group, with what every change has to know of it. Of thousands of monitors that a change is
// told to, the processor has none in its caches: what of them is looked at lies in a row.
type seat struct {
	mon  *monitor
	conn *jsonrpc.Conn // of its session
	form *form
}

// form is what monitors whose messages are the same have in common. Those one after another in a group share it.
type form struct {
	id     []byte
	proto  protocol
	handed bool
}

// monitors is the set of monitors of a database.
type monitors struct {
	groups map[string]*group
	alone  map[*monitor]struct{} // those without a group
	base   *database
	limits *Limits
}

func newMonitors(d *database) *monitors {
	return &monitors{groups: map[string]*group{}, alone: map[*monitor]struct{}{}, base: d, limits: &d.srv.opts.Limits}
}

// add puts m where its condition says.
func (ms *monitors) add(m *monitor) {
	if m.spec.conditional() {
		ms.alone[m] = struct{}{}
		return
	}
	key := m.spec.groupKey()
	g := ms.groups[key]
	if g == nil {
		g = &group{key: key, spec: m.spec}
		ms.groups[key] = g
	}
	f := &form{m.id, m.spec.proto, m.handed}
	if n := len(g.seats); n > 0 && g.seats[n-1].form.equal(f) {
		f = g.seats[n-1].form
		m.id = f.id
	}
	m.group, m.place = g, len(g.seats)
	g.seats = append(g.seats, seat{m, m.sess.conn, f})
}

func (ms *monitors) remove(m *monitor) {
	if m.group == nil {
		delete(ms.alone, m)
		return
	}
	g := m.group
	m.group = nil
	end := len(g.seats) - 1
	last := g.seats[end]
	g.seats[m.place], last.mon.place = last, m.place
	g.seats[end] = seat{}
	g.seats = g.seats[:end]
	if end == 0 {
		delete(ms.groups, g.key)
		return
	}
	g.spec = g.seats[0].mon.spec // that of m may be about to change
}

func (f *form) equal(g *form) bool {
	return f.proto == g.proto && f.handed == g.handed && bytes.Equal(f.id, g.id)
}

// all yields every monitor.
func (ms *monitors) all(yield func(*monitor) bool) {
	for m := range ms.alone {
		if !yield(m) {
			return
		}
	}
	for _, g := range ms.groups {
		for _, s := range g.seats {
			if !yield(s.mon) {
				return
			}
		}
	}
}

// publish tells every monitor of a transaction, which keeps about held bytes from being freed. last is its id.
func (ms *monitors) publish(cs *db.ChangeSet, held int, last ovsdb.UUID) {
	for _, g := range ms.groups {
		ms.publishTo(g, cs, held, last)
	}
	for m := range ms.alone {
		if !ms.postpone(m, cs) {
			m.send(renderChangeSet(cs, m.spec), last)
		}
	}
}

// publishTo is publish to a group. Monitors one after another that have the same form share one message.
func (ms *monitors) publishTo(g *group, cs *db.ChangeSet, held int, last ovsdb.UUID) {
	var body, text []byte
	var before *form // of the monitor whose message is body, or text if that is set
	for _, s := range g.seats {
		m := s.mon
		if !ms.keepsUp(s.conn) && ms.postpone(m, cs) {
			continue
		}
		if s.form.handed {
			if token, handed := m.hand(cs, held); handed {
				m.send(token, last)
				continue
			}
		}
		switch {
		case before == nil:
			if body = renderChangeSet(cs, g.spec); body == nil {
				body = []byte{} // not again
			}
		case len(body) == 0:
		case s.form == before:
			if text == nil {
				text = append(append(m.appendHead(make([]byte, 0, len(body)+len(m.id)+128), last), body...), updateTail...)
			}
			ms.base.send(s.conn, text)
			continue
		}
		before, text = s.form, nil
		if len(body) > 0 {
			m.send(body, last)
		}
	}
}

// keepsUp says that nothing has to be held back for the session of a connection, without a look at that: nothing is for
// any session.
func (ms *monitors) keepsUp(conn *jsonrpc.Conn) bool {
	return len(ms.base.arrears) == 0 && conn.Backlog() <= ms.limits.Queue
}

// postpone merges the change set into those that m has not been sent, if its session is
// behind.
func (ms *monitors) postpone(m *monitor, cs *db.ChangeSet) bool {
	if m.pending == nil {
		if m.base.arrears[m.sess] == nil && m.sess.conn.Backlog() <= ms.limits.Queue {
			return false
		}
		m.pending = newChanges()
		a := m.base.holdBack(m.sess)
		a.owed = append(a.owed, due{mon: m})
	}
	before := m.pending.bytes
	m.pending.add(cs, m.spec)
	if m.sess.postponed.Add(int64(m.pending.bytes-before)) > int64(ms.limits.Pending) {
		m.sess.abort(errTooSlow)
	}
	return true
}

// flush sends what was postponed.
func (m *monitor) flush(last ovsdb.UUID) {
	if m.pending == nil {
		return
	}
	body, handed := m.hand(m.pending, m.pending.bytes)
	if !handed {
		body = m.pending.render(m.spec)
	}
	m.forgive()
	m.send(body, last)
}

// forgive drops what was postponed.
func (m *monitor) forgive() {
	if m.pending != nil {
		m.sess.postponed.Add(-int64(m.pending.bytes))
		m.pending = nil
	}
}

// size is about how many bytes the monitor keeps of its request.
func (m *monitor) size() int {
	n := len(m.id) + len(m.key)
	for _, t := range m.spec.tables {
		n += t.size
	}
	return n
}

// send queues an update notification with the given body, which may be shared; nil: none.
func (m *monitor) send(body []byte, last ovsdb.UUID) {
	if body == nil {
		return
	}
	m.base.send(m.sess.conn, m.appendHead(make([]byte, 0, 128+len(m.id)), last), body, updateTail)
}

// appendHead appends what comes before the body of an update.
func (m *monitor) appendHead(head []byte, last ovsdb.UUID) []byte {
	head = append(head, `{"id":null,"method":"`...)
	head = append(head, m.spec.proto.updateMethod()...)
	head = append(head, `","params":[`...)
	head = append(head, m.id...)
	head = append(head, ',')
	if m.spec.proto == protoCondSince {
		head = append(head, '"')
		head = last.AppendText(head)
		head = append(head, `",`...)
	}
	return head
}

var updateTail = []byte(`]}`)

// appendCanceled appends the notification that m is no more.
func (m *monitor) appendCanceled(dst []byte) []byte {
	dst = append(dst, `{"id":null,"method":"monitor_canceled","params":[`...)
	dst = append(dst, m.id...)
	return append(dst, `]}`...)
}

// parseConditions parses the <monitor-cond-change-requests> for m into new conditions by
// table.
func (m *monitor) parseConditions(v wire.Value, schema *ovsdb.DatabaseSchema) (map[*monitorTable]newCondition, error) {
	if v.Kind() != wire.Object {
		return nil, ovsdb.SyntaxError(wire.Value{}, "", "monitor-cond-change-requests must be object")
	}
	conds := map[*monitorTable]newCondition{}
	for name, requests := range v.Members() {
		ts := schema.Tables[name]
		if ts == nil {
			return nil, ovsdb.SyntaxError(wire.Value{}, "", "no table named %s", name)
		}
		t := m.spec.tables[ts]
		if t == nil {
			return nil, ovsdb.SyntaxError(wire.Value{}, "", "no table named %s in monitor session", name)
		}
		if requests.Kind() != wire.Array {
			return nil, ovsdb.SyntaxError(wire.Value{}, "", "table %s no monitor-cond-change JSON array", name)
		}
		for r := range requests.Elems() {
			cond, err := parseConditionChange(r, ts)
			if err != nil {
				return nil, err
			}
			conds[t] = newCondition{cond, len(requests.Raw())}
		}
	}
	return conds, nil
}

// newCondition is a condition for a table of a monitor, and how long the request of it is.
type newCondition struct {
	ovsdb.Condition
	size int
}

func parseConditionChange(v wire.Value, ts *ovsdb.TableSchema) (ovsdb.Condition, error) {
	p := ovsdb.NewMembers(v, "table "+ts.Name)
	columns := p.Get("columns", ovsdb.OpArray|ovsdb.OpOptional)
	where := p.Get("where", ovsdb.OpArray|ovsdb.OpOptional)
	if err := p.Finish(); err != nil {
		return nil, err
	}
	if columns.Exists() {
		return nil, ovsdb.SyntaxError(v, "", "changing columns is unsupported")
	}
	if !where.Exists() {
		return nil, nil
	}
	return ovsdb.ParseCondition(where, ts, nil)
}

// changeConditions puts new conditions in place and gives the <table-updates> of what comes
// into view and what goes out of it, nil if nothing does. The specs of a group are not
// shared with m while this goes on: the caller has taken m out of its group.
func (m *monitor) changeConditions(d *db.Database, conds map[*monitorTable]newCondition) []byte {
	var w updateWriter
	for t, cond := range conds {
		if t.cond.Equal(cond.Condition) {
			continue
		}
		before := *t
		t.cond, t.size = cond.Condition, cond.size
		for row := range d.Table(t.schema.Name).All() {
			was, is := before.cond.MatchesAny(row), cond.MatchesAny(row)
			switch {
			case was && !is && t.sel&selDelete != 0:
				w.open(t.schema)
				w.buf = appendRowKey(w.buf, row)
				w.buf = t.appendRowUpdate2(w.buf, selDelete, row, nil)
			case !was && is && t.sel&selInsert != 0:
				w.open(t.schema)
				w.buf = appendRowKey(w.buf, row)
				w.buf = t.appendRowUpdate2(w.buf, selInsert, nil, row)
			}
		}
	}
	return w.finish()
}

func appendRowKey(dst []byte, row *ovsdb.Row) []byte {
	dst = append(dst, '"')
	dst = row.UUID.AppendText(dst)
	return append(dst, `":`...)
}
