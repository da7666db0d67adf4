package compact

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is done, a Map has what a map of the language has.
func TestMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, want := &Map[uint16, int]{}, map[uint16]int{}
		most := rapid.SampledFrom([]uint16{4, 40, 1000}).Draw(t, "keys")
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1, 2: // many at once, so that it grows
				first, n := rapid.Uint16Range(0, most).Draw(t, "first"), rapid.Uint16Range(1, most).Draw(t, "count")
				if rapid.Bool().Draw(t, "expected") {
					m.Expect(int(n))
				}
				for i := range n {
					k := (first + i*7) % most
					was, had := want[k]
					if v, ok := m.Swap(k, int(first)+int(i)); v != was || ok != had {
						t.Fatalf("Swap(%d) gives %d, %v; want %d, %v", k, v, ok, was, had)
					}
					want[k] = int(first) + int(i)
				}
			case 3, 4:
				first, n := rapid.Uint16Range(0, most).Draw(t, "first"), rapid.Uint16Range(1, most).Draw(t, "count")
				for i := range n {
					k := (first + i) % most
					_, had := want[k]
					if delete(want, k); m.Delete(k) != had {
						t.Fatalf("Delete(%d) is not %v", k, had)
					}
				}
			case 5:
				k := rapid.Uint16Range(0, most-1).Draw(t, "key")
				was, had := want[k]
				if at := m.Find(k); had != (at != nil) || had && *at != was {
					t.Fatalf("Find(%d) gives %v; want %d, %v", k, at, was, had)
				}
				at, is := m.Place(k)
				if *at != was || is != had || at != m.Find(k) {
					t.Fatalf("Place(%d) gives %d, %v; want %d, %v", k, *at, is, was, had)
				}
				*at = was + 1
				want[k] = was + 1
			case 6:
				c := m.Clone()
				m.Set(most, 1)
				m = c
			}
			if got := maps.Collect(m.All()); !maps.Equal(got, want) || m.Len() != len(want) {
				t.Fatalf("%d entries %v, want %v", m.Len(), got, want)
			}
			for k := range most {
				v, ok := m.Get(k)
				if w, is := want[k]; v != w || ok != is || m.Has(k) != is {
					t.Fatalf("%d is %d, %v; want %d, %v", k, v, ok, w, is)
				}
			}
		}
		if m.Clear(); m.Len() != 0 || m.Has(0) {
			t.Error("it is not empty")
		}
	})
}

// What is gone takes no memory.
func TestGivesBack(t *testing.T) {
	m := &Map[int, [3]uint64]{}
	for i := range 100_000 {
		m.Set(i, [3]uint64{})
	}
	if c := cap(m.entries); c > 126_000 || len(m.slots.slots) > 2*131072 {
		t.Errorf("room for %d entries and %d slots", c, len(m.slots.slots))
	}
	for i := range 99_000 {
		m.Delete(i)
	}
	if c := cap(m.entries); c > 1600 || len(m.slots.slots) > 4096 {
		t.Errorf("room for %d entries and %d slots after most are gone", c, len(m.slots.slots))
	}
	for i := range 99_000 { // no entries, but slots of those that were
		m.Set(-i-1, [3]uint64{})
		m.Delete(-i - 1)
	}
	if len(m.slots.slots) > 4096 {
		t.Errorf("%d slots", len(m.slots.slots))
	}
}

func BenchmarkMap(b *testing.B) {
	for b.Loop() {
		m := &Map[[6]byte, [2]uint32]{}
		for i := range 1000 {
			m.Set([6]byte{2, 0, 0, 0, byte(i >> 8), byte(i)}, [2]uint32{1, 2})
		}
	}
}

func BenchmarkGoMap(b *testing.B) {
	for b.Loop() {
		m := map[[6]byte][2]uint32{}
		for i := range 1000 {
			m[[6]byte{2, 0, 0, 0, byte(i >> 8), byte(i)}] = [2]uint32{1, 2}
		}
	}
}
