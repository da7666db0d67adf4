package agent

import (
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/neighbor"
	"github.com/vtep/vtep/internal/packet"
)

// Of a question a host learns that the router is at the MAC that asks only if there is no other way: in the
// first one by ARP.
func TestQuestionsLeaveRoutersWhereTheyAre(t *testing.T) {
	src, host := packet.MAC{2, 0, 0, 0, 0xaa, 2}, packet.MAC{2, 0, 0, 0, 0, 7}
	all := packet.MAC{255, 255, 255, 255, 255, 255}
	four, six := netip.MustParseAddr("10.2.0.7"), netip.MustParseAddr("2001:db8:2::7")
	router4, router6 := netip.MustParseAddr("10.2.0.254"), netip.MustParseAddr("2001:db8:2::fe")
	for _, c := range []struct {
		ip, router, from netip.Addr
		known            packet.MAC
		to               packet.MAC
	}{
		{four, router4, router4, packet.MAC{}, all},
		{four, router4, netip.IPv4Unspecified(), host, host},
		{six, router6, packet.LinkLocal(src), packet.MAC{}, packet.MAC{0x33, 0x33, 0xff, 0, 0, 7}},
		{six, router6, packet.LinkLocal(src), host, host},
	} {
		f := questionFrame(neighbor.Question{Key: intent.IPKey{IP: c.ip}, To: intent.MAC(c.known)}, src, c.router)
		if packet.MAC(f) != c.to || packet.MAC(f[6:]) != src {
			t.Errorf("%v, at %v: the question is\n%x", c.ip, c.known, f)
		}
		if c.ip.Is4() {
			if a, ok := packet.ParseARP(f[packet.HeaderLen:]); !ok || a.Op != packet.ARPRequest || a.SenderIP != c.from || a.SenderMAC != src || a.TargetIP != c.ip {
				t.Errorf("%v, at %v: %+v, %v", c.ip, c.known, a, ok)
			}
			continue
		}
		if n, ok := packet.ParseND(f); !ok || n.Type != packet.Solicitation || n.Src != c.from || n.MAC != src || n.Target != c.ip {
			t.Errorf("%v, at %v: %+v, %v", c.ip, c.known, n, ok)
		}
	}
}
