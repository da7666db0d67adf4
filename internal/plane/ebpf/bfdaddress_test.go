package ebpf

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testenv"
)

// A tunnel IP that goes takes the sessions along: peers are told from the address that they know.
func TestBFDWithoutTunnelIP(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	b := usualBFD()
	s := withBFD(b)
	h := w.bfdHand(peerIP, 3*time.Second)
	w.apply(p, s, nil)
	h.until(p, isUp)
	s.TunnelIP, s.BFD = netip.Addr{}, nil
	w.apply(p, s, &intent.Delta{Global: true, BFD: []intent.Change[netip.Addr, intent.BFD]{{Key: peerIP, Old: &b}}})
	testenv.Eventually(t, patience, func() error {
		for _, heard := range h.got() {
			if heard.State == bfd.AdminDown && heard.outer.Src == tunnelIP {
				return nil
			}
		}
		return fmt.Errorf("the peer is not told: it is %+v", h.status())
	})
	// It comes back, and so do they.
	s = withBFD(b)
	w.apply(p, s, &intent.Delta{Global: true, BFD: []intent.Change[netip.Addr, intent.BFD]{{Key: peerIP, New: &b}}})
	h.until(p, isUp)
	w.audit(p)
}
