package ebpf

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// million is a State of 1,000 switches and 200 peers, and as many batches of 10,000 MACs.
const (
	millionSwitches = 1000
	millionPeers    = 200
	millionBatch    = 10_000
)

func millionState() *intent.State {
	s := basic()
	for n := range millionSwitches {
		s.Switches[manySwitch(n)] = intent.Switch{Name: "many", VNI: uint32(1000 + n)}
		s.Bindings[intent.BindingKey{Port: "p2", VLAN: uint16(n + 1)}] = intent.Binding{Switch: manySwitch(n)}
	}
	return s
}

// millionMACs are those of one batch: MACs of all switches, behind all peers.
func millionMACs(batch int) []intent.Change[intent.MACKey, intent.Tunnel] {
	changes := make([]intent.Change[intent.MACKey, intent.Tunnel], millionBatch)
	for i := range changes {
		n := batch*millionBatch + i
		mac := intent.MAC{2, 9}
		binary.BigEndian.PutUint32(mac[2:], uint32(n)*2654435761)
		changes[i] = intent.Change[intent.MACKey, intent.Tunnel]{
			Key: intent.MACKey{Switch: manySwitch(n % millionSwitches), MAC: mac},
			New: &intent.Tunnel{Peer: netip.AddrFrom4([4]byte{192, 0, 4, byte(n % millionPeers)}), VNI: uint32(1000 + n%millionSwitches)},
		}
	}
	return changes
}

// spentCPU is the time that the process has spent, in user mode and in the kernel.
func spentCPU() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkApplyMillion puts a million MACs into the dataplane by deltas of 10,000, takes half of them out again, and
// compares that with the same keys in a map of the kernel alone.
func BenchmarkApplyMillion(b *testing.B) {
	w := newWorld(b)
	w.links(w.vtep, func(h *netlink.Handle) error {
		return h.RouteAdd(&netlink.Route{Gw: peerIP.AsSlice(), LinkIndex: index(h, "u0")})
	})
	p := w.plane(Options{})
	s := millionState()
	w.apply(p, s, nil)
	alone, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 12, ValueSize: 8, MaxEntries: 1 << 20, Flags: unix.BPF_F_NO_PREALLOC})
	if err != nil {
		b.Fatal(err)
	}
	defer alone.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		var plane, bare [2]time.Duration
		var allocated uint64
		for batch := range 100 {
			changes := millionMACs(batch)
			runtime.GC() // what the test itself leaves is not the plane's
			var m, n runtime.MemStats
			runtime.ReadMemStats(&m)
			start := spentCPU()
			if _, err := p.Apply(b.Context(), s, &intent.Delta{Unicast: changes}); err != nil {
				b.Fatal(err)
			}
			plane[batch/50] += spentCPU() - start
			runtime.ReadMemStats(&n)
			allocated += n.TotalAlloc - m.TotalAlloc
			keys, values := make([]layout.MACKey, len(changes)), make([]layout.Remote, len(changes))
			for i, c := range changes {
				keys[i] = layout.MACKey{BD: uint32(i%millionSwitches + 2), MAC: c.Key.MAC}
				values[i] = layout.Remote{Peer: uint32(i%millionPeers + 1), VNI: c.New.VNI}
			}
			start = spentCPU()
			if _, err := alone.BatchUpdate(keys, values, nil); err != nil {
				b.Fatal(err)
			}
			bare[batch/50] += spentCPU() - start
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64((plane[0]+plane[1]).Milliseconds())/100, "ms/10000-MACs")
		b.ReportMetric(float64((bare[0]+bare[1]).Microseconds())/100e3, "alone-ms/10000-MACs")
		b.ReportMetric(float64(plane[0]+plane[1])/float64(bare[0]+bare[1]), "x-alone")
		b.ReportMetric(float64(plane[1])/float64(plane[0]), "second/first-half")
		b.ReportMetric(float64(bare[1])/float64(bare[0]), "alone-second/first-half")
		b.ReportMetric(float64(allocated)/1e6, "B-allocated/MAC")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "B-held/MAC")
		start := spentCPU()
		for batch := range 50 {
			changes := millionMACs(batch)
			for i := range changes {
				changes[i].New = nil
			}
			if _, err := p.Apply(b.Context(), s, &intent.Delta{Unicast: changes}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((spentCPU()-start).Microseconds())/50e3, "ms/10000-deleted")
	}
}

// BenchmarkAdoptMillion starts a plane on a million MACs that another one left.
func BenchmarkAdoptMillion(b *testing.B) {
	w := newWorld(b)
	w.links(w.vtep, func(h *netlink.Handle) error {
		return h.RouteAdd(&netlink.Route{Gw: peerIP.AsSlice(), LinkIndex: index(h, "u0")})
	})
	p := w.plane(Options{})
	s := millionState()
	w.apply(p, s, nil)
	for batch := range 100 {
		changes := millionMACs(batch)
		for _, c := range changes {
			s.Unicast.Set(c.Key, *c.New)
		}
		if _, err := p.Apply(b.Context(), s, &intent.Delta{Unicast: changes}); err != nil {
			b.Fatal(err)
		}
	}
	var load, apply time.Duration
	var allocated uint64
	for b.Loop() {
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
		p = nil
		runtime.GC()
		var m, n runtime.MemStats
		runtime.ReadMemStats(&m)
		start := spentCPU()
		p = w.plane(Options{})
		loaded := spentCPU()
		w.apply(p, s, nil)
		load, apply = load+loaded-start, apply+spentCPU()-loaded
		runtime.ReadMemStats(&n)
		allocated += n.TotalAlloc - m.TotalAlloc
	}
	b.ReportMetric(float64(load.Milliseconds())/float64(b.N), "ms/load")
	b.ReportMetric(float64(apply.Milliseconds())/float64(b.N), "ms/adopt")
	b.ReportMetric(float64(allocated)/float64(b.N)/1e6, "B-allocated/MAC")
	w.audit(p)
}
