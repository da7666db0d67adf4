package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/lab/demo"
)

func (c *labCommand) program() *getopt.Program {
	return &getopt.Program{Name: "vtep lab", Brief: "a VTEP between two hosts and a kernel VXLAN peer, in network namespaces",
		Usage: []string{"[OPTION]... COMMAND [ARG]..."},
		Commands: []getopt.Command{
			{Name: "up", Args: "[--bare]", Help: "build it and start a VTEP in it"},
			{Name: "status", Help: "say what is there"},
			{Name: "exec", Args: "NODE COMMAND...", Help: "run a command in a node: h1 h2 vtep r1 h3 h4"},
			{Name: "ping", Args: "NODE ADDRESS", Help: "send five echo requests from a node"},
			{Name: "down", Help: "take it away, with everything that runs in it"},
			{Name: "demo", Args: "[--keep]", Help: "show it all, check it all, and take it away"},
			{Name: "help"},
		},
		Options: []getopt.Option{
			getopt.String("name", "NAME", "which lab, so that several can be there at once (default lab, of a demo: demo)", &c.name),
			getopt.Flag("bare", "up: start no VTEP", &c.bare),
			getopt.Flag("keep", "demo: leave it up", &c.keep),
			{Long: "help", Short: 'h', Set: func(string) error { return getopt.ErrHelp }},
		}}
}

// labCommand is one "vtep lab COMMAND" with what its options said.
type labCommand struct {
	name       string
	bare, keep bool
	args       []string
}

func runLab(args []string) int {
	status, err := labMain(args)
	switch {
	case errors.Is(err, getopt.ErrHelp):
		new(labCommand).program().Help(os.Stdout)
		return 0
	case err != nil:
		fmt.Fprintf(os.Stderr, "vtep lab: %v\n", err)
		return 1
	}
	return status
}

func labMain(args []string) (int, error) {
	var c labCommand
	options := c.program().Options
	// Options stand before or after the command, but those after the node of "exec" are
	// not ours.
	rest, err := getopt.ParseLeading(args, options)
	if err != nil {
		return 1, err
	}
	if len(rest) == 0 {
		return 1, fmt.Errorf("a command is needed; \"vtep lab --help\" lists them")
	}
	verb := rest[0]
	if c.args, err = getopt.ParseLeading(rest[1:], options); err != nil {
		return 1, err
	}
	run, ok := map[string]func(*labCommand) (int, error){
		"up": labUp, "status": labStatus, "exec": labExec, "ping": labPing, "down": labDown, "demo": labDemo,
		"help": func(*labCommand) (int, error) { return 0, getopt.ErrHelp },
	}[verb]
	if !ok {
		return 1, fmt.Errorf("unknown command %q; \"vtep lab --help\" lists them", verb)
	}
	if want := map[string]int{"ping": 2}[verb]; verb != "exec" && len(c.args) != want {
		return 1, fmt.Errorf("%s takes %d arguments, not %d", verb, want, len(c.args))
	}
	if c.name == "" {
		c.name = map[bool]string{true: "demo", false: "lab"}[verb == "demo"]
	}
	if os.Geteuid() != 0 && verb != "help" {
		return 1, errors.New("needs root, to make network namespaces and load eBPF programs: try sudo")
	}
	return run(&c)
}

func labUp(c *labCommand) (int, error) {
	program, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("find the program: %w", err)
	}
	l, err := lab.Up(c.name)
	if err != nil {
		return 1, err
	}
	if !c.bare {
		ctx, stop := interruptible()
		defer stop()
		if err := l.StartVTEP(ctx, program); err != nil {
			return 1, errors.Join(err, l.Down())
		}
	}
	l.Close()
	return labStatus(c)
}

func labStatus(c *labCommand) (int, error) {
	l, err := lab.Open(c.name)
	if err != nil {
		if names, _ := lab.Names(); len(names) > 0 { // the error at hand counts
			err = fmt.Errorf("%w; there is: %s", err, strings.Join(names, " "))
		}
		return 1, err
	}
	defer l.Close()
	l.Describe(os.Stdout)
	return 0, nil
}

func labExec(c *labCommand) (int, error) {
	if len(c.args) < 2 {
		return 1, errors.New("exec takes a node and a command")
	}
	l, err := lab.Open(c.name)
	if err != nil {
		return 1, err
	}
	defer l.Close()
	argv := c.args[1:]
	if argv[0] == "--" && len(argv) > 1 {
		argv = argv[1:]
	}
	cmd, err := l.Command(lab.Node(c.args[0]), argv)
	if err != nil {
		return 1, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT) // the command gets them too, and decides
	err = l.Namespace(lab.Node(c.args[0])).Run(cmd)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	}
	return 1, err
}

func labPing(c *labCommand) (int, error) {
	to, err := netip.ParseAddr(c.args[1])
	if err != nil || !to.Is4() {
		return 1, fmt.Errorf("%q is not an IPv4 address", c.args[1])
	}
	l, err := lab.Open(c.name)
	if err != nil {
		return 1, err
	}
	defer l.Close()
	ctx, stop := interruptible()
	defer stop()
	r, err := l.Ping(ctx, lab.Node(c.args[0]), to, 5, 200*time.Millisecond)
	if err != nil {
		return 1, err
	}
	fmt.Printf("%d sent, %d received, the slowest after %v\n", r.Sent, r.Received, r.Longest.Round(time.Microsecond))
	if r.Lost() > 0 {
		return 1, nil
	}
	return 0, nil
}

func labDown(c *labCommand) (int, error) {
	l, err := lab.Open(c.name)
	if err != nil {
		return 1, err
	}
	return 0, l.Down()
}

func labDemo(c *labCommand) (int, error) {
	program, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("find the program: %w", err)
	}
	ctx, stop := interruptible()
	defer stop()
	return 0, demo.Run(ctx, demo.Options{
		Name: c.name, Keep: c.keep, Program: program, Out: os.Stdout, Colour: isTerminal(os.Stdout),
	})
}

// interruptible gives a context that ends by Ctrl-C and its like.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
}
