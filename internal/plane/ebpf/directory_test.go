package ebpf

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// While somebody waits for the kernel's answer about a route, what hosts do is told as ever.
func TestEventsDuringRouteQuery(t *testing.T) {
	w := newWorld(t)
	var blocked atomic.Bool
	asks, answer := make(chan struct{}), make(chan struct{})
	defer close(answer)
	p := w.plane(Options{asksRoute: func() {
		if blocked.CompareAndSwap(true, false) {
			select {
			case asks <- struct{}{}:
				<-answer
			case <-answer:
			}
		}
	}})
	w.apply(p, snooping(), nil)
	// says has a host say that it is there, and waits for both events, which come in any order.
	says := func(dev, port string, mac intent.MAC, ip string) {
		t.Helper()
		w.send(dev, arpFrame(bcast, mac, 1, ip, "10.0.0.9"))
		key, at := intent.MACKey{Switch: ls1, MAC: mac}, intent.BindingKey{Port: port}
		var seen, address bool
		w.event(p, "a MAC and its address", func(e plane.Event) bool {
			seen = seen || e == plane.Seen{Key: key, At: at}
			address = address || e == plane.Address{Key: key, At: at, IP: netip.MustParseAddr(ip)}
			return seen && address
		})
	}
	says("h0", "p0", macA, "10.0.0.1")

	blocked.Store(true)
	w.links(w.vtep, func(h *netlink.Handle) error {
		return h.RouteAdd(&netlink.Route{Dst: host32(netip.MustParseAddr("203.0.113.7")), Gw: net.IP(peerIP.AsSlice())})
	})
	select {
	case <-asks:
	case <-time.After(patience):
		t.Fatal("no route was asked for")
	}
	if p.mu.TryLock() {
		p.mu.Unlock()
		t.Fatal("the question is not asked under the lock: the test shows nothing")
	}
	says("h0", "p0", macB, "10.0.0.2")
	b := frame(bcast, macA, "moves")
	w.send("h1", b)
	w.seen(p, plane.Seen{Key: intent.MACKey{Switch: ls1, MAC: macA}, At: intent.BindingKey{Port: "p1"}})
}
