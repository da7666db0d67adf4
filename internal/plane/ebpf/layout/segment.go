package layout

import "github.com/vtep/vtep/internal/intent"

// stageSegments takes the segments of ports that have changed. Ports that come are there, those that go are not any more.
func (c *Contents) stageSegments(changes []intent.Change[string, intent.Segment]) {
	for _, ch := range changes {
		if ch.New != nil {
			c.segments[ch.Key] = *ch.New
		} else {
			delete(c.segments, ch.Key)
		}
		if prt := c.ports[ch.Key]; prt != nil {
			c.shareSegment(prt)
			for _, b := range prt.Bindings {
				c.place(b)
			}
		}
	}
}

// shareSegment writes the other VTEPs of the segment of a port.
func (c *Contents) shareSegment(prt *Port) {
	c.leaveSegment(prt)
	prt.segment = c.segments[prt.Name]
	for _, ip := range prt.segment {
		if prt.Number != 0 {
			c.Maps.Segments.Set(SegmentKey{Port: prt.Number, IP: AddressOf(ip)}, 1)
		}
	}
}

func (c *Contents) leaveSegment(prt *Port) {
	for _, ip := range prt.segment {
		c.Maps.Segments.Del(SegmentKey{Port: prt.Number, IP: AddressOf(ip)})
	}
	prt.segment = nil
}

// guardSegment puts into the member of a binding what it does for the segment of its port.
func (b *Binding) guardSegment(m *Member, prt *Port) {
	if b.role != intent.Designated || len(prt.segment) > 0 {
		m.Features |= FeatureSegment
	}
	switch b.role {
	case intent.NotDesignated:
		m.Flags |= MemberNotDesignated
	case intent.Standby:
		m.Features |= FeatureStandby
	}
}

// RoleOf is the reverse.
func RoleOf(m Member) intent.Role {
	switch {
	case m.Features&FeatureStandby != 0:
		return intent.Standby
	case m.Features&FeatureSegment != 0 && m.Flags&MemberNotDesignated != 0:
		return intent.NotDesignated
	}
	return intent.Designated
}

// stageUnicasts takes the MACs that rows place. One may go from a tunnel to a binding, and back.
func (c *Contents) stageUnicasts(next *intent.State, d *intent.Delta) {
	for _, ch := range d.Attached {
		if dom := c.ByUUID[ch.Key.Switch]; ch.New == nil && dom != nil {
			c.Maps.Remotes.Del(MACKey{BD: dom.BD, MAC: ch.Key.MAC})
		}
	}
	var dom *Domain // of the MAC before, often of the same switch
	for i := range d.Unicast {
		if ch := &d.Unicast[i]; c.isIn(&dom, ch.Key.Switch) {
			c.stageUnicast(MACKey{BD: dom.BD, MAC: ch.Key.MAC}, ch.New)
		}
	}
	if d.Whole {
		for k, to := range next.Unicast.All() {
			if c.isIn(&dom, k.Switch) {
				c.stageUnicast(MACKey{BD: dom.BD, MAC: k.MAC}, &to)
			}
		}
	}
	for _, ch := range d.Attached {
		dom := c.ByUUID[ch.Key.Switch]
		if ch.New == nil || dom == nil {
			continue
		}
		key := MACKey{BD: dom.BD, MAC: ch.Key.MAC}
		if b := c.Bindings[*ch.New]; b != nil && b.Slot != 0 {
			c.Maps.Remotes.Set(key, Remote{Peer: AttachedPeer, VNI: b.Slot})
		} else {
			c.Maps.Remotes.Del(key)
		}
	}
}
