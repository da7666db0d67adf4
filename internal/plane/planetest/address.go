package planetest

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	wire "github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// snooping is usual, with red's hosts listened to.
func snooping(s *intent.State) {
	usual(s)
	ls := s.Switches[red]
	ls.SnoopIPs = true
	s.Switches[red] = ls
}

// arpFrom is a frame in which a station says that it has an address, as ARP has it.
func arpFrom(src byte, dst intent.MAC, op uint16, sender, target string) Frame {
	a := wire.ARP{Op: op, SenderMAC: wire.MAC(station(src)), SenderIP: netip.MustParseAddr(sender), TargetIP: netip.MustParseAddr(target)}
	return Frame{Dst: dst, Src: station(src), Packet: a.Frame(wire.MAC(dst), wire.MAC(station(src)))[12:]}
}

// ndFrom is one of Neighbor Discovery.
func ndFrom(src byte, dst intent.MAC, n wire.ND) Frame {
	return Frame{Dst: dst, Src: station(src), Packet: n.Frame(wire.MAC(dst), wire.MAC(station(src)))[12:]}
}

// ipSays is the address that the Sweep has of a station.
func (l *lab) ipSays(n byte, want string) {
	l.Helper()
	testenv.Eventually(l, deadline, func() error {
		all, err := l.plane.Sweep(context.Background())
		if err != nil {
			return err
		}
		for _, s := range all {
			if s.Key == (intent.MACKey{Switch: red, MAC: station(n)}) {
				if text := s.IP.String(); text != want && !(want == "" && !s.IP.IsValid()) {
					return fmt.Errorf("station %d has %v, should have %q", n, s.IP, want)
				}
				return nil
			}
		}
		return fmt.Errorf("station %d is not learned", n)
	})
}

// The plane tells which IP addresses hosts at ports say they have: those that others could ask for,
// in the host's own name, and only what is news.
func hostAddresses(l *lab) {
	if !l.plane.Features().SnoopIPs {
		return
	}
	l.apply(snooping)
	told := func(n byte, ip string) {
		l.Helper()
		want := plane.Address{Key: intent.MACKey{Switch: red, MAC: station(n)}, At: at("p0", 0), IP: netip.MustParseAddr(ip)}
		l.event(fmt.Sprintf("address %v", want), func(e plane.Event) bool {
			if a, ok := e.(plane.Address); ok && a != want {
				l.Errorf("told of %v, should be %v", a, want)
			}
			return e == plane.Event(want)
		})
	}
	says := func(f Frame) {
		l.Helper()
		want := []Out{toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f)}
		l.fromPort("p0", f, want...)
	}
	six := netip.MustParseAddr
	group, all := func(ip string) netip.Addr { g, _ := wire.SolicitedNode(six(ip)); return g }, wire.AllNodes
	toGroup := func(ip string) intent.MAC { _, mac := wire.SolicitedNode(six(ip)); return intent.MAC(mac) }
	allMAC := intent.MAC{0x33, 0x33, 0, 0, 0, 1}

	// A question, then news, then none, a gratuitous one, an answer.
	says(arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.9"))
	told(1, "198.51.100.1")
	says(arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.1", "198.51.100.8"))
	says(arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.2", "198.51.100.2"))
	told(1, "198.51.100.2")
	says(arpFrom(1, broadcastMAC, wire.ARPReply, "198.51.100.3", "198.51.100.3"))
	told(1, "198.51.100.3")
	l.ipSays(1, "198.51.100.3")

	// What teaches nothing: a probe, addresses that no other host could ask for, somebody else's
	// name, another kind of hardware; a search for duplicates, a link-local address, a router
	// between, an option that names another MAC.
	for _, ip := range []string{"0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255", "0.1.2.3"} {
		says(arpFrom(1, broadcastMAC, wire.ARPRequest, ip, "198.51.100.9"))
	}
	other := arpFrom(2, broadcastMAC, wire.ARPRequest, "198.51.100.66", "198.51.100.9")
	says(Frame{Dst: other.Dst, Src: station(1), Packet: other.Packet})
	odd := arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.66", "198.51.100.9")
	odd.Packet[3] = 6 // hardware
	says(odd)
	odd = arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.66", "198.51.100.9")
	odd.Packet[9] = 3 // operation
	says(odd)
	mac := wire.MAC(station(1))
	says(ndFrom(1, toGroup("2001:db8::1"), wire.ND{Type: wire.Solicitation, Src: netip.IPv6Unspecified(), Dst: group("2001:db8::1"), Target: six("2001:db8::1")}))
	says(ndFrom(1, toGroup("2001:db8::1"), wire.ND{Type: wire.Solicitation, Src: six("fe80::1"), Dst: group("2001:db8::1"), Target: six("2001:db8::1"), MAC: mac}))
	says(ndFrom(1, toGroup("2001:db8::1"), wire.ND{Type: wire.Solicitation, Src: six("2001:db8::66"), Dst: group("2001:db8::1"), Target: six("2001:db8::1"), MAC: wire.MAC(station(2))}))
	far := ndFrom(1, toGroup("2001:db8::1"), wire.ND{Type: wire.Solicitation, Src: six("2001:db8::66"), Dst: group("2001:db8::1"), Target: six("2001:db8::1"), MAC: mac})
	far.Packet[2+7] = 254 // hop limit
	says(far)
	l.ipSays(1, "198.51.100.3")

	// Of IPv6: a question, an advertisement; then each family's again is no news.
	says(ndFrom(1, toGroup("2001:db8::9"), wire.ND{Type: wire.Solicitation, Src: six("2001:db8::1"), Dst: group("2001:db8::9"), Target: six("2001:db8::9"), MAC: mac}))
	told(1, "2001:db8::1")
	says(ndFrom(1, allMAC, wire.ND{Type: wire.Advertisement, Flags: wire.FlagOverride, Src: six("fe80::1"), Dst: all, Target: six("2001:db8::2"), MAC: mac}))
	told(1, "2001:db8::2")
	says(arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.3", "198.51.100.9"))
	l.ipSays(1, "2001:db8::2")

	// What comes by a tunnel, or in a switch that is not listened to, is nobody's business here.
	f := arpFrom(21, broadcastMAC, wire.ARPRequest, "198.51.100.21", "198.51.100.9")
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))

	// It moves with the MAC, and is told of again where that was forgotten.
	f = l.frame(1, broadcastMAC)
	l.fromPort("p1", f, toPort("p0", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	f = l.frame(1, broadcastMAC)
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	if err := l.plane.Forget(context.Background(), []intent.MACKey{{Switch: red, MAC: station(1)}}); err != nil {
		l.Fatal(err)
	}
	says(arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.3", "198.51.100.9"))
	told(1, "198.51.100.3")

	// Where somebody else has said so meanwhile, it is told of, too, when it is said again.
	forgetter, ok := l.plane.(plane.AddressForgetter)
	if !ok {
		l.Fatal("what was told can't be corrected")
	}
	for _, ip := range []string{"198.51.100.3", "198.51.100.4"} { // of the second nothing was told
		if err := forgetter.ForgetAddress(context.Background(), intent.MACKey{Switch: red, MAC: station(1)}, six(ip)); err != nil {
			l.Fatal(err)
		}
	}
	l.ipSays(1, "")
	says(arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.3", "198.51.100.9"))
	told(1, "198.51.100.3")

	// It survives the process; where nobody listens any more it is forgotten.
	l.shut()
	l.open()
	l.ipSays(1, "198.51.100.3")
	l.apply(usual)
	says(arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.5", "198.51.100.9"))
	l.ipSays(1, "")
	l.apply(snooping)
	says(arpFrom(1, broadcastMAC, wire.ARPRequest, "198.51.100.3", "198.51.100.9"))
	told(1, "198.51.100.3")
}
