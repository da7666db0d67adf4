package ebpf

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
)

// floodCost sends n frames in at p0, which copies of are to come out at r0, and gives the nanoseconds of CPU for each copy.
func (g *gateway) floodCost(b *testing.B, data []byte, n, copies int) float64 {
	received := func() (packets uint64) {
		err := g.far.Links(func(h *netlink.Handle) error {
			l, err := h.LinkByName("r0")
			if err == nil {
				packets = l.Attrs().Statistics.RxPackets
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		return packets
	}
	const burst = 4 // or the queue of the far end would be full; what each run costs by itself is in the figure
	var spent time.Duration
	for range n / burst {
		before := received()
		spent += g.pour(b, "p0", data, ebpf.RunOptions{Repeat: burst})
		for end := time.Now().Add(patience); received()-before < uint64(burst*copies); {
			if time.Now().After(end) {
				b.Fatalf("%s: of %d copies came %d", g.name, burst*copies, received()-before)
			}
		}
	}
	return float64(spent.Nanoseconds()) / float64(n*copies)
}

// BenchmarkFlood has frames be copied to 200 peers: what a copy costs.
func BenchmarkFlood(b *testing.B) {
	const peers = 200
	frames := map[string][]byte{"arp": numberedARP(macA, 2), "udp": ipFrame(bcast, macA, 64), "udp-1400": ipFrame(bcast, macA, 1400), "unknown": ipFrame(macB, macA, 64)}
	ways := map[string]*gateway{}
	for name, o := range map[string]Options{"long": {Direct: DirectOff}, "direct": {}} {
		g := newGateway(b, name)
		p, s := g.makePlane(b, o, intent.SwitchOptions{})
		err := g.ns.Links(func(h *netlink.Handle) error {
			_, all, _ := net.ParseCIDR("203.0.113.0/24")
			return h.RouteAdd(&netlink.Route{Dst: all, Gw: peerIP.AsSlice(), LinkIndex: index(h, "u0")})
		})
		if err != nil {
			b.Fatal(err)
		}
		next := s.Clone()
		var set intent.FloodSet
		for n := range peers {
			set = append(set, intent.Tunnel{Peer: netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}), VNI: 10})
		}
		next.Floods[intent.FloodKey{Switch: ls1}] = set
		if _, err := p.Apply(b.Context(), next, intent.Diff(s, next)); err != nil {
			b.Fatal(err)
		}
		ways[name] = g
	}
	for name, f := range frames {
		b.Run(name, func(b *testing.B) {
			spent := map[string][]float64{}
			for b.Loop() {
				for way, g := range ways {
					spent[way] = append(spent[way], g.floodCost(b, f, 200, peers))
				}
			}
			b.ReportMetric(0, "ns/op")
			for way, list := range spent {
				b.ReportMetric(median(list), way+"-ns/copy")
			}
		})
	}
}
