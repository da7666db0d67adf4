package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vtep/vtep/internal/completion"
	"github.com/vtep/vtep/internal/getopt"
)

func completionProgram() *getopt.Program {
	return &getopt.Program{Name: "vtep completion", Brief: "print a script that completes commands in bash, zsh or fish", Usage: []string{"SHELL"},
		Notes: []string{"In bash: \"source <(vtep completion bash)\".",
			"In zsh: \"vtep completion zsh > DIR/_vtep\", with DIR in $fpath.",
			"In fish: \"vtep completion fish | source\".",
			"Names of ports, switches, peers and control commands come from the VTEP that runs."},
		Options: []getopt.Option{{Long: "help", Short: 'h', Set: func(string) error { return getopt.ErrHelp }}}}
}

func runCompletion(args []string) int {
	about := completionProgram()
	words, err := getopt.Parse(args, about.Options)
	switch {
	case errors.Is(err, getopt.ErrHelp):
		about.Help(os.Stdout)
		return 0
	case err == nil && len(words) != 1:
		err = errors.New("it takes one argument, the shell: bash, zsh or fish")
	}
	if err == nil {
		script, ok := completion.Script(words[0], "vtep")
		if ok {
			fmt.Print(script)
			return 0
		}
		err = fmt.Errorf("unknown shell %q: there are bash, zsh and fish", words[0])
	}
	fmt.Fprintf(os.Stderr, "vtep completion: %v\n", err)
	return 1
}

// runComplete answers such a script: "vtep __complete SHELL WORD...".
func runComplete(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "vtep __complete: the shell is missing")
		return 1
	}
	shell, given := args[0], args[1:]
	words := completion.Words(shell, given)
	c := newCompleter(words[len(words)-1])
	if len(words) == 1 {
		c.personalities()
	} else if p := findPersonality(words[0]); p != nil && p.about != nil {
		c.program(p.about(), words[1:len(words)-1])
	} else if p != nil {
		return completeCtl(shell, given)
	}
	completion.Print(os.Stdout, shell, c.word, c.found, c.files)
	return 0
}

// completeCtl has vtep-ctl complete its command lines itself.
func completeCtl(shell string, given []string) int {
	if shell == "bash" && len(given) == 1 { // the line
		_, line, _ := strings.Cut(strings.TrimLeft(given[0], " \t"), " ")
		return runVtepCtl([]string{"__complete", shell, strings.TrimLeft(line, " \t")})
	}
	return runVtepCtl(append([]string{"__complete", shell}, given[1:]...))
}
