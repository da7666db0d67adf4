package ebpf

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
)

// manyMACs are n MACs behind the peer.
func manyMACs(first, n int, vni uint32) []intent.Change[intent.MACKey, intent.Tunnel] {
	changes := make([]intent.Change[intent.MACKey, intent.Tunnel], n)
	for i := range changes {
		mac := intent.MAC{2, 9}
		binary.BigEndian.PutUint32(mac[2:], uint32(first+i))
		changes[i] = intent.Change[intent.MACKey, intent.Tunnel]{
			Key: intent.MACKey{Switch: ls1, MAC: mac}, New: &intent.Tunnel{Peer: peerIP, VNI: vni},
		}
	}
	return changes
}

// BenchmarkApply10000 puts 10,000 MACs into the dataplane by one delta.
func BenchmarkApply10000(b *testing.B) {
	w := newWorld(b)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	next := basic() // planes look at deltas only
	n := uint32(0)
	for b.Loop() {
		n++
		d := &intent.Delta{Unicast: manyMACs(0, 10_000, n)}
		if _, err := p.Apply(b.Context(), next, d); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/10000-MACs")
}

// BenchmarkApplyOne puts one MAC among 100,000, on a VTEP with 4,000 switches, as many
// bindings, and 2,000 peers.
func BenchmarkApplyOne(b *testing.B) {
	w := newWorld(b)
	p := w.plane(Options{})
	s := basic()
	for n := range 4000 {
		id := intent.SwitchID{2, byte(n >> 8), byte(n)}
		s.Switches[id] = intent.Switch{Name: "many", VNI: uint32(1000 + n)}
		s.Bindings[intent.BindingKey{Port: "p0", VLAN: uint16(n + 1)}] = intent.Binding{Switch: id}
		peer := intent.Tunnel{Peer: netip.AddrFrom4([4]byte{192, 0, byte(4 + n%2000>>8), byte(n % 2000)}), VNI: uint32(1000 + n)}
		s.Floods[intent.FloodKey{Switch: id}] = intent.FloodSet{peer}
		s.Decap.Set(peer, id)
	}
	w.links(w.vtep, func(h *netlink.Handle) error {
		return h.RouteAdd(&netlink.Route{Gw: peerIP.AsSlice(), LinkIndex: index(h, "u0")})
	})
	start := time.Now()
	w.apply(p, s, nil)
	first := time.Since(start)
	if _, err := p.Apply(b.Context(), s, &intent.Delta{Unicast: manyMACs(0, 100_000, 1)}); err != nil {
		b.Fatal(err)
	}
	w.audit(p)
	n := uint32(0)
	for b.Loop() {
		n++
		if _, err := p.Apply(b.Context(), s, &intent.Delta{Unicast: manyMACs(500, 1, n)}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(first.Milliseconds()), "ms/first-apply")
}

// BenchmarkAdopt starts a plane on 100,000 MACs that another one left.
func BenchmarkAdopt(b *testing.B) {
	w := newWorld(b)
	s := basic()
	for _, c := range manyMACs(0, 100_000, 10) {
		s.Unicast.Set(c.Key, *c.New)
	}
	p := w.plane(Options{})
	w.apply(p, s, nil)
	var load, apply time.Duration
	for b.Loop() {
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		p = w.plane(Options{})
		loaded := time.Now()
		w.apply(p, s, nil)
		load, apply = load+loaded.Sub(start), apply+time.Since(loaded)
	}
	b.ReportMetric(float64(load.Milliseconds())/float64(b.N), "ms/load")
	b.ReportMetric(float64(apply.Milliseconds())/float64(b.N), "ms/adopt")
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MB-heap")
}
