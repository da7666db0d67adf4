package ebpf

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane"
)

// The vxlan device is the plane's own, but anybody on the machine can take it down, rename it,
// give it a master or delete it, and while it is down another program can take its UDP port.
// The watcher hears of the first and puts it right; the last can only be waited for.

const (
	// reviveEvery is how often a device that can't work is tried again: nothing tells when
	// a program lets go of the UDP port.
	reviveEvery = 2 * time.Second
	// revivePause is the least time between repairs: whoever takes the device down again and
	// again must not keep the process busy.
	revivePause = time.Second
)

// findVXLAN gives the device, also if somebody has renamed it; nil if there is none.
func (p *Plane) findVXLAN() (netlink.Link, error) {
	h := p.space.Links
	var none netlink.LinkNotFoundError
	if p.overlay.ifindex != 0 {
		l, err := h.LinkByIndex(p.overlay.ifindex)
		if err == nil && p.isOurs(l) {
			return l, nil
		}
		if err != nil && !errors.As(err, &none) {
			return nil, fmt.Errorf("find vxlan device: %w", err)
		}
	}
	l, err := h.LinkByName(p.vxlanName())
	if errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find vxlan device %s: %w", p.vxlanName(), err)
	}
	return l, nil
}

// flaw says what is wrong with the plane's vxlan device, or "". What it is made for (isOurs)
// can't be changed later but for learning.
func (p *Plane) flaw(l netlink.Link) string {
	a := l.Attrs()
	switch {
	case !p.isOurs(l):
		return "was changed"
	case a.Name != p.vxlanName():
		return "was renamed " + a.Name
	case a.Flags&net.FlagUp == 0:
		return "was set down"
	case a.RawFlags&unix.IFF_RUNNING == 0:
		return "has no carrier"
	case a.MTU != vxlanMTU:
		return fmt.Sprintf("has got the MTU %d", a.MTU)
	case a.MasterIndex != 0:
		return "has got a master"
	}
	return ""
}

// mendVXLAN makes the device right that isOurs, and up. It is left in place if that fails:
// deleting it would be heard of, and lead here again.
func (p *Plane) mendVXLAN(l netlink.Link) error {
	h, a, name := p.space.Links, l.Attrs(), p.vxlanName()
	if a.Name != name {
		// A device that is up can't be renamed on every kernel.
		if err := errors.Join(h.LinkSetDown(l), h.LinkSetName(l, name)); err != nil {
			return fmt.Errorf("give vxlan device %s its name %s again: %w", a.Name, name, err)
		}
		a.Flags &^= net.FlagUp
	}
	if a.MasterIndex != 0 {
		if err := h.LinkSetNoMaster(l); err != nil {
			return fmt.Errorf("take vxlan device %s from its master: %w", name, err)
		}
	}
	if alias := p.opts.Name[:min(len(p.opts.Name), ifAliasSize-1)]; a.Alias != alias {
		_ = h.LinkSetAlias(l, alias) // tells other VTEPs whose it is
	}
	if a.MTU != vxlanMTU {
		if err := h.LinkSetMTU(l, vxlanMTU); err != nil {
			return fmt.Errorf("set the MTU of vxlan device %s: %w", name, err)
		}
	}
	if a.Flags&net.FlagUp == 0 {
		if err := h.LinkSetUp(l); err != nil {
			if errors.Is(err, unix.EADDRINUSE) {
				return p.portTaken(err)
			}
			return fmt.Errorf("bring up vxlan device %s: %w", name, err)
		}
	}
	return nil
}

// vxlanChanged looks at what the watcher has heard of a device.
func (p *Plane) vxlanChanged(l netlink.Link) {
	index := l.Attrs().Index
	if index == p.overlay.ifindex {
		if p.flaw(l) == "" {
			return
		}
		// The message may be older than what the plane itself has done since.
		if now, err := p.space.Links.LinkByIndex(index); err == nil {
			if flaw := p.flaw(now); flaw != "" {
				p.reviveVXLAN(flaw, true)
			}
		}
		return
	}
	// Another one that was in the way may not be any more.
	if v, ok := l.(*netlink.Vxlan); ok && p.overlay.err != nil && v.Flags&net.FlagUp == 0 && v.Name != p.vxlanName() {
		p.reviveVXLAN("", false)
	}
}

// reviveVXLAN repairs the device after something happened, at once or in a moment. Until then
// it is a fault if the device is known to be broken.
func (p *Plane) reviveVXLAN(flaw string, broken bool) {
	if !p.known || !p.overlay.Any() || !broken && p.overlay.err == nil {
		return
	}
	if broken {
		p.log.Warn("the vxlan device of the tunnels "+flaw+": it is repaired", "device", p.vxlanName())
	}
	if left := revivePause - time.Since(p.overlay.revived); left > 0 {
		if broken {
			p.notifyReport(func() {
				p.overlay.err = fmt.Errorf("vxlan device %s %s: it is repaired in a moment", p.vxlanName(), flaw)
			})
		}
		p.reviveLater(left)
		return
	}
	p.reviveNow()
}

func (p *Plane) reviveNow() {
	p.overlay.revived = time.Now()
	p.notifyReport(func() {
		if l, err := p.findVXLAN(); err == nil && l != nil && l.Attrs().RawFlags&(unix.IFF_UP|unix.IFF_RUNNING) == unix.IFF_UP {
			// Only a new one gets its carrier back, whoever has taken it.
			if err := p.space.Links.LinkDel(l); err != nil {
				p.log.Warn("deleting the vxlan device failed", "device", p.vxlanName(), "err", err)
			}
		}
		p.ensureVXLAN()
		p.repair()
	})
}

// reviveLater looks after the device again after a time, unless that is to be done already.
func (p *Plane) reviveLater(after time.Duration) {
	if p.overlay.revive != nil {
		return
	}
	p.overlay.revive = time.AfterFunc(after, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.overlay.revive = nil
		if p.closed || !p.known || !p.overlay.Any() || p.overlay.err == nil {
			return
		}
		p.reviveNow()
	})
}

// auditVXLAN says how the device differs from what it must be.
func (p *Plane) auditVXLAN() []plane.Drift {
	if !p.overlay.Any() {
		return nil
	}
	want := plane.Drift{Kind: "tunnel", Key: p.vxlanName(), Want: "vxlan device, up"}
	l, err := p.findVXLAN()
	switch {
	case err != nil:
		want.Have = err.Error()
	case l != nil:
		if want.Have = p.flaw(l); want.Have == "" {
			return nil
		}
	}
	return []plane.Drift{want}
}
