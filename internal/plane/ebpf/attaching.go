package ebpf

import (
	"errors"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// With each program that is attached to a device that had none the kernel waits until all CPUs have passed through a quiet
// state, tens of milliseconds, and for another device it waits anew. Where a change brings many ports, as at the first start,
// their links are made one after the other by a goroutine, without Plane.mu: all else goes on meanwhile.

// attachAtOnce is how many links are made by the change that brings their ports.
const attachAtOnce = 16

// attaching is the making of links that a change has left. One is under way at a time.
type attaching struct {
	over   chan struct{} // closed at its end
	device int           // the one whose link is made
	made   chan struct{} // closed when it is, or can't be; nil: none is
}

// attachPorts attaches the ports that are not attached, or has it done. Those that could not be attached before are tried again, which
// takes no time as long as it fails: only links that are made count, and others wait for them.
func (p *Plane) attachPorts() {
	n, left := 0, false
	for _, prt := range p.ports {
		if prt.Device == 0 || prt.attached == prt.Device {
			prt.waits = false
			continue
		}
		if prt.waits && p.attaching != nil {
			continue
		}
		taken := p.attached.Takes(prt.Device)
		if !taken && (n >= attachAtOnce || p.attaching != nil && prt.err == nil) {
			prt.waits, left = true, true
			continue
		}
		prt.waits = false
		p.attachPort(prt)
		if !taken && p.attached.All[prt.Device] != nil {
			n++
		}
	}
	if left && p.attaching == nil {
		p.attaching = &attaching{over: make(chan struct{})}
		p.wg.Go(p.attachRest)
	}
}

// attachRest attaches the ports that wait.
func (p *Plane) attachRest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := false
	for !p.closed && p.known && p.attachNext() {
		changed = true
	}
	close(p.attaching.over)
	if p.attaching = nil; p.closed {
		return
	}
	if p.known {
		p.attachNatives()
	}
	if changed {
		p.queue.add(plane.ReportChanged{})
	}
}

// attachNext attaches one of the ports that wait, and says whether there was one. Plane.mu is held, but not while the link is made.
func (p *Plane) attachNext() bool {
	prt := p.waitingPort()
	if prt == nil {
		return false
	}
	device := prt.Device
	link, err := p.attached.Ahead(device, p.objs.VtepPort, true)
	if link != nil {
		a := p.attaching
		a.device, a.made = device, make(chan struct{})
		p.mu.Unlock()
		if p.opts.attachesAhead != nil {
			p.opts.attachesAhead()
		}
		err = link()
		close(a.made)
		if p.opts.attachedAhead != nil {
			p.opts.attachedAhead()
		}
		p.mu.Lock()
		a.made = nil
	}
	if err != nil {
		p.log.Debug("no link is made ahead", "device", p.nameOf(uint32(device)), "err", err) // what is wrong attachPort finds again
	}
	prt.waits = prt.waits && prt.Device != device
	now := p.portOf(device)
	switch gone := p.closed || now == nil; {
	case gone && p.attached.All[device] == nil: // nobody will know of it
		if err := p.attached.Detach(device); err != nil {
			p.log.Warn("the program of a port that has gone is not detached", "device", p.nameOf(uint32(device)), "err", err)
		}
	case !gone && p.known: // else the next Apply takes it over
		now.waits = false
		p.attachPort(now)
		if err := errors.Join(p.zeroDrops(), p.tDevices.Put()); err != nil {
			p.known = false
			p.log.Error("attaching a port failed", "device", p.nameOf(uint32(device)), "err", err)
		}
	}
	return true
}

// renewAhead has the link that is being made run prog, as all others do from now on. It waits for that, some tens of milliseconds.
func (p *Plane) renewAhead(prog *ebpf.Program) error {
	a := p.attaching
	if a == nil || a.made == nil {
		return nil
	}
	<-a.made
	return p.attached.Renew(a.device, prog)
}

// waitingPort gives one of the ports that wait; nil: none does.
func (p *Plane) waitingPort() *port {
	for _, prt := range p.ports {
		if prt.waits && prt.Device != 0 && prt.attached != prt.Device {
			return prt
		}
	}
	return nil
}

// attachingProblem says that ports wait, or nothing.
func (p *Plane) attachingProblem() []problem.Problem {
	if p.attaching == nil || p.waitingPort() == nil {
		return nil
	}
	return []problem.Problem{{
		Kind: problem.Attaching, Object: problem.PhysicalSwitch(p.opts.Name),
		Text:   "ports are attached to their network devices one after the other: those that are not yet forward nothing",
		Remedy: "wait: the kernel takes some tens of milliseconds for each"}}
}
