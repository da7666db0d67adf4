package layout

import (
	"github.com/vtep/vtep/internal/intent"
)

// Binding is a (port, VLAN) pair in a logical switch.
type Binding struct {
	Key    intent.BindingKey
	Domain *Domain
	Slot   uint32 // 0: slots ran out
	Gen    uint32
	Device int // ifindex in the bindings map; 0: not there
	role   intent.Role
}

// Domain is a logical switch.
type Domain struct {
	ID       intent.SwitchID
	Switch   intent.Switch
	BD       uint32
	Features uint32              // enum features
	gateway  routed              // of its router
	members  map[uint32]*Binding // in force, by slot
	dirty    bool                // it is in Contents.dirty: members changed since the flood set was made

	groups map[intent.MAC]intent.MemberSet // as the State has them
}

// Port is a port, and the device that it is on.
type Port struct {
	Name     string
	service  bool                // its tags are service tags
	group    uint16              // the group policy of what comes in without one
	Number   uint32              // index of quotas; 0: they ran out, nothing is learned
	Device   int                 // ifindex; 0: there is no such device now
	MTU      uint32              // of the device
	Bindings map[uint16]*Binding // by VLAN
	segment  intent.Segment      // in the map segments
}

// setPort makes the port as it is wanted, but for its device.
func (c *Contents) setPort(name string, want intent.Port) *Port {
	prt := c.ports[name]
	if prt == nil {
		prt = &Port{Name: name, service: want.ServiceTags, group: want.Group, Bindings: map[uint16]*Binding{}}
		if prt.Number = c.Adopted.ports[name]; prt.Number == 0 {
			if prt.Number = c.Number(&c.PortSlots); prt.Number != 0 {
				c.ReusedPorts = append(c.ReusedPorts, prt.Number)
			}
		}
		c.ports[name] = prt
		c.shareSegment(prt)
		for _, b := range c.Unserved {
			if b.Key.Port == name {
				prt.Bindings[b.Key.VLAN] = b
				c.updateServed(b)
			}
		}
	}
	if prt.service != want.ServiceTags || prt.group != want.Group {
		prt.service, prt.group = want.ServiceTags, want.Group
		for _, b := range prt.Bindings {
			c.place(b)
		}
	}
	return prt
}

// SetDevice says on which device the port is now; 0: on none.
func (c *Contents) SetDevice(prt *Port, index int, mtu uint32) {
	if prt.Device == index && prt.MTU == mtu {
		return
	}
	prt.Device, prt.MTU = index, mtu
	for _, b := range prt.Bindings {
		c.place(b)
	}
}

// delPort forgets the port.
func (c *Contents) delPort(name string) {
	prt := c.ports[name]
	if prt == nil {
		return
	}
	delete(c.ports, name)
	c.leaveSegment(prt)
	for _, b := range prt.Bindings {
		c.place(b)
		c.updateServed(b)
	}
	c.GiveBack(&c.PortSlots, prt.Number)
}

// setBinding puts the pair into the switch, out of another one if need be. What was learned there is nothing any more when
// it goes on standby.
func (c *Contents) setBinding(key intent.BindingKey, d *Domain, role intent.Role) {
	b := c.Bindings[key]
	if b == nil {
		b = &Binding{Key: key}
		if slot, ok := c.Adopted.slots[key]; ok {
			// Still the same meaning: what was learned there is right.
			b.Slot, b.Gen = slot.number, c.gens[slot.number]
			if slot.bd != d.BD || role == intent.Standby && !slot.standby {
				c.newGen(b)
			}
		} else if b.Slot = c.Number(&c.Slots); b.Slot != 0 {
			for uint32(len(c.gens)) <= b.Slot {
				c.gens = append(c.gens, 0)
			}
			if c.gens[b.Slot] != 0 {
				c.Reused = append(c.Reused, b.Slot)
			}
			c.newGen(b)
		}
		c.Bindings[key] = b
		if b.Slot != 0 {
			c.BySlot[b.Slot] = b
		}
		if prt := c.ports[key.Port]; prt != nil {
			prt.Bindings[key.VLAN] = b
			c.placeUntagged(prt)
		}
		c.updateServed(b)
	} else if b.Domain != d {
		c.leaveDomain(b)
		c.newGen(b)
	} else if role == intent.Standby && b.role != role {
		c.Stale = true
		c.newGen(b)
	}
	b.Domain, b.role = d, role
	c.place(b)
}

func (c *Contents) newGen(b *Binding) {
	if b.Slot == 0 {
		return
	}
	c.markSlot(b.Slot)
	c.gens[b.Slot]++
	b.Gen = c.gens[b.Slot]
}

func (c *Contents) leaveDomain(b *Binding) {
	c.Stale = true
	if d := b.Domain; d != nil && d.members[b.Slot] == b {
		delete(d.members, b.Slot)
		c.markMembers(d)
	}
}

// markMembers marks d for a new flood set of its members.
func (c *Contents) markMembers(d *Domain) {
	if !d.dirty {
		d.dirty = true
		c.dirty = append(c.dirty, d)
	}
}

// updateServed notes whether b can't be in force for a reason other than its port's device.
func (c *Contents) updateServed(b *Binding) {
	if b.Slot == 0 || c.ports[b.Key.Port] == nil {
		c.Unserved[b.Key] = b
	} else {
		delete(c.Unserved, b.Key)
	}
}

func (c *Contents) delBinding(key intent.BindingKey) {
	b := c.Bindings[key]
	if b == nil {
		return
	}
	delete(c.Bindings, key)
	delete(c.BySlot, b.Slot)
	delete(c.Unserved, key)
	if prt := c.ports[key.Port]; prt != nil {
		delete(prt.Bindings, key.VLAN)
		c.placeUntagged(prt)
	}
	c.leaveDomain(b)
	b.Domain = nil
	c.place(b)
	c.GiveBack(&c.Slots, b.Slot)
}

// place writes b where it belongs now: on its port's device, or nowhere.
func (c *Contents) place(b *Binding) {
	if b.Slot == 0 {
		return
	}
	c.markSlot(b.Slot)
	prt := c.ports[b.Key.Port]
	device := 0
	if prt != nil && b.Domain != nil {
		device = prt.Device
	}
	vid := uint32(b.Key.VLAN)
	if b.Device != 0 && b.Device != device {
		c.Maps.Bindings.Del(BindKey{Ifindex: uint32(b.Device), VID: vid})
		c.newGen(b) // whoever was behind that device need not be behind another one
	}
	b.Device = device
	if device == 0 {
		c.leaveDomain(b)
		c.Maps.Members.Set(b.Slot, Member{Gen: b.Gen})
		c.Maps.Policies.Del(b.Slot)
		return
	}
	m := Member{Ifindex: uint32(device), VID: vid, BD: b.Domain.BD, Gen: b.Gen, Port: prt.Number, MTU: prt.MTU, Features: b.Domain.Features}
	if vid == 0 && len(prt.Bindings) > 1 {
		m.Flags = MemberNoTags
	}
	if prt.service {
		m.Flags |= MemberServiceTag
	}
	m.Flags |= uint32(prt.group) << MemberGroupShift
	b.guardSegment(&m, prt)
	if c.guard(b) {
		m.Features |= FeatureACL
	}
	c.Maps.Members.Set(b.Slot, m)
	c.Maps.Bindings.Set(BindKey{Ifindex: uint32(device), VID: vid}, b.Slot)
	if b.Domain.members[b.Slot] != b {
		b.Domain.members[b.Slot] = b
		c.markMembers(b.Domain)
	}
}

// placeUntagged places the binding of the untagged frames of prt, which depends on its others.
func (c *Contents) placeUntagged(prt *Port) {
	if b := prt.Bindings[0]; b != nil && b.Domain != nil {
		c.place(b)
	}
}

// guard notes which ACL the slot of a binding has, and says whether there is one.
func (c *Contents) guard(b *Binding) bool {
	if id, ok := c.policyOf[b.Key]; ok {
		if number := c.numberOf(id); number != 0 {
			c.Maps.Policies.Set(b.Slot, number)
			return true
		}
	}
	c.Maps.Policies.Del(b.Slot)
	return false
}

// stagePolicy gives a binding its ACL, or takes it away.
func (c *Contents) stagePolicy(ch intent.Change[intent.BindingKey, intent.Policy]) {
	if ch.New != nil {
		c.policyOf[ch.Key] = ch.New.ACL
	} else {
		delete(c.policyOf, ch.Key)
	}
	if b := c.Bindings[ch.Key]; b != nil && b.Domain != nil {
		c.place(b)
	}
}
