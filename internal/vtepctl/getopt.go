package vtepctl

import (
	"fmt"
	"strings"
)

// argMode says whether an option takes an argument.
type argMode uint8

const (
	noArg       argMode = iota
	requiredArg         // --name=ARG, --name ARG, -xARG or -x ARG
	optionalArg         // --name, --name=ARG, -x or -xARG: never the next word
)

// option is a command line option: a global one, or one of commands.
type option struct {
	long    string
	short   byte // 0: none
	arg     argMode
	argName string
	help    string
	// extra marks an option that vtep-ctl of Open vSwitch does not have. It takes part in
	// abbreviations only where no other option does, so that those in use keep their meaning.
	extra bool
	// set applies a global option; nil for an option of commands.
	set func(g *globals, arg string) error
}

// usageError is an error of getopt: it is reported under the name that the program was
// called by, path and all.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// parseOptions parses the options at the beginning of args as getopt_long does with "+": up
// to the first word that is none, or "--", which is left out of what it returns. It calls
// got for each option in order.
func parseOptions(args []string, options []option, got func(o *option, arg string) error) ([]string, error) {
	for len(args) > 0 {
		word := args[0]
		if word == "--" {
			return args[1:], nil
		}
		if len(word) < 2 || word[0] != '-' {
			break
		}
		parse := parseShort
		if strings.HasPrefix(word, "--") {
			parse = parseLong
		}
		n, err := parse(args, options, got)
		if err != nil {
			return nil, err
		}
		args = args[n:]
	}
	return args, nil
}

// parseLong parses args[0], --NAME[=ARG], and says how many words it took.
func parseLong(args []string, options []option, got func(*option, string) error) (int, error) {
	name, arg, given := strings.Cut(args[0][2:], "=")
	o, err := findLong(name, args[0], options)
	if err != nil {
		return 0, err
	}
	used := 1
	switch {
	case o.arg == noArg && given:
		return 0, usagef("option '--%s' doesn't allow an argument", o.long)
	case o.arg == requiredArg && !given:
		if len(args) < 2 {
			return 0, usagef("option '--%s' requires an argument", o.long)
		}
		arg, used = args[1], 2
	}
	return used, got(o, arg)
}

// findLong finds the option called name, or the only one whose name begins so. word is what
// was written.
func findLong(name, word string, options []option) (*option, error) {
	var known, extra []*option
	for i := range options {
		o := &options[i]
		switch {
		case o.long == name:
			return o, nil
		case !strings.HasPrefix(o.long, name):
		case o.extra:
			extra = append(extra, o)
		default:
			known = append(known, o)
		}
	}
	found := known
	if len(found) == 0 {
		found = extra
	}
	switch len(found) {
	case 0:
		return nil, usagef("unrecognized option '%s'", word)
	case 1:
		return found[0], nil
	}
	var b strings.Builder
	for _, o := range found {
		fmt.Fprintf(&b, " '--%s'", o.long)
	}
	return nil, usagef("option '%s' is ambiguous; possibilities:%s", word, b.String())
}

// parseShort parses args[0], -x... , and says how many words it took.
func parseShort(args []string, options []option, got func(*option, string) error) (int, error) {
	word := args[0][1:]
	for i := 0; i < len(word); i++ {
		o := findShort(word[i], options)
		if o == nil {
			return 0, usagef("invalid option -- '%c'", word[i])
		}
		if o.arg == noArg {
			if err := got(o, ""); err != nil {
				return 0, err
			}
			continue
		}
		arg, used := word[i+1:], 1
		if arg == "" && o.arg == requiredArg {
			if len(args) < 2 {
				return 0, usagef("option requires an argument -- '%c'", word[i])
			}
			arg, used = args[1], 2
		}
		return used, got(o, arg)
	}
	return 1, nil
}

func findShort(c byte, options []option) *option {
	for i := range options {
		if options[i].short == c {
			return &options[i]
		}
	}
	return nil
}
