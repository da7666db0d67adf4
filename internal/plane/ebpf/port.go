package ebpf

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
)

// port is a device under the plane's management.
type port struct {
	*layout.Port
	limit    uint32            // most MACs learned on it; 0: none
	takeOver bool              // its device may belong to somebody else
	attached int               // ifindex on which the program runs; 0: none
	waits    bool              // to be attached by attachRest
	err      error             // why it is not attached
	state    plane.PortChanged // as told last
}

var errNotManaged = errors.New("its port is not managed by this switch")

// bindingError says why b, one of the unserved, is not in force.
func (p *Plane) bindingError(b *layout.Binding) error {
	if p.ports[b.Key.Port] == nil {
		return errNotManaged
	}
	return problem.Errorf(problem.TableFull, "remove some", "no room for more than %d bindings", p.contents.Slots.Max-1)
}

// portWanted brings a port to what is wanted of it.
func (p *Plane) portWanted(entry *layout.Port, want intent.Port) {
	prt := p.ports[entry.Name]
	fresh := prt == nil
	if fresh {
		prt = &port{Port: entry, state: plane.PortChanged{Name: entry.Name}}
		p.ports[entry.Name] = prt
	}
	if fresh || prt.takeOver != want.TakeOver {
		prt.takeOver = want.TakeOver
		p.setDevice(prt, p.lookup(entry.Name))
	}
	prt.limit = want.MACLimit
	if prt.Number != 0 {
		p.limitQuota(prt.Number, want.MACLimit)
	}
}

// portGone forgets a port. What runs on its device is detached by detachPort later.
func (p *Plane) portGone(name string) {
	if prt := p.ports[name]; prt != nil && prt.Device != 0 {
		p.leaving = append(p.leaving, prt.Device)
	}
	delete(p.ports, name)
}

// lookup finds a device; one that the watcher has not heard of yet, too.
func (p *Plane) lookup(name string) host.Device {
	if d := p.devices.Named(name); d.Index != 0 {
		return d
	}
	if l, err := p.space.Links.LinkByName(name); err == nil {
		p.devices.Set(host.DeviceOf(l))
	}
	return p.devices.Named(name)
}

// setDevice says which device the port is now; the zero device: none.
func (p *Plane) setDevice(prt *port, d host.Device) {
	prt.state = plane.PortChanged{Name: prt.Name, Exists: d.Index != 0, Up: d.Up}
	err := p.fitnessError(prt.Name, prt.takeOver, d)
	if err == nil && prt.Number == 0 {
		err = noRoom("no room for more than %d ports", p.contents.PortSlots.Max-1)
	}
	if err != nil {
		prt.err, d = err, host.Device{}
	}
	if prt.Device == d.Index && prt.MTU == uint32(d.MTU) {
		return
	}
	if d.Index != 0 {
		prt.err = nil
	}
	if prt.Device != d.Index {
		if prt.Device != 0 {
			p.leaving = append(p.leaving, prt.Device)
			p.tellReplaced(prt.Name, prt.Device, d.Index)
		}
		prt.attached, prt.waits = 0, false
	}
	p.contents.SetDevice(prt.Port, d.Index, uint32(d.MTU))
}

// tellReplaced tells that a port was without device, if it has another one now: nobody may have seen it without.
func (p *Plane) tellReplaced(name string, was, is int) {
	if was != 0 && is != 0 && was != is {
		p.queue.add(plane.PortChanged{Name: name})
		p.queue.add(p.ports[name].state)
	}
}

// attachPort attaches the program to the port's device, if it has one.
func (p *Plane) attachPort(prt *port) {
	if prt.Device == 0 || prt.attached == prt.Device {
		return
	}
	if err := p.attached.Attach(prt.Device, p.objs.VtepPort, true); err != nil {
		prt.err = fmt.Errorf("device %q: %w", prt.Name, err)
		return
	}
	index := uint32(prt.Device)
	dev := layout.Device{Port: prt.Number, Flags: p.tDevices.Want.Get(index).Flags}
	if l, err := p.space.Links.LinkByIndex(prt.Device); err == nil {
		if l.Attrs().RawFlags&unix.IFF_PROMISC == 0 {
			// A NIC would keep frames for other hosts' addresses to itself.
			if err := p.space.Links.SetPromiscOn(l); err != nil {
				prt.err = fmt.Errorf("device %q: make it promiscuous: %w", prt.Name, err)
				return
			}
			dev.Flags |= layout.DevicePromisc
		}
		if dev.Flags, err = p.space.Seal(l, dev.Flags); err != nil {
			p.log.Warn("the machine's own stack can't be kept off a port", "port", prt.Name, "err", err)
		}
	}
	if prt.Number != p.tDevices.Want.Get(index).Port {
		p.newDevices = append(p.newDevices, index)
	}
	dev.Flags = p.noteLosses(prt.Device, dev.Flags)
	p.tDevices.Set(index, dev)
	prt.attached, prt.err = prt.Device, nil
	p.native.stale = true
}

// detachLeaving lets go of the devices that are no port any more.
func (p *Plane) detachLeaving() error {
	leaving := p.leaving
	p.leaving = nil
	var errs []error
	for _, ifindex := range leaving {
		if p.portOf(ifindex) == nil {
			errs = append(errs, p.detachPort(ifindex, p.tDevices.Want.Get(uint32(ifindex)).Flags))
		}
	}
	return errors.Join(errs...)
}

// portOf gives the port that the device is, or nil.
func (p *Plane) portOf(ifindex int) *port {
	if prt := p.ports[p.devices.ByIndex[ifindex].Name]; prt != nil && prt.Device == ifindex {
		return prt
	}
	return nil
}

func (p *Plane) detachPort(ifindex int, flags uint32) error {
	p.tDevices.Del(uint32(ifindex))
	p.dropNative(ifindex)
	if err := p.attached.Detach(ifindex); err != nil {
		return err
	}
	if flags == 0 {
		return nil
	}
	l, err := p.space.Links.LinkByIndex(ifindex)
	if err != nil {
		return nil // it has gone, and all that was set with it
	}
	err = p.space.Unseal(l, flags)
	if flags&layout.DevicePromisc != 0 {
		var none netlink.LinkNotFoundError
		if off := p.space.Links.SetPromiscOff(l); off != nil && !errors.As(off, &none) {
			err = errors.Join(err, fmt.Errorf("make it not promiscuous: %w", off))
		}
	}
	if err != nil {
		return fmt.Errorf("device %q: %w", l.Attrs().Name, err)
	}
	return nil
}

// detachAll lets go of every device that the pins know of.
func (p *Plane) detachAll() error {
	var errs []error
	errs = append(errs, p.native.links.DetachAll(nil), p.tDevices.Load())
	defer p.tDevices.Forget()
	for index, dev := range p.tDevices.Have {
		errs = append(errs, p.detachPort(int(index), dev.Flags))
	}
	indexes, err := p.attached.Linked()
	errs = append(errs, err)
	for _, i := range indexes {
		errs = append(errs, p.attached.UnpinLink(i))
	}
	return errors.Join(errs...)
}

// ---- quotas ----------------------------------------------------------------------------

func (p *Plane) limitQuota(number, limit uint32) {
	atomic.StoreUint32(&p.quotas[number].Limit, limit)
}

// zeroQuota has a port count from nothing that has got the number of one that has gone. What that one counted stays in the sum of all.
func (p *Plane) zeroQuota(number uint32) {
	q := &p.quotas[number]
	atomic.AddUint64(&p.quotas[0].Told, uint64(atomic.SwapUint32(&q.Refused, 0)))
	atomic.StoreUint32(&q.Lost, 0)
}

// zeroDrops does the same for the drops by place of devices that were no ports, or others, until now: their index may be
// that of one that has gone.
func (p *Plane) zeroDrops() error {
	if len(p.newDevices) == 0 {
		return nil
	}
	var old []layout.PortPlace
	err := kernel.Scan(p.objs.PortDrops, func(at layout.PortPlace, _ uint64) {
		if slices.Contains(p.newDevices, at.Ifindex) {
			old = append(old, at)
		}
	})
	if err != nil {
		return fmt.Errorf("read map port_drops: %w", err)
	}
	for _, at := range old {
		if err := p.objs.PortDrops.Delete(&at); err != nil && !isMissing(err) {
			return fmt.Errorf("delete from map port_drops: %w", err)
		}
	}
	p.newDevices = nil
	return nil
}
