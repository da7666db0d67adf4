package vtepctl

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
)

// unlimited is the max of a command that takes any number of arguments.
const unlimited = math.MaxInt32

// command is an entry of the table of commands. What it says of a command is all that there
// is: parsing, help, the manual page and completion are made from it.
type command struct {
	name     string
	args     string // as in the usage: "PS PORT [VLAN]"
	min, max int    // how many arguments
	options  []option
	writes   bool   // may change the database
	extra    bool   // vtep-ctl of Open vSwitch does not have it
	brief    string // one line
	text     string // more, for the manual page and "help COMMAND"; paragraphs end with a blank line

	// A command that works on the database has these; each may be nil.
	needs func(c *call) error                              // before connecting: what run will read
	run   func(c *call) error                              // on the working copy; may happen several times
	after func(c *call, given func(ovsdb.UUID) ovsdb.UUID) // when committed: given knows the UUIDs of new rows

	// alone is for a command that is no part of a transaction and must be the only one.
	alone func(t *tool, c *call) error
}

// group is a section of the help.
type group struct {
	title    string
	intro    string // for the manual page
	commands []command
}

// groups returns all commands, in the order of the help.
func groups() []group {
	return []group{
		overviewCommands(),
		physicalSwitchCommands(),
		portCommands(),
		logicalSwitchCommands(),
		bindingCommands(),
		routerCommands(),
		localMACCommands(),
		remoteMACCommands(),
		managerCommands(),
		applyCommands(),
		databaseCommands(),
		toolCommands(),
	}
}

// findCommand returns the command called name, or nil.
func findCommand(all []group, name string) *command {
	for _, g := range all {
		for i := range g.commands {
			if g.commands[i].name == name {
				return &g.commands[i]
			}
		}
	}
	return nil
}

// option returns the option called name of c, or nil.
func (c *command) option(name string) *option {
	for i := range c.options {
		if c.options[i].long == name {
			return &c.options[i]
		}
	}
	return nil
}

// localOptions returns the options of all commands once each: those of Open vSwitch first,
// flags before others, short names before long. That is the order in which its vtep-ctl names
// them when an abbreviation is ambiguous.
func localOptions(all []group) []option {
	var options []option
	for _, g := range all {
		for _, c := range g.commands {
			options = append(options, c.options...)
		}
	}
	slices.SortStableFunc(options, func(a, b option) int {
		return cmp.Or(boolCompare(a.extra, b.extra), boolCompare(a.arg != noArg, b.arg != noArg),
			cmp.Compare(len(a.long), len(b.long)), cmp.Compare(a.long, b.long))
	})
	return slices.CompactFunc(options, func(a, b option) bool { return a.long == b.long })
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// The options that several commands have.
var (
	mayExist = option{long: "may-exist", help: "it is no error if it exists"}
	ifExists = option{long: "if-exists", help: "it is no error if it does not exist"}
)

// call is one command of a command line, and the state of its run.
type call struct {
	*command
	tool    *tool
	args    []string
	options map[string]string // by their names, with the leading "--"

	needed *needs // for needs
	x      *txn   // for run
	last   bool   // no command follows
	only   bool   // nor was there one before

	out   strings.Builder // text output
	table *table          // output that can be formatted; nil: out is the output
	value jsonValue       // output for -f json, of a command that prints text; nil: none
	made  ovsdb.UUID      // the row that "create" made

	config *config // of "apply"
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
