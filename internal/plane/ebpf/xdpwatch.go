package ebpf

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
)

// What native XDP depends on is followed: how drivers are set, and what else is attached to devices.

// fitDelay lets a burst of changes pass before devices are looked at again.
const fitDelay = 50 * time.Millisecond

// watchDrivers subscribes; a kernel that does not tell of drivers has no native XDP, either.
func (p *Plane) watchDrivers() (err error) {
	if p.driverWatch, err = p.space.WatchDrivers(); err != nil {
		return fmt.Errorf("watch drivers: %w", err)
	}
	if p.driverWatch == nil {
		p.native.err = errors.New("the kernel does not say what devices can do with XDP (Linux 6.3 does)")
		return nil
	}
	return nil
}

// driverWatcher follows the drivers until the socket is closed.
func (p *Plane) driverWatcher() {
	for {
		messages, _, err := p.driverWatch.Receive()
		p.mu.Lock()
		switch {
		case p.closed:
			p.mu.Unlock()
			return
		case err == nil:
			for i := range messages {
				if index := host.ParseDriver(messages[i].Data); index != 0 {
					p.doubtNatives(index)
				}
			}
		case errors.Is(err, unix.ENOBUFS):
			p.doubtNatives(0)
		default:
			p.mu.Unlock()
			p.log.Error("watching drivers failed, changes will not be seen", "err", err)
			return
		}
		p.mu.Unlock()
	}
}

// doubtNatives has a device looked at again in a moment; 0: all of them.
func (p *Plane) doubtNatives(index int) {
	n := &p.native
	if n.err != nil || len(n.devices) == 0 {
		return
	}
	for i, d := range n.devices {
		if index == 0 || i == index {
			d.doubt = true
		}
	}
	if n.review != nil {
		return
	}
	n.review = time.AfterFunc(fitDelay, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		n.review = nil
		if !p.closed && p.known {
			p.notifyReport(p.fitNatives)
		}
	})
}

// recheckNatives looks at what the kernel does not tell of: links, the plane's and others'.
func (p *Plane) recheckNatives() {
	for index, d := range p.native.devices {
		if d.in == nil && p.native.links.Examine(index) != kernel.Sound {
			p.log.Warn("the XDP program on a device was detached or unpinned by somebody: it is attached again", "device", p.nameOf(uint32(index)))
			d.doubt = true
		}
		if was := d.look.beside; (d.in == nil || d.out == nil || was != besides{}) && was != p.beside(index, d.under) {
			d.doubt = true
		}
		if d.looks.due() || d.attach.due() {
			d.doubt = true
		}
	}
	p.fitNatives()
}
