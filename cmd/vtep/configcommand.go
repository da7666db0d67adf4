package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/config"
	"github.com/vtep/vtep/internal/getopt"
)

// runConfig is the "config" personality: it looks at configuration files of "vtep run".
func runConfig(args []string) int {
	about := configProgram()
	words, err := getopt.Parse(args, about.Options)
	switch {
	case errors.Is(err, getopt.ErrHelp):
		about.Help(os.Stdout)
		return 0
	case err != nil:
	case len(words) == 2 && words[0] == "check":
		if err = checkConfig(words[1]); err == nil {
			fmt.Printf("%s: good\n", words[1])
			return 0
		}
		// Each line says where it is about.
		fmt.Fprintln(os.Stderr, err)
		return 1
	case len(words) == 1 && words[0] == "example":
		exampleConfig(os.Stdout)
		return 0
	default:
		err = errors.New("\"check FILE\" or \"example\" is expected; see --help")
	}
	fmt.Fprintf(os.Stderr, "vtep config: %v\n", err)
	return 1
}

func configProgram() *getopt.Program {
	return &getopt.Program{Name: "vtep config", Brief: "look at configuration files of \"vtep run --config FILE\"",
		Usage: []string{"check FILE", "example"},
		Commands: []getopt.Command{
			{Name: "check", Args: "FILE", Help: "say what is wrong in FILE, with line and column, or that it is good"},
			{Name: "example", Help: "print a file with all options, as remarks"},
		},
		Options: []getopt.Option{{Long: "help", Short: 'h', Set: func(string) error { return getopt.ErrHelp }}}}
}

// checkConfig says what is wrong with a configuration file, as far as that can be seen without
// starting anything. A file need not name the switch: the command line may.
func checkConfig(path string) error {
	r := newVTEP()
	args := []string{"--config=" + path}
	if named, err := namesSwitch(path); err == nil && !named {
		args = append(args, "NAME")
	}
	return r.parse(args)
}

// exampleConfig prints all options with what they do.
func exampleConfig(w io.Writer) {
	r := newVTEP()
	fmt.Fprint(w, "# Options of \"vtep run --config FILE\". What the command line says counts more than what is here.\n"+
		"# \"vtep config check FILE\" looks for mistakes; SIGHUP has a running VTEP read its file again.\n")
	for _, o := range r.fileOptions(new([]string)) {
		if o.Help == "" {
			continue
		}
		value := strings.ToLower(o.ArgName)
		switch {
		case o.Arg == getopt.NoArg:
			value = "true"
		case o.Repeatable:
			value = "[" + value + "]"
		}
		fmt.Fprintf(w, "\n# %s\n#%s: %s\n", o.Help, o.Long, value)
	}
}

func namesSwitch(path string) (bool, error) {
	file, err := config.Read(path, sectionOfEVPN)
	if err != nil {
		return false, err
	}
	return slices.Contains(file.Names(), "switch"), nil
}
