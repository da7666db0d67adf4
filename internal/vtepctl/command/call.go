package command

import (
	"fmt"
	"sort"
	"strings"

	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/argument"
	"github.com/vtep/vtep/internal/vtepctl/session"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// Call is one command of a command line, and the state of its run.
type Call struct {
	*Command
	Tool    *Tool
	Args    []string
	options map[string]string // by their names, with the leading "--"

	Needed *session.Needs // for Needs
	X      *txn.Txn       // for Run
	Last   bool           // no command follows
	Only   bool           // nor was there one before

	Out   strings.Builder // text output
	Table *Table          // output that can be formatted; nil: out is the output
	Value output.JSONText // output for -f json, of a command that prints text; nil: none
	State any             // what the command keeps from Needs to Run, or from Run to After
}

// Has says whether an option was given.
func (c *Call) Has(name string) bool { _, ok := c.options["--"+name]; return ok }

// Opt returns the argument of an option.
func (c *Call) Opt(name string) (string, bool) { s, ok := c.options["--"+name]; return s, ok }

// Reset forgets the output of an earlier run.
func (c *Call) Reset() {
	c.Out.Reset()
	c.Table = nil
	c.Value = nil
}

// Printf adds to the text output.
func (c *Call) Printf(format string, args ...any) { fmt.Fprintf(&c.Out, format, args...) }

// ListNames prints the names of records, sorted.
func (c *Call) ListNames(records []*txn.Record) {
	names := make([]string, len(records))
	for i, r := range records {
		names[i] = r.Str("name")
	}
	c.ListStrings(names)
}

// ListStrings prints strings, sorted.
func (c *Call) ListStrings(list []string) {
	sort.Strings(list)
	for _, s := range list {
		c.Printf("%s\n", s)
	}
	c.Value = output.JSONStrings(list)
}

// ColumnsArg returns the columns of --columns.
func (c *Call) ColumnsArg(t *ovsdb.TableSchema) ([]*ovsdb.ColumnSchema, error) {
	names, given := c.Opt("columns")
	return argument.FindColumns(t, names, given)
}

// Exists makes the exit status of a *-exists command.
func Exists(r *txn.Record) error {
	if r == nil {
		return ExitStatus(StatusAbsent)
	}
	return nil
}
