package ovs

import (
	"maps"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// physical is what the bridge of the physical switch is to do.
type physical struct {
	ports    map[string]uint32 // managed ports that have a number
	closed   map[string]uint32 // and those of them that can't have bindings
	bindings []patch
	pcp      uint8         // of the tags that bindings put on
	guards   []*accessList // that any of the bindings has, for what comes in
	notes    flowSet

	names  map[uint32]string            // of ports, by number; nil: nobody has asked
	outers map[uint32]intent.BindingKey // by the number of the outer end; likewise
}

// portOf returns the name of a port that was asked for by its number.
func (p *physical) portOf(number uint32) (name string, ok bool) {
	if p.names == nil {
		p.names = make(map[uint32]string, len(p.ports)+len(p.closed))
		for _, ports := range []map[string]uint32{p.ports, p.closed} {
			for name, n := range ports {
				p.names[n] = name
			}
		}
	}
	name, ok = p.names[number]
	return name, ok
}

// patch is a binding in force: the pair of patch ports between the bridges is there.
type patch struct {
	at           intent.BindingKey
	port         uint32 // of the physical switch
	inner, outer uint32 // the ends of the pair: in the bridge of the logical switch, and of the physical one
	strict       bool   // other bindings of the port have VLANs: what has a tag must not leave untagged
	guard        uint32 // the number of the ACL that asks what comes in or, in the logical switch, what leaves; 0: none does
	role         intent.Role
}

// deliver are the actions that send a frame to the binding.
func (p *patch) deliver() openflow.Actions {
	if p.guard != 0 {
		return askThen(intent.Egress, p.guard, p.inner)
	}
	return openflow.Actions{openflow.Output(p.inner)}
}

// flows returns the flows of the bridge of the physical switch.
func (p *physical) flows() flowSet {
	s := flowSet{}
	for _, ports := range []map[string]uint32{p.ports, p.closed} {
		for name, port := range ports {
			s.add(intent.BindingKey{Port: name}, openflow.FlowMod{Cookie: cookieDrop + dropUnbound, Priority: prioUnbound,
				Match: openflow.Match{openflow.InPort(port)}})
		}
	}
	guarded(s, p.guards, intent.Ingress)
	maps.Copy(s, p.notes)
	for _, b := range p.bindings {
		in := openflow.InPort(b.port)
		if b.role == intent.Standby {
			b.bar(s)
			continue
		}
		enter := openflow.Actions{openflow.Output(b.outer)}
		if b.guard != 0 {
			enter = askThen(intent.Ingress, b.guard, b.outer)
			denials(s, b.at, openflow.Match{in, openflow.Reg(regTo, b.outer)})
		}
		add := func(priority uint16, cookie uint64, match openflow.Match, actions ...openflow.Action) {
			s.add(b.at, openflow.FlowMod{Cookie: cookie, Priority: priority, Match: match, Instructions: openflow.Apply(actions...)})
		}
		out := openflow.InPort(b.outer)
		if b.at.VLAN != 0 {
			add(prioVLAN, cookieFlow, openflow.Match{in, openflow.VLAN(b.at.VLAN)}, append(openflow.Actions{openflow.PopVLAN()}, enter...)...)
			// A tag that is pushed has the priority 0 already. But where it is the one with which a frame came, a flow of the
			// datapath does nothing to it, and without this is for frames with other priorities, too.
			tag := append(openflow.PushVLAN(b.at.VLAN), openflow.SetField(openflow.Field{ID: openflow.FieldVLANPCP, Value: []byte{p.pcp}}))
			add(prioUntagged, cookieFlow, openflow.Match{out}, append(tag, openflow.Output(b.port))...)
			// Another binding of the port: the frame goes back by the port that it came by.
			continue
		}
		add(prioUntagged, cookieFlow, openflow.Match{in, openflow.Untagged()}, enter...)
		add(prioPriorityTag, cookieFlow, openflow.Match{in, openflow.VLAN(0)}, append(openflow.Actions{openflow.PopVLAN()}, enter...)...)
		add(prioUntagged, cookieFlow, openflow.Match{out}, openflow.Output(b.port))
		if b.strict {
			for _, tag := range hasTag {
				add(prioDoubleTagged, cookieDrop|dropDoubleTagged, openflow.Match{out, tag})
			}
		}
	}
	return s
}

// bar has nothing pass a binding, in either direction.
func (p *patch) bar(s flowSet) {
	in := openflow.InPort(p.port)
	drop := func(priority uint16, match ...openflow.Field) {
		s.add(p.at, openflow.FlowMod{Cookie: cookieDrop | dropNotDesignated, Priority: priority, Match: match})
	}
	if p.at.VLAN != 0 {
		drop(prioVLAN, in, openflow.VLAN(p.at.VLAN))
	} else {
		drop(prioUntagged, in, openflow.Untagged())
		drop(prioPriorityTag, in, openflow.VLAN(0))
	}
	drop(prioUntagged, openflow.InPort(p.outer))
}

// barred says of which VLAN of a port a flow drops frames; 0: those without a tag.
func barred(m openflow.Match) (vlan uint16) {
	if v, ok := m.Get(openflow.FieldVLANVID); ok && len(v) == 2 {
		vlan = (uint16(v[0])<<8 | uint16(v[1])) & 0x0fff
	}
	return vlan
}
