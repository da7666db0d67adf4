package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

// reflectorCommand is the first argument of the process of a route reflector, which a fleet starts; the second is how many clients
// it has. It is no command of anybody else's, and looks like an option, so that a program of tests refuses it, which would else begin anew.
const reflectorCommand = "--fleet-reflector"

// What a reflector says, each with a number, on a line of its own. The memory it says each time that it gets a line. It ends when it gets no more.
const (
	saysPort     = "port"
	saysSessions = "sessions"
	saysMemory   = "memory"
)

// runFleetReflector is the process.
func runFleetReflector(args []string) int {
	if err := serveFleetReflector(args, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "vtep: route reflector: %v\n", err)
		return 1
	}
	return 0
}

func serveFleetReflector(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("the number of clients is needed")
	}
	clients, err := strconv.Atoi(args[0])
	if err != nil || clients < 1 || clients > maxFleet {
		return fmt.Errorf("%q: no number of clients", args[0])
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var saying sync.Mutex
	say := func(what string, number int64) {
		saying.Lock()
		defer saying.Unlock()
		if _, err := fmt.Fprintln(out, what, number); err != nil {
			cancel(fmt.Errorf("nobody listens: %w", err))
		}
	}
	r, err := startFleetReflector(ctx, func(err error) { cancel(err) }, func(n int64) { say(saysSessions, n) })
	if err != nil {
		return err
	}
	for id := 1; id <= clients; id++ {
		if err := r.add(ctx, fleetSpeaker(id)); err != nil {
			return err
		}
	}
	say(saysPort, int64(r.port))
	asked := make(chan struct{})
	go func() {
		defer cancel(nil)
		for lines := bufio.NewScanner(in); lines.Scan(); {
			asked <- struct{}{}
		}
	}()
	for {
		select {
		case <-asked:
			say(saysMemory, int64(heap()))
		case <-ctx.Done(): // with the process all ends
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}
}

// fleetSpeaker is the address that the bridge of a VTEP has its session from.
func fleetSpeaker(id int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 3, byte(id >> 8), byte(id)})
}

// fleetBeside is that process as the fleet sees it.
type fleetBeside struct {
	*processes
	port     uint16
	sessions atomic.Int64
	memories chan uint64
	in       *os.File // it ends when that is closed
}

// startFleetBeside starts it, and returns when clients can connect. It ends with stop.
func startFleetBeside(ctx context.Context, program, dir string, clients int, fail func(error)) (_ *fleetBeside, err error) {
	failed := make(chan error, 1)
	b := &fleetBeside{memories: make(chan uint64, 1)}
	b.processes = startProcesses(dir, func(err error) {
		failed <- err // there is one
		fail(err)
	})
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	in, given, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the route reflector: %w", err)
	}
	defer in.Close()
	b.in = given
	said, out, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the route reflector: %w", err)
	}
	_, err = b.startWith(in, out, "reflector", program, reflectorCommand, strconv.Itoa(clients))
	_ = out.Close()
	if err != nil {
		_ = said.Close()
		return nil, err
	}
	ready := make(chan uint16, 1)
	go func() {
		defer said.Close()
		for {
			var what string
			var number uint64
			if _, err := fmt.Fscanln(said, &what, &number); err != nil {
				return // it has ended, which others tell of
			}
			switch what {
			case saysPort:
				ready <- uint16(number)
			case saysSessions:
				b.sessions.Store(int64(number))
			case saysMemory:
				b.memories <- number
			}
		}
	}()
	select {
	case b.port = <-ready:
		return b, nil
	case err := <-failed:
		return nil, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// memory is what is in use in it, in bytes.
func (b *fleetBeside) memory(ctx context.Context) (uint64, error) {
	if _, err := fmt.Fprintln(b.in); err != nil {
		return 0, fmt.Errorf("memory of the route reflector: %w", err)
	}
	select {
	case n := <-b.memories:
		return n, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// stop ends it.
func (b *fleetBeside) stop() {
	b.processes.stop()
	if b.in != nil {
		_ = b.in.Close()
	}
}
