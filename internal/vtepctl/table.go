package vtepctl

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// table is output in rows and columns.
type table struct {
	headings []string
	rows     [][]cell
	columns  bool // to be printed in columns where no format was asked for
}

// cell is a value of a type; with a nil type, plain text.
type cell struct {
	value ovsdb.Datum
	typ   *ovsdb.Type
	text  string
}

// newTable begins a table of columns of the database.
func newTable(columns []*ovsdb.ColumnSchema) *table {
	t := &table{headings: make([]string, len(columns))}
	for i, c := range columns {
		t.headings[i] = c.Name
	}
	return t
}

// addRecord adds a row with the columns of a record.
func (t *table) addRecord(r *record, columns []*ovsdb.ColumnSchema) {
	cells := make([]cell, len(columns))
	for i, c := range columns {
		cells[i] = cell{value: r.get(c), typ: &c.Type}
	}
	t.rows = append(t.rows, cells)
}

// format returns the text of a cell.
func (c *cell) format(d dataFormat) string {
	switch {
	case c.typ == nil:
		return c.text
	case d == dataBare:
		return ovsdb.FormatDatumBare(c.value, c.typ)
	case d == dataJSON:
		return string(ovsdb.AppendDatum(nil, c.value, c.typ))
	}
	return ovsdb.FormatDatum(c.value, c.typ)
}

// appendJSON appends a cell as a JSON value.
func (c *cell) appendJSON(dst []byte) []byte {
	if c.typ == nil {
		return wire.AppendString(dst, c.text)
	}
	return ovsdb.AppendDatum(dst, c.value, c.typ)
}

// texts returns the texts of all cells.
func (t *table) texts(d dataFormat) [][]string {
	texts := make([][]string, len(t.rows))
	for y, row := range t.rows {
		texts[y] = make([]string, len(row))
		for x := range row {
			texts[y][x] = row[x].format(d)
		}
	}
	return texts
}
