package ebpf

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
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

// keepPromiscuous puts right what somebody has done to the mode that the plane has set.
func (p *Plane) keepPromiscuous(prt *port) {
	a := p.attached.All[prt.Device]
	if a == nil || prt.attached != prt.Device || p.devices.ByIndex[prt.Device].Promisc {
		return
	}
	l, err := p.space.Links.LinkByIndex(prt.Device)
	if err != nil || l.Attrs().RawFlags&unix.IFF_PROMISC != 0 {
		return // it has gone, or what was heard was older than what the plane did
	}
	if err := p.space.Links.SetPromiscOn(l); err != nil {
		p.attached.Disturbed(a, "somebody has cleared the promiscuous mode of device %q, and it can't be set again: frames for unknown addresses may be lost: %w", prt.Name, err)
		return
	}
	a.Restored = time.Now()
	dev := p.tDevices.Want.Get(uint32(prt.Device))
	dev.Flags |= layout.DevicePromisc
	p.tDevices.Set(uint32(prt.Device), dev)
}

// checkAttachments looks at all attachments. What can't be put right is no longer attached,
// and tried again by the next install.
func (p *Plane) checkAttachments() {
	p.checked = time.Now()
	for index, a := range p.attached.All {
		err := p.attached.Mend(a)
		if err == nil || p.devices.ByIndex[index].Index == 0 {
			continue
		}
		p.native.stale = true // what TC does not handle must not be taken by XDP
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
		p.recheckNatives()
		p.repair()
	})
	p.recheckLater()
}

// recheckLater sees to it that recheck runs after its period, if there is something to look at.
func (p *Plane) recheckLater() {
	if p.rechecker != nil || len(p.ports) == 0 || p.closed {
		return
	}
	p.recheckIn(p.attached.Every)
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
	p.doubtNatives(ifindex)
	a := p.attached.All[ifindex]
	if a == nil || a.Link != nil || !p.known {
		return
	}
	if c, _ := p.attached.Examine(a); c == kernel.Sound {
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
		if a := p.attached.All[prt.Device]; a != nil && a.Trouble != nil {
			m[name] = a.Trouble
		}
	}
	return m
}
