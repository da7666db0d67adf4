// Command vtep is a VXLAN tunnel endpoint driven through OVSDB, and the tools around it.
//
// One binary, several personalities: the name it is called by selects one (vtep-ctl,
// ovs-vtep, ovsdb-server, ovsdb-tool, ovsdb-client), and under any other name the first argument does.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
)

//go:generate go test -count=1 -run ^TestManual$ . -update

// version is set by the build (-ldflags -X main.version=...).
var version = "devel"

// personality is one of the programs that the binary can be.
type personality struct {
	name    string // first argument of vtep
	link    string // argv[0] that selects it too; empty: none
	summary string
	run     func(args []string) int // args without the program's name; the exit status
	// about describes it, for its help, its manual page and completion; nil: package vtepctl does.
	about func() *getopt.Program
}

// personalities lists them in the order of the help text.
func personalities() []personality {
	return []personality{
		{"run", "", "run a VTEP: database server, agent and dataplane in one process", runVTEP, func() *getopt.Program { return newVTEP().program() }},
		{"ovs-vtep", "ovs-vtep", "run a VTEP on an external ovsdb-server, with the command line of ovs-vtep", runOVSVTEP, func() *getopt.Program { return newOVSVTEP().program() }},
		{"nvc", "", "a small controller: make a full mesh of what VTEPs report", runNVC, func() *getopt.Program { return newNVC().program() }},
		{"evpn", "", "join logical switches with a BGP EVPN fabric", runEVPN, func() *getopt.Program { return newEVPN().program() }},
		{"ctl", "vtep-ctl", "read and change a VTEP's database (vtep-ctl)", runVtepCtl, nil},
		{"appctl", "", "give a running VTEP a command: exit, vlog/set, ...", runAppctl, func() *getopt.Program { a := newAppctl(); return a.program() }},
		{"status", "", "show how a running VTEP does, on one screen", runStatus, func() *getopt.Program { return (&statusCommand{at: newAppctl()}).program() }},
		{"trace", "", "say what a running VTEP would do with a frame, and why", runTrace, func() *getopt.Program { return (&traceCommand{at: newAppctl()}).program() }},
		{"capture", "", "show the frames that a running VTEP handles, and what happens to them", runCapture, func() *getopt.Program { return (&captureCommand{at: newAppctl()}).program() }},
		{"doctor", "", "look for what is in the way of a VTEP, and say what to do", runDoctor, func() *getopt.Program { return (&doctorCommand{at: newAppctl()}).program() }},
		{"config", "", "check a configuration file of \"vtep run\", or print one with all options", runConfig, configProgram},
		{"cleanup", "", "take down the forwarding that a VTEP has left that does not run", runCleanup, new(cleanup).program},
		{"ovsdb-server", "ovsdb-server", "serve OVSDB databases of any schema", runOVSDBServer, func() *getopt.Program { return newOVSDBServer().program() }},
		{"ovsdb-tool", "ovsdb-tool", "make, read, change, compact and convert database files", runOVSDBTool, ovsdbToolProgram},
		{"ovsdb-client", "ovsdb-client", "ask an OVSDB server, change and follow its databases", runOVSDBClient, ovsdbClientProgram},
		{"schema", "", "print the hardware_vtep schema, for ovsdb-tool create", runSchema, plain("schema")},
		{"lab", "", "try it all in network namespaces: up, status, exec, down, demo", runLab, new(labCommand).program},
		{"completion", "", "print a script that completes commands in bash, zsh or fish", runCompletion, completionProgram},
		{"version", "", "print the version", runVersion, plain("version")},
		{"help", "", "print this text, or with the name of a command what that does", runHelp, plain("help", "[COMMAND]")},
	}
}

func main() { os.Exit(dispatch(os.Args)) }

// dispatch selects the personality and runs it.
func dispatch(argv []string) int {
	all := personalities()
	called := filepath.Base(argv[0])
	for _, p := range all {
		if p.link == called {
			return p.run(argv[1:])
		}
	}
	if len(argv) < 2 {
		usage(os.Stderr)
		return 1
	}
	name := argv[1]
	switch name {
	case "-h", "--help":
		name = "help"
	case "-V", "--version":
		name = "version"
	case "__complete": // of the scripts of "vtep completion"
		return runComplete(argv[2:])
	case reflectorCommand:
		return runFleetReflector(argv[2:])
	}
	if p := findPersonality(name); p != nil {
		return p.run(argv[2:])
	}
	fmt.Fprintf(os.Stderr, "vtep: unknown command %q; \"vtep help\" lists them\n", name)
	return 1
}

// findPersonality finds the one that the first argument of vtep names, or nil.
func findPersonality(name string) *personality {
	for _, p := range personalities() {
		if p.name == name || p.link == name {
			return &p
		}
	}
	return nil
}

func runVersion([]string) int {
	fmt.Printf("vtep %s\nhardware_vtep schema 1.7.0\n", version)
	return 0
}

func runSchema([]string) int {
	os.Stdout.Write(append(hwvtep.Schema().AppendJSON(nil), '\n'))
	return 0
}

// runHelp prints what there is, or with the name of a command what that does.
func runHelp(args []string) int {
	if len(args) == 0 {
		usage(os.Stdout)
		return 0
	}
	p := findPersonality(args[0])
	switch {
	case p == nil:
		return dispatch([]string{"vtep", args[0]})
	case p.about == nil:
		return p.run([]string{"--help"})
	}
	p.about().Help(os.Stdout)
	return 0
}

// plain describes a personality that has no options.
func plain(name string, usage ...string) func() *getopt.Program {
	return func() *getopt.Program {
		p := &getopt.Program{Name: "vtep " + name, Usage: usage}
		if usage == nil {
			p.Usage = []string{""}
		}
		for _, of := range personalities() {
			if of.name == name {
				p.Brief = of.summary
			}
		}
		return p
	}
}

func usage(w io.Writer) {
	fmt.Fprint(w, "vtep: a VXLAN tunnel endpoint driven through OVSDB\n\nusage: vtep COMMAND [ARG...]\n\n")
	for _, p := range personalities() {
		name := p.name
		fmt.Fprintf(w, "  %-14s %s\n", name, p.summary)
	}
	fmt.Fprint(w, "\n\"vtep COMMAND --help\" says more about one. The links vtep-ctl, ovs-vtep,\novsdb-server, ovsdb-tool and ovsdb-client beside the binary are the commands of\nthe same names.\n")
}
