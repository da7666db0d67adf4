package vtepctl

import (
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
)

// table is the output of a command in rows and columns.
type table struct {
	output.Table
	columns bool // to be printed in columns where no format was asked for
}

// newTable begins a table of columns of the database.
func newTable(columns []*ovsdb.ColumnSchema) *table {
	t := &table{}
	for _, c := range columns {
		t.Headings = append(t.Headings, c.Name)
	}
	return t
}

// addRecord adds a row with the columns of a record.
func (t *table) addRecord(r *record, columns []*ovsdb.ColumnSchema) {
	cells := make([]output.Cell, len(columns))
	for i, c := range columns {
		cells[i] = output.Value(r.get(c), &c.Type)
	}
	t.Rows = append(t.Rows, cells)
}
