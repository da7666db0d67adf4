package vtepctl

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/getopt"
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
	options  []getopt.Option
	writes   bool   // may change the database
	extra    bool   // vtep-ctl of Open vSwitch does not have it
	brief    string // one line
	text     string // more, for the manual page and "help COMMAND"; paragraphs end with a blank line

	// A command that works on the database has these; each may be nil.
	needs func(c *call) error                              // before connecting: what run will read
	run   func(c *call) error                              // on the working copy; may happen several times
	after func(c *call, given func(ovsdb.UUID) ovsdb.UUID) // when committed: given knows the UUIDs of new rows

	// alone is for a command that is no part of a transaction and must be the only one.
	alone func(c *call) error
}

// group is a section of the help.
type group struct {
	title    string
	intro    string // for the manual page
	commands []command
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

// synopsis is a command as it is written, with its options.
func (c *command) synopsis() string {
	var b strings.Builder
	for _, o := range c.options {
		b.WriteString("[" + o.Synopsis() + "] ")
	}
	b.WriteString(c.name)
	if c.args != "" {
		b.WriteString(" " + c.args)
	}
	return b.String()
}

// option returns the option called name of c, or nil.
func (c *command) option(name string) *getopt.Option {
	for i := range c.options {
		if c.options[i].Long == name {
			return &c.options[i]
		}
	}
	return nil
}

// localOptions returns the options of all commands once each: those of Open vSwitch first,
// flags before others, short names before long. That is the order in which its vtep-ctl names
// them when an abbreviation is ambiguous.
//
// What is given of them is added to given.
func localOptions(all []group, given map[string]localOption) []getopt.Option {
	var options []getopt.Option
	for _, g := range all {
		for _, c := range g.commands {
			options = append(options, c.options...)
		}
	}
	slices.SortStableFunc(options, func(a, b getopt.Option) int {
		return cmp.Or(boolCompare(a.Extra, b.Extra), boolCompare(a.Arg != getopt.NoArg, b.Arg != getopt.NoArg),
			cmp.Compare(len(a.Long), len(b.Long)), cmp.Compare(a.Long, b.Long))
	})
	options = slices.CompactFunc(options, func(a, b getopt.Option) bool { return a.Long == b.Long })
	for i := range options {
		o := &options[i]
		o.Set = func(arg string) error {
			given[o.Long] = localOption{arg, o.Arg}
			return nil
		}
	}
	return options
}

// localOption is an option of a command that came before the first word.
type localOption struct {
	arg  string
	mode getopt.ArgMode
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
	mayExist = getopt.Option{Long: "may-exist", Help: "it is no error if it exists"}
	ifExists = getopt.Option{Long: "if-exists", Help: "it is no error if it does not exist"}
)
