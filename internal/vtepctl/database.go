package vtepctl

import (
	"fmt"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/ovsdb"
)

func databaseCommands() group {
	columns := getopt.Option{Long: "columns", Arg: getopt.RequiredArg, ArgName: "COLUMN,...", Help: "print only these columns, in this order"}
	id := func(help string) getopt.Option {
		return getopt.Option{Long: "id", Arg: getopt.RequiredArg, ArgName: "@NAME", Help: help}
	}
	return group{
		title: "Database",
		intro: "These commands work on any table. RECORD is a UUID or its beginning (4 digits or more), the name of a " +
			"switch, port or router, the target of a manager, or \".\" in a table with one row. Names of tables and " +
			"columns may be shortened, in any case, with \"-\" for \"_\". A set is written as [a, b], a map as {k=v, l=w}.",
		commands: []command{
			{name: "list", args: "TABLE [RECORD]...", min: 1, max: unlimited, options: []getopt.Option{ifExists, columns},
				brief: "print records, or all of TABLE",
				needs: needList, run: list},
			{name: "find", args: "TABLE [COLUMN[:KEY]=VALUE]...", min: 1, max: unlimited, options: []getopt.Option{columns},
				brief: "print the records that meet all conditions",
				text: "Instead of \"=\" there may be != < > <= >=, or {=} {!=} {<} {>} {<=} {>=} {in} {not-in} to compare sets: " +
					"is equal to, is not, is a part of, has as a part... With a KEY that a record does not have, the first " +
					"kind is never met, and the second takes the value for an empty set.",
				needs: needFind, run: find},
			{name: "get", args: "TABLE RECORD [COLUMN[:KEY]]...", min: 2, max: unlimited,
				options: []getopt.Option{ifExists, id("call the record @NAME in later commands")},
				brief:   "print values of a record, one a line",
				needs:   needGet, run: get},
			{name: "set", args: "TABLE RECORD COLUMN[:KEY]=VALUE...", min: 3, max: unlimited, options: []getopt.Option{ifExists}, writes: true,
				brief: "set columns, or keys in columns, of a record",
				needs: needColumnArgs(2), run: set},
			{name: "add", args: "TABLE RECORD COLUMN [KEY=]VALUE...", min: 4, max: unlimited, options: []getopt.Option{ifExists}, writes: true,
				brief: "add values to a column of a record", text: "A key that is there keeps its value.",
				needs: needOneColumn, run: add},
			{name: "remove", args: "TABLE RECORD COLUMN KEY|VALUE|KEY=VALUE...", min: 4, max: unlimited, options: []getopt.Option{ifExists}, writes: true,
				brief: "remove values from a column of a record", text: "It is no error if they are not there.",
				needs: needOneColumn, run: removeValues},
			{name: "clear", args: "TABLE RECORD COLUMN...", min: 3, max: unlimited, options: []getopt.Option{ifExists}, writes: true,
				brief: "empty columns of a record",
				needs: needClear, run: clearColumns},
			{name: "create", args: "TABLE COLUMN[:KEY]=VALUE...", min: 2, max: unlimited,
				options: []getopt.Option{id("call the record @NAME in other commands; or the UUID that it gets")}, writes: true,
				brief: "make a record and print its UUID",
				text: "Records of most tables go at once when nothing refers to them: make one with --id=@NAME, and in the " +
					"same call set a column of another record to @NAME.",
				needs: needCreate, run: create, after: created},
			{name: "destroy", args: "TABLE [RECORD]...", min: 1, max: unlimited,
				options: []getopt.Option{ifExists, {Long: "all", Help: "delete all records of TABLE"}}, writes: true,
				brief: "delete records",
				needs: needTable, run: destroy},
			{name: "wait-until", args: "TABLE RECORD [COLUMN[:KEY]=VALUE]...", min: 2, max: unlimited,
				brief: "wait until a record exists and meets all conditions",
				needs: needColumnArgs(2), run: waitUntil},
			{name: "comment", args: "[ARG]...", max: unlimited, brief: "do nothing; the words become part of the log of the database"},
		},
	}
}

// tableArg returns the table that the first argument names.
func tableArg(c *call) (*ovsdb.TableSchema, error) { return findTable(c.args[0]) }

func needTable(c *call) error {
	t, err := tableArg(c)
	if err == nil {
		c.needed.table(t)
	}
	return err
}

// needColumnArgs is for commands whose arguments from number n on begin with columns.
func needColumnArgs(n int) func(*call) error {
	return func(c *call) error {
		if err := needTable(c); err != nil {
			return err
		}
		t, _ := tableArg(c)
		for _, arg := range c.args[n:] {
			column, _, err := cutColumn(arg, t)
			if err != nil {
				return err
			}
			c.needed.column(t, column)
		}
		return nil
	}
}

func needOneColumn(c *call) error {
	if err := needTable(c); err != nil {
		return err
	}
	t, _ := tableArg(c)
	column, err := findColumn(t, c.args[2])
	if err == nil {
		c.needed.column(t, column)
	}
	return err
}

// recordArg finds the record that the first two arguments name; nil if there is none, and
// that is no error.
func recordArg(c *call) (*ovsdb.TableSchema, *record, error) {
	t, err := tableArg(c)
	if err != nil {
		return nil, nil, err
	}
	r, err := c.x.lookup(t, c.args[1], !c.has("if-exists"))
	return t, r, err
}

// checkMutable refuses to write a read-only column.
func checkMutable(r *record, c *ovsdb.ColumnSchema) error {
	if !r.mutable(c) {
		return fmt.Errorf("cannot modify read-only column %s in table %s", c.Name, r.table.Name)
	}
	return nil
}
