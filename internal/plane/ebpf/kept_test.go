package ebpf

import (
	"os"
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
)

// ids are the numbers of the programs that a plane has loaded or taken over.
func (p *Plane) ids(t *testing.T) (ids []ebpf.ProgramID) {
	t.Helper()
	for _, prog := range kernel.ByTag[ebpf.Program](&p.objs.vtepPrograms) {
		id, err := kernel.ProgramID(*prog)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// A process goes on with the programs of the one before where both are of the same build and
// everything is as that one left it; else it loads its own.
func TestKeptPrograms(t *testing.T) {
	w := newWorld(t)
	start := tiny()
	delete(start, "locals") // it would grow in the background as soon as a MAC is learned
	p := w.plane(Options{start: start})
	s := basic()
	w.apply(p, s, nil)
	again := func(o Options) (was, is []ebpf.ProgramID) {
		t.Helper()
		was = p.ids(t)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p = w.plane(o)
		is = p.ids(t)
		w.apply(p, s, nil)
		w.audit(p)
		return was, is
	}
	kept := func(what string, o Options) {
		t.Helper()
		if was, is := again(o); !slices.Equal(was, is) {
			t.Errorf("%s: programs %v, then %v", what, was, is)
		}
		w.send("h0", frame(bcast, macA, what))
		w.expect("h1", frame(bcast, macA, what))
	}
	loaded := func(what string, o Options) {
		t.Helper()
		was, is := again(o)
		for _, id := range is {
			if slices.Contains(was, id) {
				t.Errorf("%s: program %d is kept", what, id)
			}
		}
		w.send("h0", frame(bcast, macA, what))
		w.expect("h1", frame(bcast, macA, what))
	}
	kept("as it was", Options{})
	kept("another mode", Options{Direct: DirectOff})

	before := p.ids(t)
	w.apply(p, crowd(s), nil) // maps grow, with programs of their own
	if slices.Equal(before, p.ids(t)) {
		t.Fatal("nothing has grown")
	}
	kept("after maps grew", Options{})

	if err := os.RemoveAll(p.pins.Programs()); err != nil {
		t.Fatal(err)
	}
	loaded("without pins", Options{})
	if err := os.Remove(p.pins.MapPin("answered")); err != nil {
		t.Fatal(err)
	}
	loaded("another map", Options{})
	loaded("another port", Options{Port: 8472})
	loaded("back", Options{})
	kept("back", Options{})
	loaded("tc filter", Options{Classic: true})
	loaded("tc filter again", Options{Classic: true})
	loaded("no filter", Options{})
	kept("no filter", Options{})
}
