package database

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

func needList(c *command.Call) error {
	if err := needTable(c); err != nil {
		return err
	}
	t, _ := tableArg(c)
	columns, err := c.ColumnsArg(t)
	for _, column := range columns {
		c.Needed.Column(t, column)
	}
	return err
}

func needFind(c *command.Call) error {
	if err := needList(c); err != nil {
		return err
	}
	return needColumnArgs(1)(c)
}

// beginTable finds the table of the first argument and the columns that are asked for, and begins the
// listing.
func beginTable(c *command.Call) (*ovsdb.TableSchema, []*ovsdb.ColumnSchema, error) {
	t, err := tableArg(c)
	if err != nil {
		return nil, nil, err
	}
	columns, err := c.ColumnsArg(t)
	if err != nil {
		return nil, nil, err
	}
	c.Table = command.NewTable(columns)
	return t, columns, nil
}

func list(c *command.Call) error {
	t, columns, err := beginTable(c)
	if err != nil {
		return err
	}
	if len(c.Args) == 1 {
		for _, r := range c.X.Listed(t) {
			c.Table.AddRecord(r, columns)
		}
		return nil
	}
	for _, id := range c.Args[1:] {
		r, err := c.X.Lookup(t, id, !c.Has("if-exists"))
		if err != nil {
			return err
		}
		if r != nil {
			c.Table.AddRecord(r, columns)
		}
	}
	return nil
}

func find(c *command.Call) error {
	t, columns, err := beginTable(c)
	if err != nil {
		return err
	}
	for _, r := range c.X.Listed(t) {
		ok, err := matchesAll(c.X, r, c.Args[1:])
		if err != nil {
			return err
		}
		if ok {
			c.Table.AddRecord(r, columns)
		}
	}
	return nil
}

// matchesAll says whether a record meets all conditions.
func matchesAll(x *txn.Txn, r *txn.Record, conditions []string) (bool, error) {
	for _, condition := range conditions {
		if ok, err := matches(x, r, condition); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func waitUntil(c *command.Call) error {
	t, err := tableArg(c)
	if err != nil {
		return err
	}
	r, err := c.X.Lookup(t, c.Args[1], false)
	if err != nil {
		return err
	}
	if r == nil {
		return txn.ErrRetry
	}
	ok, err := matchesAll(c.X, r, c.Args[2:])
	if err == nil && !ok {
		err = txn.ErrRetry
	}
	return err
}
