package ovsdbclient

import (
	"fmt"

	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func (c *client) listDBs([]string) error {
	names, err := c.databases()
	if err != nil {
		return err
	}
	for _, name := range names {
		fmt.Fprintln(c.out, name)
	}
	return nil
}

func (c *client) getSchema([]string) error {
	schema, err := c.schema()
	if err != nil {
		return err
	}
	v, err := wire.Parse(schema.AppendJSON(nil))
	if err != nil {
		return err
	}
	c.printJSON(v)
	return nil
}

func (c *client) getVersion([]string) error {
	schema, err := c.schema()
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, schema.Version)
	return nil
}

func (c *client) getCksum([]string) error {
	schema, err := c.schema()
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, schema.Cksum)
	return nil
}

func (c *client) listTables([]string) error {
	schema, err := c.schema()
	if err != nil {
		return err
	}
	t := &output.Table{Headings: []string{"Table"}}
	for _, table := range schema.SortedTables() {
		t.Rows = append(t.Rows, []output.Cell{output.Text(table.Name)})
	}
	c.printer.Print(t, &c.style)
	return nil
}

func (c *client) listColumns(args []string) error {
	schema, err := c.schema()
	if err != nil {
		return err
	}
	t := &output.Table{Headings: []string{"Table", "Column", "Type"}}
	if len(args) > 0 {
		t.Headings = t.Headings[1:]
	}
	for _, table := range schema.SortedTables() {
		if len(args) > 0 && args[0] != table.Name {
			continue
		}
		for _, column := range allColumns(table) {
			typ, err := wire.Parse(column.Type.AppendJSON(nil))
			if err != nil {
				return err
			}
			row := []output.Cell{output.Text(table.Name), output.Text(column.Name), output.RawJSON(typ)}
			t.Rows = append(t.Rows, row[len(row)-len(t.Headings):])
		}
	}
	c.printer.Print(t, &c.style)
	return nil
}

// allColumns returns the columns of a table with those that every table has.
func allColumns(table *ovsdb.TableSchema) []*ovsdb.ColumnSchema {
	return append([]*ovsdb.ColumnSchema{ovsdb.UUIDColumn, ovsdb.VersionColumn}, table.Columns...)
}
