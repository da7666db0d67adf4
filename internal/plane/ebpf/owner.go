package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// Whose a program is. A program that forwards with the maps of these pins belongs to this VTEP,
// whichever of its processes has attached it; any other program of the plane to another VTEP, or
// to a past of this one that has lost its pins.

// programPrefix begins the name of each of the plane's programs.
const programPrefix = "vtep_"

// attachable are the names of those that devices get.
var attachable = []string{"vtep_port", "vtep_overlay", "vtep_underlay"}

// programName is empty if the program may not be looked at, or has gone.
func programName(id ebpf.ProgramID) string {
	name, _, _ := lookAt(id)
	return name
}

func lookAt(id ebpf.ProgramID) (name string, maps []ebpf.MapID, err error) {
	prog, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return "", nil, err
	}
	defer prog.Close()
	info, err := prog.Info()
	if err != nil {
		return "", nil, err
	}
	maps, _ = info.MapIDs()
	return info.Name, maps, nil
}

// netnsAt is where every layout of the map config has the network namespace.
const netnsAt = 16

// readConfigs finds the pinned maps called config.
func (p *pins) readConfigs() error {
	p.configs = map[ebpf.MapID]uint64{}
	files, err := filepath.Glob(filepath.Join(p.dir, "v*", "config"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := p.readConfig(file); err != nil {
			return fmt.Errorf("read pinned map %s: %w", file, err)
		}
	}
	return nil
}

func (p *pins) readConfig(file string) error {
	m, err := ebpf.LoadPinnedMap(file, &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		return err
	}
	b, err := m.LookupBytes(uint32(0))
	if err != nil {
		return err
	}
	if id, ok := info.ID(); ok && len(b) >= netnsAt+8 {
		p.configs[id] = binary.NativeEndian.Uint64(b[netnsAt:])
	}
	return nil
}

// elsewhere says whether the pinned maps are of another network namespace.
func (p *pins) elsewhere() bool {
	for _, netns := range p.configs {
		if netns != 0 && netns != p.netns {
			return true
		}
	}
	return false
}

func (p *pins) use(maps []ebpf.MapID) bool {
	for _, id := range maps {
		if _, ok := p.configs[id]; ok {
			return true
		}
	}
	return false
}

// mayUse says whether the program uses the maps of the pins, or can't be known not to.
func (p *pins) mayUse(id ebpf.ProgramID) bool {
	_, maps, err := lookAt(id)
	return err != nil || p.use(maps)
}

// foreignProgram says that programs of this plane, but not of these pins, run on the device, or
// nil. Of several on one device the first decides every frame: what a VTEP says that was
// started beside another one, or that does not see the pins of its own past, would count for
// nothing, and nobody would notice.
func (p *Plane) foreignProgram(ifindex int) error { return p.foreign(ifindex, "") }

// foreign passes over programs of that name that are attached with TCX.
func (p *Plane) foreign(ifindex int, but string) error {
	ids := p.filterPrograms(ifindex)
	for _, other := range p.onTCX(ifindex) {
		if but == "" || programName(other.ID) != but {
			ids = append(ids, other.ID)
		}
	}
	for _, id := range ids {
		name, maps, err := lookAt(id)
		if err == nil && strings.HasPrefix(name, programPrefix) && !p.pins.use(maps) {
			return fmt.Errorf("the program %s of another VTEP, or of an earlier run with other pins than in %s, is attached: "+
				"end that one with \"exit --cleanup\", or run this one with its pin directory (and in its mount namespace: \"ip netns exec\" makes one each time)",
				name, p.pins.dir)
		}
	}
	return nil
}

// foreignTo is foreignProgram for a program that is to be attached. VTEPs with other UDP ports may
// share the devices of the underlay: what is not for one of them goes on to the next.
func (p *Plane) foreignTo(a *attachment) error {
	if a.prog == p.objs.VtepUnderlay && !p.opts.Classic {
		return p.foreign(a.ifindex, "vtep_underlay")
	}
	return p.foreignProgram(a.ifindex)
}

// checkOwner refuses pins whose programs run on devices of another network namespace: the
// same interface numbers mean other devices there.
func (p *Plane) checkOwner() error {
	if !p.pins.elsewhere() {
		if err := p.objs.Config.Lookup(uint32(0), &p.settings); err != nil {
			return fmt.Errorf("read map config: %w", err)
		}
		return nil
	}
	alive, err := p.forwarding()
	if err != nil {
		return err
	}
	if alive {
		return fmt.Errorf("the pins in %s belong to a VTEP in another network namespace: give this one another name or pin directory", p.pins.dir)
	}
	// That namespace is gone, and with it everything the maps speak of.
	if err := p.pins.remove(); err != nil {
		return err
	}
	p.objs.Close()
	p.pins.close()
	if p.pins, err = openPins(p.opts.PinDir, p.space.Inode); err != nil {
		return err
	}
	p.objs, err = p.pins.load(&p.opts, p.startSizes())
	return err
}

// forwarding says whether anything that an earlier process has attached is at work, in whatever
// network namespace. Links tell whether their device is there. A tc filter can't be seen from
// here, but goes with its namespace, so that a program which nothing else holds is one.
func (p *Plane) forwarding() (bool, error) {
	indexes, err := p.linked()
	if err != nil {
		return false, err
	}
	held := map[ebpf.ProgramID]bool{}
	maps.Copy(held, p.pins.forgotten)
	for _, prog := range []*ebpf.Program{p.objs.VtepPort, p.objs.VtepOverlay, p.objs.VtepUnderlay} {
		info, err := prog.Info()
		if err != nil {
			return false, fmt.Errorf("look at a program: %w", err)
		}
		if id, ok := info.ID(); ok {
			held[id] = true
		}
	}
	for _, i := range indexes {
		l, err := link.LoadPinnedLink(p.linkPin(i), nil)
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
		if name, maps, err := lookAt(id); err == nil && slices.Contains(attachable, name) && p.pins.use(maps) {
			return true, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) || len(indexes) > 0 { // the end; or there are links, so that there are no filters
		return false, nil
	}
	return false, fmt.Errorf("the pins in %s are of another network namespace, and whether its VTEP is at work can't be known (needs CAP_SYS_ADMIN): "+
		"give this one another name or pin directory, or remove that directory: %w", p.pins.dir, err)
}
