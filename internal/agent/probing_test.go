package agent_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/testenv"
)

// A host that is about to age out is asked at its port, by ARP in nobody's name and for all of its addresses
// in the end; it stays if it answers, and goes if not. Who never said an address just goes.
func TestProbing(t *testing.T) {
	env := testenv.OVS(t)
	r := newRig(t, env, &ownServer{env: env})
	p := &askingPlane{probes: true}
	v := r.start(newFabric("p0", "p1"), agent.Options{Name: "br0", Plane: p})
	r.howto()
	r.ctl("set", "Physical_Switch", "br0", "other_config:arp_nd_probing=true")
	testenv.Eventually(t, deadline, func() error {
		if s := v.fabric.Installed(); s.ARPSource.IsZero() {
			return fmt.Errorf("nobody asks:\n%v", s)
		}
		return nil
	})
	src := packet.MAC(v.fabric.Installed().ARPSource)
	mac := packet.MAC{2, 0, 0, 0, 0, 1}
	old, six := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1")
	v.fabric.FromPort("p0", frame(0xff, 2)) // has no address
	v.fabric.FromPort("p0", says(1, old.String()))
	v.fabric.FromPort("p0", packet.ND{Type: packet.Advertisement, Flags: packet.FlagOverride, Src: six, Dst: packet.AllNodes, Target: six, MAC: mac}.
		Frame(packet.MAC{0x33, 0x33, 5: 1}, mac))
	row := "ucast ls0 02:00:00:00:00:01 192.0.2.1 says 2001:db8::1"
	r.rows(append(howtoRows, row, "ucast ls0 02:00:00:00:00:02 192.0.2.1")...)

	r.ctl("set", "Physical_Switch", "br0", "other_config:mac_aging_time=1")

	toHost := func(s sent) bool {
		if packet.MAC(s.frame) == (packet.MAC{2, 0, 0, 0, 0, 2}) {
			t.Errorf("who has no address is asked: %x", s.frame)
		}
		return packet.MAC(s.frame) == mac && packet.MAC(s.frame[6:]) == src && s.to.At.Port == "p0"
	}
	first := p.find(t, "a solicitation", toHost)
	n, ok := packet.ParseND(first.frame)
	if !ok || n.Type != packet.Solicitation || n.Target != six || n.Dst != six || n.Src != packet.LinkLocal(src) || n.MAC != src {
		t.Errorf("the first question is %+v, %x", n, first.frame)
	}
	p.find(t, "a probe", func(s sent) bool {
		a, ok := packet.ParseARP(s.frame[packet.HeaderLen:])
		return toHost(s) && packet.EtherType(s.frame) == packet.EtherARP && ok && a.Op == packet.ARPRequest && a.TargetIP == old &&
			a.SenderIP == netip.IPv4Unspecified() && a.SenderMAC == src
	})
	v.fabric.FromPort("p0", packet.ARP{Op: packet.ARPReply, SenderMAC: mac, SenderIP: old, TargetMAC: src, TargetIP: netip.IPv4Unspecified()}.Frame(src, mac))
	p.mu.Lock()
	p.sent = nil
	p.mu.Unlock()
	p.find(t, "a question of the next time", func(s sent) bool { return toHost(s) && packet.IsND(s.frame) })
	r.rows(howtoRows...) // it does not answer again
}
