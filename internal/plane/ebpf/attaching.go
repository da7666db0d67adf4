package ebpf

import (
	"errors"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// With each program that is attached to a device that had none the kernel waits until all CPUs have passed through a quiet
// state, tens of milliseconds, and for another device it waits anew. Where a change brings many ports, as at the first start,
// their links are made one after the other by a goroutine, without Plane.mu: all else goes on meanwhile.

// attachAtOnce is how many ports are attached by the change that brings them.
const attachAtOnce = 16

// attaching is the making of links that a change has left. One is under way at a time.
type attaching struct {
	over chan struct{} // closed at its end
}

// attachPorts attaches the ports that are not attached, or has it done.
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
		if !p.attached.Takes(prt.Device) {
			if n++; n > attachAtOnce || p.attaching != nil {
				prt.waits, left = true, true
				continue
			}
		}
		p.attachPort(prt)
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
	for !p.closed && p.known && p.attachNext() {
	}
	close(p.attaching.over)
	if p.attaching = nil; p.closed {
		return
	}
	if p.known {
		p.attachNatives()
	}
	p.queue.add(plane.ReportChanged{})
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
		p.mu.Unlock()
		if p.opts.attachesAhead != nil {
			p.opts.attachesAhead()
		}
		err = link()
		p.mu.Lock()
	}
	if err != nil {
		p.log.Debug("no link is made ahead", "device", p.nameOf(uint32(device)), "err", err) // what is wrong attachPort finds again
	}
	prt.waits = prt.waits && prt.Device != device
	switch now := p.portOf(device); {
	case p.closed, now == nil && p.attached.All[device] == nil: // nobody will know of it
		if err := p.attached.Detach(device); err != nil {
			p.log.Warn("the program of a port that has gone is not detached", "device", p.nameOf(uint32(device)), "err", err)
		}
	case now != nil && p.known: // else the next Apply takes it over
		now.waits = false
		p.attachPort(now)
		if err := errors.Join(p.zeroDrops(), p.tDevices.Put()); err != nil {
			p.known = false
			p.log.Error("attaching a port failed", "device", p.nameOf(uint32(device)), "err", err)
		}
	}
	return true
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
