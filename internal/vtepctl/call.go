package vtepctl

import (
	"fmt"
	"sort"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
)

// call is one command of a command line, and the state of its run.
type call struct {
	*command
	tool    *Tool
	args    []string
	options map[string]string // by their names, with the leading "--"

	needed *needs // for needs
	x      *txn   // for run
	last   bool   // no command follows
	only   bool   // nor was there one before

	out   strings.Builder // text output
	table *table          // output that can be formatted; nil: out is the output
	value jsonValue       // output for -f json, of a command that prints text; nil: none
	state any             // what the command keeps from needs to run, or from run to after
}

// has says whether an option was given.
func (c *call) has(name string) bool { _, ok := c.options["--"+name]; return ok }

// opt returns the argument of an option.
func (c *call) opt(name string) (string, bool) { s, ok := c.options["--"+name]; return s, ok }

// reset forgets the output of an earlier run.
func (c *call) reset() {
	c.out.Reset()
	c.table = nil
	c.value = nil
}

// printf adds to the text output.
func (c *call) printf(format string, args ...any) { fmt.Fprintf(&c.out, format, args...) }

// listNames prints the names of records, sorted.
func (c *call) listNames(records []*record) {
	names := make([]string, len(records))
	for i, r := range records {
		names[i] = r.str("name")
	}
	c.listStrings(names)
}

// listStrings prints strings, sorted.
func (c *call) listStrings(list []string) {
	sort.Strings(list)
	for _, s := range list {
		c.printf("%s\n", s)
	}
	c.value = stringsJSON(list)
}

// columnsArg returns the columns of --columns.
func (c *call) columnsArg(t *ovsdb.TableSchema) ([]*ovsdb.ColumnSchema, error) {
	names, given := c.opt("columns")
	return findColumns(t, names, given)
}

// exists makes the exit status of a *-exists command.
func exists(r *record) error {
	if r == nil {
		return exitStatus(statusAbsent)
	}
	return nil
}
