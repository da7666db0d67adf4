package ebpf

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// Many members and many tunnels: each gets exactly one copy.
func TestFloodMany(t *testing.T) {
	w := newWorld(t)
	w.bigBuffers("h0", "h1", "r0")
	p := w.plane(Options{})
	s := basic()
	const members, tunnels = 300, 600
	for vid := range uint16(members) {
		s.Bindings[intent.BindingKey{Port: "p1", VLAN: vid + 1}] = intent.Binding{Switch: ls1}
	}
	set := intent.FloodSet{}
	for vni := range uint32(tunnels) {
		set = append(set, intent.Tunnel{Peer: []netip.Addr{peerIP, peerIP3}[vni%2], VNI: 100 + vni})
	}
	slices.SortFunc(set, intent.Tunnel.Compare)
	s.Floods[intent.FloodKey{Switch: ls1}] = set
	w.neighbour(peerIP)
	w.neighbour(peerIP3)
	w.apply(p, s, nil)

	b := frame(bcast, macA, "one for each")
	w.copiesOf(b, members, set)

	// Likewise where copies go past the vxlan device, which not all of so many do.
	n := 0
	testenv.Eventually(t, patience, func() error {
		n++
		before := w.longCopies(p)
		w.copiesOf(numberedARP(macA, n), members, set)
		if long := w.longCopies(p) - before; long != tunnels-layout.LanesMax {
			return fmt.Errorf("%d copies took the long way", long)
		}
		return nil
	})
	w.audit(p)
}

// copiesOf sends a frame at h0. Each member and each tunnel is to get a copy.
func (w *world) copiesOf(b []byte, members int, set intent.FloodSet) {
	t := w.t
	t.Helper()
	w.send("h0", b)
	w.barrier()
	got := map[string]int{}
	for f := w.taps["h1"].Read(); f != nil; f = w.taps["h1"].Read() {
		vid := 0
		if f[12] == 0x81 {
			vid = int(f[14])<<8 | int(f[15])
			f = append(f[:12:12], f[16:]...)
		}
		if bytes.Equal(f, b) {
			got[fmt.Sprintf("vlan %d", vid)]++
		}
	}
	for f := w.taps["r0"].Read(); f != nil; f = w.taps["r0"].Read() {
		if o, ok := testnet.ParseOuter(f); ok && bytes.Equal(o.Inner, b) {
			got[intent.Tunnel{Peer: o.Dst, VNI: o.VNI}.String()]++
		}
	}
	for vid := range members + 1 { // VLAN 0 is p1 untagged
		if n := got[fmt.Sprintf("vlan %d", vid)]; n != 1 {
			t.Errorf("vlan %d got %d copies", vid, n)
		}
	}
	for _, tn := range set {
		if n := got[tn.String()]; n != 1 {
			t.Errorf("%v got %d copies", tn, n)
		}
	}
	if len(got) != members+1+len(set) {
		t.Errorf("%d destinations got copies, want %d", len(got), members+1+len(set))
	}
}

// A flood set that changes is, for each frame, the old one or the new one: who is in both
// gets every frame. The same for members.
func TestFloodChanges(t *testing.T) {
	w := newWorld(t)
	w.bigBuffers("h1", "vx10")
	p := w.plane(Options{})
	s := basic()
	w.apply(p, s, nil)
	f := w.flow("h0", macA, bcast, "h1")
	for i := range uint32(300) {
		next := s.Clone()
		set := intent.FloodSet{{Peer: peerIP, VNI: 10}}
		for vni := range i % 40 {
			set = append(set, intent.Tunnel{Peer: peerIP3, VNI: 100 + vni})
		}
		slices.SortFunc(set, intent.Tunnel.Compare)
		next.Floods[intent.FloodKey{Switch: ls1}] = set
		delete(next.Bindings, intent.BindingKey{Port: "p2", VLAN: 5})
		if i%2 == 0 {
			next.Bindings[intent.BindingKey{Port: "p2", VLAN: 5}] = intent.Binding{Switch: ls1}
		}
		w.apply(p, next, intent.Diff(s, next))
		s = next
	}
	f.mustBeWhole("broadcasts to h1")
	w.audit(p)
}

// A binding that moves from one switch to another: every frame of its host belongs to one of
// them, and none to both or to neither.
func TestBindingMovesUnderTraffic(t *testing.T) {
	w := newWorld(t)
	w.bigBuffers("h1", "h2")
	p := w.plane(Options{})
	s := basic()
	other := intent.SwitchID{2}
	s.Switches[other] = intent.Switch{Name: "ls2", VNI: 20}
	s.Bindings[intent.BindingKey{Port: "p2"}] = intent.Binding{Switch: other}
	w.apply(p, s, nil)
	f := w.flow("h0", macA, bcast, "h1", "h2")
	for i := range 200 {
		next := s.Clone()
		next.Bindings[intent.BindingKey{Port: "p0"}] = intent.Binding{Switch: []intent.SwitchID{other, ls1}[i%2]}
		w.apply(p, next, intent.Diff(s, next))
		s = next
		if i%20 == 0 {
			w.barrier()
		}
	}
	f.mustBeWhole("broadcasts of h0")
	w.audit(p)
}
