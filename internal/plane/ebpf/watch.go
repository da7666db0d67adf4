package ebpf

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
)

// startWatch subscribes before it reads, so that nothing falls between.
func (p *Plane) startWatch() error {
	var err error
	p.watch, err = p.space.Watch()
	if err != nil {
		return fmt.Errorf("watch network devices: %w", err)
	}
	return p.loadDevices()
}

// loadDevices reads what is mirrored of the host anew.
func (p *Plane) loadDevices() error {
	fresh, err := p.space.Devices()
	if err == nil {
		p.devices = fresh
	}
	return err
}

// watcher follows the host's devices, addresses and routes until the socket is closed.
func (p *Plane) watcher() {
	for {
		messages, _, err := p.watch.Receive()
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return
		}
		switch {
		case err == nil:
			for i := range messages {
				p.handleNetlink(&messages[i])
			}
		case errors.Is(err, unix.ENOBUFS):
			p.resync()
		default:
			p.mu.Unlock()
			p.log.Error("watching network devices failed, changes will not be seen", "err", err)
			return
		}
		p.mu.Unlock()
	}
}

func (p *Plane) handleNetlink(m *syscall.NetlinkMessage) {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		// Messages of other families speak of bridge ports, not of devices.
		if len(m.Data) < unix.SizeofIfInfomsg || m.Data[0] != unix.AF_UNSPEC {
			return
		}
		l, err := netlink.LinkDeserialize((*unix.NlMsghdr)(&m.Header), m.Data)
		if err != nil {
			p.log.Warn("a message about a network device can't be read", "err", err)
			return
		}
		if m.Header.Type == unix.RTM_DELLINK {
			p.deviceGone(l.Attrs().Index)
		} else {
			wasUp := p.devices.ByIndex[l.Attrs().Index].Up
			p.deviceIs(host.DeviceOf(l))
			if index, n, ok := host.CarrierLosses(m.Data); ok {
				p.lossesAre(index, n, wasUp)
			}
			p.vxlanChanged(l)
			p.vrfChanged(host.DeviceOf(l))
		}
	case unix.RTM_NEWQDISC, unix.RTM_DELQDISC, unix.RTM_NEWTFILTER, unix.RTM_DELTFILTER:
		if len(m.Data) >= nl.SizeofTcMsg {
			p.filtersChanged(int(nl.DeserializeTcMsg(m.Data).Ifindex))
		}
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		p.addressChanged(m)
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		p.byFlow = nil
		p.scheduleReroute()
	case unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
		p.scheduleReroute()
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		if host.IsDefault(m.Data) {
			p.defaultsChanged()
		}
		if len(m.Data) > 0 && m.Data[0] == unix.AF_INET6 && !p.overlay.TunnelIP6.IsValid() {
			return // no tunnel goes there
		}
		p.scheduleReroute()
	}
}

func (p *Plane) deviceIs(d host.Device) {
	p.doubtDefaults(d.Index)
	p.doubtNatives(d.Index)
	old := p.devices.ByIndex[d.Index]
	if old == d {
		return
	}
	p.notifyReport(func() {
		p.devices.Set(d)
		if old.MAC != d.MAC {
			p.endLanes()
		}
		if old.Name != d.Name {
			p.portChanged(old.Name)
		}
		p.portChanged(d.Name)
		p.belowChanged(old, d)
	})
	if d.Name != p.vxlanName() { // no peer is reached by it
		p.scheduleReroute()
	}
}

func (p *Plane) deviceGone(index int) {
	old, ok := p.devices.ByIndex[index]
	if !ok {
		return
	}
	p.doubtDefaults(index)
	p.devices.Del(index)
	p.attached.LetGo(index)
	p.portChanged(old.Name)
	p.belowChanged(old, host.Device{})
	// Ours must be there again; another one may have been in its way.
	if old.VXLAN {
		p.reviveVXLAN("was deleted", index == p.overlay.ifindex)
	}
	p.scheduleReroute()
}

// notifyReport queues an event if f changes what a Report says.
func (p *Plane) notifyReport(f func()) {
	before := p.report()
	f()
	if after := p.report(); !after.Equal(&before) {
		p.queue.add(plane.ReportChanged{})
	}
}

// portChanged brings the port of that name, if there is one, to what its device is now.
func (p *Plane) portChanged(name string) {
	prt := p.ports[name]
	if prt == nil {
		return
	}
	before, fit := prt.state, prt.err == nil
	p.setDevice(prt, p.devices.Named(name))
	p.keepPromiscuous(prt)
	p.repair()
	p.nameCaptured()
	if prt.state != before || fit != (prt.err == nil) {
		p.queue.add(prt.state)
	}
}

// belowChanged looks again at the ports whose devices another one is stacked upon, or was.
func (p *Plane) belowChanged(old, now host.Device) {
	if old.Below == now.Below {
		return
	}
	for _, index := range []int{old.Below, now.Below} {
		if d := p.devices.ByIndex[index]; d.Index != 0 {
			p.portChanged(d.Name)
		}
	}
}

// repair installs what the watcher has staged. If that fails the next Apply starts from
// scratch; the event makes the agent call it.
func (p *Plane) repair() {
	if !p.known {
		return
	}
	p.contents.FloodMembers()
	if err := p.install(); err != nil {
		p.known = false
		p.log.Error("adapting to a change of the network devices failed", "err", err)
		p.queue.add(plane.ReportChanged{})
	}
}

func (p *Plane) addressChanged(m *syscall.NetlinkMessage) {
	index, ip, ok := host.ParseAddress(m.Data)
	if !ok {
		return
	}
	p.notifyReport(func() {
		has := m.Header.Type == unix.RTM_NEWADDR
		p.devices.SetAddr(index, ip, has)
		if !has {
			p.doubtDefaults(index)
			p.sourceLost(ip)
		}
	})
	if p.overlay.Source(ip) == ip { // tunnels may begin there again
		p.sourceChanged()
	}
	p.neededChanged(p.devices.ByIndex[index]) // a port must not have it
	if ip.Is4() || p.overlay.TunnelIP6.IsValid() {
		p.scheduleReroute()
	}
}

// rerouteDelay lets a burst of route changes pass before the peers are looked up again.
const rerouteDelay = 50 * time.Millisecond

func (p *Plane) scheduleReroute() {
	if p.reroute == nil && (len(p.contents.Peers) > 0 || p.policyDoubt || p.defaultsDoubt) {
		p.rerouteAfter(rerouteDelay)
	}
}

func (p *Plane) rerouteAfter(d time.Duration) {
	p.reroute = time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.reroute = nil
		if p.closed {
			return
		}
		p.notifyReport(func() {
			p.reviewDefaults()
			p.resolvePeers()
			p.updateWays()
			p.repair()
		})
		if p.policyDoubt && p.reroute == nil { // they could not be read
			p.rerouteAfter(reviewAgain)
		}
	})
}

// resync reads everything anew, after messages were lost.
func (p *Plane) resync() {
	p.byFlow = nil
	p.doubtNatives(0)
	p.notifyReport(func() {
		before := p.devices
		if err := p.loadDevices(); err != nil {
			p.log.Error("reading the network devices failed", "err", err)
			return
		}
		for name, prt := range p.ports {
			p.portChanged(name)
			p.lossesSince(prt.Device, before)
		}
		if p.known && p.overlay.Any() {
			p.ensureVXLAN()
			p.repair()
		}
	})
	p.scheduleReroute()
	if p.known {
		p.recheck()
	}
}
