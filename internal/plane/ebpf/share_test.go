package ebpf

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testnet"
)

// Hosts of one switch that look for whoever there may be do not keep those of another from finding somebody.
func TestPuntsAreShared(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	routedState(s)
	p0, p1 := intent.BindingKey{Port: "p0"}, intent.BindingKey{Port: "p1"}
	s.Bindings[p0], s.Bindings[p1] = intent.Binding{Switch: ls1}, intent.Binding{Switch: intent.SwitchID{2}}
	w.apply(p, s, nil)
	hosts := benchPairs["v4"]
	// What is there for all is used up for a long time.
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	if err := p.objs.Punted.Put(uint32(layout.PuntNoNeighbor), layout.PuntCount{Due: uint64(now.Nano()) + uint64(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	unknown := func(port string, src intent.MAC, from, to netip.Addr, n int) {
		t.Helper()
		for i := range n {
			b := to.As4()
			b[3] = byte(100 + i)
			w.send("h"+port[1:], udpFrame(benchRouter, src, from, netip.AddrFrom4(b)))
		}
		w.barrier()
	}
	unknown("p0", macA, hosts.from.Addr(), hosts.to.Addr(), 100)
	stats, err := p.Stats(t.Context())
	if refused := stats.Drops["neighbor_rate"]; err != nil || refused == 0 || refused == 100 {
		t.Errorf("of 100 %d are refused, %v", refused, err)
	}
	unknown("p1", macB, hosts.to.Addr().Next(), hosts.from.Addr(), 1)
	deadline := time.After(testnet.Patience)
	for shown := map[intent.BindingKey]int{}; shown[p1] == 0; {
		select {
		case ev := <-p.Events():
			if e, ok := ev.(plane.Punted); ok {
				shown[e.At]++
			}
		case <-deadline:
			t.Fatalf("shown are %v", shown)
		}
	}
}
