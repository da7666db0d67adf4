// Package getopt parses command lines as getopt_long of the C library does, with its messages.
package getopt

import (
	"errors"
	"fmt"
	"io"
)

// ArgMode says whether an option takes an argument.
type ArgMode uint8

const (
	NoArg       ArgMode = iota
	RequiredArg         // --name=ARG, --name ARG, -xARG or -x ARG
	OptionalArg         // --name, --name=ARG, -x or -xARG: never the next word
)

// Option is one command line option. It has a long name, a short one, or both.
type Option struct {
	Long    string
	Short   byte // 0: none
	Arg     ArgMode
	ArgName string // for the usage text
	Help    string // one line; empty: not in the usage text
	// Extra marks an option that the C program of this name does not have. It takes part in
	// abbreviations only where no other option does, so that those in use keep their meaning.
	Extra bool
	// Repeatable marks an option whose occurrences add up; of others the last one counts.
	Repeatable bool
	// Set is called for each occurrence, in order; arg is "" where none was given.
	Set func(arg string) error
}

// Flag returns an option without argument that sets *p.
func Flag(long, help string, p *bool) Option {
	return Option{Long: long, Help: help, Set: func(string) error { *p = true; return nil }}
}

// String returns an option whose argument becomes *p.
func String(long, argName, help string, p *string) Option {
	return Option{Long: long, Arg: RequiredArg, ArgName: argName, Help: help,
		Set: func(arg string) error { *p = arg; return nil }}
}

// Strings returns a repeatable option whose arguments are appended to *p.
func Strings(long, argName, help string, p *[]string) Option {
	return Option{Long: long, Arg: RequiredArg, ArgName: argName, Help: help, Repeatable: true,
		Set: func(arg string) error { *p = append(*p, arg); return nil }}
}

// ErrEmpty is why an option refuses an empty argument.
var ErrEmpty = errors.New("it needs a value")

// Filled has those options that require an argument refuse an empty one, as $UNSET makes it. It
// returns them.
func Filled(options []Option) []Option {
	for i := range options {
		if set := options[i].Set; options[i].Arg == RequiredArg {
			options[i].Set = func(arg string) error {
				if arg == "" {
					return ErrEmpty
				}
				return set(arg)
			}
		}
	}
	return options
}

// ErrHelp is for the Set function of a help option: the caller prints its usage and ends well.
var ErrHelp = errors.New("help wanted")

// ErrVersion is the same for a version option.
var ErrVersion = errors.New("version wanted")

// Synopsis is an option as it is written: --name[=ARG], or -x if it has no long name.
func (o *Option) Synopsis() string {
	if o.Long == "" {
		return "-" + string(o.Short)
	}
	switch o.Arg {
	case RequiredArg:
		return "--" + o.Long + "=" + o.ArgName
	case OptionalArg:
		return "--" + o.Long + "[=" + o.ArgName + "]"
	}
	return "--" + o.Long
}

// Names is an option as lists of options show it: with its short name.
func (o *Option) Names() string {
	if o.Long != "" && o.Short != 0 {
		return "-" + string(o.Short) + ", " + o.Synopsis()
	}
	return o.Synopsis()
}

// Print prints one line for each option that has a help text.
func Print(w io.Writer, options []Option) {
	for i := range options {
		o := &options[i]
		if o.Help != "" {
			Describe(w, 27, o.Names(), o.Help)
		}
	}
}

// Describe prints a line of a list: what, and from column on what it is.
func Describe(w io.Writer, column int, what, text string) {
	if len(what)+3 > column {
		fmt.Fprintf(w, "  %s\n%*s%s\n", what, column, "", text)
		return
	}
	fmt.Fprintf(w, "  %-*s%s\n", column-2, what, text)
}
