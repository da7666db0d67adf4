package planetest

import (
	"context"
	"maps"

	"github.com/vtep/vtep/internal/intent"
)

// routerRestart has a plane let go of the dataplane, and another say what is left of routers: who has a
// switch, and who the neighbors are, which no row may tell.
func routerRestart(l *lab) {
	l.apply(routed)
	l.settleHosts()
	p := l.packet(1, l.of(1, 10), l.of(2, 3))
	l.portGets("p0", p, atPort("p2", p.hop(station(3), 100)))
	l.shut()
	l.plane = l.harness.Open(l)
	left, err := l.plane.Adopted(context.Background(), true)
	if err != nil || left == nil {
		l.Fatalf("adopted: %v, %v", left, err)
	}
	for _, id := range []intent.SwitchID{red, blue, green} {
		if got := left.Switches[id].Router; got != routerA {
			l.Errorf("the router of %v is %v", id, got)
		}
	}
	if left.Routers[routerA].MAC != routerMAC {
		l.Errorf("routers are %v", left.Routers)
	}
	if !maps.Equal(left.Neighbours, l.state.Neighbours) {
		l.Errorf("neighbours are\n%v\nshould be\n%v", left.Neighbours, l.state.Neighbours)
	}
	l.shut()
	l.open()
	l.portGets("p0", p, atPort("p2", p.hop(station(3), 100)))
}

// routerAlone is of a router while no process looks after its plane: hosts find it and can ping it, and what they
// send is routed.
func routerAlone(l *lab) {
	l.apply(routed)
	l.settleHosts()
	l.shut()
	for _, to := range []intent.MAC{{}, routerMAC} {
		q := ask(station(3), l.of(2, 3), l.gateway(2), 100)
		if to != (intent.MAC{}) { // a host that makes sure that it is still there
			q.to = to
		}
		l.portGets("p2", q, atPort("p2", raw(q.answer())))
	}
	p := l.packet(1, l.of(1, 10), l.gateway(2))
	answer := packet{dst: station(1), src: routerMAC, from: p.to, to: p.from, ttl: 64}
	l.portGets("p0", raw(p.icmp(echoRequest(l.payload))), atPort("p0", raw(answer.icmp(echoReply(l.payload)))))
	p = l.packet(3, l.of(2, 3), l.of(1, 2), 100)
	l.portGets("p2", p, atPort("p1", p.hop(station(2))))
	l.tunnelGets(tunnel(0, redVNI), raw(l.packet(21, l.of(1, 21), l.gateway(2)).icmp(echoRequest(l.payload))))
	l.open()
	l.mustHaveDropped(map[string]uint64{"unserved": 1}, nil)
}
