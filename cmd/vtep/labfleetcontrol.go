package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/nvc"
)

// fleetControl is what has the VTEPs of a fleet know of one another.
type fleetControl interface {
	// String is what there is, in the first line of the figures, sessions how many it has with how many databases, part
	// what of it the memory is measured of, and apart what of it is processes of their own; "": these are of part as well.
	String() string
	sessions(vteps int) string
	part() string
	apart() string

	vni() int64 // what the operator gives the logical switch; 0: it does

	// control starts it. It ends with ctx.
	control(ctx context.Context) error
	// left has what belongs to a VTEP that ends, and join that of one that starts again.
	join(ctx context.Context, v *fleetVTEP) error
	left(v *fleetVTEP) error

	// progress says how many transactions it has made, and what there is to do yet, "" if nothing.
	progress(ctx context.Context) (transactions uint64, busy string, err error)

	// unplugs says that a VTEP has to see that a host has left its port before others may get to know where it is then.
	unplugs() bool

	machine() string // a MAC that all know beside those of hosts; "": none

	// cpuTime and memory, in bytes, are those of processes of its own, as far as they run.
	cpuTime() time.Duration
	memory(ctx context.Context) (uint64, error)

	// gone forgets all, when it has ended.
	gone()
}

// within is what has all VTEPs in this process.
type within struct{}

func (within) cpuTime() time.Duration                 { return 0 }
func (within) memory(context.Context) (uint64, error) { return 0, nil }
func (within) apart() string                          { return "" }
func (within) unplugs() bool                          { return false }
func (within) machine() string                        { return "" }

// fleetNVC is one controller.
type fleetNVC struct {
	within
	fleet   *fleet
	likeOVN bool // its rows are as those of OVN
	nvc     *nvc.NVC
}

func (c *fleetNVC) String() string {
	if c.likeOVN {
		return "one controller that writes rows as OVN does"
	}
	return "one controller"
}

func (c *fleetNVC) machine() string {
	if c.likeOVN {
		return fleetMachineMAC
	}
	return ""
}

func (c *fleetNVC) unplugs() bool                          { return c.likeOVN }
func (c *fleetNVC) sessions(vteps int) string              { return fmt.Sprint(2 * vteps) }
func (c *fleetNVC) part() string                           { return "of the controller" }
func (c *fleetNVC) vni() int64                             { return 0 }
func (c *fleetNVC) join(context.Context, *fleetVTEP) error { return nil }
func (c *fleetNVC) left(*fleetVTEP) error                  { return nil }
func (c *fleetNVC) gone()                                  { c.nvc = nil }

func (c *fleetNVC) control(ctx context.Context) error {
	var targets []string
	for _, v := range c.fleet.vteps {
		targets = append(targets, "unix:"+v.socket(c.fleet.dir))
	}
	o := nvc.Options{LikeOVN: c.likeOVN}
	if c.likeOVN {
		hypervisor, err := netip.ParseAddr(fleetHypervisorIP)
		if err != nil {
			return err
		}
		o.FirstVNI, o.Peers = 1, []netip.Addr{hypervisor}
		o.Stations = []nvc.Station{{Network: "ls1", MAC: fleetMachineMAC, Peer: hypervisor}}
	}
	c.nvc = nvc.New(o)
	c.fleet.ended.Go(func() {
		if err := c.nvc.Run(ctx, targets); err != nil && ctx.Err() == nil {
			c.fleet.fail(err)
		}
	})
	return nil
}

func (c *fleetNVC) progress(ctx context.Context) (transactions uint64, busy string, err error) {
	s, err := c.nvc.Status(ctx)
	if err != nil {
		return 0, "", err
	}
	for _, t := range s.Targets {
		transactions += t.Transactions
		if busy == "" && (t.State != "active" || t.Pending > 0) {
			busy = fmt.Sprintf("%s is %s, and %d things are to be looked at", t.Target, t.State, t.Pending)
		}
	}
	return transactions, busy, nil
}
