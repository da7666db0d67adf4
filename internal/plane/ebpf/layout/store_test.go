package layout

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// A Store has what a map of Go has, whatever comes and goes, and no more memory than a third of it is used for.
func TestStore(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 7))
		var s Store[MACKey, Remote]
		want := map[MACKey]Remote{}
		for n, limit := range []int{10, 3000, 200, 20_000, 50, 0} {
			for range 2 * limit {
				k, v := MACKey{BD: uint32(rng.IntN(limit)), Kind: uint16(seed)}, Remote{Peer: rng.Uint32N(3), VNI: uint32(n)}
				was, is := want[k]
				if rng.IntN(3) == 0 {
					delete(want, k)
					if old, had := s.Delete(k); old != was || had != is {
						t.Fatalf("deleted %+v, %v, was %+v, %v", old, had, was, is)
					}
				} else {
					want[k] = v
					if old, had := s.Swap(k, v); old != was || had != is {
						t.Fatalf("replaced %+v, %v, was %+v, %v", old, had, was, is)
					}
				}
			}
			for k := range want {
				if int(k.BD) >= limit/2 {
					delete(want, k)
					s.Delete(k)
				}
			}
			if got := maps.Collect(s.All()); !maps.Equal(got, want) || s.Len() != len(want) {
				t.Fatalf("%d entries, should be %d", len(got), len(want))
			}
			for k, v := range want {
				if got, _, ok := s.At(s.Find(k)); !ok || got != k || s.Get(k) != v {
					t.Fatalf("%+v is at the place of %+v", got, k)
				}
			}
			if n == 1 {
				s.Reserve(4000)
				if !maps.Equal(maps.Collect(s.All()), want) || s.Places() != 6000 {
					t.Errorf("%d places, and %d entries of %d", s.Places(), s.Len(), len(want))
				}
			}
			if s.Find(MACKey{BD: 1 << 30}) != -1 {
				t.Error("one is found that is not there")
			}
			if places := s.Places(); n != 1 && places > max(storeLeast, 3*len(want)+3) {
				t.Errorf("%d places for %d", places, len(want))
			}
		}
	}
}

func BenchmarkStore(b *testing.B) {
	keys := make([]MACKey, 1_000_000)
	for i := range keys {
		keys[i] = MACKey{BD: uint32(i % 1000), MAC: [6]uint8{2, 9, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}}
	}
	b.Run("store", func(b *testing.B) {
		for b.Loop() {
			var s Store[MACKey, Remote]
			for _, k := range keys {
				s.Swap(k, Remote{Peer: 1})
			}
		}
	})
	b.Run("map", func(b *testing.B) {
		for b.Loop() {
			m := map[MACKey]Remote{}
			for _, k := range keys {
				if m[k].Peer != 1 {
					m[k] = Remote{Peer: 1}
				}
			}
		}
	})
}
