package vtepctl

import (
	"fmt"
	"io"
	"strings"
)

// help prints the help: about the first command that args name, else all of it.
func (t *tool) help(args []string) error {
	for _, arg := range args {
		if c := findCommand(t.groups, arg); c != nil && !strings.HasPrefix(arg, "-") {
			c.usage(t.out, t.Program)
			return nil
		}
	}
	t.usage(t.out)
	return nil
}

// synopsis is a command as it is written, with its options.
func (c *command) synopsis() string {
	var b strings.Builder
	for _, o := range c.options {
		b.WriteString("[" + o.synopsis() + "] ")
	}
	b.WriteString(c.name)
	if c.args != "" {
		b.WriteString(" " + c.args)
	}
	return b.String()
}

// synopsis is an option as it is written.
func (o *option) synopsis() string {
	switch o.arg {
	case requiredArg:
		return "--" + o.long + "=" + o.argName
	case optionalArg:
		return "--" + o.long + "[=" + o.argName + "]"
	}
	return "--" + o.long
}

// names is an option as lists of options show it: with its short name.
func (o *option) names() string {
	if o.short != 0 {
		return "-" + string(o.short) + ", " + o.synopsis()
	}
	return o.synopsis()
}

// usage prints the help about a command.
func (c *command) usage(w io.Writer, program string) {
	fmt.Fprintf(w, "usage: %s [OPTION]... [--] %s\n\n%s.\n", program, c.synopsis(), capital(c.brief))
	if c.text != "" {
		fmt.Fprintf(w, "\n%s\n", wrap(c.text, 80))
	}
	if len(c.options) > 0 {
		fmt.Fprintf(w, "\nOptions:\n")
		for _, o := range c.options {
			describe(w, 26, o.names(), o.help)
		}
	}
	if c.extra {
		fmt.Fprintf(w, "\nThe vtep-ctl of Open vSwitch does not have this command.\n")
	}
}

// usage prints the help.
func (t *tool) usage(w io.Writer) {
	p := t.Program
	fmt.Fprintf(w, `%s: read and change the database of a VTEP (hardware_vtep)

usage: %s [OPTION]... COMMAND [ARG]... [-- [OPTION]... COMMAND [ARG]...]...
       %s help COMMAND

All commands of a call are one transaction. Options of a command come before its
name; those of the first one may be shortened like the others.
`, p, p, p)
	for _, g := range t.groups {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, c := range g.commands {
			describe(w, 42, strings.TrimSpace(c.name+" "+c.args), c.brief)
		}
	}
	fmt.Fprintf(w, "\nOptions:\n")
	for _, o := range globalOptions() {
		describe(w, 30, o.names(), o.help)
	}
	fmt.Fprintf(w, `
SERVER: unix:FILE, tcp:HOST[:PORT] or ssl:HOST[:PORT] to connect, punix:FILE,
ptcp:[PORT][:HOST] or pssl:[PORT][:HOST] to wait for a server that connects.
Exit status: 0 done; 1 failed; 2 what a "-exists" command asked for is not there.
`)
}

// describe prints a line of a list: what, and from column on what it is.
func describe(w io.Writer, column int, what, text string) {
	if len(what)+3 > column {
		fmt.Fprintf(w, "  %s\n%*s%s\n", what, column, "", text)
		return
	}
	fmt.Fprintf(w, "  %-*s%s\n", column-2, what, text)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

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
