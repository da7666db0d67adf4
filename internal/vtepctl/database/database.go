// Package database has the commands that work on any table.
package database

import (
	"fmt"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/argument"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// Commands returns the commands that work on any table.
func Commands() command.Group {
	columns := getopt.Option{Long: "columns", Arg: getopt.RequiredArg, ArgName: "COLUMN,...", Help: "print only these columns, in this order"}
	id := func(help string) getopt.Option {
		return getopt.Option{Long: "id", Arg: getopt.RequiredArg, ArgName: "@NAME", Help: help}
	}
	return command.Group{
		Title: "Database",
		Intro: "These commands work on any table. RECORD is a UUID or its beginning (4 digits or more), the name of a " +
			"switch, port or router, the target of a manager, or \".\" in a table with one row. Names of tables and " +
			"columns may be shortened, in any case, with \"-\" for \"_\". A set is written as [a, b], a map as {k=v, l=w}.",
		Commands: []command.Command{
			{Name: "list", Args: "TABLE [RECORD]...", Min: 1, Max: command.Unlimited, Options: []getopt.Option{command.IfExists, columns},
				Brief: "print records, or all of TABLE",
				Needs: needList, Run: list},
			{Name: "find", Args: "TABLE [COLUMN[:KEY]=VALUE]...", Min: 1, Max: command.Unlimited, Options: []getopt.Option{columns},
				Brief: "print the records that meet all conditions",
				Text: "Instead of \"=\" there may be != < > <= >=, or {=} {!=} {<} {>} {<=} {>=} {in} {not-in} to compare sets: " +
					"is equal to, is not, is a part of, has as a part... With a KEY that a record does not have, the first " +
					"kind is never met, and the second takes the value for an empty set.",
				Needs: needFind, Run: find},
			{Name: "get", Args: "TABLE RECORD [COLUMN[:KEY]]...", Min: 2, Max: command.Unlimited,
				Options: []getopt.Option{command.IfExists, id("call the record @NAME in later commands")},
				Brief:   "print values of a record, one a line",
				Needs:   needGet, Run: get},
			{Name: "set", Args: "TABLE RECORD COLUMN[:KEY]=VALUE...", Min: 3, Max: command.Unlimited, Options: []getopt.Option{command.IfExists}, Writes: true,
				Brief: "set columns, or keys in columns, of a record",
				Needs: needColumnArgs(2), Run: set},
			{Name: "add", Args: "TABLE RECORD COLUMN [KEY=]VALUE...", Min: 4, Max: command.Unlimited, Options: []getopt.Option{command.IfExists}, Writes: true,
				Brief: "add values to a column of a record", Text: "A key that is there keeps its value.",
				Needs: needOneColumn, Run: add},
			{Name: "remove", Args: "TABLE RECORD COLUMN KEY|VALUE|KEY=VALUE...", Min: 4, Max: command.Unlimited, Options: []getopt.Option{command.IfExists}, Writes: true,
				Brief: "remove values from a column of a record", Text: "It is no error if they are not there.",
				Needs: needOneColumn, Run: removeValues},
			{Name: "clear", Args: "TABLE RECORD COLUMN...", Min: 3, Max: command.Unlimited, Options: []getopt.Option{command.IfExists}, Writes: true,
				Brief: "empty columns of a record",
				Needs: needClear, Run: clearColumns},
			{Name: "create", Args: "TABLE COLUMN[:KEY]=VALUE...", Min: 2, Max: command.Unlimited,
				Options: []getopt.Option{id("call the record @NAME in other commands; or the UUID that it gets")}, Writes: true,
				Brief: "make a record and print its UUID",
				Text: "Records of most tables go at once when nothing refers to them: make one with --id=@NAME, and in the " +
					"same call set a column of another record to @NAME.",
				Needs: needCreate, Run: create, After: created},
			{Name: "destroy", Args: "TABLE [RECORD]...", Min: 1, Max: command.Unlimited,
				Options: []getopt.Option{command.IfExists, {Long: "all", Help: "delete all records of TABLE"}}, Writes: true,
				Brief: "delete records",
				Needs: needTable, Run: destroy},
			{Name: "wait-until", Args: "TABLE RECORD [COLUMN[:KEY]=VALUE]...", Min: 2, Max: command.Unlimited,
				Brief: "wait until a record exists and meets all conditions",
				Needs: needColumnArgs(2), Run: waitUntil},
			{Name: "comment", Args: "[ARG]...", Max: command.Unlimited, Brief: "do nothing; the words become part of the log of the database"},
		},
	}
}

// tableArg returns the table that the first argument names.
func tableArg(c *command.Call) (*ovsdb.TableSchema, error) { return argument.FindTable(c.Args[0]) }

func needTable(c *command.Call) error {
	t, err := tableArg(c)
	if err == nil {
		c.Needed.Table(t)
	}
	return err
}

// needColumnArgs is for commands whose arguments from number n on begin with columns.
func needColumnArgs(n int) func(*command.Call) error {
	return func(c *command.Call) error {
		if err := needTable(c); err != nil {
			return err
		}
		t, _ := tableArg(c)
		for _, arg := range c.Args[n:] {
			column, _, err := argument.CutColumn(arg, t)
			if err != nil {
				return err
			}
			c.Needed.Column(t, column)
		}
		return nil
	}
}

func needOneColumn(c *command.Call) error {
	if err := needTable(c); err != nil {
		return err
	}
	t, _ := tableArg(c)
	column, err := argument.FindColumn(t, c.Args[2])
	if err == nil {
		c.Needed.Column(t, column)
	}
	return err
}

// recordArg finds the record that the first two arguments name; nil if there is none, and
// that is no error.
func recordArg(c *command.Call) (*ovsdb.TableSchema, *txn.Record, error) {
	t, err := tableArg(c)
	if err != nil {
		return nil, nil, err
	}
	r, err := c.X.Lookup(t, c.Args[1], !c.Has("if-exists"))
	return t, r, err
}

// checkMutable refuses to write a read-only column.
func checkMutable(r *txn.Record, c *ovsdb.ColumnSchema) error {
	if !r.Mutable(c) {
		return fmt.Errorf("cannot modify read-only column %s in table %s", c.Name, r.Table.Name)
	}
	return nil
}
