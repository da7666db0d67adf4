package ebpf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Attaching a program to the ingress side of a device: a TCX link, pinned; or, on kernels
// before 6.6, a tc filter, which outlives the process by itself.

func (p *Plane) linkPin(ifindex int) string {
	return filepath.Join(p.pins.links(), strconv.Itoa(ifindex))
}

// attach makes prog run on the device, replacing an earlier version of it between two
// frames. It does nothing if that is so already.
func (p *Plane) attach(ifindex int, prog *ebpf.Program) error {
	if p.opts.Classic {
		if err := p.attachClassic(ifindex, prog); err != nil {
			return err
		}
		return p.unpinLink(ifindex)
	}
	own, err := p.adoptLink(ifindex, prog)
	if err == nil {
		err = p.strangers(ifindex, own)
	}
	if own != 0 || err != nil {
		return err
	}
	err = p.space.run(func() error {
		l, err := link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: prog, Attach: ebpf.AttachTCXIngress})
		if err != nil {
			return err
		}
		defer l.Close()
		return l.Pin(p.linkPin(ifindex))
	})
	if errors.Is(err, ebpf.ErrNotSupported) {
		return p.attachClassic(ifindex, prog)
	}
	if err != nil {
		return explain("attach a program", err)
	}
	_, err = p.deleteFilter(ifindex) // the qdisc stays: removing it would lose frames
	return err
}

// adoptLink takes over the link that is pinned for the device, if it is alive. It gives the
// link's number; 0: there is none.
func (p *Plane) adoptLink(ifindex int, prog *ebpf.Program) (link.ID, error) {
	l, err := link.LoadPinnedLink(p.linkPin(ifindex), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("open pinned link: %w", err)
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		return 0, fmt.Errorf("look at pinned link: %w", err)
	}
	if tcx := info.TCX(); tcx == nil || int(tcx.Ifindex) != ifindex {
		// Its device is gone and another one has the number now.
		return 0, p.unpinLink(ifindex)
	}
	if own, err := prog.Info(); err == nil {
		if id, ok := own.ID(); ok && id == info.Program {
			return info.ID, nil
		}
	}
	if err := l.Update(prog); err != nil {
		return 0, explain("replace a program", err)
	}
	return info.ID, nil
}

// strangers says that programs of this plane, but not of these pins, run on the device, or
// nil. Of several on one device the first decides every frame: what a VTEP says that was
// started beside another one, or that does not see the pins of its own past, would count for
// nothing, and nobody would notice.
func (p *Plane) strangers(ifindex int, own link.ID) error {
	var all *link.QueryResult
	err := p.space.run(func() (err error) {
		all, err = link.QueryPrograms(link.QueryOptions{Target: ifindex, Attach: ebpf.AttachTCXIngress})
		return err
	})
	if err != nil {
		return nil // no TCX, or no such device: attaching will say
	}
	for _, other := range all.Programs {
		if id, _ := other.LinkID(); id == own && own != 0 {
			continue
		}
		if name := programName(other.ID); strings.HasPrefix(name, programPrefix) {
			return fmt.Errorf("the program %s of another VTEP, or of an earlier run with other pins than in %s, is attached: "+
				"end that one with \"exit --cleanup\", or run this one with its pin directory (and in its mount namespace: \"ip netns exec\" makes one each time)",
				name, p.pins.dir)
		}
	}
	return nil
}

// programPrefix begins the name of each of the plane's programs.
const programPrefix = "vtep_"

// programName is empty if the program may not be looked at, or has gone.
func programName(id ebpf.ProgramID) string {
	prog, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return ""
	}
	defer prog.Close()
	info, err := prog.Info()
	if err != nil {
		return ""
	}
	return info.Name
}

// unpinLink detaches the link that is pinned for the device, if any.
func (p *Plane) unpinLink(ifindex int) error {
	l, err := link.LoadPinnedLink(p.linkPin(ifindex), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open pinned link: %w", err)
	}
	defer l.Close()
	if err := l.Unpin(); err != nil {
		return fmt.Errorf("unpin link: %w", err)
	}
	return nil
}

func (p *Plane) detach(ifindex int) error {
	return errors.Join(p.unpinLink(ifindex), p.detachClassic(ifindex))
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

// liveLinks counts the pinned links whose device exists, in whatever namespace.
func (p *Plane) liveLinks() (int, error) {
	indexes, err := p.linked()
	alive := 0
	for _, i := range indexes {
		l, err := link.LoadPinnedLink(p.linkPin(i), nil)
		if err != nil {
			continue
		}
		if info, err := l.Info(); err == nil {
			if tcx := info.TCX(); tcx != nil && tcx.Ifindex != 0 {
				alive++
			}
		}
		l.Close()
	}
	return alive, err
}

// attached says whether some version of the plane's program runs on the device.
func (p *Plane) attached(ifindex int) bool {
	l, err := link.LoadPinnedLink(p.linkPin(ifindex), nil)
	if err == nil {
		defer l.Close()
		info, err := l.Info()
		if err != nil {
			return false
		}
		tcx := info.TCX()
		return tcx != nil && int(tcx.Ifindex) == ifindex
	}
	f, err := p.classicFilter(ifindex)
	return err == nil && f != nil
}

// ---- tc filters ------------------------------------------------------------------------

// The name and the handle tell the plane's filter from other people's.
const (
	filterName   = "vtep"
	filterHandle = 0x76746570
)

func clsact(ifindex int) *netlink.Clsact {
	return &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: ifindex,
		Handle:    netlink.MakeHandle(0xffff, 0),
		Parent:    netlink.HANDLE_CLSACT,
	}}
}

func (p *Plane) attachClassic(ifindex int, prog *ebpf.Program) error {
	if err := p.space.links.QdiscAdd(clsact(ifindex)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add clsact qdisc: %w", err)
	}
	err := p.space.links.FilterReplace(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: ifindex,
			Parent:    netlink.HANDLE_MIN_INGRESS,
			Handle:    filterHandle,
			Priority:  1,
			Protocol:  unix.ETH_P_ALL,
		},
		Fd:           prog.FD(),
		Name:         filterName,
		DirectAction: true,
	})
	if err != nil {
		return explain("attach a program as tc filter", err)
	}
	return nil
}

// classicFilter gives the plane's filter on the device, or nil.
func (p *Plane) classicFilter(ifindex int) (*netlink.BpfFilter, error) {
	dev := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}
	filters, err := p.space.links.FilterList(dev, netlink.HANDLE_MIN_INGRESS)
	if err != nil {
		return nil, fmt.Errorf("list tc filters: %w", err)
	}
	for _, f := range filters {
		if b, ok := f.(*netlink.BpfFilter); ok && b.Name == filterName {
			return b, nil
		}
	}
	return nil, nil
}

// deleteFilter removes the plane's filter and says whether there was one.
func (p *Plane) deleteFilter(ifindex int) (bool, error) {
	f, err := p.classicFilter(ifindex)
	if err != nil || f == nil {
		return false, nil // no qdisc, or no such device: nothing is attached
	}
	if err := p.space.links.FilterDel(f); err != nil {
		return true, fmt.Errorf("delete tc filter: %w", err)
	}
	return true, nil
}

// detachClassic removes the plane's filter, and the qdisc when nobody else uses it.
func (p *Plane) detachClassic(ifindex int) error {
	if was, err := p.deleteFilter(ifindex); !was || err != nil {
		return err
	}
	dev := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		if others, err := p.space.links.FilterList(dev, parent); err != nil || len(others) > 0 {
			return nil
		}
	}
	if err := p.space.links.QdiscDel(clsact(ifindex)); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete clsact qdisc: %w", err)
	}
	return nil
}
