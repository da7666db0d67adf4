package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

// Whose a program is. A program that forwards with the maps of these pins belongs to this VTEP,
// whichever of its processes has attached it; any other program of the plane to another VTEP, or
// to a past of this one that has lost its pins.

// programPrefix begins the name of each of the plane's programs.
const programPrefix = "vtep_"

// ForeignProgram says that programs of this plane, but not of these pins, run on the device, or
// nil. Of several on one device the first decides every frame: what a VTEP says that was
// started beside another one, or that does not see the pins of its own past, would count for
// nothing, and nobody would notice.
func (t *Attachments) ForeignProgram(ifindex int) error { return t.foreign(ifindex, "") }

// foreign passes over programs of that name that are attached with TCX.
func (t *Attachments) foreign(ifindex int, but string) error {
	ids := t.filterPrograms(ifindex)
	for _, other := range t.onTCX(ifindex) {
		if but == "" || programName(other.ID) != but {
			ids = append(ids, other.ID)
		}
	}
	for _, id := range ids {
		name, maps, err := lookAt(id)
		if err == nil && strings.HasPrefix(name, programPrefix) && !t.Pins.use(maps) {
			return fmt.Errorf("the program %s of another VTEP, or of an earlier run with other pins than in %s, is attached: "+
				"end that one with \"exit --cleanup\", or run this one with its pin directory (and in its mount namespace: \"ip netns exec\" makes one each time)",
				name, t.Pins.Dir)
		}
	}
	return nil
}

// foreignTo is foreignProgram for a program that is to be attached.
func (t *Attachments) foreignTo(a *Attachment) error {
	if name := t.Shares(a.Prog); name != "" && !t.Classic {
		return t.foreign(a.Ifindex, name)
	}
	return t.ForeignProgram(a.Ifindex)
}

// Others names somebody else's program or filter at TC ingress of the device, or else, at egress; "": there is none.
func (t *Attachments) Others(ifindex int, ingress bool) string {
	at, parent := ebpf.AttachTCXIngress, uint32(netlink.HANDLE_MIN_INGRESS)
	if !ingress {
		at, parent = ebpf.AttachTCXEgress, netlink.HANDLE_MIN_EGRESS
	}
	for _, prog := range t.programsAt(ifindex, at) {
		if !t.Pins.mayUse(prog.ID) {
			return describe(prog.ID)
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

// Forwarding says whether anything that an earlier process has attached is at work, in whatever
// network namespace; own are the programs of this process, attachable the names of those that devices get. Links tell whether their device is there. A tc filter can't be seen from
// here, but goes with its namespace, so that a program which nothing else holds is one.
func (t *Attachments) Forwarding(own []*ebpf.Program, attachable []string) (bool, error) {
	indexes, err := t.Linked()
	if err != nil {
		return false, err
	}
	held := map[ebpf.ProgramID]bool{}
	maps.Copy(held, t.Pins.forgotten)
	for _, prog := range own {
		info, err := prog.Info()
		if err != nil {
			return false, fmt.Errorf("look at a program: %w", err)
		}
		if id, ok := info.ID(); ok {
			held[id] = true
		}
	}
	for _, i := range indexes {
		l, err := link.LoadPinnedLink(t.Pins.links().pin(i), nil)
		if err != nil {
			continue
		}
		info, err := l.Info()
		l.Close()
		if err != nil {
			continue
		}
		if tcx := info.TCX(); tcx != nil && tcx.Ifindex != 0 {
			return true, nil
		}
		held[info.Program] = true
	}
	id, err := ebpf.ProgramGetNextID(0)
	for ; err == nil; id, err = ebpf.ProgramGetNextID(id) {
		if held[id] {
			continue
		}
		// Stages are held by their map, wherever they may have run.
		if name, maps, err := lookAt(id); err == nil && slices.Contains(attachable, name) && t.Pins.use(maps) {
			return true, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) || len(indexes) > 0 { // the end; or there are links, so that there are no filters
		return false, nil
	}
	return false, fmt.Errorf("the pins in %s are of another network namespace, and whether its VTEP is at work can't be known (needs CAP_SYS_ADMIN): "+
		"give this one another name or pin directory, or remove that directory: %w", t.Pins.Dir, err)
}
