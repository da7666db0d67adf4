package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane/ebpf/host"
)

// Native is a program of native XDP on a device, by a pinned link.
type Native struct {
	Prog *ebpf.Program
	link link.Link // held open, so that it outlives its pin
	id   link.ID
}

// Natives are those of a plane. They have no lock: the plane's is held.
type Natives struct {
	Pins  *Pins
	Space *host.Namespace
	All   map[int]*Native // by ifindex
}

func (n *Natives) pin(ifindex int) string {
	return filepath.Join(n.Pins.natives(), strconv.Itoa(ifindex))
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
	a := &Native{Prog: prog}
	if err := n.adopt(a, ifindex); err != nil {
		return err
	}
	if a.link == nil {
		if err := n.put(a, ifindex); err != nil {
			return err
		}
	}
	n.All[ifindex] = a
	return nil
}

// adopt takes over the link that is pinned for the device, if it is alive.
func (n *Natives) adopt(a *Native, ifindex int) error {
	l, err := link.LoadPinnedLink(n.pin(ifindex), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open pinned link: %w", err)
	}
	info, err := l.Info()
	if err != nil {
		l.Close()
		return fmt.Errorf("look at pinned link: %w", err)
	}
	if !isOn(info, ifindex) {
		// It was detached, or its device is gone and another one has the number now.
		l.Close()
		return n.removePin(ifindex)
	}
	if err := l.Update(a.Prog); err != nil {
		// One for a device alone can't take the place of one for all, nor the other way around.
		err = errors.Join(l.Detach(), n.removePin(ifindex))
		l.Close()
		return err
	}
	a.link, a.id = l, info.ID
	return nil
}

func (n *Natives) put(a *Native, ifindex int) error {
	return n.Space.Run(func() error {
		l, err := link.AttachXDP(link.XDPOptions{Program: a.Prog, Interface: ifindex, Flags: link.XDPDriverMode})
		if err != nil {
			return explainXDP(err)
		}
		info, err := l.Info()
		if err == nil {
			err = os.MkdirAll(n.Pins.natives(), 0o700)
		}
		if err == nil {
			err = l.Pin(n.pin(ifindex))
		}
		if err != nil {
			return errors.Join(Explain("pin a link", err), l.Close())
		}
		a.link, a.id = l, info.ID
		return nil
	})
}

// explainXDP says what the errors of drivers mean; their own words are not to be had.
func explainXDP(err error) error {
	switch {
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

func isOn(info *link.Info, ifindex int) bool {
	xdp := info.XDP()
	return xdp != nil && int(xdp.Ifindex) == ifindex
}

// Examine says how the program on the device is found.
func (n *Natives) Examine(ifindex int) condition {
	a := n.All[ifindex]
	if a == nil {
		return Detached
	}
	info, err := a.link.Info()
	switch {
	case err != nil || !isOn(info, ifindex):
		return Detached
	case !runs(info.Program, a.Prog):
		return Replaced
	}
	if _, err := os.Stat(n.pin(ifindex)); errors.Is(err, fs.ErrNotExist) {
		return Unpinned
	}
	return Sound
}

// Detach takes the plane's program off the device, if there is one.
func (n *Natives) Detach(ifindex int) error {
	var err error
	if a := n.All[ifindex]; a != nil { // somebody may have removed its pin
		err = a.link.Detach()
	}
	n.LetGo(ifindex)
	if l, none := link.LoadPinnedLink(n.pin(ifindex), nil); none == nil {
		err = l.Detach()
		l.Close()
	}
	if err != nil {
		err = fmt.Errorf("detach an XDP program: %w", err)
	}
	return errors.Join(err, n.removePin(ifindex))
}

// DetachAll takes all of the plane's off, also those that an earlier process has left, but for the devices in keep.
func (n *Natives) DetachAll(keep map[int]bool) error {
	entries, err := os.ReadDir(n.Pins.natives())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list pinned links: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if ifindex, err := strconv.Atoi(e.Name()); err == nil && !keep[ifindex] {
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

func (n *Natives) removePin(ifindex int) error {
	if err := os.Remove(n.pin(ifindex)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unpin link: %w", err)
	}
	return nil
}

// IsOurs says whether the program with that number is one that an earlier process has left on the device.
func (n *Natives) IsOurs(ifindex int, id uint32) bool {
	l, err := link.LoadPinnedLink(n.pin(ifindex), nil)
	if err != nil {
		return false
	}
	defer l.Close()
	info, err := l.Info()
	return err == nil && isOn(info, ifindex) && uint32(info.Program) == id
}

// Others names somebody else's program or filter at TC ingress of the device; "": there is none.
func (t *Attachments) Others(ifindex int) string { return t.others(ifindex, true) }

// OthersOut does so at TC egress.
func (t *Attachments) OthersOut(ifindex int) string { return t.others(ifindex, false) }

func (t *Attachments) others(ifindex int, ingress bool) string {
	at, parent := ebpf.AttachTCXIngress, uint32(netlink.HANDLE_MIN_INGRESS)
	if !ingress {
		at, parent = ebpf.AttachTCXEgress, netlink.HANDLE_MIN_EGRESS
	}
	var on *link.QueryResult
	err := t.Space.Run(func() (err error) {
		on, err = link.QueryPrograms(link.QueryOptions{Target: ifindex, Attach: at})
		return err
	})
	if err == nil {
		for _, prog := range on.Programs {
			if !t.Pins.mayUse(prog.ID) {
				return describe(prog.ID)
			}
		}
	}
	filters, err := t.Space.Links.FilterList(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}, parent)
	if err != nil {
		return "" // no qdisc, or no such device
	}
	for _, f := range filters {
		if b, ok := f.(*netlink.BpfFilter); !ok || b.Name != filterName {
			return "a tc filter (" + f.Type() + ")"
		}
	}
	return ""
}
