package ebpf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// attachment is a program on the ingress side of a device: a TCX link, pinned; or, on kernels
// before 6.6, a tc filter (filter.go), which outlives the process by itself.
type attachment struct {
	ifindex int
	prog    *ebpf.Program
	first   bool // it has to run before everybody else's, since it decides every frame

	link link.Link // held open, so that it outlives its pin; nil: a tc filter
	id   link.ID

	trouble error     // what somebody has done to it (mend.go); nil: nothing, or long ago
	since   time.Time // of trouble

	restored time.Time // when the promiscuous mode was set again; zero: it was not, or long ago
}

func (a *attachment) close() {
	if a.link != nil {
		a.link.Close()
		a.link, a.id = nil, 0
	}
}

func (p *Plane) linkPin(ifindex int) string {
	return filepath.Join(p.pins.links(), strconv.Itoa(ifindex))
}

// attach makes prog run on the device, replacing an earlier version of it between two
// frames. It does nothing if that is so already.
func (p *Plane) attach(ifindex int, prog *ebpf.Program, first bool) error {
	a := p.attachments[ifindex]
	if a == nil || a.prog != prog || a.first != first {
		p.letGo(ifindex)
		a = &attachment{ifindex: ifindex, prog: prog, first: first}
		if err := p.put(a); err != nil {
			return err
		}
		p.attachments[ifindex] = a
	}
	return p.mend(a)
}

// put attaches what is not attached, or takes over what an earlier process has attached.
func (p *Plane) put(a *attachment) error {
	if err := p.foreignTo(a); err != nil {
		return err
	}
	if p.opts.Classic {
		if err := p.putFilter(a.ifindex, a.prog); err != nil {
			return err
		}
		return p.detachPinned(a.ifindex)
	}
	if err := p.adoptLink(a); err != nil {
		return err
	}
	if a.link != nil {
		return nil
	}
	err := p.newLink(a, p.linkPin(a.ifindex))
	if errors.Is(err, ebpf.ErrNotSupported) {
		return p.putFilter(a.ifindex, a.prog)
	}
	if err != nil {
		return explain("attach a program", err)
	}
	_, err = p.deleteFilter(a.ifindex) // the qdisc stays: removing it would lose frames
	return err
}

// newLink makes a link, before all others if need be, and pins it.
func (p *Plane) newLink(a *attachment, pin string) error {
	o := link.TCXOptions{Interface: a.ifindex, Program: a.prog, Attach: ebpf.AttachTCXIngress}
	if a.first {
		o.Anchor = link.Head()
	}
	return p.space.Run(func() error {
		l, err := link.AttachTCX(o)
		if err != nil {
			return err
		}
		info, err := l.Info()
		if err == nil {
			err = l.Pin(pin)
		}
		if err != nil {
			l.Close()
			return err
		}
		a.link, a.id = l, info.ID
		return nil
	})
}

// adoptLink takes over the link that is pinned for the device, if it is alive.
func (p *Plane) adoptLink(a *attachment) error {
	l, err := link.LoadPinnedLink(p.linkPin(a.ifindex), nil)
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
	if tcx := info.TCX(); tcx == nil || int(tcx.Ifindex) != a.ifindex {
		// It was detached, or its device is gone and another one has the number now.
		l.Close()
		return p.removePin(a.ifindex)
	}
	if !runs(info.Program, a.prog) {
		if err := l.Update(a.prog); err != nil {
			l.Close()
			return explain("replace a program", err)
		}
	}
	a.link, a.id = l, info.ID
	return nil
}

// runs says whether id is that of prog.
func runs(id ebpf.ProgramID, prog *ebpf.Program) bool {
	info, err := prog.Info()
	if err != nil {
		return false
	}
	own, ok := info.ID()
	return ok && own == id
}

// onTCX gives the programs on the device, in their order. Where there is no TCX or no such
// device there are none.
func (p *Plane) onTCX(ifindex int) []link.AttachedProgram {
	var all *link.QueryResult
	err := p.space.Run(func() (err error) {
		all, err = link.QueryPrograms(link.QueryOptions{Target: ifindex, Attach: ebpf.AttachTCXIngress})
		return err
	})
	if err != nil {
		return nil
	}
	return all.Programs
}

// unpinLink detaches the link of the device, if there is one.
func (p *Plane) unpinLink(ifindex int) error {
	var err error
	if a := p.attachments[ifindex]; a != nil && a.link != nil { // somebody may have removed its pin
		err = a.link.Detach()
	}
	p.letGo(ifindex)
	return errors.Join(err, p.detachPinned(ifindex))
}

// detachPinned detaches the link that is pinned for the device, if there is one. The program runs
// no more when it returns: a link that merely loses its last file and pin is detached by the kernel
// some time later, and until then its program looks like somebody else's.
func (p *Plane) detachPinned(ifindex int) error {
	var err error
	if l, none := link.LoadPinnedLink(p.linkPin(ifindex), nil); none == nil {
		err = l.Detach()
		l.Close()
	}
	if err != nil {
		err = fmt.Errorf("detach pinned link: %w", err)
	}
	return errors.Join(err, p.removePin(ifindex))
}

func (p *Plane) removePin(ifindex int) error {
	if err := os.Remove(p.linkPin(ifindex)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unpin link: %w", err)
	}
	return nil
}

// letGo forgets what is attached to the device, and leaves it there.
func (p *Plane) letGo(ifindex int) {
	if a := p.attachments[ifindex]; a != nil {
		a.close()
		delete(p.attachments, ifindex)
	}
}

func (p *Plane) detach(ifindex int) error {
	return errors.Join(p.unpinLink(ifindex), p.detachFilter(ifindex))
}

// linked lists the devices that have a pinned link.
func (p *Plane) linked() ([]int, error) {
	entries, err := os.ReadDir(p.pins.links())
	if err != nil {
		return nil, fmt.Errorf("list pinned links: %w", err)
	}
	var indexes []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			indexes = append(indexes, n)
		}
	}
	return indexes, nil
}
