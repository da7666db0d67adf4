package ebpf

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
)

// port is a device under the plane's management.
type port struct {
	name     string
	limit    uint32              // most MACs learned on it; 0: none
	takeOver bool                // its device may belong to somebody else
	service  bool                // its tags are service tags
	group    uint16              // the group policy of what comes in without one
	number   uint32              // index of quotas; 0: they ran out, nothing is learned
	device   int                 // ifindex; 0: there is no such device now
	mtu      uint32              // of the device
	attached int                 // ifindex on which the program runs; 0: none
	err      error               // why it is not attached
	bindings map[uint16]*binding // by VLAN
	state    plane.PortChanged   // as told last
}

// binding is a (port, VLAN) pair in a logical switch.
type binding struct {
	key    intent.BindingKey
	domain *domain
	slot   uint32 // 0: slots ran out
	gen    uint32
	device int // ifindex in the bindings map; 0: not there
}

// domain is a logical switch.
type domain struct {
	id       intent.SwitchID
	sw       intent.Switch
	bd       uint32
	features uint32              // enum features
	gateway  routed              // of its router
	members  map[uint32]*binding // in force, by slot
	dirty    bool                // it is in Plane.dirty: members changed since the flood set was made

	groups map[intent.MAC]intent.MemberSet // as the State has them
}

var errNotManaged = errors.New("its port is not managed by this switch")

// bindingError says why b, one of the unserved, is not in force.
func (p *Plane) bindingError(b *binding) error {
	if p.ports[b.key.Port] == nil {
		return errNotManaged
	}
	return problem.Errorf(problem.TableFull, "remove some", "no room for more than %d bindings", p.slots.max-1)
}

func (p *Plane) setPort(name string, want intent.Port) {
	prt := p.ports[name]
	if prt == nil {
		prt = &port{name: name, takeOver: want.TakeOver, service: want.ServiceTags, group: want.Group, bindings: map[uint16]*binding{}, state: plane.PortChanged{Name: name}}
		if prt.number = p.adopted.ports[name]; prt.number == 0 {
			prt.number = p.number(&p.portSlots)
		}
		p.ports[name] = prt
		for _, b := range p.unserved {
			if b.key.Port == name {
				prt.bindings[b.key.VLAN] = b
				p.updateServed(b)
			}
		}
		p.setDevice(prt, p.lookup(name))
	} else if prt.takeOver != want.TakeOver {
		prt.takeOver = want.TakeOver
		p.setDevice(prt, p.lookup(name))
	}
	if prt.service != want.ServiceTags || prt.group != want.Group {
		prt.service, prt.group = want.ServiceTags, want.Group
		for _, b := range prt.bindings {
			p.place(b)
		}
	}
	prt.limit = want.MACLimit
	if prt.number != 0 {
		p.limitQuota(prt.number, want.MACLimit)
	}
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
	prt.state = plane.PortChanged{Name: prt.name, Exists: d.Index != 0, Up: d.Up}
	err := p.fitnessError(prt.name, prt.takeOver, d)
	if err == nil && prt.number == 0 {
		err = noRoom("no room for more than %d ports", p.portSlots.max-1)
	}
	if err != nil {
		prt.err, d = err, host.Device{}
	}
	if prt.device == d.Index && prt.mtu == uint32(d.MTU) {
		return
	}
	if d.Index != 0 {
		prt.err = nil
	}
	if prt.device != d.Index {
		if prt.device != 0 {
			p.leaving = append(p.leaving, prt.device)
		}
		prt.attached = 0
	}
	prt.device, prt.mtu = d.Index, uint32(d.MTU)
	for _, b := range prt.bindings {
		p.place(b)
	}
}

// delPort forgets the port. What runs on its device is detached by detachPort later.
func (p *Plane) delPort(name string) {
	prt := p.ports[name]
	if prt == nil {
		return
	}
	delete(p.ports, name)
	for _, b := range prt.bindings {
		p.place(b)
		p.updateServed(b)
	}
	if prt.device != 0 {
		p.leaving = append(p.leaving, prt.device)
	}
	p.releaseNumber(&p.portSlots, prt.number)
}

// setBinding puts the pair into the switch, out of another one if need be.
func (p *Plane) setBinding(key intent.BindingKey, d *domain) {
	b := p.bindings[key]
	if b == nil {
		b = &binding{key: key}
		if slot, ok := p.adopted.slots[key]; ok {
			// Still the same meaning: what was learned there is right.
			b.slot, b.gen = slot.number, p.gens[slot.number]
			if slot.bd != d.bd {
				p.newGen(b)
			}
		} else if b.slot = p.number(&p.slots); b.slot != 0 {
			for uint32(len(p.gens)) <= b.slot {
				p.gens = append(p.gens, 0)
			}
			if p.gens[b.slot] != 0 {
				p.zeroCounters(b.slot)
			}
			p.newGen(b)
		}
		p.bindings[key] = b
		if b.slot != 0 {
			p.bySlot[b.slot] = b
		}
		if prt := p.ports[key.Port]; prt != nil {
			prt.bindings[key.VLAN] = b
			p.placeUntagged(prt)
		}
		p.updateServed(b)
	} else if b.domain != d {
		p.leaveDomain(b)
		p.newGen(b)
	}
	b.domain = d
	p.place(b)
}

func (p *Plane) newGen(b *binding) {
	if b.slot == 0 {
		return
	}
	p.markSlot(b.slot)
	p.gens[b.slot]++
	b.gen = p.gens[b.slot]
}

func (p *Plane) leaveDomain(b *binding) {
	p.stale = true
	if d := b.domain; d != nil && d.members[b.slot] == b {
		delete(d.members, b.slot)
		p.markMembers(d)
	}
}

// markMembers marks d for a new flood set of its members.
func (p *Plane) markMembers(d *domain) {
	if !d.dirty {
		d.dirty = true
		p.dirty = append(p.dirty, d)
	}
}

// updateServed notes whether b can't be in force for a reason other than its port's device.
func (p *Plane) updateServed(b *binding) {
	if b.slot == 0 || p.ports[b.key.Port] == nil {
		p.unserved[b.key] = b
	} else {
		delete(p.unserved, b.key)
	}
}

func (p *Plane) delBinding(key intent.BindingKey) {
	b := p.bindings[key]
	if b == nil {
		return
	}
	delete(p.bindings, key)
	delete(p.bySlot, b.slot)
	delete(p.unserved, key)
	if prt := p.ports[key.Port]; prt != nil {
		delete(prt.bindings, key.VLAN)
		p.placeUntagged(prt)
	}
	p.leaveDomain(b)
	b.domain = nil
	p.place(b)
	p.releaseNumber(&p.slots, b.slot)
}

// place writes b where it belongs now: on its port's device, or nowhere.
func (p *Plane) place(b *binding) {
	if b.slot == 0 {
		return
	}
	p.markSlot(b.slot)
	prt := p.ports[b.key.Port]
	device := 0
	if prt != nil && b.domain != nil {
		device = prt.device
	}
	vid := uint32(b.key.VLAN)
	if b.device != 0 && b.device != device {
		p.tBindings.del(layout.BindKey{Ifindex: uint32(b.device), VID: vid})
		p.newGen(b) // whoever was behind that device need not be behind another one
	}
	b.device = device
	if device == 0 {
		p.leaveDomain(b)
		p.tMembers.set(b.slot, layout.Member{Gen: b.gen})
		p.tPolicies.del(b.slot)
		return
	}
	m := layout.Member{Ifindex: uint32(device), VID: vid, BD: b.domain.bd, Gen: b.gen, Port: prt.number, MTU: prt.mtu, Features: b.domain.features}
	if vid == 0 && len(prt.bindings) > 1 {
		m.Flags = layout.MemberNoTags
	}
	if prt.service {
		m.Flags |= layout.MemberServiceTag
	}
	m.Flags |= uint32(prt.group) << layout.MemberGroupShift
	if p.guard(b) {
		m.Features |= layout.FeatureACL
	}
	p.tMembers.set(b.slot, m)
	p.tBindings.set(layout.BindKey{Ifindex: uint32(device), VID: vid}, b.slot)
	if b.domain.members[b.slot] != b {
		b.domain.members[b.slot] = b
		p.markMembers(b.domain)
	}
}

// placeUntagged places the binding of the untagged frames of prt, which depends on its others.
func (p *Plane) placeUntagged(prt *port) {
	if b := prt.bindings[0]; b != nil && b.domain != nil {
		p.place(b)
	}
}

// attachPort attaches the program to the port's device, if it has one.
func (p *Plane) attachPort(prt *port) {
	if prt.device == 0 || prt.attached == prt.device {
		return
	}
	if err := p.attach(prt.device, p.objs.VtepPort, true); err != nil {
		prt.err = fmt.Errorf("device %q: %w", prt.name, err)
		return
	}
	index := uint32(prt.device)
	dev := layout.Device{Port: prt.number, Flags: p.adopted.devices[index].Flags | p.tDevices.want[index].Flags}
	if l, err := p.space.Links.LinkByIndex(prt.device); err == nil {
		if l.Attrs().RawFlags&unix.IFF_PROMISC == 0 {
			// A NIC would keep frames for other hosts' addresses to itself.
			if err := p.space.Links.SetPromiscOn(l); err != nil {
				prt.err = fmt.Errorf("device %q: make it promiscuous: %w", prt.name, err)
				return
			}
			dev.Flags |= layout.DevicePromisc
		}
		if dev.Flags, err = p.space.Seal(l, dev.Flags); err != nil {
			p.log.Warn("the machine's own stack can't be kept off a port", "port", prt.name, "err", err)
		}
	}
	p.tDevices.set(index, dev)
	prt.attached, prt.err = prt.device, nil
}

// detachLeaving lets go of the devices that are no port any more.
func (p *Plane) detachLeaving() error {
	leaving := p.leaving
	p.leaving = nil
	var errs []error
	for _, ifindex := range leaving {
		if p.portOf(ifindex) == nil {
			errs = append(errs, p.detachPort(ifindex, p.tDevices.want[uint32(ifindex)].Flags))
		}
	}
	return errors.Join(errs...)
}

// portOf gives the port that the device is, or nil.
func (p *Plane) portOf(ifindex int) *port {
	if prt := p.ports[p.devices.ByIndex[ifindex].Name]; prt != nil && prt.device == ifindex {
		return prt
	}
	return nil
}

func (p *Plane) detachPort(ifindex int, flags uint32) error {
	p.tDevices.del(uint32(ifindex))
	if err := p.detach(ifindex); err != nil {
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
	have, err := p.tDevices.read()
	errs = append(errs, err)
	for index, dev := range have {
		errs = append(errs, p.detachPort(int(index), dev.Flags))
	}
	indexes, err := p.linked()
	errs = append(errs, err)
	for _, i := range indexes {
		errs = append(errs, p.unpinLink(i))
	}
	return errors.Join(errs...)
}

// ---- quotas ----------------------------------------------------------------------------

func (p *Plane) limitQuota(number, limit uint32) {
	atomic.StoreUint32(&p.quotas[number].Limit, limit)
}
