package main

import (
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/vtepctl"
	"github.com/vtep/vtep/internal/vtepctl/apply"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/help"
)

// page returns the manual page vtep-ctl(8).
func page() string {
	var b strings.Builder
	b.WriteString(`.\" Made from the table of commands by "make generate". Do not edit.
.TH VTEP\-CTL 8 "" "vtep" "VTEP manual"
.SH NAME
vtep\-ctl \- read and change the database of a VTEP
.SH SYNOPSIS
.B vtep\-ctl
.RI [ OPTION ]... " COMMAND " [ ARG ]...
.RB [ \-\-
.RI [ OPTION ]... " COMMAND " [ ARG ]...]...
`)
	section(&b, "DESCRIPTION",
		"vtep-ctl reads and changes a hardware_vtep database, the one that controllers and a VTEP share. It connects to "+
			"the server of the database, does what the commands say as one transaction, and prints what they have to print.",
		"Commands see what those before them in the call have done. Nothing is changed if one of them fails. Options of a "+
			"command come before its name; between commands there is \"--\".",
		"It is made to be used in place of the vtep-ctl of Open vSwitch: commands, output and messages are the same. What goes beyond is marked below.")
	b.WriteString(".SH OPTIONS\n")
	for _, o := range vtepctl.GlobalOptions() {
		optionEntry(&b, &o)
	}
	b.WriteString(".SH COMMANDS\n")
	for _, g := range vtepctl.Groups() {
		fmt.Fprintf(&b, ".SS %s\n", roff(g.Title))
		if g.Intro != "" {
			fmt.Fprintf(&b, "%s\n", roff(g.Intro))
		}
		for _, c := range g.Commands {
			commandEntry(&b, &c)
		}
	}
	section(&b, "DATABASE SERVERS",
		"The server of --db is unix:FILE, tcp:HOST[:PORT] or ssl:HOST[:PORT] to connect to it; with punix:FILE, "+
			"ptcp:[PORT][:HOST] or pssl:[PORT][:HOST] vtep-ctl waits for the server to connect. PORT is 6640 if it is not given. An IPv6 address "+
			"is written in brackets. Of several servers, separated by commas, the first that answers is taken.")
	section(&b, "OUTPUT",
		"Output of list and find is a table in the format of --format. With --format=json the other commands that print "+
			"something print JSON too: strings, lists and objects, sets as lists and maps as objects.")
	section(&b, "ENVIRONMENT",
		"OVS_RUNDIR: where the socket db.sock of the server is, and relative names of sockets (default /var/run/openvswitch; if db.sock is not there, /run/vtep is tried).",
		"OVS_LOGDIR: where the file of --log-file is (default /var/log/openvswitch).",
		"OVS_CTL_TIMEOUT: seconds, as --timeout.")
	section(&b, "EXIT STATUS",
		"0: all is done. 1: something failed, and nothing was changed. 2: what a command like ps-exists asked for does not exist. "+
			"After --timeout the program dies of SIGALRM.")
	section(&b, "CONFIGURATION FILES", configText...)
	b.WriteString(verbatim(apply.Example))
	b.WriteString(".SH EXAMPLES\n")
	for _, e := range examples {
		b.WriteString(roff(e.text) + "\n" + verbatim(e.command) + ".PP\n")
	}
	b.WriteString(".SH SEE ALSO\n.BR ovsdb\\-server (1),\n.BR hardware_vtep (5)\n")
	return b.String()
}

func section(b *strings.Builder, title string, paragraphs ...string) {
	fmt.Fprintf(b, ".SH %s\n", title)
	for i, p := range paragraphs {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		b.WriteString(roff(p) + "\n")
	}
}

// verbatim returns lines to be printed as they are.
func verbatim(s string) string { return ".PP\n.nf\n.RS\n" + roff(s) + "\n.RE\n.fi\n" }

func optionEntry(b *strings.Builder, o *getopt.Option) {
	fmt.Fprintf(b, ".TP\n.B %s\n%s%s\n", roff(o.Names()), roff(help.Sentence(o.Help)), mark(o.Extra))
}

func mark(extra bool) string {
	if extra {
		return " (Not in Open vSwitch.)"
	}
	return ""
}

func commandEntry(b *strings.Builder, c *command.Command) {
	fmt.Fprintf(b, ".TP\n.B %s\n%s%s\n", roff(c.Synopsis()), roff(help.Sentence(c.Brief)), mark(c.Extra))
	if c.Text != "" {
		fmt.Fprintf(b, "%s\n", roff(c.Text))
	}
	for _, o := range c.Options {
		fmt.Fprintf(b, ".RS\n.TP\n.B %s\n%s%s\n.RE\n", roff(o.Synopsis()), roff(help.Sentence(o.Help)), mark(o.Extra && !c.Extra))
	}
}

// roff makes text safe for roff.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
