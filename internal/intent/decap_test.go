package intent

import (
	"maps"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is set and deleted, a Decap has what a map would, and numbers of the peers that are in it alone.
func TestDecap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, want := NewDecap(), map[Tunnel]SwitchID{}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			tunnel := Tunnel{Peer: netip.AddrFrom4([4]byte{192, 0, 2, rapid.ByteMax(5).Draw(t, "peer")}), VNI: rapid.Uint32Max(3).Draw(t, "vni")}
			if rapid.IntRange(0, 9).Draw(t, "from any source") == 0 {
				tunnel.Peer = netip.Addr{}
			}
			if rapid.IntRange(0, 2).Draw(t, "delete") == 0 {
				d.Delete(tunnel)
				delete(want, tunnel)
			} else {
				id := SwitchID{rapid.ByteMax(2).Draw(t, "switch")}
				d.Set(tunnel, id)
				want[tunnel] = id
			}
			if id, ok := d.Get(tunnel); id != want[tunnel] || ok != has(want, tunnel) || d.At(tunnel) != id {
				t.Fatalf("%v enters %v, %v", tunnel, id, ok)
			}
		}
		if got := maps.Collect(d.All()); !maps.Equal(got, want) || d.Len() != len(want) {
			t.Fatalf("it has %v, %d in all; it should have %v", got, d.Len(), want)
		}
		if len(want) == 0 && (len(d.vnis) > 0 || len(d.peers.peers) > 0 || len(d.peers.free) > 0) {
			t.Fatalf("it is empty, and keeps %d VNIs and %d numbers", len(d.vnis), len(d.peers.peers))
		}
		peers := map[netip.Addr]bool{}
		for tunnel := range want {
			if tunnel.Peer.IsValid() {
				peers[tunnel.Peer] = true
			}
		}
		if d.peers.Len() != len(peers) {
			t.Fatalf("%d peers have numbers, %d are in it", d.peers.Len(), len(peers))
		}
		c := d.Clone()
		if !c.Equal(d) || !d.Equal(c) {
			t.Fatal("a clone differs")
		}
		for tunnel := range want {
			c.Delete(tunnel)
		}
		if c.Len() != 0 || c.peers.Len() != 0 || d.Len() != len(want) || !maps.Equal(maps.Collect(d.All()), want) {
			t.Fatal("a clone is not emptied by itself")
		}
	})
}

// Whatever an Edit is used for, it closes with what differs from before.
func TestEditOfDecaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewState()
		e := NewEdit(s)
		for range rapid.IntRange(1, 5).Draw(t, "edits") {
			was := s.Clone()
			for range rapid.IntRange(0, 30).Draw(t, "steps") {
				tunnel := Tunnel{Peer: netip.AddrFrom4([4]byte{192, 0, 2, rapid.ByteMax(9).Draw(t, "peer")}), VNI: rapid.Uint32Max(9).Draw(t, "vni")}
				if rapid.IntRange(0, 9).Draw(t, "delete") == 0 {
					DecapTable.Delete(e, tunnel)
				} else {
					DecapTable.Set(e, tunnel, SwitchID{rapid.ByteMax(2).Draw(t, "switch")})
				}
			}
			d := e.Close()
			seen := map[Tunnel]bool{}
			for _, c := range d.Decap {
				old, had := was.Decap.Get(c.Key)
				now, has := s.Decap.Get(c.Key)
				if seen[c.Key] || had != (c.Old != nil) || has != (c.New != nil) || had && *c.Old != old || has && *c.New != now || had == has && old == now {
					t.Fatalf("%v: was %v, %v, is %v, %v, told as %v", c.Key, old, had, now, has, c)
				}
				seen[c.Key] = true
			}
			if was.Apply(d); !was.Decap.Equal(s.Decap) {
				t.Fatalf("it is\n%v\nby what was told\n%v", s, was)
			}
		}
	})
}
