package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/vtep/vtep/internal/getopt"
)

// evpnQuestions are what "vtep evpn WORD" asks the process that runs, as "vtep appctl -t vtep-evpn evpn/WORD" does. No TARGET is called so.
var evpnQuestions = []string{"status", "routes", "explain", "listeners", "reload"}

// asksEVPN says whether a command line is a question to the process that runs, rather than one that starts it.
func asksEVPN(args []string) bool { return len(args) > 0 && slices.Contains(evpnQuestions, args[0]) }

// runEVPNQuestion asks it.
func runEVPNQuestion(args []string) int {
	a := newAppctl()
	a.target = evpnDaemon
	words, err := getopt.Parse(args, a.options())
	if errors.Is(err, getopt.ErrHelp) {
		newEVPN().program().Help(os.Stdout)
		return 0
	}
	if err == nil {
		err = a.call("evpn/"+words[0], words[1:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "vtep evpn: %v\n", err)
		return 1
	}
	return 0
}
