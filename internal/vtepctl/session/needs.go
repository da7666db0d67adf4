package session

import (
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/vtepctl/argument"
)

// Needs says which tables and columns a run reads. Of a table that is there without columns,
// only the rows and their UUIDs are wanted.
type Needs struct {
	columns map[*ovsdb.TableSchema]map[*ovsdb.ColumnSchema]bool
}

// Table asks for the rows of a table, and for what its records may be called by.
func (n *Needs) Table(t *ovsdb.TableSchema) {
	n.Rows(t)
	if c := argument.NameColumn(t); c != nil {
		n.Column(t, c)
	}
}

// Rows asks for the rows of a table alone.
func (n *Needs) Rows(t *ovsdb.TableSchema) {
	if n.columns == nil {
		n.columns = map[*ovsdb.TableSchema]map[*ovsdb.ColumnSchema]bool{}
	}
	if n.columns[t] == nil {
		n.columns[t] = map[*ovsdb.ColumnSchema]bool{}
	}
}

// Column asks for a column, which may be _uuid.
func (n *Needs) Column(t *ovsdb.TableSchema, c *ovsdb.ColumnSchema) {
	n.Rows(t)
	if c.Index >= 0 {
		n.columns[t][c] = true
	}
}

// Named asks for columns by their names in the schema.
func (n *Needs) Named(table string, columns ...string) {
	t := hwvtep.Schema().Tables[table]
	n.Rows(t)
	for _, name := range columns {
		n.Column(t, t.Column(name))
	}
}

// appendRequest appends the <monitor-requests> of RFC 7047. A table or column that have does
// not know is left out.
func (n *Needs) appendRequest(dst []byte, have func(table, column string) bool) []byte {
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
