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
	"github.com/vtep/vtep/internal/namespace"
)

func (c *labCommand) program() *getopt.Program {
	return &getopt.Program{Name: "vtep lab", Brief: "VTEPs, hosts and a controller to try things with, in network namespaces or in memory",
		Usage: []string{"[OPTION]... COMMAND [ARG]..."},
		Commands: []getopt.Command{
			{Name: "up", Help: "build one VTEP between two hosts and a kernel VXLAN peer, and start it; or with its options a fabric of many"},
			{Name: "status", Help: "say what is there"},
			{Name: "exec", Args: "NODE COMMAND...", Help: "run a command in a node"},
			{Name: "ping", Args: "[HOST ADDRESS]", Help: "send five echo requests from a host; in a fabric to a host by its name, too, or without arguments from each host to each"},
			{Name: "move", Args: "HOST VTEP", Help: "in a fabric: plug a host in at another VTEP"},
			{Name: "graph", Args: "[--svg]", Help: "in a fabric: draw it, as text or as a picture"},
			{Name: "down", Help: "take it away, with everything that runs in it"},
			{Name: "fleet", Args: "[--vteps N] [--evpn | --ovn DIR | --ovn-rows]", Help: "run N VTEPs of the memory plane (default 100) in this process, and measure how fast changes are in force on all"},
			{Name: "demo", Args: "[--keep]", Help: "show it all, check it all, and take it away"},
			{Name: "help"},
		},
		Options: append([]getopt.Option{
			getopt.String("name", "NAME", "which lab, so that several can be there at once (default lab, of a demo: demo)", &c.name),
			getopt.Flag("bare", "up: start no VTEP", &c.bare),
			getopt.Flag("keep", "demo: leave it up", &c.keep),
			getopt.Flag("evpn", "fleet: with EVPN, by a route reflector, in place of a controller", &c.evpn),
			getopt.String("ovn", "DIR", "fleet: with OVN, whose programs are in DIR (or in those of $PATH, if it says PATH), in place of a controller", &c.ovn),
			getopt.Flag("ovn-rows", "fleet: with a controller that writes rows as OVN does", &c.ovnRows),
			{Long: "help", Short: 'h', Set: func(string) error { return getopt.ErrHelp }},
		}, c.fabricOptions()...)}
}

// labCommand is one "vtep lab COMMAND" with what its options said.
type labCommand struct {
	name            string
	bare, keep, svg bool
	evpn            bool   // of a fleet
	ovn             string // likewise
	ovnRows         bool   // likewise
	fabric          lab.Options
	given           []string // the options that ask for a fabric
	args            []string
}

// labVerbs are the commands, with the numbers of arguments that they take.
var labVerbs = map[string]struct {
	min, max int
	run      func(*labCommand) (int, error)
}{
	"up": {0, 0, labUp}, "status": {0, 0, labStatus}, "exec": {2, 1 << 20, labExec}, "ping": {0, 2, labPing}, "down": {0, 0, labDown},
	"demo": {0, 0, labDemo}, "graph": {0, 0, labGraph}, "move": {2, 2, labMove}, "fleet": {0, 0, labFleet},
	"help": {0, 0, func(*labCommand) (int, error) { return 0, getopt.ErrHelp }},
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
	v, ok := labVerbs[verb]
	switch n := len(c.args); {
	case !ok:
		return 1, fmt.Errorf("unknown command %q; \"vtep lab --help\" lists them", verb)
	case n < v.min || n > v.max:
		return 1, fmt.Errorf("%s does not take %d arguments; \"vtep lab --help\" says what it takes", verb, n)
	}
	if (c.ovn != "" || c.ovnRows) && verb != "fleet" {
		return 1, fmt.Errorf("--ovn and --ovn-rows are for a fleet")
	}
	if c.evpn && verb != "fleet" {
		return 1, fmt.Errorf("--evpn is for a fleet; in a fabric \"vtep run --evpn\" has it for one VTEP")
	}
	if c.name == "" {
		c.name = map[bool]string{true: "demo", false: lab.DefaultName}[verb == "demo"]
	}
	return v.run(&c)
}

// needsRoot refuses what only root can do.
func needsRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("needs root, to make network namespaces and load eBPF programs: try sudo, or a fabric of --plane=memory")
	}
	return nil
}

func labUp(c *labCommand) (int, error) {
	if len(c.given) > 0 {
		return c.upFabric()
	}
	if err := needsRoot(); err != nil {
		return 1, err
	}
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
	return pictureStatus(c)
}

func labStatus(c *labCommand) (int, error) { return c.onFabric(fabricStatus, pictureStatus) }

func pictureStatus(c *labCommand) (int, error) {
	l, err := lab.Open(c.name)
	if err != nil {
		if names, _ := lab.Names(); len(names) > 0 { // the error at hand counts
			err = fmt.Errorf("%w; there is: %s", err, strings.Join(names, " "))
		}
		return 1, err
	}
	defer l.Close()
	l.Describe(os.Stdout, os.Args[0])
	return 0, nil
}

func labExec(c *labCommand) (int, error) {
	return c.onFabric(func(f *lab.Fabric) (int, error) { return c.exec(f.Command, f.Namespace) }, func(c *labCommand) (int, error) {
		l, err := lab.Open(c.name)
		if err != nil {
			return 1, err
		}
		defer l.Close()
		return c.exec(l.Command, l.Namespace)
	})
}

// exec runs a command in a node of a lab of either kind.
func (c *labCommand) exec(command func(lab.Node, []string) (*exec.Cmd, error), namespaceOf func(lab.Node) *namespace.Namespace) (int, error) {
	argv := c.args[1:]
	if argv[0] == "--" && len(argv) > 1 {
		argv = argv[1:]
	}
	cmd, err := command(lab.Node(c.args[0]), argv)
	if err != nil {
		return 1, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT) // the command gets them too, and decides
	err = namespaceOf(lab.Node(c.args[0])).Run(cmd)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	}
	return 1, err
}

func labPing(c *labCommand) (int, error) { return c.onFabric(c.pingFabric, pingPicture) }

func pingPicture(c *labCommand) (int, error) {
	l, err := lab.Open(c.name)
	if err != nil {
		return 1, err
	}
	defer l.Close()
	if len(c.args) != 2 {
		return 1, errors.New("ping takes a node and an address")
	}
	to, err := netip.ParseAddr(c.args[1])
	if err != nil || !to.Is4() {
		return 1, fmt.Errorf("%q is not an IPv4 address", c.args[1])
	}
	ctx, stop := interruptible()
	defer stop()
	r, err := l.Ping(ctx, lab.Node(c.args[0]), to, 5, 200*time.Millisecond)
	return pinged(r, err)
}

func labDown(c *labCommand) (int, error) {
	return c.onFabric(func(f *lab.Fabric) (int, error) { return 0, f.Down() }, downPicture)
}

func downPicture(c *labCommand) (int, error) {
	l, err := lab.Open(c.name)
	if err != nil {
		return 1, err
	}
	return 0, l.Down()
}

func labDemo(c *labCommand) (int, error) {
	if err := needsRoot(); err != nil {
		return 1, err
	}
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
