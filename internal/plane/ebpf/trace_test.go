package ebpf

import (
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/trace"
)

// traced asks both the rules and the programs about a frame, which have to agree.
func (w *world) traced(p *Plane, fr plane.Arriving) memory.Outcome {
	w.t.Helper()
	out, err := memory.Rehearse(w.t.Context(), p, fr)
	if err != nil {
		w.t.Fatal(err)
	}
	is, err := p.Rehearse(w.t.Context(), fr, out.Entries)
	if err != nil {
		w.t.Fatal(err)
	}
	if !trace.Agree(out, is) {
		w.t.Errorf("at %s: by the rules %d copies, %s; by %s %d, %v", fr.Port, len(out.Outs), out.Drop, is.Way, len(is.Copies), is.Drops)
	}
	return out
}

// What does not fit is dropped, by the rules and by the programs, and the same is told to its sender.
func TestTraceTooBig(t *testing.T) {
	w := newWorld(t)
	w.links(w.vtep, func(l *netlink.Handle) error { // this one takes what a tunnel does not
		p1, err := l.LinkByName("p1")
		if err != nil {
			return err
		}
		return l.LinkSetMTU(p1, 2000)
	})
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	fragmentable := ipFrame(macR, macA, 1600)
	fragmentable[20] = 0
	for name, c := range map[string]struct {
		port  string
		frame []byte
		drop  memory.Drop
		outs  int
	}{
		"to a tunnel":                    {"p0", ipFrame(macR, macA, 1600), memory.TooBig, 1}, // the sender is told
		"to a tunnel, IPv6":              {"p0", ip6Frame(macR, macA, 1600), memory.TooBig, 1},
		"to a tunnel, may be fragmented": {"p0", fragmentable, memory.TooBig, 0},
		"to an unknown host":             {"p0", ipFrame(macC, macA, 1600), memory.Forwarded, 2},
		"to an unknown host, from p1":    {"p1", ipFrame(macC, macB, 1600), memory.Forwarded, 1},
		"to all":                         {"p0", ipFrame(bcast, macA, 1600), memory.Forwarded, 1},
		"to all, from p1":                {"p1", ipFrame(bcast, macB, 1600), memory.TooBig, 0},
		"to a port":                      {"p1", ipFrame(macA, macB, 1600), memory.TooBig, 0},
	} {
		out := w.traced(p, plane.Arriving{Port: c.port, Frame: c.frame})
		if out.Drop != c.drop || len(out.Outs) != c.outs {
			t.Errorf("%s: %q, %d copies", name, out.Drop, len(out.Outs))
		}
	}
	w.audit(p)
}

// A trace goes by what is in the maps, not by what should be, and leaves no trace itself.
func TestTraceInstalled(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	w.apply(p, s, nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	fr := plane.Arriving{Port: "p0", Frame: ipFrame(macR, macA, 64)}
	before := w.drops(p)
	out := w.traced(p, fr)
	if len(out.Outs) != 1 || out.Outs[0].Port != "" {
		t.Fatalf("%+v", out.Outs)
	}
	key := layout.MACKey{BD: p.contents.ByUUID[ls1].BD, MAC: macR}
	had, _ := look[layout.MACKey, layout.Remote](&reading{}, p.objs.Remotes, key)
	if err := p.objs.Remotes.Delete(&key); err != nil {
		t.Fatal(err)
	}
	out = w.traced(p, fr)
	if len(out.Outs) < 2 { // it is flooded now
		t.Errorf("%+v", out.Outs)
	}
	e := plane.Entry{Kind: plane.EntryUnicast, Switch: ls1, MAC: macR}
	want := plane.NewInstalled()
	want.Take(s, e)
	if is, should := out.Installed.Text(e), want.Text(e); is != "" || should == "" {
		t.Errorf("is %q, should be %q", is, should)
	}
	if err := p.objs.Remotes.Put(&key, &had); err != nil {
		t.Fatal(err)
	}
	unbound := plane.Arriving{Port: "p0", Frame: frame(bcast, macC, "", 99)}
	if out := w.traced(p, unbound); out.Drop != memory.UnboundVLAN {
		t.Errorf("%q", out.Drop)
	}
	for reason, n := range w.drops(p) {
		if n != before[reason] {
			t.Errorf("%s was counted", reason)
		}
	}
	if all, err := p.Sweep(t.Context()); err != nil || len(all) != 1 || all[0].Key != (intent.MACKey{Switch: ls1, MAC: macA}) {
		t.Errorf("learned %+v, %v", all, err)
	}
	w.audit(p)
}
