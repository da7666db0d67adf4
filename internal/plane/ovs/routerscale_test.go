package ovs

import (
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/testenv"
)

// Many routes and neighbors at once, and one more beside them: all is installed, and packets go by them. How long it takes is
// logged, not judged; docs/openvswitch.md has it of 100,000 each (VTEP_TEST_EFFORT=200).
func TestRouterScale(t *testing.T) {
	n := min(100_000, 500*testenv.Effort(t))
	w := newWorld(t)
	p := w.newPlane(t)
	s := routedSite()
	s.Unicast.Set(intent.MACKey{Switch: red, MAC: hostFar}, redVNI)
	w.apply(p, s, nil)
	took := func(what string, f func()) {
		t.Helper()
		start, ours, theirs := time.Now(), cpu(t, os.Getpid()), cpu(t, w.DaemonProcess().Pid)
		f()
		t.Logf("%s: %v, of processors %v, and %v of ovs-vswitchd", what, time.Since(start),
			cpu(t, os.Getpid())-ours, cpu(t, w.DaemonProcess().Pid)-theirs)
	}
	change := func(what string, edit func(*intent.State)) {
		t.Helper()
		next := s.Clone()
		edit(next)
		d := intent.Diff(s, next)
		took(what, func() {
			for left := true; left; { // what takes longer than an Apply waits for
				w.apply(p, next, d)
				d = &intent.Delta{}
				if err := p.do(t.Context(), func() { left = p.engine.pendingWhy != "" }); err != nil {
					t.Fatal(err)
				}
			}
		})
		s = next
	}
	address := func(i int) netip.Addr {
		b := binary.BigEndian.AppendUint32(nil, 0x0b000000+uint32(16*i))
		return netip.AddrFrom4([4]byte(b))
	}
	route := func(s *intent.State, i int) {
		s.Routes[intent.RouteKey{Router: router, Prefix: netip.PrefixFrom(address(i), 28)}] = intent.Route{Switch: blue, Via: hostIP(false, 2, 3)}
	}
	neighbor := func(s *intent.State, i int) {
		ip := hostIP(true, 2, 3).As16()
		binary.BigEndian.PutUint32(ip[8:], uint32(i))
		s.Neighbours[intent.IPKey{Switch: blue, IP: netip.AddrFrom16(ip)}] = hostFar
	}
	change("many routes", func(s *intent.State) {
		for i := range n {
			route(s, i)
		}
	})
	change("as many neighbors", func(s *intent.State) {
		for i := range n {
			neighbor(s, i)
		}
	})
	change("a route more", func(s *intent.State) { route(s, n) })
	change("a neighbor more", func(s *intent.State) { neighbor(s, n) })
	change("a route less", func(s *intent.State) {
		delete(s.Routes, intent.RouteKey{Router: router, Prefix: netip.PrefixFrom(address(0), 28)})
	})
	w.settled(t)
	frame := toRouter(hostRed, hostIP(false, 1, 1), address(n/2).Next(), 100, true)
	w.send(t, host("p0"), frame)
	w.gets(t, "", packet.Routed(frame, hostFar, routerMAC))
	if drift, err := p.Audit(context.Background()); err != nil || len(drift) > 0 {
		t.Errorf("%d drifts, %v", len(drift), err)
	}
	if testenv.Effort(t) > 1 {
		w.costOfRouting(t, frame)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.newPlane(t)
	defer p.Destroy(context.Background())
	took("adoption of it all", func() { w.apply(p, s, nil) })
}

// costOfRouting logs what a routed frame costs ovs-vswitchd beside one that is bridged into a tunnel.
func (w *world) costOfRouting(t *testing.T, routed []byte) {
	t.Helper()
	bridged := slices.Clone(routed)
	copy(bridged, hostFar[:])
	const frames = 300_000
	came := func() (n uint64) {
		text := w.Ofctl(t, "dump-ports", "br0", "p0")
		_, rest, _ := strings.Cut(text, "rx pkts=")
		count, _, _ := strings.Cut(rest, ",")
		n, err := strconv.ParseUint(count, 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return n
	}
	each := func(frame []byte) float64 { // nanoseconds of processors
		w.send(t, host("p0"), frame)
		before, n := cpu(t, w.DaemonProcess().Pid), came()
		for i := range frames {
			w.send(t, host("p0"), frame)
			if i%64 == 0 {
				w.collect(t)
			}
		}
		w.forwarded(t)
		w.collect(t)
		return float64(cpu(t, w.DaemonProcess().Pid)-before) / float64(came()-n)
	}
	for range 5 {
		a, b := each(bridged), each(routed)
		t.Logf("a frame bridged: %.0f ns, routed: %.0f ns, ratio %.2f", a, b, b/a)
	}
}
