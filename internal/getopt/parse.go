package getopt

import (
	"fmt"
	"strings"
)

// SyntaxError says that words are no options as they should be. C programs report it under the
// name that they were called by, path and all.
type SyntaxError struct{ text string }

func (e *SyntaxError) Error() string { return e.text }

func syntaxf(format string, args ...any) error { return &SyntaxError{fmt.Sprintf(format, args...)} }

// RefusedError says that Set of an option refused its argument. A program that words such errors
// as a C program does, which name no option, prints Err alone.
type RefusedError struct {
	Option string // --name, or -xARG as it was written
	Err    error
}

func (e *RefusedError) Error() string { return e.Option + ": " + e.Err.Error() }

func (e *RefusedError) Unwrap() error { return e.Err }

// Parse parses args (without the program's name): options and positional arguments mix, "--"
// ends the options, long names may be shortened as far as they stay unambiguous. It returns the
// positional arguments. Errors are a *SyntaxError, or a *RefusedError around that of a Set.
func Parse(args []string, options []Option) ([]string, error) { return parse(args, options, true) }

// ParseLeading parses only the options before the first positional argument, as the tools do
// whose commands have options of their own. It returns everything from there on; a "--" that
// ends the options is left out.
func ParseLeading(args []string, options []Option) ([]string, error) {
	return parse(args, options, false)
}

func parse(args []string, options []Option, mixed bool) ([]string, error) {
	var words []string
	for len(args) > 0 {
		switch word := args[0]; {
		case word == "--":
			return append(words, args[1:]...), nil
		case len(word) >= 2 && word[0] == '-':
			parseOption := parseShort
			if strings.HasPrefix(word, "--") {
				parseOption = parseLong
			}
			n, err := parseOption(args, options)
			if err != nil {
				return nil, err
			}
			args = args[n:]
		case mixed:
			words, args = append(words, word), args[1:]
		default:
			return args, nil
		}
	}
	return words, nil
}

// parseLong parses args[0], --NAME[=ARG], and says how many words it took.
func parseLong(args []string, options []Option) (int, error) {
	name, arg, given := strings.Cut(args[0][2:], "=")
	o, err := findLong(name, args[0], options)
	if err != nil {
		return 0, err
	}
	used := 1
	switch {
	case o.Arg == NoArg && given:
		return 0, syntaxf("option '--%s' doesn't allow an argument", o.Long)
	case o.Arg == RequiredArg && !given:
		if len(args) < 2 {
			return 0, syntaxf("option '--%s' requires an argument", o.Long)
		}
		arg, used = args[1], 2
	}
	if err := o.Set(arg); err != nil {
		return 0, &RefusedError{"--" + o.Long, err}
	}
	return used, nil
}

// findLong finds the option called name, or the only one whose name begins so. word is what
// was written.
func findLong(name, word string, options []Option) (*Option, error) {
	var known, extra []*Option
	for i := range options {
		o := &options[i]
		switch {
		case o.Long == "" || !strings.HasPrefix(o.Long, name):
		case o.Long == name:
			return o, nil
		case o.Extra:
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
		return nil, syntaxf("unrecognized option '%s'", word)
	case 1:
		return found[0], nil
	}
	var b strings.Builder
	for _, o := range found {
		fmt.Fprintf(&b, " '--%s'", o.Long)
	}
	return nil, syntaxf("option '%s' is ambiguous; possibilities:%s", word, b.String())
}

// parseShort parses args[0], -x..., and says how many words it took.
func parseShort(args []string, options []Option) (int, error) {
	word := args[0][1:]
	for i := 0; i < len(word); i++ {
		o := findShort(word[i], options)
		if o == nil {
			return 0, syntaxf("invalid option -- '%c'", word[i])
		}
		arg, used := "", 1
		if o.Arg != NoArg {
			arg = word[i+1:]
		}
		if o.Arg == RequiredArg && arg == "" {
			if len(args) < 2 {
				return 0, syntaxf("option requires an argument -- '%c'", word[i])
			}
			arg, used = args[1], 2
		}
		if err := o.Set(arg); err != nil {
			return 0, &RefusedError{"-" + string(o.Short) + arg, err}
		}
		if o.Arg != NoArg {
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
