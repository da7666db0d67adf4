package ebpf

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// TestSources has more peers than an entry of decaps is for, and so many that several have the same place in sources.
// Some mean another switch by the VNI than most. Each frame enters the switch of its peer, or none, whoever sent the
// one before.
func TestSources(t *testing.T) {
	w := newWorld(t)
	w.links(w.vtep, func(h *netlink.Handle) error {
		return h.RouteAdd(&netlink.Route{Gw: peerIP.AsSlice(), LinkIndex: index(h, "u0")})
	})
	p := w.plane(Options{})
	const peers = 3 * layout.DecapPeers
	ls2 := intent.SwitchID{2}
	places := rand.New(rand.NewPCG(1, 2)).Perm(1 << 16) // those in a row have places in a row
	ip := func(n int) netip.Addr {
		return netip.AddrFrom4([4]byte{198, 18, byte(places[n] >> 8), byte(places[n])})
	}
	s := basic()
	s.Switches[ls2] = intent.Switch{Name: "ls2", VNI: 20}
	s.Bindings[intent.BindingKey{Port: "p2"}] = intent.Binding{Switch: ls2}
	is := map[int]intent.SwitchID{}
	enters := func(s *intent.State, n int, id intent.SwitchID) {
		if is[n] = id; id == (intent.SwitchID{}) {
			s.Decap.Delete(intent.Tunnel{Peer: ip(n), VNI: 10})
		} else {
			s.Decap.Set(intent.Tunnel{Peer: ip(n), VNI: 10}, id)
		}
	}
	for n := range peers {
		enters(s, n, ls1)
		if n%7 == 0 {
			enters(s, n, ls2)
		}
	}
	w.apply(p, s, nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.send("h2", frame(bcast, macC, "here is C"))
	w.barrier()
	g := &gateway{ns: w.vtep}
	toA, toC := g.outerFrame(t, ipFrame(macA, macR, 64)), g.outerFrame(t, ipFrame(macC, macR, 64))
	look := func(what string) {
		t.Helper()
		wrong := 0
		for n := range peers {
			for id, b := range map[intent.SwitchID][]byte{ls1: toA, ls2: toC} {
				from := ip(n).As4()
				copy(b[26:], from[:])
				fixOuterSum(b)
				want := uint32(actNext)
				if is[n] == id {
					want = actRedirect
				}
				if ret, _ := runAt(t, w.vtep, p.objs.VtepUnderlay, "u0", b); ret != want {
					if wrong++; wrong < 5 {
						t.Errorf("%s: a frame from %v to a host of %x: action %d, not %d", what, ip(n), id[:1], int32(ret), int32(want))
					}
				}
			}
		}
		w.audit(p)
	}
	look("as it begins")
	for _, step := range []struct {
		what   string
		change func(s *intent.State, n int)
	}{
		{"most mean the other switch", func(s *intent.State, n int) { enters(s, n, map[bool]intent.SwitchID{true: ls1, false: ls2}[n%5 == 0]) }},
		{"some have gone", func(s *intent.State, n int) {
			if n%3 == 0 {
				enters(s, n, intent.SwitchID{})
			}
		}},
	} {
		next := s.Clone()
		for n := range peers {
			step.change(next, n)
		}
		w.apply(p, next, intent.Diff(s, next))
		s = next
		look(step.what)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.plane(Options{})
	got, err := p.Adopted(t.Context(), true)
	if err != nil || !got.Decap.Equal(s.Decap) {
		t.Errorf("adopted %d tunnels, want %d: %v", got.Decap.Len(), s.Decap.Len(), err)
	}
	w.apply(p, s, nil)
	look("after a restart")
}
