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
