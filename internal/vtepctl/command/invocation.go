package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/getopt"
)

var errNoCommand = errors.New("missing command name (use --help for help)")

// Parse splits words at "--" into commands. local holds the options that came
// before the first word; they belong to the first command.
func Parse(t *Tool, words []string, local map[string]Local) ([]*Call, error) {
	var calls []*Call
	start := 0
	for i := 0; i <= len(words); i++ {
		if i < len(words) && words[i] != "--" {
			continue
		}
		switch {
		case i > start:
			c, err := parseCall(t, words[start:i], local)
			if err != nil {
				return nil, err
			}
			calls = append(calls, c)
			local = nil
		case len(local) > 0:
			return nil, errNoCommand
		}
		start = i + 1
	}
	if len(calls) == 0 {
		return nil, errNoCommand
	}
	calls[len(calls)-1].Last = true
	calls[0].Only = len(calls) == 1
	for _, c := range calls {
		if c.Alone != nil && len(calls) > 1 {
			return nil, fmt.Errorf("'%s' cannot be combined with other commands", c.Name)
		}
	}
	return calls, nil
}

// parseCall parses one command: its options, its name, its arguments.
func parseCall(t *Tool, words []string, local map[string]Local) (*Call, error) {
	c := &Call{Tool: t, options: map[string]string{}}
	valued := map[string]bool{}
	var given []string
	add := func(name, arg string, hasArg bool) {
		c.options[name] = arg
		valued[name] = hasArg
		given = append(given, name)
	}
	for name, l := range local {
		add("--"+name, l.arg, l.mode == getopt.RequiredArg || l.mode == getopt.OptionalArg && l.arg != "")
	}
	i := 0
	for ; i < len(words) && strings.HasPrefix(words[i], "-"); i++ {
		name, arg, hasArg := strings.Cut(words[i], "=")
		if _, ok := c.options[name]; ok {
			return nil, fmt.Errorf("'%s' option specified multiple times", words[i])
		}
		add(name, arg, hasArg)
	}
	if i == len(words) {
		return nil, errNoCommand
	}
	name := words[i]
	c.Command = Find(t.Groups, name)
	if c.Command == nil {
		return nil, &UnknownCommand{name}
	}
	for _, name := range given {
		if err := c.checkOption(name, valued[name]); err != nil {
			return nil, err
		}
	}
	c.Args = words[i+1:]
	return c, c.checkCount()
}

// checkOption says whether the command has an option, and one with or without an argument.
func (c *Call) checkOption(name string, valued bool) error {
	o := c.option(strings.TrimPrefix(name, "--"))
	if o == nil || !strings.HasPrefix(name, "--") {
		return fmt.Errorf("'%s' command has no '%s' option", c.Name, name)
	}
	switch {
	case o.Arg == getopt.RequiredArg && !valued:
		return fmt.Errorf("missing argument to '%s' option on '%s' command", name, c.Name)
	case o.Arg == getopt.NoArg && valued:
		return fmt.Errorf("'%s' option on '%s' does not accept an argument", name, c.Name)
	}
	return nil
}

// takeTrailing takes options out of what would be too many arguments: of those that only this
// program has, since for the others the C program insists on the order.
func (c *Call) takeTrailing() {
	c.Args = slices.DeleteFunc(slices.Clone(c.Args), func(arg string) bool {
		o := c.option(strings.TrimPrefix(arg, "--"))
		taken := o != nil && o.Extra && o.Arg == getopt.NoArg && strings.HasPrefix(arg, "--")
		if taken {
			if c.options == nil {
				c.options = map[string]string{}
			}
			c.options[arg] = ""
		}
		return taken
	})
}

func (c *Call) checkCount() error {
	if len(c.Args) > c.Max {
		c.takeTrailing()
	}
	if len(c.Args) < c.Min {
		return fmt.Errorf("'%s' command requires at least %d arguments", c.Name, c.Min)
	}
	if len(c.Args) <= c.Max {
		return nil
	}
	for _, arg := range c.Args {
		if strings.HasPrefix(arg, "-") {
			return fmt.Errorf("'%s' command takes at most %d arguments (note that options must precede "+
				"command names and follow a \"--\" argument)", c.Name, c.Max)
		}
	}
	return fmt.Errorf("'%s' command takes at most %d arguments", c.Name, c.Max)
}

// UnknownCommand is the error of a word that is no command.
type UnknownCommand struct{ Name string }

func (e *UnknownCommand) Error() string {
	return fmt.Sprintf("unknown command '%s'; use --help for help", e.Name)
}
