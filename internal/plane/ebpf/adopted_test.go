package ebpf

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// What an earlier process has left can be read back before anything is applied, and whose it is.
func TestAdopted(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	if s, err := p.Adopted(t.Context(), true); s != nil || err != nil {
		t.Errorf("%v, %v before anything was applied", s, err)
	}
	want := basic()
	want.Physical = intent.SwitchID{1, 2, 3}
	want.Position = 1<<60 + 7
	want.AcceptAnySource = true
	for _, ip := range []string{"198.51.100.1", "2001:db8::1"} {
		want.Neighbours[intent.IPKey{Switch: ls1, IP: netip.MustParseAddr(ip)}] = macR
	}
	w.apply(p, want, nil)
	for _, owner := range []intent.SwitchID{want.Physical, plane.Nobody} {
		if owner == plane.Nobody {
			if err := p.Disown(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p = w.plane(Options{})
		for _, whole := range []bool{false, true} {
			got, err := p.Adopted(t.Context(), whole)
			if err != nil || got == nil {
				t.Fatalf("%v, %v", got, err)
			}
			if got.Physical != owner || owner != plane.Nobody && got.Position != want.Position || got.TunnelIP != want.TunnelIP || !maps.Equal(got.Bindings, want.Bindings) {
				t.Errorf("of %v: %v\nwant %v", got.Physical, got, want)
			}
			if vni := got.Switches[ls1].VNI; whole && vni != want.Switches[ls1].VNI {
				t.Errorf("from any source it takes VNI %d", vni)
			}
			if whole && !(got.Unicast.Equal(want.Unicast) && maps.Equal(got.Neighbours, want.Neighbours) && got.Decap.Equal(want.Decap) && maps.EqualFunc(got.Floods, want.Floods, slices.Equal)) {
				t.Errorf("%v\nwant %v", got, want)
			}
		}
	}
	w.apply(p, want, nil)
	want.Position = 5 // of a database that was accepted
	w.apply(p, want, &intent.Delta{Ports: []intent.Change[string, intent.Port]{}})
	if got, err := p.Adopted(t.Context(), false); err != nil || got.Physical != want.Physical || got.Position != 5 {
		t.Errorf("%v, %v: it was applied again", got, err)
	}
	w.audit(p)
}
