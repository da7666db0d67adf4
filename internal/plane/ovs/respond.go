package ovs

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// A router answers by flows what can be answered by flows, so that nobody has to run for it: ARP (gateway.go),
// Neighbor Discovery, and echo. A packet becomes its own answer. Types of ICMP no datapath sets: ovs-vswitchd gets each of these
// packets. The checksum of Neighbor Discovery it makes anew, those of echo it changes by what changes (seen, 3.1.0).

// move are the actions that copy a field of some bytes.
func move(from, to openflow.FieldID, width int) openflow.Action {
	return openflow.RegMoveAction{Src: from, Dst: to, SrcWidth: width, DstWidth: width, Bits: 8 * width}
}

// turnBack are the actions that send a packet to who sent it, from an address of a router.
func turnBack(mac intent.MAC, ip netip.Addr) openflow.Actions {
	of, width := etherTypes[0], 4
	if ip.Is6() {
		of, width = etherTypes[1], 16
	}
	return openflow.Actions{
		move(openflow.FieldEthSrc, openflow.FieldEthDst, 6), openflow.SetField(openflow.EthSrc(mac)),
		move(of.src, of.dst, width), openflow.SetField(openflow.Field{ID: of.src, Value: ip.AsSlice()}),
	}
}

// Types of ICMPv6, and options of Neighbor Discovery.
const (
	typeAdvertisement = 136
	optionSourceMAC   = 1
	optionTargetMAC   = 2
)

// solicited adds what becomes of questions for an address of the router, which all match asked. Flows answer where
// an option has the asker's MAC, and hosts that make sure of a router that they know, who need not have it. The first
// option, whichever it is, becomes the one that has the router's. The agent has the other questions: they may be
// malformed, or of a host that is to have the address itself.
func (l *logical) solicited(s flowSet, ip netip.Addr, asked openflow.Match) {
	noMAC := openflow.Field{ID: openflow.FieldNDSource, Value: make([]byte, 6)}
	s.punt(puntHeard, tableRouter, prioAsked+3, also(asked, openflow.Field{ID: openflow.FieldIPv6Src, Value: make([]byte, 16)})...)
	answer := func(priority uint16, option uint64, more ...openflow.Field) {
		s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieFlow, Table: tableRouter, Priority: priority,
			Match: also(also(asked, number(openflow.FieldIPTTL, 255, 1), number(openflow.FieldNDOption, option, 1)), more...),
			Instructions: openflow.Apply(append(turnBack(l.gateway.mac, ip),
				openflow.SetField(number(openflow.FieldICMPv6, typeAdvertisement, 1)), again(tableAdvertise))...)})
	}
	answer(prioAsked+2, 0, noMAC, openflow.EthDst(l.gateway.mac))
	s.punt(puntHeard, tableRouter, prioAsked+2, also(asked, noMAC, number(openflow.FieldNDOption, optionSourceMAC, 1))...)
	answer(prioAsked+1, optionSourceMAC)
	s.punt(puntHeard, tableRouter, prioAsked, asked...)
}

// advertise adds what makes an advertisement of a packet of which the type says that it is one: what that has can only be set then.
func (l *logical) advertise(s flowSet) {
	flags := openflow.SetField(number(openflow.FieldNDFlags, 0xe0000000, 4)) // it is a router, was asked, and that is how it is
	is := also(isND, number(openflow.FieldICMPv6, typeAdvertisement, 1), number(openflow.FieldICMPv6Code, 0, 1))
	add := func(option uint64, actions ...openflow.Action) {
		s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieFlow, Table: tableAdvertise, Priority: prioRouted,
			Match: also(is, number(openflow.FieldNDOption, option, 1)), Instructions: openflow.Apply(append(actions, again(tableBack))...)})
	}
	add(0, flags)
	add(optionSourceMAC, flags, openflow.SetField(number(openflow.FieldNDOption, optionTargetMAC, 1)),
		openflow.SetField(openflow.Field{ID: openflow.FieldNDMAC, Value: l.gateway.mac[:]}))
}

// echo adds what answers echo of an address of a router, to hosts at ports: those at tunnels have been refused. It goes back
// to where the request came in, as ARP does, whatever is known of its MAC: that may not be learned yet.
func (r *routing) echo(s flowSet, key intent.IPKey, router intent.RouterID) {
	kind, code, protocol, request, reply := openflow.FieldICMPv4, openflow.FieldICMPCode, intent.ProtocolICMP, uint64(8), uint64(0)
	if key.IP.Is6() {
		kind, code, protocol, request, reply = openflow.FieldICMPv6, openflow.FieldICMPv6Code, intent.ProtocolICMPv6, 128, 129
	}
	match := also(addressed(key.IP), r.of(router), proto(uint8(protocol)), fragments(0, openflow.FragAny|openflow.FragLater),
		number(kind, request, 1), number(code, 0, 1))
	actions := append(turnBack(r.site.routers[router].MAC, key.IP), openflow.SetField(number(openflow.FieldIPTTL, 64, 1)),
		openflow.SetField(number(kind, reply, 1)), openflow.RegLoadAction{Dst: openflow.FieldMark, Width: 4, Offset: markAnswer, Bits: 1, Value: 1},
		openflow.Output(openflow.PortInPort))
	r.adder(s)(tableSelf, prioOwn+1, match, openflow.Apply(actions...))
}
