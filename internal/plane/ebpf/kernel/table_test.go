package kernel

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
)

// bound joins a table with a map of its own.
func bound[K comparable](t *testing.T, spec ebpf.MapSpec) *Table[K, uint64] {
	t.Helper()
	var k K
	spec.KeySize, spec.ValueSize = uint32(unsafe.Sizeof(k)), 8
	m, err := ebpf.NewMap(&spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	var all []AnyTable
	return Bind(&all, &layout.Table[K, uint64]{Name: "some", Short: map[K]struct{}{}}, m)
}

// contents is what a map has; of an array, what is not zero there.
func contents[K comparable](t *testing.T, table *Table[K, uint64]) map[K]uint64 {
	t.Helper()
	if err := table.Load(); err != nil {
		t.Fatal(err)
	}
	return table.Have
}

// Whatever a table stages in batches, its map has just what is wanted, but for what does not fit: of that each entry is
// known, none that is there, and it is tried again when others have gone.
func TestTableBatches(t *testing.T) {
	testenv.Root(t)
	number := func(n uint32) uint32 { return n }
	hash := ebpf.MapSpec{Type: ebpf.Hash, MaxEntries: 512, Flags: unix.BPF_F_NO_PREALLOC}
	t.Run("hash", func(t *testing.T) { changeAtRandom(t, bound[uint32](t, hash), number) })
	t.Run("one by one", func(t *testing.T) {
		table := bound[uint32](t, hash)
		table.single = true
		changeAtRandom(t, table, number)
	})
	t.Run("in parts", func(t *testing.T) {
		defer func(size int) { partSize = size }(partSize)
		partSize = 16
		changeAtRandom(t, bound[uint32](t, hash), number)
	})
	t.Run("preallocated", func(t *testing.T) {
		changeAtRandom(t, bound[uint32](t, ebpf.MapSpec{Type: ebpf.Hash, MaxEntries: 512}), number)
	})
	t.Run("array", func(t *testing.T) {
		changeAtRandom(t, bound[uint32](t, ebpf.MapSpec{Type: ebpf.Array, MaxEntries: 1024}), number)
	})
	t.Run("trie", func(t *testing.T) {
		trie := ebpf.MapSpec{Type: ebpf.LPMTrie, MaxEntries: 512, Flags: unix.BPF_F_NO_PREALLOC}
		changeAtRandom(t, bound[[2]uint32](t, trie), func(n uint32) [2]uint32 { return [2]uint32{32, n} })
	})
}

func changeAtRandom[K comparable](t *testing.T, table *Table[K, uint64], key func(uint32) K) {
	rng := rand.New(rand.NewPCG(3, 5))
	for round := range 60 {
		for range rng.IntN(400) {
			if k := key(rng.Uint32N(1000)); rng.IntN(3) == 0 {
				table.Del(k)
			} else {
				table.Set(k, 1+rng.Uint64N(3))
			}
		}
		if round%10 == 9 && !table.Array { // somebody else deletes some of what is about to be deleted
			for k := range contents(t, table) {
				if table.Del(k); rng.IntN(2) == 0 {
					if err := table.M.Delete(k); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if err := table.Put(); err != nil {
			t.Fatal(err)
		}
		if err := table.Prune(); err != nil {
			t.Fatal(err)
		}
		want := maps.Collect(table.Want.All())
		for k := range table.Short {
			if _, ok := want[k]; !ok {
				t.Fatalf("%v did not fit, and is not wanted", k)
			}
			delete(want, k)
		}
		if got := contents(t, table); !maps.Equal(got, want) {
			t.Fatalf("round %d: the map has %d entries, should have %d; %d did not fit", round, len(got), len(want), len(table.Short))
		}
	}
}

// Of a batch that runs into the end of the map just those are short that were behind it, and the report counts them;
// what was there before may still get other values, and whatever goes makes room for one of them.
func TestTableFull(t *testing.T) {
	testenv.Root(t)
	table := bound[uint32](t, ebpf.MapSpec{Type: ebpf.Hash, MaxEntries: 1000, Flags: unix.BPF_F_NO_PREALLOC})
	put := func() {
		t.Helper()
		if err := table.Put(); err != nil {
			t.Fatal(err)
		}
		if err := table.Prune(); err != nil {
			t.Fatal(err)
		}
	}
	for k := range uint32(1500) {
		table.Set(k, 1)
	}
	put()
	for k := range uint32(1500) {
		if _, short := table.Short[k]; short != (k >= 1000) {
			t.Fatalf("%d is short: %v", k, short)
		}
	}
	if got, want := fmt.Sprint(table.Full()), "map some is full (1000 entries): 500 more did not fit"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for k := range uint32(300) {
		table.Set(k, 2)
	}
	for k := uint32(300); k < 500; k++ {
		table.Del(k)
	}
	put() // what has gone is out only after what was put
	put()
	have := contents(t, table)
	if len(table.Short) != 300 || len(have) != 1000 || have[299] != 2 {
		t.Errorf("%d did not fit, %d did; one of these is %d", len(table.Short), len(have), have[299])
	}
}

// A map that is compared with what is wanted is made equal to it by as few writes as differ.
func TestTableCompare(t *testing.T) {
	testenv.Root(t)
	t.Run("at once", func(t *testing.T) { compare(t, false) })
	t.Run("read ahead", func(t *testing.T) { compare(t, true) })
}

func compare(t *testing.T, ahead bool) {
	table := bound[uint32](t, ebpf.MapSpec{Type: ebpf.Hash, MaxEntries: 1 << 14, Flags: unix.BPF_F_NO_PREALLOC})
	for k := range uint32(10_000) {
		table.Set(k, uint64(k))
	}
	if err := table.Put(); err != nil {
		t.Fatal(err)
	}
	for i := range uint32(20) {
		if i%2 == 0 {
			if err := table.M.Put(i*100, uint64(77)); err != nil {
				t.Fatal(err)
			}
		} else if err := table.M.Delete(i * 100); err != nil {
			t.Fatal(err)
		}
		if err := table.M.Put(50_000+i, uint64(1)); err != nil {
			t.Fatal(err)
		}
	}
	if ahead {
		table.ReadAhead()
	}
	if err := table.Compare(); err != nil {
		t.Fatal(err)
	}
	if table.Staged() != 20 || len(table.Gone) != 20 || table.Have != nil {
		t.Errorf("%d would be written, %d deleted; %d are kept", table.Staged(), len(table.Gone), len(table.Have))
	}
	if err := table.Put(); err != nil {
		t.Fatal(err)
	}
	if err := table.Prune(); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, table); !maps.Equal(got, maps.Collect(table.Want.All())) {
		t.Errorf("the map has %d entries", len(got))
	}
}
