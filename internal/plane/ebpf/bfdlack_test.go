package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

// reports waits until what the plane reports is right.
func (w *world) reports(p *Plane, right func(plane.Report) error) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
		p.mu.Lock()
		r := p.report()
		p.mu.Unlock()
		return right(r)
	})
}

// A ring buffer that can't be read is told of, and opened again; sessions go on meanwhile, and take
// orders.
func TestBFDWithoutRing(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := withBFD(usualBFD())
	h := w.bfdHand(peerIP, 10*time.Second)
	w.apply(p, s, nil)
	h.until(p, isUp)
	told := func(want bool) {
		t.Helper()
		w.unread(p, want)
	}
	told(false)
	again := p.watchman.ring.breaks()
	told(true)
	h.set(func() {
		h.s.Configure(monotonic(), bfd.Config{MinTx: 100 * time.Millisecond, MinRx: 10 * time.Second, Mult: 3, PathDown: true})
	})
	old := s.BFD[peerIP]
	now := old
	now.CPathDown = true
	s.BFD[peerIP] = now
	w.apply(p, s, &intent.Delta{BFD: []intent.Change[netip.Addr, intent.BFD]{{Key: peerIP, Old: &old, New: &now}}})
	testenv.Eventually(t, patience, func() error {
		if st := h.status(); st.Peer.Diag != bfd.ConcatenatedPathDown {
			return fmt.Errorf("the other end is %+v", st)
		}
		return nil
	})
	if st := p.watchman.states()[peerIP]; st.State != "up" || st.RemoteDiagnostic != "No Diagnostic" {
		t.Errorf("without the ring our end is %+v", st)
	}
	again()
	h.until(p, func(st plane.PeerState) bool {
		return st.State == "up" && st.RemoteDiagnostic == "Concatenated Path Down"
	})
	told(false)
	w.audit(p)
}

// Sessions that there is no room for are told of by their peers, and begin when there is some.
func TestBFDFull(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{Most: map[string]uint32{"peers": 5}})
	spec, err := loadVtep()
	if err != nil {
		t.Fatal(err)
	}
	small := spec.Maps["bfd_sessions"].Copy()
	small.MaxEntries, small.Pinning = 2, ebpf.PinNone
	m, err := ebpf.NewMap(small)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	p.watchman.work.Lock()
	p.watchman.sessions = m
	p.watchman.work.Unlock()

	s := basic()
	s.BFD = map[netip.Addr]intent.BFD{}
	for ip := netip.MustParseAddr("192.0.2.101"); len(s.BFD) < 6; ip = ip.Next() {
		s.BFD[ip] = usualBFD()
	}
	apply := func(d *intent.Delta) {
		t.Helper()
		if _, err := p.Apply(t.Context(), s, d); err != nil {
			t.Fatal(err)
		}
	}
	apply(nil)
	lack := func(n int) {
		t.Helper()
		w.reports(p, func(r plane.Report) error {
			for peer, err := range r.Sessions {
				var e *problem.Error
				if !errors.As(err, &e) || e.Kind != problem.NoBFD || e.Remedy == "" || r.BFD[peer] != (plane.PeerState{}) {
					return fmt.Errorf("of %v it says %v, and %+v", peer, err, r.BFD[peer])
				}
			}
			if len(r.Sessions) != n || len(r.BFD) != len(s.BFD)-n {
				return fmt.Errorf("%d of %d are lacking: %v", len(r.Sessions), len(s.BFD), r.Sessions)
			}
			return nil
		})
	}
	lack(4)
	was := maps.Clone(s.BFD)
	for peer := range p.watchman.states() {
		delete(s.BFD, peer)
	}
	delta := &intent.Delta{}
	for peer, b := range was {
		if _, still := s.BFD[peer]; !still {
			delta.BFD = append(delta.BFD, intent.Change[netip.Addr, intent.BFD]{Key: peer, Old: &b})
		}
	}
	apply(delta)
	apply(&intent.Delta{}) // with the numbers that were given back
	lack(2)
	w.audit(p)
}

// A peer that packets can't be sent to is told of as long as that is so.
func TestBFDUnsent(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	far := netip.MustParseAddr("203.0.113.9")
	w.apply(p, withBFDOf(far, usualBFD()), nil)
	w.reports(p, func(r plane.Report) error {
		if err := r.Sessions[far]; err == nil || r.BFD[far].State != "down" {
			return fmt.Errorf("it says %v, and %+v", r.Sessions, r.BFD)
		}
		return nil
	})
	w.links(w.vtep, func(h *netlink.Handle) error {
		_, all, _ := net.ParseCIDR("203.0.113.0/24")
		return h.RouteAdd(&netlink.Route{Dst: all, Gw: peerIP.AsSlice()})
	})
	w.reports(p, func(r plane.Report) error {
		if len(r.Sessions) > 0 {
			return fmt.Errorf("it says %v", r.Sessions)
		}
		return nil
	})
}
