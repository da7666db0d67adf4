package ovs

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// The ACL of an interface is asked as that of a port is, by the same flows. What may pass comes back to table 0
// (the output is OFPP_TABLE), where regStage says how it goes on.
const (
	askedIn  = 1
	askedOut = 2
)

// guard adds what asks the ACLs of interfaces.
func (r *routing) guard(s flowSet) {
	var in, out []*accessList
	for id, port := range r.ports {
		for _, v6 := range []bool{false, true} {
			a, b := r.guardSwitch(s, id, port, v6)
			in, out = append(in, a...), append(out, b...)
		}
	}
	if len(in)+len(out) == 0 {
		return
	}
	guarded(s, sortLists(in), intent.Ingress)
	guarded(s, sortLists(out), intent.Egress)
	add := r.adder(s)
	add(tableIn, prioStage, openflow.Match{openflow.Reg(regStage, askedIn)}, openflow.Goto(tableCheck))
	add(tableIn, prioStage, openflow.Match{openflow.Reg(regStage, askedOut)}, openflow.Goto(tableLeave))
	for v, reason := range verdictReasons {
		r.refuse(s, tableIn, prioAnywhere, reason, openflow.Reg(regVerdict, uint32(v)))
	}
	for id, port := range r.ports {
		for _, m := range r.members(id) {
			denials(s, m.at, openflow.Match{openflow.InPort(port), number(openflow.FieldMark, uint64(m.inner), 4)})
		}
	}
}

// guarded says whether any interface has an ACL.
func (r *routing) guarded() bool {
	for _, i := range r.site.interfaces {
		if i.ACL != (intent.ACLID{}) {
			return true
		}
	}
	return false
}

// guardSwitch adds which ACL is asked of packets from addresses of a switch, and to them, by intent.State.InterfaceACL.
func (r *routing) guardSwitch(s flowSet, id intent.SwitchID, port uint32, v6 bool) (in, out []*accessList) {
	type network struct {
		prefix netip.Prefix
		acl    intent.ACLID
	}
	family, of := netip.MustParsePrefix("0.0.0.0/0"), etherTypes[0]
	if v6 {
		family, of = netip.MustParsePrefix("::/0"), etherTypes[1]
	}
	all := []network{{prefix: family}}
	some := false
	for _, ip := range r.site.addressesIn(id) { // the lowest first
		if ip.Is6() != v6 {
			continue
		}
		i := r.site.interfaces[intent.IPKey{Switch: id, IP: ip}]
		prefix := netip.PrefixFrom(ip, i.Bits).Masked()
		at := slices.IndexFunc(all, func(n network) bool { return n.prefix == prefix })
		if at < 0 {
			at = len(all)
			all = append(all, network{prefix: prefix})
		}
		for _, n := range []int{0, at} {
			if all[n].acl == (intent.ACLID{}) {
				all[n].acl = i.ACL
			}
		}
		some = some || i.ACL != (intent.ACLID{})
	}
	if !some {
		return nil, nil
	}
	add := r.adder(s)
	for _, n := range all {
		priority := prioRouted + uint16(n.prefix.Bits())
		from := append(prefixed(of.src, n.prefix), ethType(of.etherType), openflow.InPort(port))
		ask := openflow.Goto(tableCheck)
		if l := r.access.of(n.acl, intent.Ingress); l != nil {
			ask, in = openflow.Apply(askAt(intent.Ingress, l)...), append(in, l)
		}
		add(tableEnter, priority, from, ask)
		ask = openflow.Goto(tableLeave)
		if l := r.access.of(n.acl, intent.Egress); l != nil {
			ask, out = openflow.Apply(askAt(intent.Egress, l)...), append(out, l)
		}
		add(tablePass, priority, toward(n.prefix, of.etherType, port), ask)
	}
	return in, out
}

// askAt are the actions that have the ACL of an interface asked.
func askAt(d intent.Direction, l *accessList) openflow.Actions {
	stage := uint32(askedIn)
	if d == intent.Egress {
		stage = askedOut
	}
	return append(openflow.Actions{openflow.SetField(openflow.Reg(regStage, stage))}, askThen(d, l.number, noEgress)...)
}

// toward matches packets whose next hop is in a prefix of a switch.
func toward(p netip.Prefix, etherType uint16, out uint32) openflow.Match {
	m := openflow.Match{ethType(etherType), openflow.Reg(regOut, out)}
	ip := p.Masked().Addr().AsSlice()
	for i := 0; i < len(ip) && 8*i < p.Bits(); i += 4 {
		f := openflow.Reg(regHop+i/4, binary.BigEndian.Uint32(ip[i:]))
		if left := p.Bits() - 8*i; left < 32 {
			f.Mask = binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-left))
		}
		m = append(m, f)
	}
	return m
}

// handOn has a packet that a router sends to an address of a switch asked by the ACL of its interface there; false:
// there is no way.
func (e *engine) handOn(frame []byte, id intent.SwitchID, ip netip.Addr) (bool, error) {
	b, out := e.bridges[e.names.router()], e.routing.ports[id]
	if b == nil || b.conn == nil || out == 0 {
		return false, nil
	}
	actions := openflow.Actions{openflow.SetField(openflow.Reg(regOut, out))}
	if ip.Is4() {
		actions = append(actions, openflow.SetField(openflow.Field{ID: openflow.FieldReg(regHop), Value: ip.AsSlice()}))
	} else {
		actions = append(actions, openflow.SetField(openflow.Field{ID: openflow.FieldXXReg(regHop / 4), Value: ip.AsSlice()}))
	}
	return true, b.conn.Send(&openflow.PacketOut{InPort: openflow.PortController, Actions: append(actions, again(tablePass)), Data: frame})
}
