package ebpf

import (
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// A peer that gets the number of another one does not get what was counted of that.
func TestReusedPeer(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{Most: map[string]uint32{"peers": 3}}) // there are two numbers
	s := basic()
	to := func(n int) *intent.State {
		next := s.Clone()
		far := intent.Tunnel{Peer: peerNumber(n), VNI: 10}
		next.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macC}, far)
		next.Decap.Set(far, ls1)
		return next
	}
	w.apply(p, to(1), nil)
	cpus := make([]layout.Traffic, ebpf.MustPossibleCPU())
	cpus[0] = layout.Traffic{InPackets: 1, InBytes: 2, OutPackets: 3, OutBytes: 4}
	counted := func(ip netip.Addr, want plane.Traffic) {
		t.Helper()
		if got, ok := w.toPeers(p)[ip]; !ok || got != want {
			t.Errorf("%v: %+v, should be %+v", ip, got, want)
		}
	}
	number := p.contents.Peers[peerNumber(1)].Number
	if err := p.objs.TunnelTraffic.Put(number, cpus); err != nil {
		t.Fatal(err)
	}
	counted(peerNumber(1), plane.Traffic{InPackets: 1, InBytes: 2, OutPackets: 3, OutBytes: 4})
	w.apply(p, s, intent.Diff(to(1), s))
	w.apply(p, to(2), intent.Diff(s, to(2)))
	if got := p.contents.Peers[peerNumber(2)].Number; got != number {
		t.Fatalf("the other peer has number %d, not %d", got, number)
	}
	counted(peerNumber(2), plane.Traffic{})
}
