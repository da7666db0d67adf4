package ovs

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// Ethernet segments. What is flooded and comes by a tunnel does not leave by a binding for which another VTEP is designated,
// nor by the port of a segment to which the VTEP is attached that has sent it. So there are as many audiences as there are
// VTEPs, or fewer. Table 0 has a flow for each source already, which notes the audience in register 5; what is flooded goes on
// to table 7, where each audience has a flow with its copies, for all addresses. What comes by a port, or from a router, has
// none: it goes to all.
//
// By a binding on standby nothing leaves, and nothing comes in: both are dropped in the bridge of the physical switch.

// fromAnyone is the audience of what comes from a VTEP that is attached to no segment of ours.
const fromAnyone uint32 = 1

// audience is who gets what is flooded.
type audience struct {
	copies openflow.Actions
	why    uint64 // nobody does, if nobody does
}

// division is who gets what is flooded out of tunnels. The zero division: all members do.
type division struct {
	audiences []audience            // the first is fromAnyone
	of        map[netip.Addr]uint32 // VTEPs that are attached to segments: the number of their audience
}

// from returns the number of the audience of a VTEP; 0: there is no division.
func (d *division) from(vtep netip.Addr) uint32 {
	switch n, attached := d.of[vtep]; {
	case attached:
		return n
	case len(d.audiences) > 0:
		return fromAnyone
	}
	return 0
}

// isFlooded says whether what is flooded from a port, or by a router, leaves by a member.
func (p *patch) isFlooded() bool { return p.role != intent.Standby }

// copies are the actions that send a frame to all members but those left out.
func (l *logical) copies(leftOut func(i int) bool) (actions openflow.Actions) {
	for i := range l.members[:l.reached()] {
		if l.members[i].isFlooded() && !leftOut(i) {
			actions = append(actions, l.members[i].deliver()...)
		}
	}
	return actions
}

func none(int) bool { return false }

// nobody is why a frame of a port, or of a router, that goes to all goes nowhere.
func (l *logical) nobody() uint64 {
	if slices.ContainsFunc(l.members, func(m patch) bool { return !m.isFlooded() }) {
		return dropNotDesignated
	}
	return dropNobody
}

// divide finds the audiences.
func (l *logical) divide() (d division) {
	barred, vteps := false, map[netip.Addr]bool{}
	for i := range l.members {
		barred = barred || l.members[i].role == intent.NotDesignated
		for _, ip := range l.segment(i) {
			if ip.Is4() {
				vteps[ip] = true
			}
		}
	}
	if !barred && len(vteps) == 0 {
		return d
	}
	biased := func(i int, vtep netip.Addr) bool { return slices.Contains(l.segment(i), vtep) }
	known := map[string]uint32{}
	find := func(vtep netip.Addr) uint32 {
		key := make([]byte, len(l.members)) // who is left out
		a := audience{why: l.nobody()}
		if barred {
			a.why = dropNotDesignated
		}
		for i := range l.members {
			if biased(i, vtep) && a.why == dropNobody {
				a.why = dropLocalBias
			}
			if l.members[i].role == intent.NotDesignated || biased(i, vtep) {
				key[i] = 1
			}
		}
		if n, ok := known[string(key)]; ok {
			return n
		}
		a.copies = l.copies(func(i int) bool { return key[i] == 1 })
		d.audiences = append(d.audiences, a)
		n := uint32(len(d.audiences))
		known[string(key)] = n
		return n
	}
	find(netip.Addr{})
	d.of = map[netip.Addr]uint32{}
	for _, vtep := range slices.SortedFunc(maps.Keys(vteps), netip.Addr.Compare) {
		d.of[vtep] = find(vtep)
	}
	return d
}

// segment returns the other VTEPs of the segment of a member.
func (l *logical) segment(i int) intent.Segment {
	if l.segments == nil {
		return nil
	}
	return l.segments[i]
}

// toAudiences adds the copies of what is flooded out of tunnels. Frames of ports come there that do not go into tunnels.
func (l *logical) toAudiences(s flowSet) {
	add := func(priority uint16, match openflow.Match, a audience) {
		m := openflow.FlowMod{Cookie: cookieFlow, Table: tableCopies, Priority: priority, Match: match}
		if len(a.copies) > 0 {
			m.Instructions = openflow.Apply(a.copies...)
		} else {
			m.Cookie = cookieDrop | a.why
		}
		s.add(intent.BindingKey{}, m)
	}
	for i, a := range l.division.audiences {
		add(prioAudience, openflow.Match{openflow.Reg(regCame, uint32(i+1))}, a)
	}
	if len(l.division.audiences) > 0 {
		add(prioMiss, nil, audience{l.copies(none), l.nobody()})
	}
}

// attached adds a MAC that is at a binding as a row says, whatever is learned. Without a member that is it there are no flows.
func (l *logical) attached(s flowSet, mac intent.MAC, at intent.BindingKey) {
	i, ok := l.place(at)
	if !ok {
		return
	}
	s.add(at, openflow.FlowMod{Cookie: cookieFlow, Table: tableOut, Priority: prioRemote,
		Match: openflow.Match{openflow.EthDst(mac)}, Instructions: openflow.Apply(l.members[i].deliver()...)})
	s.add(at, back(prioAttachedBack, l.members[i].inner, mac))
}

// back is the flow for frames to a MAC that is where they come from.
func back(priority uint16, in uint32, mac intent.MAC) openflow.FlowMod {
	return openflow.FlowMod{Cookie: cookieBack, Table: tableOut, Priority: priority, Match: hairpin(in, mac),
		Instructions: openflow.Apply(openflow.SetField(openflow.Reg(regEgress, backToPort)), again(tableIn))}
}

// detach drops what is for a MAC at a binding as long as a row says that it is there.
func (e *engine) detach(key intent.MACKey, at intent.BindingKey) {
	l, b := e.switches[key.Switch], e.bridges[e.names.of[key.Switch]]
	if l == nil || b == nil {
		return
	}
	if in := l.number(at); in != 0 {
		b.drop(keyOf(tableOut, prioAttachedBack, hairpin(in, key.MAC).Canonical()))
	}
}

// applySegments takes what changed of the segments of ports.
func (s *site) applySegments(d *intent.Delta) {
	if len(d.Segments) == 0 {
		return
	}
	ports := map[string]bool{}
	for _, c := range d.Segments {
		set(s.segments, c.Key, c.New)
		ports[c.Key] = true
	}
	for at, id := range s.bindings {
		if ports[at.Port] {
			s.change(id)
		}
	}
}

// applyAttached takes what changed of MACs that rows place at bindings.
func (s *site) applyAttached(d *intent.Delta) (keys []intent.MACKey) {
	for _, c := range d.Attached {
		set(s.lswitch(c.Key.Switch).attached, c.Key.MAC, c.New)
		keys = append(keys, c.Key)
	}
	return keys
}
