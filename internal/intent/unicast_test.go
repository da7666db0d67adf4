package intent

import (
	"maps"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is done, a Unicast has what a map has, and numbers only for peers that it has.
func TestUnicast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u, want := NewUnicast(), map[MACKey]Tunnel{}
		peer := rapid.SampledFrom([]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1")})
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			key := MACKey{SwitchID{rapid.ByteRange(0, 2).Draw(t, "switch")}, MAC{2, rapid.ByteRange(0, 5).Draw(t, "mac")}}
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1, 2, 3:
				to := Tunnel{peer.Draw(t, "peer"), rapid.Uint32Range(0, 2).Draw(t, "vni")}
				u.Set(key, to)
				want[key] = to
			case 4, 5:
				u.Delete(key)
				delete(want, key)
			case 6:
				c := u.Clone()
				u.Clear()
				u = c
			}
			got := maps.Collect(u.All())
			if !maps.Equal(got, want) || u.Len() != len(want) {
				t.Fatalf("%d are %v, want %v", u.Len(), got, want)
			}
			if v, ok := u.Get(key); v != want[key] || u.At(key) != v || ok != has(want, key) {
				t.Fatalf("%v is %v, %v; want %v", key, v, ok, want[key])
			}
			peers := map[netip.Addr]int{}
			for _, to := range want {
				peers[to.Peer]++
			}
			for peer := range peers {
				if n, ok := u.peers.Number(peer); !ok || u.peers.Addr(n) != peer {
					t.Fatalf("%v has the number %d", peer, n)
				}
			}
			if u.peers.Len() != len(peers) || len(u.peers.peers) > 1+3 {
				t.Fatalf("numbers are %v, MACs by peer %v", u.peers.peers, peers)
			}
		}
		if c := u.Clone(); !c.Equal(u) || len(want) > 0 && c.Equal(NewUnicast()) {
			t.Error("a clone differs")
		}
		var none *Unicast
		if _, ok := none.Get(MACKey{}); ok || none.Len() != 0 {
			t.Error("a nil Unicast has MACs")
		}
	})
}
