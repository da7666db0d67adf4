package vtepctl

import (
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/getopt"
)

// help prints the help: about the first command that args name, else all of it.
func help(t *Tool, args []string) {
	for _, arg := range args {
		if c := findCommand(t.groups, arg); c != nil && !strings.HasPrefix(arg, "-") {
			usageOf(t, c)
			return
		}
	}
	usage(t)
}

// usageOf prints the help about a command.
func usageOf(t *Tool, c *command) {
	w := t.out
	fmt.Fprintf(w, "usage: %s [OPTION]... [--] %s\n\n%s\n", t.program, c.synopsis(), sentence(c.brief))
	if c.text != "" {
		fmt.Fprintf(w, "\n%s\n", wrap(c.text, 80))
	}
	if len(c.options) > 0 {
		fmt.Fprintf(w, "\nOptions:\n")
		for _, o := range c.options {
			getopt.Describe(w, 26, o.Names(), o.Help)
		}
	}
	if c.extra {
		fmt.Fprintf(w, "\nThe vtep-ctl of Open vSwitch does not have this command.\n")
	}
}

// usage prints the help.
func usage(t *Tool) {
	w, p := t.out, t.program
	fmt.Fprintf(w, `%s: read and change the database of a VTEP (hardware_vtep)

usage: %s [OPTION]... COMMAND [ARG]... [-- [OPTION]... COMMAND [ARG]...]...
       %s help COMMAND

All commands of a call are one transaction. Options of a command come before its
name; those of the first one may be shortened like the others.
`, p, p, p)
	for _, g := range t.groups {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, c := range g.commands {
			getopt.Describe(w, 42, strings.TrimSpace(c.name+" "+c.args), c.brief)
		}
	}
	fmt.Fprintf(w, "\nOptions:\n")
	for _, o := range t.globals {
		getopt.Describe(w, 30, o.Names(), o.Help)
	}
	fmt.Fprintf(w, `
SERVER: unix:FILE, tcp:HOST[:PORT] or ssl:HOST[:PORT] to connect, punix:FILE,
ptcp:[PORT][:HOST] or pssl:[PORT][:HOST] to wait for a server that connects.
Exit status: 0 done; 1 failed; 2 what a "-exists" command asked for is not there.
`)
}

// sentence makes one of a description.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

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
