package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane/ebpf/host"
)

// Native is a program of native XDP on a device, by a pinned link.
type Native struct {
	Prog *ebpf.Program
	link link.Link // held open, so that it outlives its pin
}

// Natives are those of a plane. They have no lock: the plane's is held.
type Natives struct {
	Pins  *Pins
	Space *host.Namespace
	All   map[int]*Native // by ifindex
}

// Attach makes prog run on the device, in its driver. A program that an earlier process has left there is
// replaced between two frames; somebody else's is not replaced, and an error.
func (n *Natives) Attach(ifindex int, prog *ebpf.Program) error {
	if a := n.All[ifindex]; a != nil {
		if err := a.link.Update(prog); err != nil {
			return Explain("replace an XDP program", err)
		}
		a.Prog = prog
		return nil
	}
	l, err := n.adopt(ifindex, prog)
	if l == nil && err == nil {
		l, _, err = pinLink(n.Space, n.Pins.natives().pin(ifindex), func() (link.Link, error) {
			l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: ifindex, Flags: link.XDPDriverMode})
			return l, explainXDP(err)
		})
	}
	if err != nil {
		return err
	}
	n.All[ifindex] = &Native{Prog: prog, link: l}
	return nil
}

// adopt takes over the link that is pinned for the device, if it is alive.
func (n *Natives) adopt(ifindex int, prog *ebpf.Program) (link.Link, error) {
	l, _, err := n.Pins.natives().open(ifindex)
	if l == nil {
		return nil, err
	}
	if err := l.Update(prog); err != nil {
		// One for a device alone can't take the place of one for all, nor the other way around.
		l.Close()
		return nil, n.Pins.natives().detach(ifindex)
	}
	return l, nil
}

// explainXDP says what the errors of drivers mean; their own words are not to be had.
func explainXDP(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return fmt.Errorf("another XDP program runs on it: %w", err)
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("its driver refuses XDP programs as it is set now: %w", err)
	case errors.Is(err, unix.ERANGE), errors.Is(err, unix.EINVAL), errors.Is(err, unix.E2BIG), errors.Is(err, unix.EMSGSIZE):
		return fmt.Errorf("its driver refuses XDP programs with this MTU or these settings: %w", err)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("its driver has not enough queues or memory for XDP: %w", err)
	}
	return Explain("attach an XDP program", err)
}

// Examine says how the program on the device is found.
func (n *Natives) Examine(ifindex int) condition {
	a := n.All[ifindex]
	if a == nil {
		return Detached
	}
	return n.Pins.natives().examine(a.link, ifindex, a.Prog)
}

// Detach takes the plane's program off the device, if there is one.
func (n *Natives) Detach(ifindex int) error {
	var err error
	if a := n.All[ifindex]; a != nil { // somebody may have removed its pin
		err = a.link.Detach()
	}
	n.LetGo(ifindex)
	return errors.Join(err, n.Pins.natives().detach(ifindex))
}

// DetachAll takes all of the plane's off, also those that an earlier process has left, but for the devices in keep.
func (n *Natives) DetachAll(keep map[int]bool) error {
	indexes, err := n.Pins.natives().list()
	errs := []error{err}
	for _, ifindex := range indexes {
		if !keep[ifindex] {
			errs = append(errs, n.Detach(ifindex))
		}
	}
	return errors.Join(errs...)
}

// LetGo forgets what is attached to the device, and leaves it there.
func (n *Natives) LetGo(ifindex int) {
	if a := n.All[ifindex]; a != nil {
		a.link.Close()
		delete(n.All, ifindex)
	}
}

// IsOurs says whether the program with that number is one that an earlier process has left on the device.
func (n *Natives) IsOurs(ifindex int, id uint32) bool {
	l, info, err := n.Pins.natives().open(ifindex)
	if err != nil || l == nil {
		return false
	}
	defer l.Close()
	return uint32(info.Program) == id
}
