package ebpf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
)

// Other programs of the machine can detach what the plane has attached, or get before it. Of
// changes to tc filters the watcher hears; links change without a sound, so they are looked
// at after an Apply and, as long as there are ports, from time to time.

const (
	// recheckEvery is how often attachments are looked at when nothing happens.
	recheckEvery = 10 * time.Second
	// recheckPause is the least time between looks that events lead to.
	recheckPause = time.Second
)

// newPin ends the name of the pin of a link that is to take the place of another one. BPF file
// systems refuse names with dots.
const newPin = "-new"

// condition is how an attachment is found.
type condition uint8

const (
	sound    condition = iota
	detached           // the program does not run on the device
	replaced           // another program runs in its place
	unpinned           // it would end with the process
	behind             // another program decides before it
)

// examine says how the attachment is; of one that is behind, also whose program is before it.
func (p *Plane) examine(a *attachment) (c condition, ahead string) {
	if a.link == nil {
		ours, before, err := p.filters(a.ifindex)
		if err != nil || ours == nil {
			return detached, ""
		}
		if others := p.onTCX(a.ifindex); len(others) > 0 {
			before = describe(others[0].ID)
		}
		if a.first && before != "" {
			return behind, before
		}
		return sound, ""
	}
	info, err := a.link.Info()
	if err != nil {
		return detached, ""
	}
	if tcx := info.TCX(); tcx == nil || int(tcx.Ifindex) != a.ifindex {
		return detached, ""
	}
	if !runs(info.Program, a.prog) {
		return replaced, ""
	}
	if a.first {
		if all := p.onTCX(a.ifindex); len(all) > 0 {
			if id, _ := all[0].LinkID(); id != a.id {
				return behind, describe(all[0].ID)
			}
		}
	}
	if _, err := os.Stat(p.linkPin(a.ifindex)); errors.Is(err, fs.ErrNotExist) {
		return unpinned, ""
	}
	return sound, ""
}

func describe(id ebpf.ProgramID) string {
	return fmt.Sprintf("the program %q (id %d)", programName(id), id)
}

// mend puts right what somebody has done to the attachment, and notes it as trouble, which
// stands until a later look finds nothing. An error: the program is not attached any more.
func (p *Plane) mend(a *attachment) error {
	c, ahead := p.examine(a)
	name := p.nameOf(uint32(a.ifindex))
	switch c {
	case sound:
		if a.trouble != nil && time.Since(a.since) >= p.recheckEvery {
			a.trouble = nil
		}
		if time.Since(a.restored) >= p.recheckEvery {
			a.restored = time.Time{}
		}
	case detached:
		p.disturbed(a, "the program on device %q was detached by somebody, and has been attached again", name)
		a.close()
		err := p.removePin(a.ifindex)
		if err == nil {
			err = p.put(a)
		}
		if err != nil {
			p.letGo(a.ifindex)
			return err
		}
	case replaced:
		p.disturbed(a, "the program on device %q was replaced by somebody, and has been put back", name)
		if err := a.link.Update(a.prog); err != nil {
			return explain("replace a program", err)
		}
	case unpinned:
		if err := p.pinAgain(a); err != nil {
			p.disturbed(a, "the pin of the program on device %q was removed by somebody, and forwarding will end with the process: %w", name, err)
		} else {
			p.log.Warn("the pin of a program was removed by somebody: it is pinned again", "device", name)
		}
	case behind:
		if err := p.getAhead(a); err != nil {
			p.disturbed(a, "%s runs before the VTEP's on device %q and decides about its frames: %w", ahead, name, err)
		} else {
			p.disturbed(a, "%s ran before the VTEP's on device %q and decided about its frames; it has been put behind", ahead, name)
		}
	}
	return nil
}

func (p *Plane) pinAgain(a *attachment) error {
	if err := os.MkdirAll(p.pins.links(), 0o700); err != nil {
		return fmt.Errorf("make pin directory: %w", err)
	}
	l, err := link.NewFromID(a.id) // the one that is open believes itself pinned
	if err != nil {
		return fmt.Errorf("open link: %w", err)
	}
	a.link.Close()
	a.link = l
	return l.Pin(p.linkPin(a.ifindex))
}

func (p *Plane) disturbed(a *attachment, format string, args ...any) {
	a.since = time.Now()
	a.trouble = problem.Errorf(problem.Disturbed,
		`find out who did it ("bpftool net" lists the programs), and let others attach theirs behind`, format, args...)
}

// keepPromiscuous puts right what somebody has done to the mode that the plane has set.
func (p *Plane) keepPromiscuous(prt *port) {
	a := p.attachments[prt.Device]
	if a == nil || prt.attached != prt.Device || p.devices.ByIndex[prt.Device].Promisc {
		return
	}
	l, err := p.space.Links.LinkByIndex(prt.Device)
	if err != nil || l.Attrs().RawFlags&unix.IFF_PROMISC != 0 {
		return // it has gone, or what was heard was older than what the plane did
	}
	if err := p.space.Links.SetPromiscOn(l); err != nil {
		p.disturbed(a, "somebody has cleared the promiscuous mode of device %q, and it can't be set again: frames for unknown addresses may be lost: %w", prt.Name, err)
		return
	}
	a.restored = time.Now()
	dev := p.tDevices.Want[uint32(prt.Device)]
	dev.Flags |= layout.DevicePromisc
	p.tDevices.Set(uint32(prt.Device), dev)
}

// getAhead makes the program run before all others, without a frame in between that it does
// not see.
func (p *Plane) getAhead(a *attachment) error {
	if a.link == nil {
		if len(p.onTCX(a.ifindex)) > 0 {
			return errors.New("a tc filter can't get before it: run without --tc-filter, or detach it")
		}
		ours, _, err := p.filters(a.ifindex)
		if err != nil {
			return err
		}
		if err := p.overtake(a.ifindex, a.prog, ours); err != nil {
			return err
		}
		if _, before, err := p.filters(a.ifindex); err != nil || before != "" {
			return errors.New("its preference is lower than any that the VTEP can have: detach it")
		}
		return nil
	}
	all := p.onTCX(a.ifindex)
	if len(all) == 0 {
		return nil // the device has gone
	}
	if name := programName(all[0].ID); strings.HasPrefix(name, programPrefix) {
		return errors.New("it is that of another VTEP: end that one with \"exit --cleanup\"")
	}
	// A link can't be moved, and no program can be attached twice. So a twin of it runs in
	// the old place until the new link is there.
	twin, err := p.twin(a.prog)
	if err != nil {
		return err
	}
	defer twin.Close()
	if err := a.link.Update(twin); err != nil {
		return explain("replace a program", err)
	}
	front := &attachment{ifindex: a.ifindex, prog: a.prog, first: true}
	pin := p.linkPin(a.ifindex)
	err = p.newLink(front, pin+newPin)
	if err == nil {
		if err = os.Rename(pin+newPin, pin); err != nil {
			front.close()
			_ = os.Remove(pin + newPin)
		}
	}
	if err != nil {
		return errors.Join(explain("attach a program", err), a.link.Update(a.prog))
	}
	_ = a.link.Detach() // at once, or else when it is closed
	a.close()
	a.link, a.id = front.link, front.id
	return nil
}

// isConstant says whether a map is one of those that the loader makes for constants.
func isConstant(name string) bool { return strings.HasPrefix(name, ".") }

// twin loads a program once more, with the same maps.
func (p *Plane) twin(prog *ebpf.Program) (*ebpf.Program, error) {
	spec, err := loadFor(p.opts.Port)
	if err != nil {
		return nil, err
	}
	info, err := prog.Info()
	if err != nil {
		return nil, fmt.Errorf("look at a program: %w", err)
	}
	one := *spec
	one.Programs = map[string]*ebpf.ProgramSpec{info.Name: spec.Programs[info.Name]}
	shared := map[string]*ebpf.Map{}
	defer func() {
		for _, m := range shared {
			m.Close()
		}
	}()
	ids, _ := info.MapIDs()
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			return nil, fmt.Errorf("open a map: %w", err)
		}
		mi, err := m.Info()
		if err != nil {
			m.Close()
			return nil, fmt.Errorf("look at a map: %w", err)
		}
		if one.Maps[mi.Name] == nil || isConstant(mi.Name) {
			m.Close()
			continue
		}
		shared[mi.Name] = m
		one.Maps[mi.Name].MaxEntries = mi.MaxEntries
	}
	for name := range one.Maps {
		if shared[name] == nil && !isConstant(name) {
			delete(one.Maps, name)
		}
	}
	all, err := ebpf.NewCollectionWithOptions(&one, ebpf.CollectionOptions{MapReplacements: shared})
	if err != nil {
		return nil, explain("load the programs", err)
	}
	defer all.Close()
	return all.DetachProgram(info.Name), nil
}

// checkAttachments looks at all attachments. What can't be put right is no longer attached,
// and tried again by the next install.
func (p *Plane) checkAttachments() {
	p.checked = time.Now()
	for index, a := range p.attachments {
		err := p.mend(a)
		if err == nil || p.devices.ByIndex[index].Index == 0 {
			continue
		}
		switch prt := p.portOf(index); {
		case prt != nil:
			prt.attached, prt.err = 0, fmt.Errorf("device %q: %w", prt.Name, err)
			p.queue.add(plane.ReportChanged{})
		case index == p.overlay.ifindex:
			p.overlay.err = err
		default:
			delete(p.overlay.underlays, index)
		}
	}
}

// recheck looks at everything of which the kernel does not tell, and says when to look again.
func (p *Plane) recheck() {
	p.alive = monotonic()
	p.notifyReport(func() {
		p.checkAttachments()
		p.reviewFirewall()
		p.recheckFitness()
		p.repair()
	})
	p.recheckLater()
}

// recheckLater sees to it that recheck runs after its period, if there is something to look at.
func (p *Plane) recheckLater() {
	if p.rechecker != nil || len(p.ports) == 0 || p.closed {
		return
	}
	p.recheckIn(p.recheckEvery)
}

func (p *Plane) recheckIn(d time.Duration) {
	if p.rechecker != nil {
		p.rechecker.Stop()
	}
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.closed || p.rechecker != t {
			return
		}
		p.rechecker = nil
		if p.known {
			p.recheck()
		} else {
			p.recheckLater()
		}
	})
	p.rechecker = t
}

// filtersChanged looks at a device whose qdiscs or filters somebody has changed; it may have
// been the plane itself.
func (p *Plane) filtersChanged(ifindex int) {
	a := p.attachments[ifindex]
	if a == nil || a.link != nil || !p.known {
		return
	}
	if c, _ := p.examine(a); c == sound {
		return
	}
	if left := recheckPause - time.Since(p.checked); left > 0 {
		p.recheckIn(left)
		return
	}
	p.recheck()
}

// disturbedPorts gives the trouble of ports by their names.
func (p *Plane) disturbedPorts() map[string]error {
	m := map[string]error{}
	for name, prt := range p.ports {
		if a := p.attachments[prt.Device]; a != nil && a.trouble != nil {
			m[name] = a.trouble
		}
	}
	return m
}
