package namespace_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
)

// Routes of this process's own namespace, and of another.
func TestFollowRoutes(t *testing.T) {
	testenv.NoLeaks(t)
	other := testenv.Netns(t, "routes")
	for path, n := range map[string]*namespace.Namespace{"/proc/self/ns/net": nil, other.Path(): other} {
		changes := make(chan struct{}, 1000)
		r, err := namespace.FollowRoutes(path, func() { changes <- struct{}{} })
		if err != nil {
			t.Fatal(err)
		}
		self := netip.MustParseAddr("127.0.0.1")
		if mtu, err := r.Way(self, self); err != nil || mtu != 65536 {
			t.Errorf("%s: %d, %v", path, mtu, err)
		}
		if n != nil {
			far := netip.MustParseAddr("203.0.113.9")
			if _, err := r.Way(self, far); !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.EINVAL) {
				t.Errorf("%s: the way to %v: %v", path, far, err)
			}
			err := n.Links(func(h *netlink.Handle) error {
				_, to, _ := net.ParseCIDR("203.0.113.0/24")
				return h.RouteAdd(&netlink.Route{Dst: to, Type: unix.RTN_BLACKHOLE})
			})
			if err != nil {
				t.Fatal(err)
			}
			select {
			case <-changes:
			case <-time.After(90 * time.Second):
				t.Errorf("%s: a new route was not told of", path)
			}
		}
		r.Close()
	}
	if _, err := namespace.FollowRoutes("/proc/self/no such", func() {}); err == nil {
		t.Error("a namespace that is not there was opened")
	}
}
