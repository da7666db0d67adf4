package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/vtep/vtep/internal/evpn"
)

// What a fleet of EVPN has in common.
const (
	fleetAS  = 65000
	fleetVNI = 5000

	fleetHold = 600 // seconds: two cores may be busy for longer than usual with what a thousand machines do
)

// fleetReflectorIP is where the route reflector is, its clients each at an address of their own.
var fleetReflectorIP = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// fleetFabric is EVPN in the place of a controller: a bridge beside each VTEP, as "vtep evpn" is, and one route reflector
// (GoBGP), a process of its own, that has a session with each and is all that they know one another by.
type fleetFabric struct {
	within
	fleet     *fleet
	reflector *fleetBeside
}

func (f *fleetFabric) String() string { return "a bridge of EVPN for each, one route reflector" }
func (f *fleetFabric) part() string   { return "of its bridge" }
func (f *fleetFabric) apart() string  { return "of the reflector" }
func (f *fleetFabric) vni() int64     { return fleetVNI }

func (f *fleetFabric) cpuTime() time.Duration {
	if f.reflector == nil {
		return 0
	}
	return f.reflector.cpuTime()
}

func (f *fleetFabric) memory(ctx context.Context) (uint64, error) {
	if f.reflector == nil {
		return 0, errors.New("the route reflector does not run")
	}
	return f.reflector.memory(ctx)
}

func (f *fleetFabric) sessions(vteps int) string {
	return fmt.Sprintf("%d, and %d of BGP", 2*vteps, vteps)
}

// control starts the reflector, and all bridges. They end with ctx.
func (f *fleetFabric) control(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	r, err := startFleetBeside(ctx, program, f.fleet.dir, len(f.fleet.vteps), f.fleet.fail)
	if err != nil {
		return err
	}
	f.reflector = r
	f.fleet.ended.Go(func() { <-ctx.Done(); r.stop() })
	for i, v := range f.fleet.vteps {
		if err := f.admit(ctx, i); err != nil {
			return err
		}
		if err := f.join(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// fleetBegins is how many sessions may be about to begin. The library ends one that has not in 240 seconds, and begins another: a
// thousand at once, on a machine that is busy, would begin again and again, and none would get further.
const fleetBegins = 64

// admit waits until one more session may begin, after so many.
func (f *fleetFabric) admit(ctx context.Context, begun int) error {
	over := time.After(f.fleet.patience)
	for begun-int(f.reflector.sessions.Load()) >= fleetBegins {
		select {
		case <-time.After(10 * time.Millisecond):
		case err := <-f.fleet.errs:
			return err
		case <-over:
			return fmt.Errorf("after %v only %d of %d sessions have begun", f.fleet.patience, f.reflector.sessions.Load(), begun)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// join starts the bridge of a VTEP. It ends with ctx, or with the VTEP.
func (f *fleetFabric) join(ctx context.Context, v *fleetVTEP) error {
	ctx, v.leave = context.WithCancel(ctx)
	v.bridge = evpn.New(evpn.Options{Config: &evpn.Config{AS: fleetAS, RouterID: v.ip, Port: -1,
		Neighbors: []evpn.Neighbor{{Address: fleetReflectorIP, Port: f.reflector.port, LocalAddress: fleetSpeaker(v.place + 1), HoldTime: fleetHold}}}})
	bridge := v.bridge
	v.joined.Go(func() {
		if err := bridge.Run(ctx, "unix:"+v.socket(f.fleet.dir)); err != nil && ctx.Err() == nil {
			f.fleet.fail(err)
		}
	})
	return nil
}

// left ends the bridge of a VTEP.
func (f *fleetFabric) left(v *fleetVTEP) error {
	if v.leave != nil {
		v.leave()
		v.joined.Wait()
	}
	return nil
}

// gone waits until all bridges have ended, and forgets them.
func (f *fleetFabric) gone() {
	for _, v := range f.fleet.vteps {
		v.joined.Wait()
		v.bridge = nil
	}
	f.reflector = nil
}

// progress sums up what bridges have written.
func (f *fleetFabric) progress(ctx context.Context) (transactions uint64, busy string, err error) {
	for _, v := range f.fleet.vteps {
		p, err := v.bridge.Progress(ctx)
		if err != nil {
			return 0, "", errors.Join(fmt.Errorf("bridge of %s", v.name), err)
		}
		transactions += p.Transactions
		if busy == "" && (p.Database != "active" || !p.Announcing || p.Pending > 0) {
			busy = fmt.Sprintf("the bridge of %s: its database is %s, it announces hosts: %v, and %d things are to be looked at", v.name, p.Database, p.Announcing, p.Pending)
		}
	}
	return transactions, busy, nil
}
