package ebpf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// From an address that the machine lacks nothing is sent, by neither way, and that is told; what begins at
// one that is gone for a moment goes on.
func TestMissingTunnelIP(t *testing.T) {
	w := newWorld(t)
	w.neighbour(peerIP)
	ours, other := netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("192.0.2.78")
	p := w.plane(Options{flapFor: time.Hour})
	s := basic()
	s.TunnelIP = ours
	s.Ends[other] = intent.End{}
	r, err := p.Apply(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	isForeign := func(err error) bool {
		var of *problem.Error
		return errors.As(err, &of) && of.Kind == problem.ForeignIP
	}
	told := func(r plane.Report) (text string) {
		for _, of := range r.Problems {
			if of.Kind == problem.ForeignIP {
				text += of.String()
			}
		}
		return text
	}
	if !isForeign(r.Tunnels) || !isForeign(r.Peers[peerIP]) || !strings.Contains(told(r), other.String()) {
		t.Errorf("tunnels: %v; the peer: %v; the other: %q", r.Tunnels, r.Peers, told(r))
	}
	n := 0
	// leaves waits until a frame goes out by each way, from the address, or none does and that is counted.
	leaves := func(what string, want bool) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			n++
			known := ipFrame(macR, macA, 64)
			copy(known[50:], fmt.Sprintf("%8d", n))
			before, out := w.drops(p)["no_tunnel"], 0
			all := frame(bcast, macA, fmt.Sprintf("%s %d.", what, n))
			w.send("h0", known)
			w.send("h0", all)
			w.barrier()
			for b := w.taps["r0"].Read(); b != nil; b = w.taps["r0"].Read() {
				if o, ok := testnet.ParseOuter(b); ok && o.Src == ours && (string(o.Inner) == string(known) || string(o.Inner) == string(all)) {
					out++
				}
			}
			if dropped := w.drops(p)["no_tunnel"] - before; want && out != 2 || !want && (out > 0 || dropped < 2) {
				return fmt.Errorf("%s: %d of 2 frames went out, %d were counted", what, out, dropped)
			}
			return nil
		})
	}
	leaves("without the address", false)
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: ours.AsSlice(), Mask: net.CIDRMask(32, 32)}}
	has := func(h *netlink.Handle, l netlink.Link) error { return h.AddrAdd(l, addr) }
	lacks := func(h *netlink.Handle, l netlink.Link) error { return h.AddrDel(l, addr) }
	lo := func(f func(*netlink.Handle, netlink.Link) error) { w.link("u0", f) }
	lo(has)
	leaves("with it", true)
	w.audit(p)
	lo(lacks)
	testenv.Eventually(t, patience, func() error {
		r, err := p.Apply(t.Context(), s, &intent.Delta{})
		if err != nil || !isForeign(r.Tunnels) || len(r.Peers) > 0 {
			return fmt.Errorf("tunnels: %v, peers: %v, %w", r.Tunnels, r.Peers, err)
		}
		return nil
	})
	p.mu.Lock()
	usable, have := p.settings.TunnelIP, p.tPeers.Want.Get(p.contents.Peers[peerIP].Number).Ifindex
	p.mu.Unlock()
	if usable == 0 || have == 0 {
		t.Error("what goes on for the moment was taken out")
	}
	lo(has)
	leaves("with it again", true)
	p.mu.Lock()
	p.flapFor = time.Millisecond
	p.mu.Unlock()
	lo(lacks)
	leaves("for good without", false)
	w.audit(p)
	lo(has)
	leaves("at last", true)
}
