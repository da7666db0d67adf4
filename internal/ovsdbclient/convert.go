package ovsdbclient

import (
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/ovsdbtool"
)

func (c *client) convert(args []string) error {
	schema, err := c.openSchema(args)
	if err != nil {
		return err
	}
	if err := c.askChanges(); err != nil {
		return err
	}
	_, err = c.call("convert", array(wire.AppendString(nil, schema.Name), schema.AppendJSON(nil)))
	return err
}

func (c *client) needsConversion(args []string) error {
	want, err := c.openSchema(args)
	if err != nil {
		return err
	}
	have, err := c.schema()
	if err != nil {
		return err
	}
	answer := "yes"
	if have.Equal(want) {
		answer = "no"
	}
	fmt.Fprintln(c.out, answer)
	return nil
}

// openSchema reads a schema and connects to a server of the database that it names. In a
// clustered database every column is persistent.
func (c *client) openSchema(args []string) (*ovsdb.DatabaseSchema, error) {
	schema, err := ovsdbtool.ReadSchema(args[len(args)-1])
	if err != nil {
		return nil, err
	}
	c.database = schema.Name
	if _, err := c.open(&command{min: 1, need: needsDatabase}, args); err != nil {
		return nil, err
	}
	row, err := c.databaseRow("")
	if err != nil {
		return nil, err
	}
	if row.Get("model").Str() == "clustered" {
		for _, table := range schema.Tables {
			for _, column := range table.Columns {
				column.Persistent = true
			}
		}
	}
	return schema, nil
}
