package output

import (
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Table is output in rows and columns.
type Table struct {
	Caption  string    // empty: none
	Time     time.Time // printed above it; zero: none
	Headings []string
	Rows     [][]Cell // each as long as Headings, or shorter
}

// Cell is what stands in one place of a table. The zero Cell is an empty one.
type Cell struct {
	kind  cellKind
	text  string
	value ovsdb.Datum
	typ   *ovsdb.Type
	json  wire.Value
}

type cellKind uint8

const (
	absent cellKind = iota
	isText
	isValue
	isJSON
)

// Text is a cell with text, printed as it is in every format.
func Text(s string) Cell { return Cell{kind: isText, text: s} }

// Value is a cell with a value of type t.
func Value(d ovsdb.Datum, t *ovsdb.Type) Cell { return Cell{kind: isValue, value: d, typ: t} }

// RawJSON is a cell with a JSON value.
func RawJSON(v wire.Value) Cell { return Cell{kind: isJSON, json: v} }

// format returns the text of a cell.
func (c *Cell) format(d Data) string {
	switch c.kind {
	case isText:
		return c.text
	case isJSON:
		return string(c.json.AppendTo(nil, true))
	case absent:
		return ""
	}
	switch d {
	case Bare:
		return ovsdb.FormatDatumBare(c.value, c.typ)
	case JSONData:
		return string(ovsdb.AppendDatum(nil, c.value, c.typ))
	}
	return ovsdb.FormatDatum(c.value, c.typ)
}

// appendJSON appends a cell as a JSON value.
func (c *Cell) appendJSON(dst []byte) []byte {
	switch c.kind {
	case isText:
		return wire.AppendString(dst, c.text)
	case isJSON:
		return c.json.AppendTo(dst, true)
	case isValue:
		return ovsdb.AppendDatum(dst, c.value, c.typ)
	}
	return append(dst, "null"...)
}

// texts returns the texts of all cells: for each row one for each heading.
func (t *Table) texts(d Data) [][]string {
	texts := make([][]string, len(t.Rows))
	for y, row := range t.Rows {
		texts[y] = make([]string, len(t.Headings))
		for x := range row {
			texts[y][x] = row[x].format(d)
		}
	}
	return texts
}
