package getopt

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Program describes a program, or a command of one that has options of its own. Its help, its
// manual page and what shells complete are made from it.
type Program struct {
	Name     string    // as it is called: "ovsdb-tool", "vtep status"
	Brief    string    // what it does, without a period
	Usage    []string  // what follows the name, for each way to call it
	Notes    []string  // lines below that
	Commands []Command // the first word that is no option is one of them
	Options  []Option
	Daemon   []Option // more of them: those of every daemon
}

// Command is one of the commands of a program.
type Command struct {
	Name string
	Args string // "[DB [SCHEMA]]"
	Help string // what it does, without a period; empty: not in the usage text
}

// Synopsis is a command as it is written, with its arguments.
func (c *Command) Synopsis() string {
	if c.Args == "" {
		return c.Name
	}
	return c.Name + " " + c.Args
}

// Sentence makes a sentence of a description.
func Sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// All are the options of every kind.
func (p *Program) All() []Option { return slices.Concat(p.Options, p.Daemon) }

// Help prints what there is to know about the program.
func (p *Program) Help(w io.Writer) {
	if strings.Contains(p.Name, " ") {
		fmt.Fprintln(w, p.Brief)
	} else {
		fmt.Fprintf(w, "%s: %s\n", p.Name, p.Brief)
	}
	prefix := "usage:"
	for _, usage := range p.Usage {
		fmt.Fprintln(w, strings.TrimRight(prefix+" "+p.Name+" "+usage, " "))
		prefix = "      "
	}
	for _, line := range p.Notes {
		fmt.Fprintln(w, line)
	}
	if len(p.Commands) > 0 {
		fmt.Fprintln(w)
	}
	for i := range p.Commands {
		if c := &p.Commands[i]; c.Help != "" {
			Describe(w, 27, c.Synopsis(), c.Help)
		}
	}
	if slices.ContainsFunc(p.Options, func(o Option) bool { return o.Help != "" }) {
		fmt.Fprintln(w)
		Print(w, p.Options)
	}
	if len(p.Daemon) > 0 {
		fmt.Fprintln(w, "\nDaemon and logging options:")
		Print(w, p.Daemon)
	}
}
