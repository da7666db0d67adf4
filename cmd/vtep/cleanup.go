package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/plane/ebpf"
)

// cleanup is the "cleanup" personality: it takes down the forwarding that a VTEP has left, where
// no process runs it any more. A running one does that itself, by "exit --cleanup".
type cleanup struct {
	pinDir string
}

func runCleanup(args []string) int {
	var c cleanup
	names, err := getopt.Parse(args, c.options())
	switch {
	case errors.Is(err, getopt.ErrHelp):
		c.program().Help(os.Stdout)
		return 0
	case err == nil && len(names) != 1:
		err = errors.New("it takes one argument, the name of the physical switch; see --help")
	}
	if err == nil {
		err = c.run(names[0])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "vtep cleanup: %v\n", err)
		return 1
	}
	return 0
}

func (c *cleanup) options() []getopt.Option {
	return []getopt.Option{
		getopt.String("pin-dir", "DIR", "where its maps are pinned (default /sys/fs/bpf/vtep/...)", &c.pinDir),
		{Long: "help", Short: 'h', Set: func(string) error { return getopt.ErrHelp }},
	}
}

func (c *cleanup) program() *getopt.Program {
	return &getopt.Program{Name: "vtep cleanup", Brief: "take down the forwarding that a VTEP has left, whose process does not run",
		Usage:   []string{"[OPTION]... PS-NAME"},
		Notes:   []string{"Its database stays. A VTEP that runs is ended by \"vtep appctl exit --cleanup\"."},
		Options: c.options()}
}

func (c *cleanup) run(name string) error {
	found, err := ebpf.Cleanup(context.Background(), ebpf.Options{Name: name, PinDir: c.pinDir})
	switch {
	case err != nil:
		return err
	case !found:
		fmt.Printf("nothing of %s is in place\n", name)
	default:
		fmt.Printf("forwarding of %s was taken down\n", name)
	}
	return nil
}
