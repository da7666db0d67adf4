package layout

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// written are the entries of a map, as the tests of tunnels write them.
type written map[DecapKey]Decap

func (w written) look(k DecapKey) (Decap, bool) {
	d, ok := w[k]
	return d, ok
}

// TestTunnels changes tunnels at random, and writes what follows as a table does, entry by entry. A tunnel leads where
// it did or where it is to at each point, and what is wanted at the end follows from the tunnels that there are.
func TestTunnels(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c := fresh(ample)
		table, there := c.Maps.Decaps, written{}
		is := map[TunnelKey]Decap{}
		for range 12 {
			was := maps.Clone(is)
			for range rng.IntN(200) {
				k := TunnelKey{Peer: uint32(rng.IntN(300)), VNI: uint32(rng.IntN(3))}
				if rng.IntN(3) == 0 {
					if _, had := is[k]; c.tunnels.delete(k) != had {
						t.Fatalf("seed %d: of %+v there was one: %v", seed, k, !had)
					}
					delete(is, k)
					continue
				}
				d := Decap{BD: uint32(1 + min(rng.IntN(3), rng.IntN(3))), Features: 7}
				if _, had := is[k]; c.tunnels.set(k, d) == had {
					t.Fatalf("seed %d: %+v is fresh: %v", seed, k, had)
				}
				is[k] = d
			}
			c.tunnels.settle()
			if rng.IntN(3) == 0 { // as after a restart
				table.Have = maps.Clone(there)
				table.Diff()
			}
			c.OrderDecaps()
			right := func(after string) {
				for k := range was {
					got, ok := FindDecap(k, there.look)
					if want, stays := is[k]; stays && (!ok || got != want && got != was[k]) {
						t.Fatalf("seed %d: after %s tunnel %+v leads to %+v, %v, not to %+v or %+v", seed, after, k, got, ok, was[k], want)
					}
				}
			}
			keys, values := table.Take(1 << 20)
			for i, k := range keys {
				there[k] = values[i]
				right("a write")
			}
			for _, k := range table.Gone {
				if table.Want.Find(k) < 0 {
					delete(there, k)
					right("a removal")
				}
			}
			table.Gone = nil

			if got := maps.Collect(TunnelsOf(maps.All(there), there.look)); !maps.Equal(got, is) {
				t.Fatalf("seed %d: the entries are for %d tunnels, not %d: %v, want %v", seed, len(got), len(is), got, is)
			}
			for k, want := range is {
				if got, ok := c.DecapFor(k); !ok || got != want {
					t.Fatalf("seed %d: for %+v %+v is wanted, %v, should be %+v", seed, k, got, ok, want)
				}
			}
			if anew := maps.Collect(DecapsOf(maps.All(is)).All()); !maps.Equal(anew, maps.Collect(table.Want.All())) {
				t.Fatalf("seed %d: from the tunnels alone it would be\n%v\nnot\n%v", seed, anew, there)
			}
		}
	}
}

// TestTunnelPlaces: of many peers with the same VNI each has a bit, and no entry alone.
func TestTunnelPlaces(t *testing.T) {
	c := fresh(ample)
	const vnis, peers = 10, 2 * DecapPeers
	for vni := range uint32(vnis) {
		for peer := range uint32(peers) {
			c.tunnels.set(TunnelKey{Peer: 1 + peer, VNI: vni}, Decap{BD: 1 + vni})
		}
	}
	c.tunnels.settle()
	if n := c.Maps.Decaps.Want.Len(); n != 3*vnis {
		t.Errorf("%d entries are for %d peers of %d VNIs", n, peers, vnis)
	}
}

// TestTunnelDrift: what an audit finds is told by tunnel, whatever entry it is in.
func TestTunnelDrift(t *testing.T) {
	c := fresh(ample)
	for peer := range uint32(4) {
		c.tunnels.set(TunnelKey{Peer: 1 + peer, VNI: 10}, Decap{BD: 1 + peer/3})
	}
	c.tunnels.settle()
	k, alone := DecapKey{VNI: 10}, TunnelKey{Peer: 4, VNI: 10}.alone()
	have := maps.Collect(c.Maps.Decaps.Want.All())
	c.Maps.Decaps.Have = have
	if d := c.DriftOf(k); d != nil {
		t.Errorf("nothing differs but %+v", d)
	}
	d := have[k]
	d.drop(2)
	d.add(7)
	have[k] = d
	delete(have, alone)
	drift := c.DriftOf(k)
	if len(drift) != 2 || drift[0].Peer != 2 || drift[0].Have != nil || drift[1].Peer != 7 || drift[1].Want != nil {
		t.Errorf("drift %+v", drift)
	}
	if drift = c.DriftOf(alone); len(drift) != 1 || drift[0].Peer != 4 || drift[0].Want.BD != 2 || drift[0].Have != nil {
		t.Errorf("drift %+v", drift)
	}
}
