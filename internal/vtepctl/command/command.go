// Package command says what a command of vtep-ctl is, splits a command line into calls of commands,
// and holds what a call prints.
package command

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/ovsdb"
)

// Unlimited is the max of a command that takes any number of arguments.
const Unlimited = math.MaxInt32

// Command is an entry of the table of commands. What it says of a command is all that there
// is: parsing, help, the manual page and completion are made from it.
type Command struct {
	Name     string
	Args     string // as in the usage: "PS PORT [VLAN]"
	Min, Max int    // how many arguments
	Options  []getopt.Option
	Writes   bool   // may change the database
	Extra    bool   // vtep-ctl of Open vSwitch does not have it
	Brief    string // one line
	Text     string // more, for the manual page and "help COMMAND"; paragraphs end with a blank line

	// A command that works on the database has these; each may be nil.
	Needs func(c *Call) error                              // before connecting: what Run will read
	Run   func(c *Call) error                              // on the working copy; may happen several times
	After func(c *Call, given func(ovsdb.UUID) ovsdb.UUID) // when committed: given knows the UUIDs of new rows

	// Alone is for a command that is no part of a transaction and must be the only one.
	Alone func(c *Call) error
}

// Group is a section of the help.
type Group struct {
	Title    string
	Intro    string // for the manual page
	Commands []Command
}

// Find returns the command called name, or nil.
func Find(all []Group, name string) *Command {
	for _, g := range all {
		for i := range g.Commands {
			if g.Commands[i].Name == name {
				return &g.Commands[i]
			}
		}
	}
	return nil
}

// Synopsis is a command as it is written, with its options.
func (c *Command) Synopsis() string {
	var b strings.Builder
	for _, o := range c.Options {
		b.WriteString("[" + o.Synopsis() + "] ")
	}
	b.WriteString(c.Name)
	if c.Args != "" {
		b.WriteString(" " + c.Args)
	}
	return b.String()
}

// option returns the option called name of c, or nil.
func (c *Command) option(name string) *getopt.Option {
	for i := range c.Options {
		if c.Options[i].Long == name {
			return &c.Options[i]
		}
	}
	return nil
}

// LocalOptions returns the options of all commands once each: those of Open vSwitch first,
// flags before others, short names before long. That is the order in which its vtep-ctl names
// them when an abbreviation is ambiguous.
// What is given of them is added to given, by their names.
func LocalOptions(all []Group, given map[string]Local) []getopt.Option {
	var options []getopt.Option
	for _, g := range all {
		for _, c := range g.Commands {
			options = append(options, c.Options...)
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
			given[o.Long] = Local{arg, o.Arg}
			return nil
		}
	}
	return options
}

// Local is an option of a command that came before the first word.
type Local struct {
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
	MayExist = getopt.Option{Long: "may-exist", Help: "it is no error if it exists"}
	IfExists = getopt.Option{Long: "if-exists", Help: "it is no error if it does not exist"}
)
