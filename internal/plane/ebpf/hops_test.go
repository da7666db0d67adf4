package ebpf

import (
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// The next hop of a packet is that which the State has, whatever the packet before took: no change waits until what
// a router has found is found anew.
func TestHops(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s, ls2, router, mac := basic(), intent.SwitchID{2}, intent.RouterID{1}, intent.MAC{2, 5: 0xaa}
	from, to, hop := netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.2.0.2"), netip.MustParseAddr("10.2.0.3")
	delete(s.Bindings, intent.BindingKey{Port: "p1"})
	s.Switches[ls1] = intent.Switch{Name: "ls1", VNI: 10, Router: router}
	s.Switches[ls2] = intent.Switch{Name: "ls2", VNI: 20, Router: router}
	s.Bindings[intent.BindingKey{Port: "p1"}] = intent.Binding{Switch: ls2}
	s.Routers[router] = intent.Router{MAC: mac}
	for id, prefix := range map[intent.SwitchID]string{ls1: "10.1.0.254/24", ls2: "10.2.0.254/24"} {
		at := netip.MustParsePrefix(prefix)
		s.Interfaces[intent.IPKey{Switch: id, IP: at.Addr()}] = intent.Interface{Bits: at.Bits()}
		s.Routes[intent.RouteKey{Router: router, Prefix: at.Masked()}] = intent.Route{Switch: id}
	}
	s.Neighbours[intent.IPKey{Switch: ls2, IP: to}] = macB
	s.Neighbours[intent.IPKey{Switch: ls2, IP: hop}] = macC
	s.Unicast.Set(intent.MACKey{Switch: ls2, MAC: macC}, intent.Tunnel{Peer: peerIP, VNI: 20})
	w.apply(p, s, nil)
	w.send("h1", frame(bcast, macB, "here is B"))
	w.barrier()

	b := bigPacket(mac, macA, from, to, 100, true)
	atB, atC := packet.Routed(b, packet.MAC(macB), packet.MAC(mac)), packet.Routed(b, packet.MAC(macC), packet.MAC(mac))
	toB := func() { w.expect("h1", atB) }
	toC := func(vni uint32) func() { return func() { w.expectTunnel(peerIP, vni, atC) } }
	long := intent.RouteKey{Router: router, Prefix: netip.PrefixFrom(to, 32)}
	for _, step := range []struct {
		what   string
		change func(*intent.State)
		gets   func()
	}{
		{"as it begins", nil, toB},
		{"the neighbor has another card", func(s *intent.State) { s.Neighbours[intent.IPKey{Switch: ls2, IP: to}] = macC }, toC(20)},
		{"which is behind another VNI", func(s *intent.State) {
			s.Unicast.Set(intent.MACKey{Switch: ls2, MAC: macC}, intent.Tunnel{Peer: peerIP, VNI: 21})
		}, toC(21)},
		{"and the old card comes back", func(s *intent.State) { s.Neighbours[intent.IPKey{Switch: ls2, IP: to}] = macB }, toB},
		{"which is behind the peer now", func(s *intent.State) {
			s.Unicast.Set(intent.MACKey{Switch: ls2, MAC: macB}, intent.Tunnel{Peer: peerIP, VNI: 20})
		}, func() { w.expectTunnel(peerIP, 20, atB) }},
		{"and here once more", func(s *intent.State) { s.Unicast.Delete(intent.MACKey{Switch: ls2, MAC: macB}) }, toB},
		{"a longer prefix has another next hop", func(s *intent.State) { s.Routes[long] = intent.Route{Switch: ls2, Via: hop} }, toC(21)},
		{"which goes", func(s *intent.State) { delete(s.Routes, long) }, toB},
	} {
		if step.change != nil {
			next := s.Clone()
			step.change(next)
			w.apply(p, next, intent.Diff(s, next))
			s = next
		}
		t.Log(step.what)
		for range 3 {
			w.send("h0", b)
			step.gets()
		}
	}
	next := s.Clone()
	delete(next.Neighbours, intent.IPKey{Switch: ls2, IP: to})
	w.apply(p, next, intent.Diff(s, next))
	w.send("h0", b)
	w.expectNothing("h1", atB)
}

// Destinations that have the same place take it from each other, and a packet never takes the way of another one.
func TestHopPlaces(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s, ls2, router, mac := basic(), intent.SwitchID{2}, intent.RouterID{1}, intent.MAC{2, 5: 0xaa}
	s.Switches[ls1] = intent.Switch{Name: "ls1", VNI: 10, Router: router}
	s.Switches[ls2] = intent.Switch{Name: "ls2", VNI: 20, Router: router}
	s.Routers[router] = intent.Router{MAC: mac}
	for id, prefix := range map[intent.SwitchID]string{ls1: "10.1.0.254/24", ls2: "10.2.0.254/16"} {
		at := netip.MustParsePrefix(prefix)
		s.Interfaces[intent.IPKey{Switch: id, IP: at.Addr()}] = intent.Interface{Bits: at.Bits()}
		s.Routes[intent.RouteKey{Router: router, Prefix: at.Masked()}] = intent.Route{Switch: id}
	}
	const hosts = 3 * layout.Hops
	station := func(n int) intent.MAC { return intent.MAC{2, 0, 0, 1, byte(n >> 8), byte(n)} }
	ip := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 2, byte(n >> 8), byte(n)}) }
	for n := 1; n <= hosts; n++ {
		s.Neighbours[intent.IPKey{Switch: ls2, IP: ip(n)}] = station(n)
		s.Unicast.Set(intent.MACKey{Switch: ls2, MAC: station(n)}, intent.Tunnel{Peer: peerIP, VNI: 20})
	}
	w.apply(p, s, nil)
	from := netip.MustParseAddr("10.1.0.1")
	for range 2 {
		for n := 1; n <= hosts; n++ {
			if ip(n) == netip.MustParseAddr("10.2.0.254") {
				continue
			}
			b := bigPacket(mac, macA, from, ip(n), 60, true)
			w.send("h0", b)
			if n%64 == 0 {
				w.expectTunnel(peerIP, 20, packet.Routed(b, packet.MAC(station(n)), packet.MAC(mac)))
			}
		}
	}
}
