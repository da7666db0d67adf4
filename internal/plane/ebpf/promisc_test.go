package ebpf

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

// A port takes the frames for every host behind the other ports, whatever somebody sets on its
// device; when it is a port no more, its device is as it was.
func TestPromiscuous(t *testing.T) {
	w := newWorld(t)
	promiscuous := func(dev string) (on bool) {
		w.link(dev, func(_ *netlink.Handle, l netlink.Link) error {
			on = l.Attrs().RawFlags&unix.IFF_PROMISC != 0
			return nil
		})
		return on
	}
	w.link("p1", (*netlink.Handle).SetPromiscOn) // by somebody else, before it is a port
	p := w.watchful(Options{}, time.Hour)
	s := basic()
	w.apply(p, s, nil)
	for _, dev := range []string{"p0", "p1"} {
		w.link(dev, (*netlink.Handle).SetPromiscOff)
		testenv.Eventually(t, patience, func() error {
			if !promiscuous(dev) {
				return fmt.Errorf("%s is not promiscuous", dev)
			}
			r, err := p.Apply(t.Context(), s, &intent.Delta{})
			if err == nil && (len(r.Disturbed) > 0 || !slices.ContainsFunc(r.Problems, func(q problem.Problem) bool {
				return q.Object == problem.Port(dev) && strings.Contains(q.Text, "promiscuous mode of its network device; it has been set again")
			})) {
				err = fmt.Errorf("it is said: %v, and of faults: %v", r.Problems, r.Disturbed)
			}
			return err
		})
		w.audit(p)
	}

	w.apply(p, intent.NewState(), nil)
	for _, dev := range []string{"p0", "p1"} {
		if promiscuous(dev) {
			t.Errorf("%s is still promiscuous", dev)
		}
	}
}
