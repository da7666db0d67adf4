// Package help prints what there is to know about the commands.
package help

import (
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/vtepctl/command"
)

// Print prints the help: about the first command that args name, else all of it.
func Print(t *command.Tool, args []string) {
	for _, arg := range args {
		if c := command.Find(t.Groups, arg); c != nil && !strings.HasPrefix(arg, "-") {
			usageOf(t, c)
			return
		}
	}
	usage(t)
}

// usageOf prints the help about a command.
func usageOf(t *command.Tool, c *command.Command) {
	w := t.Out
	fmt.Fprintf(w, "usage: %s [OPTION]... [--] %s\n\n%s\n", t.Program, c.Synopsis(), getopt.Sentence(c.Brief))
	if c.Text != "" {
		fmt.Fprintf(w, "\n%s\n", wrap(c.Text, 80))
	}
	if len(c.Options) > 0 {
		fmt.Fprintf(w, "\nOptions:\n")
		for _, o := range c.Options {
			getopt.Describe(w, 26, o.Names(), o.Help)
		}
	}
	if c.Extra {
		fmt.Fprintf(w, "\nThe vtep-ctl of Open vSwitch does not have this command.\n")
	}
}

// usage prints the help.
func usage(t *command.Tool) {
	w, p := t.Out, t.Program
	fmt.Fprintf(w, `%s: read and change the database of a VTEP (hardware_vtep)

usage: %s [OPTION]... COMMAND [ARG]... [-- [OPTION]... COMMAND [ARG]...]...
       %s help COMMAND

All commands of a call are one transaction. Options of a command come before its
name; those of the first one may be shortened like the others.
`, p, p, p)
	for _, g := range t.Groups {
		fmt.Fprintf(w, "\n%s:\n", g.Title)
		for _, c := range g.Commands {
			getopt.Describe(w, 42, strings.TrimSpace(c.Name+" "+c.Args), c.Brief)
		}
	}
	fmt.Fprintf(w, "\nOptions:\n")
	for _, o := range t.Globals {
		getopt.Describe(w, 30, o.Names(), o.Help)
	}
	fmt.Fprintf(w, `
SERVER: unix:FILE, tcp:HOST[:PORT] or ssl:HOST[:PORT] to connect, punix:FILE,
ptcp:[PORT][:HOST] or pssl:[PORT][:HOST] to wait for a server that connects.
Exit status: 0 done; 1 failed; 2 what a "-exists" command asked for is not there.
`)
}

// wrap breaks a paragraph into lines.
func wrap(s string, width int) string {
	var b strings.Builder
	n := 0
	for i, w := range strings.Fields(s) {
		switch {
		case i == 0:
		case n+1+len(w) > width:
			b.WriteByte('\n')
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(w)
		n += len(w)
	}
	return b.String()
}
