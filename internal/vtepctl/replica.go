package vtepctl

import (
	"fmt"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// needs says which tables and columns a run reads. Of a table that is there without columns,
// only the rows and their UUIDs are wanted.
type needs struct {
	columns map[*ovsdb.TableSchema]map[*ovsdb.ColumnSchema]bool
}

// table asks for the rows of a table, and for what its records may be called by.
func (n *needs) table(t *ovsdb.TableSchema) {
	n.rows(t)
	if c := nameColumn(t); c != nil {
		n.column(t, c)
	}
}

// rows asks for the rows of a table alone.
func (n *needs) rows(t *ovsdb.TableSchema) {
	if n.columns == nil {
		n.columns = map[*ovsdb.TableSchema]map[*ovsdb.ColumnSchema]bool{}
	}
	if n.columns[t] == nil {
		n.columns[t] = map[*ovsdb.ColumnSchema]bool{}
	}
}

// column asks for a column, which may be _uuid.
func (n *needs) column(t *ovsdb.TableSchema, c *ovsdb.ColumnSchema) {
	n.rows(t)
	if c.Index >= 0 {
		n.columns[t][c] = true
	}
}

// named asks for columns by their names in the schema.
func (n *needs) named(table string, columns ...string) {
	t := hwvtep.Schema().Tables[table]
	n.rows(t)
	for _, name := range columns {
		n.column(t, t.Column(name))
	}
}

// appendRequest appends the <monitor-requests> of RFC 7047. A table or column that have does
// not know is left out.
func (n *needs) appendRequest(dst []byte, have func(table, column string) bool) []byte {
	dst = append(dst, '{')
	first := true
	for _, t := range hwvtep.Schema().SortedTables() {
		columns := n.columns[t]
		if columns == nil || !have(t.Name, "") {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(wire.AppendString(dst, t.Name), `:{"columns":[`...)
		comma := false
		for _, c := range t.Columns {
			if !columns[c] || !have(t.Name, c.Name) {
				continue
			}
			if comma {
				dst = append(dst, ',')
			}
			comma = true
			dst = wire.AppendString(dst, c.Name)
		}
		dst = append(dst, "]}"...)
	}
	return append(dst, '}')
}

// replica is what the server said that it has, as far as it was asked.
type replica struct {
	tables map[*ovsdb.TableSchema]map[ovsdb.UUID]*ovsdb.Row
	// version counts the updates. A transaction that lost a race is worth another try when it
	// has changed.
	version int
}

func newReplica() *replica {
	return &replica{tables: map[*ovsdb.TableSchema]map[ovsdb.UUID]*ovsdb.Row{}}
}

// update takes over <table-updates> of RFC 7047. observe, if not nil, is told of each change.
func (r *replica) update(updates wire.Value, observe func(t *ovsdb.TableSchema, old, new *ovsdb.Row)) error {
	for name, rows := range updates.Members() {
		t := hwvtep.Schema().Tables[name]
		if t == nil {
			return fmt.Errorf("update of unknown table %s", name)
		}
		have := r.tables[t]
		if have == nil {
			have = make(map[ovsdb.UUID]*ovsdb.Row, rows.Len())
			r.tables[t] = have
		}
		for id, change := range rows.Members() {
			u, ok := ovsdb.ParseUUID(id)
			if !ok {
				return fmt.Errorf("update of table %s has bad UUID %q", name, id)
			}
			old := have[u]
			values := change.Get("new")
			if values.Kind() != wire.Object {
				delete(have, u)
				if observe != nil {
					observe(t, old, nil)
				}
				continue
			}
			row, err := parseRow(t, u, old, values)
			if err != nil {
				return err
			}
			have[u] = row
			if observe != nil {
				observe(t, old, row)
			}
		}
	}
	r.version++
	return nil
}

// parseRow makes the row that old becomes with new values. Columns that are not there keep
// what they had, or their default.
func parseRow(t *ovsdb.TableSchema, u ovsdb.UUID, old *ovsdb.Row, values wire.Value) (*ovsdb.Row, error) {
	row := &ovsdb.Row{UUID: u, Fields: make([]ovsdb.Datum, len(t.Columns))}
	if old != nil {
		copy(row.Fields, old.Fields)
	} else {
		for i, c := range t.Columns {
			row.Fields[i] = ovsdb.Default(&c.Type)
		}
	}
	for name, v := range values.Members() {
		c := t.Column(name)
		if c == nil || c.Index < 0 {
			continue
		}
		d, err := ovsdb.ParseUnconstrained(v, &c.Type)
		if err != nil {
			return nil, fmt.Errorf("update of table %s column %s: %w", t.Name, name, err)
		}
		row.Fields[c.Index] = d
	}
	return row, nil
}

// sorted returns the rows of a table in the order of their UUIDs.
func (r *replica) sorted(t *ovsdb.TableSchema) []*ovsdb.Row {
	rows := make([]*ovsdb.Row, 0, len(r.tables[t]))
	for _, row := range r.tables[t] {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b *ovsdb.Row) int { return a.UUID.Compare(b.UUID) })
	return rows
}
