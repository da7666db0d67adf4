package ovs

import (
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/packet"
)

// Sizes. A packet that a router hands on has to fit into the way there: into the tunnel to the peer that the station
// is behind, or the device of the port where it has been learned. The flow of who has the address knows the way, and has
// Open vSwitch compare. The way of a packet to a station that is nowhere known is not. What does not fit is the agent's, also
// where nobody is told of it: Open vSwitch (seen, 3.1.0) counts every packet by the flows of both outcomes.

// outerLen is how much of what the underlay takes is not of the frame in the tunnel: IPv4, UDP and VXLAN.
const outerLen = 20 + 8 + 8

// largest returns how many bytes a frame may have on the way to a station; 0: that is not known.
func (e *engine) largest(key intent.MACKey) uint16 {
	most := 0
	if ls := e.site.switches[key.Switch]; ls == nil || e.vs == nil {
		return 0
	} else if t, remote := ls.unicast[key.MAC]; remote {
		most = e.routes.mtuTo(e.vs, t.Peer) - outerLen
	} else if at, here := e.at(ls, key); here {
		if i := e.vs.interfaces[at.Port]; i != nil && i.mtu != 0 {
			most = i.mtu + packet.HeaderLen
		}
	}
	if most <= packet.HeaderLen || most > math.MaxUint16 {
		return 0
	}
	return uint16(most)
}

// at returns the binding that a station is at: as a row says, or else as was learned.
func (e *engine) at(ls *lswitch, key intent.MACKey) (at intent.BindingKey, ok bool) {
	if at, ok = ls.attached[key.MAC]; ok {
		return at, true
	}
	if st := e.stations.get(key); st != nil {
		return st.at, true
	}
	return at, false
}

// mtus returns what devices take that sizes depend on.
func (e *engine) mtus() map[string]int {
	all := map[string]int{}
	note := func(device string) {
		if i := e.vs.interfaces[device]; i != nil {
			all[device] = i.mtu
		}
	}
	for name := range e.site.ports {
		note(name)
	}
	for _, w := range e.routes.ways {
		note(w.device)
	}
	return all
}

// relocated notes that the way to a station is another: packets to its addresses may have other sizes.
func (e *engine) relocated(key intent.MACKey) {
	for ip := range e.site.hosts[key] {
		e.dirtyIPs = append(e.dirtyIPs, intent.IPKey{Switch: key.Switch, IP: ip})
	}
}

// setNeighbour takes who has an address; nil: nobody.
func (s *site) setNeighbour(key intent.IPKey, mac *intent.MAC) {
	if was, ok := s.neighbours[key]; ok {
		at := intent.MACKey{Switch: key.Switch, MAC: was}
		if delete(s.hosts[at], key.IP); len(s.hosts[at]) == 0 {
			delete(s.hosts, at)
		}
	}
	if mac == nil {
		delete(s.neighbours, key)
		return
	}
	s.neighbours[key] = *mac
	at := intent.MACKey{Switch: key.Switch, MAC: *mac}
	if s.hosts[at] == nil {
		s.hosts[at] = map[netip.Addr]bool{}
	}
	s.hosts[at][key.IP] = true
}

// sizes adds what hands packets on that fit.
func (r *routing) sizes(s flowSet) {
	add := r.adder(s)
	s.punt(puntTooBig, tableOn, prioRefuse, openflow.Reg(regLarger, 1))
	for id, router := range r.site.routers {
		for _, p := range etherTypes {
			add(tableOn, prioRouted, openflow.Match{r.of(id), ethType(p.etherType)},
				openflow.Apply(openflow.DecTTLAction{}, openflow.SetField(openflow.EthSrc(router.MAC)), again(tablePass)))
		}
	}
}

func isOf(most uint16) openflow.Match { return openflow.Match{openflow.Reg(regMost, uint32(most))} }

// size adds the flow that compares with a size.
func size(s flowSet, most uint16) {
	s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieFlow, Table: tableSize, Priority: prioRouted, Match: isOf(most),
		Instructions: openflow.Apply(openflow.CheckLargerAction{Bytes: most, Dst: openflow.FieldReg(regLarger), Width: 4}, again(tableOn))})
}

func sizeKey(most uint16) flowKey { return keyOf(tableSize, prioRouted, isOf(most)) }

// fitting reads back which size of a packet would have fitted.
func fitting(m openflow.Match) uint32 {
	if v, ok := m.Get(openflow.FieldReg(regMost)); ok && len(v) == 4 {
		return max(binary.BigEndian.Uint32(v), packet.HeaderLen) - packet.HeaderLen
	}
	return 0
}
