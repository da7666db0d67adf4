package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/lab"
)

// fabricOptions are the options of "vtep lab up" that ask for a fabric.
func (c *labCommand) fabricOptions() []getopt.Option {
	number := func(name, help string, into *int) getopt.Option {
		return getopt.Option{Long: name, Arg: getopt.RequiredArg, ArgName: "N", Help: help, Set: func(arg string) error {
			n, err := strconv.Atoi(arg)
			if err != nil {
				return fmt.Errorf("%q is not a number", arg)
			}
			*into, c.given = n, append(c.given, name)
			return nil
		}}
	}
	c.fabric = lab.Options{VTEPs: 3, Hosts: 2, Switches: 1, Plane: "ebpf"}
	return []getopt.Option{
		number("vteps", "up: a fabric of so many VTEPs, v1, v2, ... (default 3)", &c.fabric.VTEPs),
		number("peers", "up: a fabric with VXLAN bridges of the kernel p1, p2, ... beside them (default 0)", &c.fabric.Peers),
		number("hosts", "up: a fabric with so many hosts of each, v1h1, v1h2, ... (default 2)", &c.fabric.Hosts),
		number("switches", "up: a fabric with logical switches ls1, ls2, ... that hosts are in by turns (default 1)", &c.fabric.Switches),
		{Long: "plane", Arg: getopt.RequiredArg, ArgName: "PLANE", Help: "up: a fabric with this dataplane: ebpf (default), ovs, or memory, which needs no root", Set: func(arg string) error { c.fabric.Plane, c.given = arg, append(c.given, "plane"); return nil }},
		{Long: "no-nvc", Help: "up: a fabric without a controller", Set: func(string) error { c.fabric.NoNVC, c.given = true, append(c.given, "no-nvc"); return nil }},
		getopt.Flag("svg", "graph: as a picture", &c.svg),
	}
}

// onFabric runs one of the functions: the first if the lab is a fabric, else the other.
func (c *labCommand) onFabric(fabric func(*lab.Fabric) (int, error), picture func(*labCommand) (int, error)) (int, error) {
	f, err := lab.OpenFabric(c.name)
	switch {
	case errors.Is(err, lab.ErrNotThere) && picture != nil:
		if os.Geteuid() != 0 {
			return 1, fmt.Errorf("%w; of users other than root there are labs of --plane=memory only", err)
		}
		return picture(c)
	case err != nil:
		return 1, err
	}
	defer f.Close()
	return fabric(f)
}

func (c *labCommand) upFabric() (int, error) {
	if c.bare {
		return 1, errors.New("--bare is for the lab of one VTEP")
	}
	program, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("find the program: %w", err)
	}
	ctx, stop := interruptible()
	defer stop()
	f, err := lab.UpFabric(ctx, c.name, c.fabric, program)
	if err != nil {
		return 1, err
	}
	defer f.Close()
	f.Describe(ctx, os.Stdout, os.Args[0])
	return 0, nil
}

func fabricStatus(f *lab.Fabric) (int, error) {
	f.Describe(context.Background(), os.Stdout, os.Args[0])
	return 0, nil
}

func labGraph(c *labCommand) (int, error) {
	return c.onFabric(func(f *lab.Fabric) (int, error) {
		draw := f.Text
		if c.svg {
			draw = f.SVG
		}
		fmt.Print(draw(f.State(context.Background())))
		return 0, nil
	}, nil)
}

func labMove(c *labCommand) (int, error) {
	return c.onFabric(func(f *lab.Fabric) (int, error) {
		program, err := os.Executable()
		if err != nil {
			return 1, fmt.Errorf("find the program: %w", err)
		}
		h, err := f.Host(c.args[0])
		if err != nil {
			return 1, err
		}
		ctx, stop := interruptible()
		defer stop()
		if err := f.Move(ctx, program, h, c.args[1]); err != nil {
			return 1, err
		}
		return 0, nil
	}, nil)
}

// pingFabric pings from one host to another, or without arguments from each to each.
func (c *labCommand) pingFabric(f *lab.Fabric) (int, error) {
	ctx, stop := interruptible()
	defer stop()
	if len(c.args) == 0 {
		return pingPairs(ctx, f)
	}
	if len(c.args) != 2 {
		return 1, errors.New("ping takes two hosts, or none for all")
	}
	from, err := f.Host(c.args[0])
	if err != nil {
		return 1, err
	}
	to, err := f.Host(c.args[1])
	if err != nil {
		return 1, err
	}
	r, err := f.PingHost(ctx, from, to, 5, 200*time.Millisecond)
	return pinged(r, err)
}

func pingPairs(ctx context.Context, f *lab.Fabric) (int, error) {
	pairs, err := f.PingAll(ctx, 2, 100*time.Millisecond)
	if err != nil {
		return 1, err
	}
	lost := 0
	for _, p := range pairs {
		fmt.Printf("%-6s -> %-6s %d of %d, the slowest after %v\n", p.From.Name, p.To.Name, p.Received, p.Sent, p.Longest.Round(time.Microsecond))
		if p.Received == 0 {
			lost++
		}
	}
	fmt.Printf("%d pairs, %d without a reply\n", len(pairs), lost)
	return min(lost, 1), nil
}

// pinged tells what came of a ping, and gives the exit status.
func pinged(r lab.Replies, err error) (int, error) {
	if err != nil {
		return 1, err
	}
	fmt.Printf("%d sent, %d received, the slowest after %v\n", r.Sent, r.Received, r.Longest.Round(time.Microsecond))
	return min(r.Lost(), 1), nil
}

func labFleet(c *labCommand) (int, error) {
	n, other := 100, ""
	for _, option := range c.given {
		switch {
		case option == "vteps":
			n = c.fabric.VTEPs
		case option != "plane" || c.fabric.Plane != "memory":
			other = option
		}
	}
	if other != "" {
		return 1, fmt.Errorf("--%s is not for a fleet, which has --plane=memory, a host of each VTEP, and a controller", other)
	}
	ctx, stop := interruptible()
	defer stop()
	return 0, runFleet(ctx, fleetOptions{vteps: n, evpn: c.evpn, ovn: c.ovn, ovnRows: c.ovnRows}, os.Stdout)
}
