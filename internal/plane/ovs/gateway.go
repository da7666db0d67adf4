package ovs

import (
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// Priorities in tableRouter.
const (
	prioSpoofed uint16 = 850 // LS, table 0: a host in the name of a router

	prioNoStation uint16 = 2600 // a source that nobody can have
	prioBadARP    uint16 = 2500
	prioAsked     uint16 = 2400 // for an address of the router; up to 2403 those that only flows, or the agent can answer
	prioAnswer    uint16 = 2300 // to the router
	prioHeard     uint16 = 2200
	prioNDOther   uint16 = 2100
	prioNDBad     uint16 = 2000
	prioToRouter  uint16 = 1900
	prioNoPacket  uint16 = 1800
)

// gateway is the router of a switch.
type gateway struct {
	port  uint32 // to the bridge of the routers; 0: there is no router
	mac   intent.MAC
	asks  intent.MAC // by which neighbors are looked for; zero: they are not
	owned []netip.Addr
}

func (g *gateway) equal(o *gateway) bool {
	return g.port == o.port && g.mac == o.mac && g.asks == o.asks && slices.Equal(g.owned, o.owned)
}

// macs are the addresses that what is to the router has.
func (g *gateway) macs() []intent.MAC {
	if g.asks == (intent.MAC{}) || g.asks == g.mac {
		return []intent.MAC{g.mac}
	}
	return []intent.MAC{g.mac, g.asks}
}

// gatewayOf returns the router of a switch, as far as it can be reached.
func (e *engine) gatewayOf(ls *lswitch, row *bridgeRow) (g gateway) {
	r, ok := e.site.routers[ls.router]
	p := row.ports[toRouters(row.name)]
	if !ok || p.single() == nil || p.single().options["peer"] != fromRouters(row.name) {
		return g
	}
	return gateway{p.number(), r.MAC, e.site.ARPSource, e.site.addressesIn(ls.id)}
}

// next is where a frame goes when it is known where it came from.
func (l *logical) next() uint8 {
	if l.gateway.port != 0 {
		return tableRouter
	}
	return tableOut
}

// came are the actions that note that a frame came by a tunnel, from a VTEP that may be any.
func (l *logical) came(from netip.Addr) openflow.Actions {
	n := l.division.from(from)
	if n == 0 && l.gateway.port == 0 {
		return openflow.Actions{forbid()}
	}
	return openflow.Actions{forbid(), openflow.SetField(openflow.Reg(regCame, max(n, fromAnyone)))}
}

// toGateway adds what is the router's, and what comes from it.
func (l *logical) toGateway(s flowSet) {
	g := &l.gateway
	if g.port == 0 {
		return
	}
	add := func(table uint8, priority uint16, match openflow.Match, inst openflow.Instructions) {
		s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieFlow, Table: table, Priority: priority, Match: match, Instructions: inst})
	}
	drop := func(priority uint16, reason uint64, match openflow.Match) {
		s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieDrop | reason, Table: tableRouter, Priority: priority, Match: match})
	}
	in := openflow.InPort(g.port)
	nowhere(s, intent.BindingKey{}, g.port, noEgress, dropNoTunnel)
	if len(l.guards) > 0 {
		denials(s, intent.BindingKey{}, openflow.Match{in})
		denials(s, intent.BindingKey{}, openflow.Match{openflow.InPort(openflow.PortController)})
	}
	add(tableIn, prioSource, openflow.Match{in}, openflow.Goto(tableOut, openflow.SetField(fromTunnel()), l.allow()))
	answer := openflow.Field{ID: openflow.FieldMark, Value: number(openflow.FieldMark, 1<<markAnswer, 4).Value, Mask: number(openflow.FieldMark, 1<<markAnswer, 4).Value}
	add(tableIn, prioSource+1, openflow.Match{in, answer}, openflow.Apply(
		openflow.RegMoveAction{Src: openflow.FieldMark, Dst: openflow.FieldInPort16, SrcWidth: 4, DstWidth: 2, Bits: 16},
		openflow.SetField(fromTunnel()), again(tableBack)))
	for _, m := range l.members {
		for _, mac := range g.macs() {
			s.add(m.at, openflow.FlowMod{Cookie: cookieDrop | dropSpoofedRouter, Priority: prioSpoofed,
				Match: openflow.Match{openflow.InPort(m.inner), openflow.EthSrc(mac)}})
		}
		if m.guard != 0 {
			add(tableBack, prioRouted, openflow.Match{openflow.InPort(m.inner)}, openflow.Apply(askThen(intent.Egress, m.guard, openflow.PortInPort&0xffff)...))
		}
	}
	add(tableBack, prioMiss, nil, openflow.Apply(openflow.Output(openflow.PortInPort)))
	l.advertise(s)
	for _, src := range nobody {
		add(tableRouter, prioNoStation, openflow.Match{src}, openflow.Apply(again(tableOut)))
	}
	add(tableRouter, prioMiss, nil, openflow.Apply(again(tableOut)))
	byPort := openflow.Reg(regCame, 0)
	l.arp(s, drop, byPort)
	l.discovery(s, drop, byPort)
	for _, mac := range g.macs() {
		to := openflow.EthDst(mac)
		for _, p := range etherTypes {
			match := openflow.Match{to, openflow.Untagged(), ethType(p.etherType)}
			add(tableRouter, prioToRouter, match, openflow.Apply(openflow.SetField(fromTunnel()), openflow.Output(g.port)))
			add(tableRouter, prioToRouter+1, append(match, byPort), openflow.Apply(openflow.SetField(fromTunnel()),
				openflow.RegMoveAction{Src: openflow.FieldInPort16, Dst: openflow.FieldMark, SrcWidth: 2, DstWidth: 4, Bits: 16}, openflow.Output(g.port)))
		}
		drop(prioNoPacket, dropUnroutable, openflow.Match{to})
	}
}

var (
	isARP = ethType(0x0806)
	isND  = openflow.Match{ethType(intent.EtherTypeIPv6), proto(intent.ProtocolICMPv6)}
)

// arp adds what becomes of ARP in a switch that has a router. What is malformed has no operation.
func (l *logical) arp(s flowSet, drop func(uint16, uint64, openflow.Match), byPort openflow.Field) {
	g := &l.gateway
	bad := []openflow.Match{
		{number(openflow.FieldARPOp, 0, 2)}, {{ID: openflow.FieldARPSHA, Value: make([]byte, 6)}},
		{{ID: openflow.FieldARPSHA, Value: groupBit[:], Mask: groupBit[:]}},
	}
	for _, m := range bad {
		drop(prioBadARP, dropBadARP, append(m[:1:1], isARP, byPort))
		for _, mac := range g.macs() {
			drop(prioBadARP, dropBadARP, append(m[:1:1], isARP, openflow.EthDst(mac)))
		}
	}
	for _, ip := range g.owned {
		if !ip.Is4() {
			continue
		}
		sha := openflow.Field{ID: openflow.FieldARPSHA, Value: g.mac[:]}
		s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieFlow, Table: tableRouter, Priority: prioAsked,
			Match: openflow.Match{isARP, byPort, number(openflow.FieldARPOp, 1, 2), {ID: openflow.FieldARPTPA, Value: ip.AsSlice()}},
			Instructions: openflow.Apply(
				move(openflow.FieldEthSrc, openflow.FieldEthDst, 6),
				openflow.SetField(openflow.EthSrc(g.mac)),
				openflow.SetField(number(openflow.FieldARPOp, 2, 2)),
				move(openflow.FieldARPSHA, openflow.FieldARPTHA, 6),
				move(openflow.FieldARPSPA, openflow.FieldARPTPA, 4),
				openflow.SetField(sha), openflow.SetField(openflow.Field{ID: openflow.FieldARPSPA, Value: ip.AsSlice()}), again(tableBack))})
	}
	for _, mac := range g.macs() {
		s.punt(puntHeard, tableRouter, prioAnswer, isARP, openflow.EthDst(mac), number(openflow.FieldARPOp, 2, 2))
		drop(prioHeard, dropUnserved, openflow.Match{isARP, openflow.EthDst(mac)})
	}
}

// discovery adds the same of Neighbor Discovery. A message that is malformed has no target.
func (l *logical) discovery(s flowSet, drop func(uint16, uint64, openflow.Match), byPort openflow.Field) {
	g := &l.gateway
	kind := func(t uint64) openflow.Field { return number(openflow.FieldICMPv6, t, 1) }
	valid := number(openflow.FieldICMPv6Code, 0, 1)
	for _, ip := range g.owned {
		if ip.Is6() {
			l.solicited(s, ip, also(isND, byPort, kind(135), valid, openflow.Field{ID: openflow.FieldNDTarget, Value: ip.AsSlice()}))
		}
	}
	for _, mac := range g.macs() {
		for _, t := range []uint64{135, 136} {
			s.punt(puntHeard, tableRouter, prioAnswer, also(isND, kind(t), openflow.EthDst(mac))...)
		}
	}
	drop(prioHeard, dropBadND, also(isND, byPort, kind(135), valid, openflow.Field{ID: openflow.FieldNDTarget, Value: make([]byte, 16)}))
	s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieFlow, Table: tableRouter, Priority: prioNDOther,
		Match: also(isND, byPort, kind(135), valid), Instructions: openflow.Apply(again(tableOut))})
	drop(prioNDBad, dropBadND, also(isND, byPort, kind(135)))
}
