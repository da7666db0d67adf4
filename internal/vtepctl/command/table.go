package command

import (
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// Table is the output of a command in rows and columns.
type Table struct {
	output.Table
	Columns bool // to be printed in columns where no format was asked for
}

// NewTable begins a table of columns of the database.
func NewTable(columns []*ovsdb.ColumnSchema) *Table {
	t := &Table{}
	for _, c := range columns {
		t.Headings = append(t.Headings, c.Name)
	}
	return t
}

// AddRecord adds a row with the columns of a record.
func (t *Table) AddRecord(r *txn.Record, columns []*ovsdb.ColumnSchema) {
	cells := make([]output.Cell, len(columns))
	for i, c := range columns {
		cells[i] = output.Value(r.Get(c), &c.Type)
	}
	t.Rows = append(t.Rows, cells)
}
