package planetest

import (
	"context"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	wire "github.com/vtep/vtep/internal/packet"
)

// suppressing is usual, with a tagged binding of red at p1, and red's questions answered: for
// station 21, which is behind peer 0, and for station 2, which is at p1 if it is anywhere.
func suppressing(s *intent.State) {
	usual(s)
	bind(s, "p1", 7, red)
	ls := s.Switches[red]
	ls.Suppress = true
	s.Switches[red] = ls
	for ip, n := range map[string]byte{"198.51.100.21": 21, "2001:db8::21": 21, "fe80::21": 21, "198.51.100.2": 2, "198.51.100.99": 99} {
		s.Neighbours[intent.IPKey{Switch: red, IP: netip.MustParseAddr(ip)}] = station(n)
	}
}

func (l *lab) answered(kind string) uint64 {
	l.Helper()
	stats, err := l.plane.Stats(context.Background())
	if err != nil {
		l.Fatal(err)
	}
	return stats.Answered[kind]
}

// Questions of local hosts for stations that are known are answered to them alone, and go nowhere
// else; whatever is no plain question passes as ever.
func suppression(l *lab) {
	if !l.plane.Features().Suppress {
		return
	}
	l.apply(suppressing)
	asker, mac := wire.MAC(station(1)), station(21)
	six := netip.MustParseAddr
	all := func(from string, f Frame) {
		l.Helper()
		var want []Out
		for _, out := range []Out{toPort("p0", f), toPort("p1", f), toPort("p1", f.withTags(7))} {
			if out.Port != from || from == "p1" && len(f.Tags) == 0 && len(out.Frame) > len(f.Bytes()) || from == "p1" && len(f.Tags) > 0 {
				want = append(want, out)
			}
		}
		want = append(want, toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
		l.fromPort(from, f, want...)
	}
	arpAnswer := func(dst wire.MAC, ip string, n byte, to string) []byte {
		a := wire.ARP{Op: wire.ARPReply, SenderMAC: wire.MAC(station(n)), SenderIP: six(ip), TargetMAC: dst, TargetIP: six(to)}
		return a.Frame(dst, wire.MAC(station(n)))
	}
	before := l.answered("arp")

	// Of a station behind a tunnel: to the port, and with the tag, of the question.
	l.fromPort("p0", arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.21"),
		Out{Port: "p0", Frame: arpAnswer(asker, "198.51.100.21", 21, "198.51.100.1")})
	tagged := arpFrom(3, broadcastMAC, wire.ARPRequest, "198.51.100.3", "198.51.100.21")
	answer := Frame{Dst: station(3), Src: mac, Packet: arpAnswer(wire.MAC(station(3)), "198.51.100.21", 21, "198.51.100.3")[12:]}
	withTag := append(append(append([]byte{}, answer.Dst[:]...), answer.Src[:]...), 0x81, 0, 0, 7)
	l.fromPort("p1", tagged.withTags(7), Out{Port: "p1", Frame: append(withTag, answer.Packet...)})
	if n := l.answered("arp") - before; n != 2 {
		l.Errorf("%d questions are answered, should be 2", n)
	}

	// Of a local one: not before it is there, and not where it is itself.
	q := func() Frame { return arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.2") }
	all("p0", q())
	all("p1", l.frame(2, broadcastMAC))
	l.fromPort("p0", q(), Out{Port: "p0", Frame: arpAnswer(asker, "198.51.100.2", 2, "198.51.100.1")})
	all("p1", arpFrom(4, broadcastMAC, wire.ARPRequest, "198.51.100.4", "198.51.100.2"))

	// What passes: gratuitous ones, a probe, answers, those of stations that are unknown or nowhere,
	// a station's about itself, in another's name, cut short, of another protocol, to one MAC.
	for _, f := range []Frame{
		arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.21", "198.51.100.21"),
		arpFrom(1, broadcastMAC, wire.ARPReply, "198.51.100.1", "198.51.100.21"),
		arpFrom(1, broadcastMAC, wire.ARPRequest, "0.0.0.0", "198.51.100.21"),
		arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.98"),
		arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.99"),
		arpFrom(21, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.21"),
		{Dst: broadcastMAC, Src: station(1), Packet: arpFrom(5, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.21").Packet},
		{Dst: broadcastMAC, Src: station(1), Packet: append([]byte{0x08, 0x06, 0, 6}, arpFrom(1, broadcastMAC, 1, "198.51.100.1", "198.51.100.21").Packet[4:]...)},
		{Dst: broadcastMAC, Src: station(1), Packet: append([]byte{0x08, 0x06, 0, 1, 8, 0, 6, 6}, arpFrom(1, broadcastMAC, 1, "198.51.100.1", "198.51.100.21").Packet[8:]...)},
	} {
		all("p0", f)
	}
	one := arpFrom(1, mac, wire.ARPRequest, "198.51.100.1", "198.51.100.21")
	l.fromPort("p0", one, toTunnel(tunnel(0, redVNI), one))
	l.neighborSolicitations(all)

	// Never for who asks by a tunnel, in another switch, or where nobody wants it; and not for a
	// station any more that is gone, in either way.
	f := arpFrom(24, broadcastMAC, wire.ARPRequest, "198.51.100.24", "198.51.100.2")
	l.fromTunnel(tunnel(1, redVNI), f, toPort("p0", f), toPort("p1", f), toPort("p1", f.withTags(7)))
	f = arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.21")
	l.fromPort("p0", f.withTags(100), toPort("p2", f.withTags(100)), toTunnel(tunnel(1, blueVNI), f))
	l.apply(func(s *intent.State) { s.Unicast.Delete(intent.MACKey{Switch: red, MAC: mac}) })
	all("p0", arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.21"))
	l.apply(func(s *intent.State) {
		remote(s, red, mac, tunnel(0, redVNI))
		delete(s.Neighbours, intent.IPKey{Switch: red, IP: six("198.51.100.21")})
	})
	all("p0", arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.21"))
	l.apply(suppressing)
	l.fromPort("p0", arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.21"),
		Out{Port: "p0", Frame: arpAnswer(asker, "198.51.100.21", 21, "198.51.100.1")})
	l.apply(func(s *intent.State) {
		ls := s.Switches[red]
		ls.Suppress = false
		s.Switches[red] = ls
	})
	all("p0", arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.21"))
}

// neighborSolicitations is the same for Neighbor Discovery.
func (l *lab) neighborSolicitations(all func(string, Frame)) {
	l.Helper()
	six, asker, mac := netip.MustParseAddr, wire.MAC(station(1)), station(21)
	group, groupMAC := wire.SolicitedNode(six("2001:db8::21"))
	ask := func(change func(*wire.ND)) Frame {
		n := wire.ND{Type: wire.Solicitation, Src: six("2001:db8::1"), Dst: group, Target: six("2001:db8::21"), MAC: asker}
		if change != nil {
			change(&n)
		}
		return ndFrom(1, intent.MAC(groupMAC), n)
	}
	advert := wire.ND{Type: wire.Advertisement, Flags: wire.FlagSolicited | wire.FlagOverride,
		Src: six("2001:db8::21"), Dst: six("2001:db8::1"), Target: six("2001:db8::21"), MAC: wire.MAC(mac)}
	before := l.answered("nd")
	l.fromPort("p0", ask(nil), Out{Port: "p0", Frame: advert.Frame(asker, wire.MAC(mac))})
	advert.Dst = six("fe80::1") // who asks may do so from its address on the link
	l.fromPort("p0", ask(func(n *wire.ND) { n.Src = six("fe80::1") }), Out{Port: "p0", Frame: advert.Frame(asker, wire.MAC(mac))})
	if n := l.answered("nd") - before; n != 2 {
		l.Errorf("%d questions are answered, should be 2", n)
	}
	all("p0", ask(func(n *wire.ND) { n.Src, n.MAC = netip.IPv6Unspecified(), wire.MAC{} }))
	all("p0", ask(func(n *wire.ND) { n.MAC = wire.MAC{} }))
	all("p0", ask(func(n *wire.ND) { n.MAC = wire.MAC(station(5)) }))
	all("p0", ask(func(n *wire.ND) { n.Target = six("2001:db8::98") }))
	all("p0", ask(func(n *wire.ND) { n.Target = six("fe80::21") }))
	all("p0", ask(func(n *wire.ND) { n.Type, n.Flags = wire.Advertisement, wire.FlagOverride }))
	for at, value := range map[int]byte{2 + 7: 254, 2 + 40 + 1: 1, 2 + 40 + 2: 0xbd, 2 + 40 + 25: 0} { // hop limit, code, checksum, length of the option
		f := ask(nil)
		f.Packet[at] = value
		all("p0", f)
	}
	f := ask(nil)
	f.Dst = mac // is the neighbour still there?
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
}
