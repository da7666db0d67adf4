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

	"github.com/vtep/vtep/internal/hwvtep"
)

// version is set by the build (-ldflags -X main.version=...).
var version = "devel"

// personality is one of the programs that the binary can be.
type personality struct {
	name    string // first argument of vtep
	link    string // argv[0] that selects it too; empty: none
	summary string
	run     func(args []string) int // args without the program's name; the exit status
}

// personalities lists them in the order of the help text.
func personalities() []personality {
	return []personality{
		{"run", "", "run a VTEP: database server, agent and dataplane in one process", runVTEP},
		{"ovs-vtep", "ovs-vtep", "run a VTEP on an external ovsdb-server, with the command line of ovs-vtep", runOVSVTEP},
		{"nvc", "", "a small controller: make a full mesh of what VTEPs report", runNVC},
		{"ctl", "vtep-ctl", "read and change a VTEP's database (vtep-ctl)", runVtepCtl},
		{"appctl", "", "give a running VTEP a command: exit, vlog/set, ...", runAppctl},
		{"status", "", "show how a running VTEP does, on one screen", runStatus},
		{"trace", "", "say what a running VTEP would do with a frame, and why", runTrace},
		{"doctor", "", "look for what is in the way of a VTEP, and say what to do", runDoctor},
		{"config", "", "check a configuration file of \"vtep run\", or print one with all options", runConfig},
		{"cleanup", "", "take down the forwarding that a VTEP has left that does not run", runCleanup},
		{"ovsdb-server", "ovsdb-server", "serve OVSDB databases of any schema", runOVSDBServer},
		{"ovsdb-tool", "ovsdb-tool", "make, read, change, compact and convert database files", runOVSDBTool},
		{"ovsdb-client", "ovsdb-client", "ask an OVSDB server, change and follow its databases", runOVSDBClient},
		{"schema", "", "print the hardware_vtep schema, for ovsdb-tool create", runSchema},
		{"lab", "", "try it all in network namespaces: up, status, exec, down, demo", runLab},
		{"version", "", "print the version", runVersion},
		{"help", "", "print this text, or with the name of a command what that does", runHelp},
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
	case "vtep-ctl":
		name = "ctl"
	}
	for _, p := range all {
		if p.name == name {
			return p.run(argv[2:])
		}
	}
	fmt.Fprintf(os.Stderr, "vtep: unknown command %q; \"vtep help\" lists them\n", name)
	return 1
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
	for _, p := range personalities() {
		if p.name != args[0] {
			continue
		}
		switch p.name {
		case "schema", "version", "help": // they have no options
			fmt.Printf("vtep %s: %s\n", p.name, p.summary)
			return 0
		}
		return p.run([]string{"--help"})
	}
	return dispatch([]string{"vtep", args[0]})
}

func usage(w io.Writer) {
	fmt.Fprint(w, "vtep: a VXLAN tunnel endpoint driven through OVSDB\n\nusage: vtep COMMAND [ARG...]\n\n")
	for _, p := range personalities() {
		name := p.name
		fmt.Fprintf(w, "  %-14s %s\n", name, p.summary)
	}
	fmt.Fprint(w, "\n\"vtep COMMAND --help\" says more about one. The links vtep-ctl, ovs-vtep,\novsdb-server, ovsdb-tool and ovsdb-client beside the binary are the commands of\nthe same names.\n")
}
