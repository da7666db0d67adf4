package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Attaching a program as a tc filter of the clsact qdisc, for kernels without TCX.

// The name and the handle tell the plane's filter from other people's. Of filters of one
// priority the newest runs first, so that there are two handles to change between.
const (
	filterName   = "vtep"
	filterHandle = 0x76746570
)

// Clsact is the qdisc that the filters of a device are in.
func Clsact(ifindex int) *netlink.Clsact {
	return &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: ifindex,
		Handle:    netlink.MakeHandle(0xffff, 0),
		Parent:    netlink.HANDLE_CLSACT,
	}}
}

// PutFilter makes prog the plane's filter on the device.
func (t *Attachments) PutFilter(ifindex int, prog *ebpf.Program) error {
	if err := t.Space.Links.QdiscAdd(Clsact(ifindex)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add clsact qdisc: %w", err)
	}
	handle := uint32(filterHandle)
	if ours, _, err := t.filters(ifindex); err == nil && ours != nil {
		handle = ours.Handle
	}
	return t.writeFilter(ifindex, prog, handle)
}

func (t *Attachments) writeFilter(ifindex int, prog *ebpf.Program, handle uint32) error {
	err := t.Space.Links.FilterReplace(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: ifindex,
			Parent:    netlink.HANDLE_MIN_INGRESS,
			Handle:    handle,
			Priority:  1,
			Protocol:  unix.ETH_P_ALL,
		},
		Fd:           prog.FD(),
		Name:         filterName,
		DirectAction: true,
	})
	if err != nil {
		return Explain("attach a program as tc filter", err)
	}
	return nil
}

// filters gives the plane's filter on the device, or nil, and what runs before it, or "".
func (t *Attachments) filters(ifindex int) (ours *netlink.BpfFilter, ahead string, err error) {
	dev := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}
	filters, err := t.Space.Links.FilterList(dev, netlink.HANDLE_MIN_INGRESS)
	if err != nil {
		return nil, "", fmt.Errorf("list tc filters: %w", err)
	}
	for _, f := range filters {
		if c := f.Attrs().Chain; c != nil && *c != 0 {
			continue // run only when a filter of chain 0 says so
		}
		if b, ok := f.(*netlink.BpfFilter); ok && b.Name == filterName && t.Pins.mayUse(ebpf.ProgramID(b.Id)) {
			return b, ahead, nil
		}
		if ahead == "" {
			ahead = fmt.Sprintf("a tc filter (%s, preference %d)", f.Type(), f.Attrs().Priority)
		}
	}
	return nil, ahead, nil
}

// filterPrograms gives the programs of all filters at the ingress of the device.
func (t *Attachments) filterPrograms(ifindex int) (ids []ebpf.ProgramID) {
	dev := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}
	filters, err := t.Space.Links.FilterList(dev, netlink.HANDLE_MIN_INGRESS)
	if err != nil {
		return nil // no qdisc, or no such device: attaching will say
	}
	for _, f := range filters {
		if b, ok := f.(*netlink.BpfFilter); ok && b.Id != 0 {
			ids = append(ids, ebpf.ProgramID(b.Id))
		}
	}
	return ids
}

// overtake puts the plane's filter before others of the same priority. The new one runs
// before the old one goes.
func (t *Attachments) overtake(ifindex int, prog *ebpf.Program, ours *netlink.BpfFilter) error {
	if err := t.writeFilter(ifindex, prog, ours.Handle^1); err != nil {
		return err
	}
	if err := t.Space.Links.FilterDel(ours); err != nil {
		return fmt.Errorf("delete tc filter: %w", err)
	}
	return nil
}

// deleteFilter removes the plane's filter and says whether there was one.
func (t *Attachments) deleteFilter(ifindex int) (bool, error) {
	f, _, err := t.filters(ifindex)
	if err != nil || f == nil {
		return false, nil // no qdisc, or no such device: nothing is attached
	}
	if err := t.Space.Links.FilterDel(f); err != nil {
		return true, fmt.Errorf("delete tc filter: %w", err)
	}
	return true, nil
}

// detachFilter removes the plane's filter, and the qdisc when nobody else uses it.
func (t *Attachments) detachFilter(ifindex int) error {
	if was, err := t.deleteFilter(ifindex); !was || err != nil {
		return err
	}
	dev := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		if others, err := t.Space.Links.FilterList(dev, parent); err != nil || len(others) > 0 {
			return nil
		}
	}
	if err := t.Space.Links.QdiscDel(Clsact(ifindex)); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete clsact qdisc: %w", err)
	}
	return nil
}
