package ovsdbclient

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// selection is a table and those of its columns that are wanted.
type selection struct {
	table   *ovsdb.TableSchema
	columns ovsdb.ColumnSet
}

// dump prints the content of tables.
func (c *client) dump(args []string) error {
	schema, err := c.schema()
	if err != nil {
		return err
	}
	var wanted []selection
	for _, table := range schema.SortedTables() {
		s, err := selected(schema, []string{table.Name})
		if err != nil {
			return err
		}
		wanted = append(wanted, s)
	}
	if len(args) > 0 {
		s, err := selected(schema, args)
		if err != nil {
			return err
		}
		wanted = []selection{s}
	}
	results, err := c.fetch(wanted)
	if err != nil {
		return err
	}
	for i, s := range wanted {
		if err := c.dumpTable(s, results.Index(i).Get("rows")); err != nil {
			return err
		}
	}
	return nil
}

// selected is the table and the columns that args name; without columns, all.
func selected(schema *ovsdb.DatabaseSchema, args []string) (selection, error) {
	s := selection{table: schema.Tables[args[0]]}
	if s.table == nil {
		return s, fmt.Errorf("No table \"%s\" found.", args[0]) //lint:ignore ST1005 the words of the C program
	}
	for _, name := range args[1:] {
		column := s.table.Column(name)
		if column == nil {
			return s, fmt.Errorf("Table \"%s\" has no column %s.", args[0], name) //lint:ignore ST1005 the words of the C program
		}
		if column != ovsdb.VersionColumn && !s.columns.Contains(column) {
			s.columns = append(s.columns, column)
		}
	}
	if len(args) == 1 {
		s.columns = append(ovsdb.ColumnSet{ovsdb.UUIDColumn}, s.table.Columns...)
	}
	slices.SortFunc(s.columns, func(a, b *ovsdb.ColumnSchema) int { return strings.Compare(a.Name, b.Name) })
	return s, nil
}

// fetch selects all rows of tables, in one transaction.
func (c *client) fetch(wanted []selection) (wire.Value, error) {
	txn := [][]byte{wire.AppendString(nil, c.database)}
	for _, s := range wanted {
		op := wire.AppendString([]byte(`{"op":"select","where":[],"table":`), s.table.Name)
		txn = append(txn, append(s.columns.AppendJSON(append(op, `,"columns":`...)), '}'))
	}
	results, err := c.call("transact", array(txn...))
	if err != nil {
		return results, err
	}
	if results.Kind() != wire.Array || results.Len() != len(wanted) {
		return results, fmt.Errorf("reply is not array of %d elements: %s", len(wanted), results.AppendTo(nil, false))
	}
	for i, s := range wanted {
		if r := results.Index(i); r.Get("rows").Kind() != wire.Array {
			return results, fmt.Errorf("%s table reply is not an object with a \"rows\" member array: %s", s.table.Name, r.AppendTo(nil, false))
		}
	}
	return results, nil
}

func (c *client) dumpTable(s selection, rows wire.Value) error {
	var data [][]ovsdb.Datum
	for row := range rows.Elems() {
		values := make([]ovsdb.Datum, len(s.columns))
		for x, column := range s.columns {
			v := row.Get(column.Name)
			if !v.Exists() {
				return fmt.Errorf("row %d in table %s response lacks %s column", len(data), s.table.Name, column.Name)
			}
			var err error
			if values[x], err = ovsdb.ParseUnconstrained(v, &column.Type); err != nil {
				return err
			}
		}
		data = append(data, values)
	}
	slices.SortFunc(data, func(a, b []ovsdb.Datum) int { return s.compare(a, b) })
	t := &output.Table{Caption: s.table.Name + " table"}
	for _, column := range s.columns {
		t.Headings = append(t.Headings, column.Name)
	}
	for _, values := range data {
		cells := make([]output.Cell, len(values))
		for x, d := range values {
			cells[x] = output.Value(d, &s.columns[x].Type)
		}
		t.Rows = append(t.Rows, cells)
	}
	c.printer.Print(t, &c.style)
	return nil
}

// compare orders rows by their values, but by UUIDs, which are random, last.
func (s selection) compare(a, b []ovsdb.Datum) int {
	for _, uuids := range []bool{false, true} {
		for x, column := range s.columns {
			if (column.Type.Key.Type == ovsdb.UUIDType) != uuids {
				continue
			}
			if cmp := a[x].Compare(b[x], &column.Type); cmp != 0 {
				return cmp
			}
		}
	}
	return 0
}
