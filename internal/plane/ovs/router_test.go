package ovs

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/testenv"
)

// What a source sends that could not be learned goes where it should as soon as its switch gets a router, or
// loses it.
func TestMutedSourceIsRouted(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	defer p.Destroy(context.Background())
	routed := routedSite()
	routed.Ports["p0"] = intent.Port{MACLimit: 1}
	bridged := routed.Clone()
	clear(bridged.Routers)
	clear(bridged.Interfaces)
	clear(bridged.Routes)
	clear(bridged.Neighbours)
	for id, ls := range bridged.Switches {
		ls.Router = intent.RouterID{}
		bridged.Switches[id] = ls
	}
	bridged.Unicast[intent.MACKey{Switch: red, MAC: routerMAC}] = redVNI // another has the address
	was := intent.NewState()
	apply := func(s *intent.State) {
		t.Helper()
		var d *intent.Delta
		if was.TunnelIP.IsValid() {
			d = intent.Diff(was, s)
		}
		if r, err := p.Apply(context.Background(), s, d); err != nil || len(r.Ports)+len(r.Bindings) > 0 {
			t.Fatalf("%v, %+v", err, r)
		}
		was = s
		w.settled(t)
	}
	mute := func() { // the second is one too many
		t.Helper()
		for _, mac := range []intent.MAC{hostRed, hostBlue} {
			w.send(t, host("p0"), append(slices.Concat([]byte{2, 9, 9, 9, 9, 9}, mac[:]), make([]byte, 50)...))
			testenv.Eventually(t, longest, func() error {
				var n uint64
				err := p.do(t.Context(), func() { n = uint64(p.engine.stations.total) + p.engine.counters.drops["port_limit"] })
				if err != nil || n == 0 || mac == hostBlue && n < 2 {
					return fmt.Errorf("%d are learned or not, %v", n, err)
				}
				return nil
			})
		}
	}
	frame := toRouter(hostBlue, hostIP(false, 1, 9), hostIP(false, 2, 3), 100, true)
	apply(bridged)
	mute()
	w.send(t, host("p0"), frame)
	w.gets(t, "", frame)
	apply(routed)
	w.send(t, host("p0"), frame)
	w.gets(t, "", packet.Routed(frame, hostFar, routerMAC))
	apply(bridged)
	w.send(t, host("p0"), frame)
	w.gets(t, "", frame)
}
