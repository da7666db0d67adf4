package daemon

import (
	"errors"
	"fmt"
	"io"
	"strings"
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
	return Option{Long: long, Arg: RequiredArg, ArgName: argName, Help: help,
		Set: func(arg string) error { *p = append(*p, arg); return nil }}
}

// Parse parses args (without the program's name) as getopt_long does: options and positional
// arguments mix, "--" ends the options, long names may be shortened as far as they stay
// unambiguous. It returns the positional arguments.
func Parse(args []string, options []Option) ([]string, error) {
	var rest []string
	for len(args) > 0 {
		word := args[0]
		switch {
		case word == "--":
			return append(rest, args[1:]...), nil
		case len(word) < 2 || word[0] != '-':
			rest = append(rest, word)
			args = args[1:]
		default:
			n, err := parseOption(args, options)
			if err != nil {
				return nil, err
			}
			args = args[n:]
		}
	}
	return rest, nil
}

// ParseLeading parses only the options before the first positional argument, as the tools do
// whose commands have options of their own. It returns everything from there on; a "--" that
// ends the options is left out.
func ParseLeading(args []string, options []Option) ([]string, error) {
	for len(args) > 0 {
		word := args[0]
		if word == "--" {
			return args[1:], nil
		}
		if len(word) < 2 || word[0] != '-' {
			break
		}
		n, err := parseOption(args, options)
		if err != nil {
			return nil, err
		}
		args = args[n:]
	}
	return args, nil
}

// parseOption parses args[0], an option, and says how many words it took.
func parseOption(args []string, options []Option) (int, error) {
	if strings.HasPrefix(args[0], "--") {
		return parseLong(args, options)
	}
	return parseShort(args, options)
}

func parseLong(args []string, options []Option) (int, error) {
	name, arg, given := strings.Cut(args[0][2:], "=")
	opt, err := findLong(name, options)
	if err != nil {
		return 0, err
	}
	used := 1
	switch {
	case opt.Arg == NoArg && given:
		return 0, fmt.Errorf("option '--%s' doesn't allow an argument", opt.Long)
	case opt.Arg == RequiredArg && !given:
		if len(args) < 2 {
			return 0, fmt.Errorf("option '--%s' requires an argument", opt.Long)
		}
		arg, used = args[1], 2
	}
	if err := opt.Set(arg); err != nil {
		return 0, fmt.Errorf("--%s: %w", opt.Long, err)
	}
	return used, nil
}

func findLong(name string, options []Option) (*Option, error) {
	var found []*Option
	for i := range options {
		opt := &options[i]
		if opt.Long == "" || !strings.HasPrefix(opt.Long, name) {
			continue
		}
		if opt.Long == name {
			return opt, nil
		}
		found = append(found, opt)
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("unrecognized option '--%s'", name)
	case 1:
		return found[0], nil
	}
	var b strings.Builder
	for _, opt := range found {
		fmt.Fprintf(&b, " '--%s'", opt.Long)
	}
	return nil, fmt.Errorf("option '--%s' is ambiguous; possibilities:%s", name, b.String())
}

func parseShort(args []string, options []Option) (int, error) {
	word := args[0][1:]
	for i := 0; i < len(word); i++ {
		opt := findShort(word[i], options)
		if opt == nil {
			return 0, fmt.Errorf("invalid option -- '%c'", word[i])
		}
		arg, used, last := "", 1, false
		switch opt.Arg {
		case OptionalArg:
			arg, last = word[i+1:], true
		case RequiredArg:
			arg, last = word[i+1:], true
			if arg == "" {
				if len(args) < 2 {
					return 0, fmt.Errorf("option requires an argument -- '%c'", word[i])
				}
				arg, used = args[1], 2
			}
		}
		if err := opt.Set(arg); err != nil {
			return 0, fmt.Errorf("-%c%s: %w", opt.Short, arg, err)
		}
		if last {
			return used, nil
		}
	}
	return 1, nil
}

func findShort(c byte, options []Option) *Option {
	for i := range options {
		if options[i].Short == c && c != 0 {
			return &options[i]
		}
	}
	return nil
}

// ErrHelp is for the Set function of a help option: the caller prints its usage and ends well.
var ErrHelp = errors.New("help wanted")

// ErrVersion is the same for a version option.
var ErrVersion = errors.New("version wanted")

// PrintOptions prints one line for each option that has a help text.
func PrintOptions(w io.Writer, options []Option) {
	for _, opt := range options {
		if opt.Help == "" {
			continue
		}
		name := "--" + opt.Long
		if opt.Long == "" {
			name = "-" + string(opt.Short)
		} else if opt.Short != 0 {
			name = "-" + string(opt.Short) + ", " + name
		}
		switch opt.Arg {
		case RequiredArg:
			name += "=" + opt.ArgName
		case OptionalArg:
			name += "[=" + opt.ArgName + "]"
		}
		if len(name) > 24 {
			fmt.Fprintf(w, "  %s\n  %-24s %s\n", name, "", opt.Help)
			continue
		}
		fmt.Fprintf(w, "  %-24s %s\n", name, opt.Help)
	}
}
