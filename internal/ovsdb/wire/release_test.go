package wire

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// The memory of a text that was released serves the next one, and no Value of the one before sees that.
func TestRelease(t *testing.T) {
	v, err := Parse(insertMany(10_000))
	if err != nil {
		t.Fatal(err)
	}
	params := v.Get("params")
	name, raw := params.Index(0).Str(), string(params.Index(1).Raw())
	params.Release()
	w, err := Parse([]byte(strings.Replace(string(insertMany(10_000)), "hardware_vtep", "another", 1)))
	if err != nil || w.Get("params").Len() != 10_001 || w.Get("params").Index(0).Str() != "another" {
		t.Fatalf("the text after it is %v, %v", w, err)
	}
	if name != "hardware_vtep" || !strings.HasPrefix(raw, `{"op":"insert"`) {
		t.Errorf("strings of it are %q, %q", name, raw)
	}
	defer func() {
		if recover() == nil {
			t.Error("it can still be used")
		}
	}()
	params.Len()
}

// Peers that send texts of other lengths in turn each find the memory that serves theirs, in whatever order they send them.
func TestReleasedMemoryServesAgain(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the collector takes it
	texts := [][]byte{insertMany(1000), insertMany(1500), insertMany(4000)}
	last, served := make([]*node, len(texts)), make([]int, len(texts))
	const rounds = 24
	for round := range rounds {
		var values []Value
		for i := range texts {
			i = (i + round) % len(texts)
			v, err := Parse(texts[i])
			if err != nil {
				t.Fatal(err)
			}
			if &v.doc.nodes[0] == last[i] {
				served[i]++
			}
			last[i] = &v.doc.nodes[0]
			values = append(values, v)
		}
		for _, v := range values {
			v.Release()
		}
	}
	for i, n := range served {
		if n < rounds/3 { // with the race detector a pool drops some
			t.Errorf("of %d texts of %d bytes %d had the memory of the one before", rounds, len(texts[i]), n)
		}
	}
}

// Memory that is too small for one text is there for the next that it is large enough for.
func TestReleasedMemoryStays(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	found := 0
	for range 20 {
		runtime.GC()
		runtime.GC() // no other is kept any more
		keepTape(make([]node, 0, longTape+100))
		if got := keptTape(longTape + 200); got != nil {
			t.Fatalf("got room for %d", cap(got))
		}
		if keptTape(longTape+50) != nil {
			found++
		}
	}
	if found < 5 { // as above
		t.Errorf("found it %d times", found)
	}
}

// No more memory is kept for a text than it needs, nearly.
func TestSizesOfTapes(t *testing.T) {
	for n := longTape; n < 1<<30; n += n / 19 {
		if sizeOf(n+n/4+n/32) <= sizeOf(n)+1 || sizeOf(n) < sizeOf(n-1) || sizeOf(n+n/20) > sizeOf(n)+1 {
			t.Errorf("%d nodes are in %d, %d in %d", n, sizeOf(n), n+n/4+n/32, sizeOf(n+n/4+n/32))
		}
	}
	if last := sizeOf(MaxText); last+1 >= len(tapes) {
		t.Errorf("there is no place for %d nodes", last)
	}
}
