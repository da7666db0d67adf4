package server

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
)

// A client in this process is handed rows as they are, if it can take them (client.Values): the same
// updates in the same order, but with a token in place of the text of what has changed. What it has
// not taken yet is bounded like what is merged for a peer that is slow: beyond that it gets text, which
// counts in the backlog.

// hand gives what stands in the update of m for changes that keep about held bytes from being freed,
// nil if it shows none of them; false: they have to be rendered.
func (m *monitor) hand(c ovsdb.Changes, held int) (token []byte, ok bool) {
	if !m.handed || !m.spec.plain() {
		return nil, false
	}
	if !m.spec.touches(c) {
		return nil, true
	}
	token = m.sess.values.Put(c, held, m.sess.srv.opts.Limits.Pending)
	return token, token != nil
}

// handContents is hand for all that there is.
func (m *monitor) handContents() (token []byte, ok bool) {
	if !m.handed {
		return nil, false
	}
	return m.hand(contentsOf(m.base.db, m.spec), 0)
}

// plain says whether the spec shows all changes of the tables that it names.
func (s *monitorSpec) plain() bool {
	for _, t := range s.tables {
		if t.sel != selAll || !t.cond.IsTrue() {
			return false
		}
	}
	return true
}

// touches says whether c has rows of tables that are shown.
func (s *monitorSpec) touches(c ovsdb.Changes) bool {
	switch c := c.(type) {
	case *db.ChangeSet:
		for i := range c.Tables {
			if s.tables[c.Tables[i].Schema] != nil {
				return true
			}
		}
		return false
	case *changes:
		return c.rows > 0 // of no others
	}
	return true
}

// contents are the rows of a database, as changes of an empty one.
type contents []tableRows

type tableRows struct {
	schema *ovsdb.TableSchema
	rows   []*ovsdb.Row
}

// contentsOf gives what there is of the tables that spec shows.
func contentsOf(d *db.Database, spec *monitorSpec) contents {
	var all contents
	for _, t := range d.Tables() {
		if spec.tables[t.Schema()] == nil || t.Len() == 0 {
			continue
		}
		rows := make([]*ovsdb.Row, 0, t.Len())
		for row := range t.All() {
			rows = append(rows, row)
		}
		all = append(all, tableRows{t.Schema(), rows})
	}
	return all
}

// EachRow implements ovsdb.Changes.
func (c contents) EachRow(visit func(t *ovsdb.TableSchema, before, after *ovsdb.Row)) {
	for _, t := range c {
		for _, row := range t.rows {
			visit(t.schema, nil, row)
		}
	}
}

// EachRow implements ovsdb.Changes.
func (c *changes) EachRow(visit func(t *ovsdb.TableSchema, before, after *ovsdb.Row)) {
	for ts, rows := range c.tables {
		for _, m := range rows {
			visit(ts, m.old, m.new)
		}
	}
}
