package ebpf

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/testnet"
)

// bigPacket is a UDP packet of n bytes to a router; of IPv4 with DF, or without.
func bigPacket(router, src intent.MAC, from, to netip.Addr, n int, df bool) []byte {
	if from.Is6() {
		b := append(packet.Ethernet(packet.MAC(router), packet.MAC(src), packet.EtherIPv6), 0x60, 0, 0, 0)
		b = append(binary.BigEndian.AppendUint16(b, uint16(n-40)), 17, 64)
		b = append(append(b, from.AsSlice()...), to.AsSlice()...)
		return append(b, make([]byte, n-40)...)
	}
	b := append(packet.Ethernet(packet.MAC(router), packet.MAC(src), packet.EtherIPv4), 0x45, 0)
	b = append(binary.BigEndian.AppendUint16(b, uint16(n)), 0, 1, 0, 0, 64, 17, 0, 0)
	if df {
		b[packet.HeaderLen+6] = 0x40
	}
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	binary.BigEndian.PutUint16(b[packet.HeaderLen+10:], testnet.Checksum(b[packet.HeaderLen:]))
	return append(b, make([]byte, n-20)...)
}

// A router tells the sender of a packet that does not fit into the next link, be it a port or a tunnel, what does.
// What may be fragmented is dropped without a word.
func TestRouterTooBig(t *testing.T) {
	w := newWorld(t)
	mtu := func(dev string, n int) {
		w.links(w.vtep, func(h *netlink.Handle) error {
			l, err := h.LinkByName(dev)
			if err != nil {
				return err
			}
			return h.LinkSetMTU(l, n)
		})
	}
	mtu("p1", 1300)
	mtu("u0", 1400)
	p := w.plane(Options{})
	s, ls2, router, mac := basic(), intent.SwitchID{2}, intent.RouterID{1}, intent.MAC{2, 5: 0xaa}
	delete(s.Bindings, intent.BindingKey{Port: "p1"})
	far := intent.Tunnel{Peer: peerIP, VNI: 20}
	s.Switches[ls1] = intent.Switch{Name: "ls1", VNI: 10, Router: router}
	s.Switches[ls2] = intent.Switch{Name: "ls2", VNI: 20, Router: router}
	s.Bindings[intent.BindingKey{Port: "p1"}] = intent.Binding{Switch: ls2}
	s.Routers[router] = intent.Router{MAC: mac}
	s.Unicast.Set(intent.MACKey{Switch: ls2, MAC: macC}, far)
	s.Decap.Set(far, ls2)
	families := [][2]string{{"10.1.0.0/24", "10.2.0.0/24"}, {"2001:db8:1::/64", "2001:db8:2::/64"}}
	host := func(prefix string, n byte) netip.Addr {
		b := netip.MustParsePrefix(prefix).Addr().AsSlice()
		b[len(b)-1] = n
		ip, _ := netip.AddrFromSlice(b)
		return ip
	}
	for _, f := range families {
		for i, id := range []intent.SwitchID{ls1, ls2} {
			prefix := netip.MustParsePrefix(f[i])
			s.Interfaces[intent.IPKey{Switch: id, IP: host(f[i], 254)}] = intent.Interface{Bits: prefix.Bits()}
			s.Routes[intent.RouteKey{Router: router, Prefix: prefix}] = intent.Route{Switch: id}
		}
		s.Neighbours[intent.IPKey{Switch: ls2, IP: host(f[1], 2)}] = macB
		s.Neighbours[intent.IPKey{Switch: ls2, IP: host(f[1], 3)}] = macC
	}
	w.apply(p, s, nil)
	w.send("h1", frame(bcast, macB, "here is B"))
	w.barrier()
	var dropped uint64
	for _, f := range families {
		for n, fits := range map[byte]int{2: 1300, 3: 1400 - 50} {
			from, to := host(f[0], 10+n), host(f[1], n) // each is told once in a millisecond
			b := bigPacket(mac, macA, from, to, fits, true)
			w.send("h0", b)
			if n == 2 {
				w.expect("h1", packet.Routed(b, packet.MAC(macB), packet.MAC(mac)))
			} else {
				w.expectTunnel(peerIP, 20, packet.Routed(b, packet.MAC(macC), packet.MAC(mac)))
			}
			if from.Is4() { // and it keeps nobody from hearing of the next one
				w.send("h0", bigPacket(mac, macA, from, to, fits+1, false))
				dropped++
			}
			b = bigPacket(mac, macA, from, to, fits+1, true)
			w.send("h0", b)
			w.expect("h0", packet.Error(b, packet.TooBig, packet.MAC(mac), host(f[0], 254), uint32(fits)))
			dropped++
		}
	}
	if got := w.drops(p)["too_big"]; got != dropped {
		t.Errorf("%d are counted as too big, should be %d", got, dropped)
	}
}
