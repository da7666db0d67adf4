package main

import (
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/manual"
	"github.com/vtep/vtep/internal/vtepctl"
	"github.com/vtep/vtep/internal/vtepctl/apply"
	"github.com/vtep/vtep/internal/vtepctl/command"
)

// page returns the manual page vtep-ctl(8).
func page() string {
	p := manual.New("vtep-ctl", 8, "read and change the database of a VTEP", "vtep-ctl",
		"[OPTION]... COMMAND [ARG]... [-- [OPTION]... COMMAND [ARG]...]...")
	p.Section("DESCRIPTION",
		"vtep-ctl reads and changes a hardware_vtep database, the one that controllers and a VTEP share. It connects to "+
			"the server of the database, does what the commands say as one transaction, and prints what they have to print.",
		"Commands see what those before them in the call have done. Nothing is changed if one of them fails. Options of a "+
			"command come before its name; between commands there is \"--\".",
		"It is made to be used in place of the vtep-ctl of Open vSwitch: commands, output and messages are the same. What goes beyond is marked below.")
	p.Section("OPTIONS")
	p.Options(vtepctl.GlobalOptions(), func(o *getopt.Option) string { return mark(o.Extra) })
	p.Section("COMMANDS")
	for _, g := range vtepctl.Groups() {
		p.Subsection(g.Title, g.Intro)
		for _, c := range g.Commands {
			describe(p, &c)
		}
	}
	p.Section("DATABASE SERVERS",
		"The server of --db is unix:FILE, tcp:HOST[:PORT] or ssl:HOST[:PORT] to connect to it; with punix:FILE, "+
			"ptcp:[PORT][:HOST] or pssl:[PORT][:HOST] vtep-ctl waits for the server to connect. PORT is 6640 if it is not given. An IPv6 address "+
			"is written in brackets. Of several servers, separated by commas, the first that answers is taken.")
	p.Section("OUTPUT",
		"Output of list and find is a table in the format of --format. With --format=json the other commands that print "+
			"something print JSON too: strings, lists and objects, sets as lists and maps as objects.")
	p.Section("ENVIRONMENT",
		"OVS_RUNDIR: where the socket db.sock of the server is, and relative names of sockets (default /var/run/openvswitch; if db.sock is not there, /run/vtep is tried).",
		"OVS_LOGDIR: where the file of --log-file is (default /var/log/openvswitch).",
		"OVS_CTL_TIMEOUT: seconds, as --timeout.")
	p.Section("EXIT STATUS",
		"0: all is done. 1: something failed, and nothing was changed. 2: what a command like ps-exists asked for does not exist. "+
			"After --timeout the program dies of SIGALRM.")
	p.Section("CONFIGURATION FILES", configText...)
	p.Verbatim(apply.Example)
	p.Section("EXAMPLES")
	for _, e := range examples {
		p.Paragraph(e.text)
		p.Verbatim(e.command)
	}
	p.SeeAlso("vtep(8)", "vtep-run(8)", "ovsdb-server(1)", "ovsdb-client(1)")
	return p.String()
}

func mark(extra bool) string {
	if extra {
		return " (Not in Open vSwitch.)"
	}
	return ""
}

func describe(p *manual.Page, c *command.Command) {
	text := []string{getopt.Sentence(c.Brief) + mark(c.Extra)}
	if c.Text != "" {
		text = append(text, c.Text)
	}
	p.Item(c.Synopsis(), text...)
	for _, o := range c.Options {
		p.SubItem(o.Synopsis(), getopt.Sentence(o.Help)+mark(o.Extra && !c.Extra))
	}
}
