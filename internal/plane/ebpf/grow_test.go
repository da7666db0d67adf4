package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

// tiny are maps that must grow for nearly everything.
func tiny() map[string]uint32 {
	sizes := map[string]uint32{}
	for name := range layout.Start {
		sizes[name] = 4
	}
	return sizes
}

func peerNumber(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + n)}) }

// crowd is more than tiny maps hold, in every map.
func crowd(s *intent.State) *intent.State {
	s.ARPSource = intent.MAC{2, 6, 5: 1}
	for n := range 40 {
		id, router := intent.SwitchID{3, byte(n)}, intent.RouterID{3, byte(n)}
		s.Switches[id] = intent.Switch{Name: fmt.Sprintf("crowd%d", n), VNI: uint32(1000 + n), Router: router}
		s.Routers[router] = intent.Router{MAC: intent.MAC{2, 6, 5: 2}}
		for _, prefix := range []netip.Prefix{
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n), 0, 1}), 24),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 5: byte(n), 15: 1}), 64),
		} {
			s.Interfaces[intent.IPKey{Switch: id, IP: prefix.Addr()}] = intent.Interface{Bits: prefix.Bits(), ACL: accessID}
			s.Routes[intent.RouteKey{Router: router, Prefix: prefix.Masked()}] = intent.Route{Switch: id}
			s.Neighbours[intent.IPKey{Switch: id, IP: prefix.Addr().Next()}] = intent.MAC{2, 4, 0, 0, 0, byte(n)}
		}
		s.Bindings[intent.BindingKey{Port: "p0", VLAN: uint16(100 + n)}] = intent.Binding{Switch: id}
		s.Bindings[intent.BindingKey{Port: "p1", VLAN: uint16(100 + n)}] = intent.Binding{Switch: id}
		to := intent.Tunnel{Peer: peerNumber(n), VNI: uint32(1000 + n)}
		s.Unicast.Set(intent.MACKey{Switch: id, MAC: intent.MAC{2, 4, 0, 0, 0, byte(n)}}, to)
		s.Floods[intent.FloodKey{Switch: id}] = intent.FloodSet{to}
		s.Decap.Set(to, id)
		s.Segments["p0"] = append(s.Segments["p0"], peerNumber(n))
		s.Neighbours[intent.IPKey{Switch: id, IP: netip.MustParseAddr("198.51.100.1")}] = intent.MAC{2, 4, 0, 0, 0, byte(n)}
	}
	s.ACLs[accessID] = intent.ACL{Ingress: denying(2000, 40)}
	s.Policies[intent.BindingKey{Port: "p0", VLAN: 100}] = intent.Policy{ACL: accessID}
	return s
}

// Maps grow with what is put into them, and with what is learned. Forwarding goes on, and what
// was known stays known.
func TestGrow(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o.start = tiny()
			p := w.plane(o)
			s := basic()
			w.apply(p, s, nil)
			w.forwards()
			before := w.counted(p)

			next := crowd(s.Clone())
			w.apply(p, next, intent.Diff(s, next))
			w.audit(p)
			for name, size := range p.sizes() {
				if _, grows := layout.Start[name]; grows && name != "locals" && name != "watched" && size < 32 {
					t.Errorf("map %s has %d entries", name, size)
				}
			}
			if after := w.counted(p); after < before || before == 0 {
				t.Errorf("the counter of p0 went from %d to %d", before, after)
			}
			w.forwards()
			b := frame(bcast, macB, "in the crowd", 139)
			w.send("h1", b)
			w.expect("h0", b)

			// Those learned while the map is replaced are learned again.
			const hosts = 200
			testenv.Eventually(t, 5*patience, func() error { // an emulated kernel is slow at loading programs
				for n := range hosts {
					w.send("h0", frame(macB, intent.MAC{2, 5, 0, 0, 0, byte(n)}, "host"))
				}
				w.barrier()
				for _, tp := range w.taps { // or they would be full
					for tp.Read() != nil {
					}
				}
				seen, err := p.Sweep(t.Context())
				if err != nil {
					return err
				}
				if len(seen) < hosts {
					return fmt.Errorf("%d MACs are learned, of %d", len(seen), hosts)
				}
				return nil
			})
			if n := p.sizes()["locals"]; n < hosts {
				t.Errorf("map locals has %d entries", n)
			}
			seen, err := p.Sweep(t.Context())
			if n := p.learnedCount(); err != nil || int(n) != len(seen) {
				t.Errorf("%d MACs are counted, %d learned, %v", n, len(seen), err)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}

			p = w.plane(o) // the next process has them as they are
			w.apply(p, next, nil)
			w.audit(p)
			again, err := p.Sweep(t.Context())
			if err != nil || len(again) < len(seen) {
				t.Errorf("%d MACs after a restart, were %d, %v", len(again), len(seen), err)
			}
			w.forwards()
			if err := p.Destroy(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// sizes are those of all maps.
func (p *Plane) sizes() map[string]uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]uint32{}
	for name, m := range p.objs.byName() {
		all[name] = (*m).MaxEntries()
	}
	return all
}

// counted is the number of frames that came in at p0, untagged.
func (w *world) counted(p *Plane) uint64 {
	w.t.Helper()
	st, err := p.Stats(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return st.Bindings[intent.BindingKey{Port: "p0"}].PacketsFromLocal
}

// unroute takes the router of a switch away, which has no other.
func unroute(s *intent.State, id intent.SwitchID) {
	sw := s.Switches[id]
	delete(s.Routers, sw.Router)
	maps.DeleteFunc(s.Routes, func(k intent.RouteKey, _ intent.Route) bool { return k.Router == sw.Router })
	maps.DeleteFunc(s.Interfaces, func(k intent.IPKey, _ intent.Interface) bool { return k.Switch == id })
	maps.DeleteFunc(s.Neighbours, func(k intent.IPKey, _ intent.MAC) bool { return k.Switch == id })
	sw.Router = intent.RouterID{}
	s.Switches[id] = sw
}

// What fails after a larger map of learned MACs has taken the place of the one before leaves it in use.
func TestGrownStays(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{afterSwap: func(old *ebpf.Map) { old.Close() }}) // so that it can't be read
	w.apply(p, basic(), nil)
	w.send("h0", frame(bcast, macA, "before"))
	w.barrier()
	p.mu.Lock()
	size := 2 * p.objs.Locals.MaxEntries()
	err := p.grow(map[string]uint32{"locals": size}, p.growing())
	p.mu.Unlock()
	if got := p.sizes()["locals"]; err != nil || got != size {
		t.Errorf("%d entries, should be %d: %v", got, size, err)
	}
	w.send("h1", frame(bcast, macB, "after"))
	w.barrier()
	if seen, err := p.Sweep(t.Context()); err != nil || len(seen) != 2 {
		t.Errorf("%d MACs, %v", len(seen), err)
	}
	w.forwards()
	w.audit(p)
}

// What the programs before have learned last is added to what those now have learned meanwhile.
func TestLearnLate(t *testing.T) {
	testenv.Root(t)
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: uint32(unsafe.Sizeof(layout.MACKey{})), ValueSize: uint32(unsafe.Sizeof(layout.Local{})), MaxEntries: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	old := layout.Local{Slot: 1, Gen: 1, Port: 1, Seen: 100}
	for n, c := range []struct {
		says      string
		now, want layout.Local
	}{
		{"not there", layout.Local{}, old},
		{"as it was copied", layout.Local{Slot: 1, Gen: 1, Port: 1, Seen: 50}, layout.Local{Slot: 1, Gen: 1, Port: 1, Seen: 50}},
		{"copied before it moved", layout.Local{Slot: 2, Gen: 1, Port: 2, Seen: 50}, old},
		{"moved since", layout.Local{Slot: 2, Gen: 1, Port: 2, Seen: 150}, layout.Local{Slot: 2, Gen: 1, Port: 2, Seen: 150}},
		{"leaving", layout.Local{Slot: 2, Gen: 1, Port: layout.Leaving, Seen: 50}, layout.Local{Slot: 2, Gen: 1, Port: layout.Leaving, Seen: 50}},
	} {
		key := layout.MACKey{BD: uint32(n)}
		if c.now != (layout.Local{}) {
			if err := m.Put(&key, &c.now); err != nil {
				t.Fatal(err)
			}
		}
		unlearn := func(...layout.MACKey) error { return m.Delete(&key) }
		var got layout.Local
		added, err := learnLate(m, key, old, unlearn)
		if err := errors.Join(err, m.Lookup(&key, &got)); err != nil || got != c.want || added != (got == old) {
			t.Errorf("%s: %+v, added: %v, %v, should be %+v", c.says, got, added, err, c.want)
		}
	}
}

// Where maps may not grow, the report says at once which and, of bindings, which do not work; what is
// forwarded goes on, and all comes right when there is room. Maps of different tables are full together:
// each new plane has the programs verified once more.
func TestNoRoom(t *testing.T) {
	w := newWorld(t)
	type full map[string]struct { // maps by their names
		table plane.Table // that the report says is full
		says  string
	}
	for _, c := range []struct {
		full     full
		bindings int // that are not in force
	}{
		{full: full{
			"remotes":    {plane.RemoteMACs, "map remotes is full (4 entries): 117 more did not fit"},
			"floods":     {plane.FloodSets, "map floods is full (4 entries)"},
			"routes4":    {plane.Routes, "map routes4 is full (4 entries): 156 more did not fit"},
			"interfaces": {plane.Interfaces, "map interfaces is full (4 entries): 156 more did not fit"},
		}},
		{full: full{
			"decaps":    {plane.Tunnels, "map decaps is full (4 entries): 37 more did not fit"},
			"chunks":    {plane.FloodSets, "map chunks is full (4 entries)"},
			"routes6":   {plane.Routes, "map routes6 is full (4 entries): 76 more did not fit"},
			"neighbors": {plane.Neighbours, "map neighbors is full (4 entries): 156 more did not fit"},
		}},
		{full: full{"gateways": {plane.Routers, "map gateways is full (4 entries): 36 more did not fit"}}},
		{full: full{"peers": {plane.Peers, "no room for more than 3 peers: nothing goes to 38 more, or comes from them"}}},
		{full: full{"bindings": {}}, bindings: 79},
		{full: full{"members": {}}, bindings: 79},
	} {
		most, says := map[string]uint32{}, map[plane.Table]string{}
		for name, of := range c.full {
			most[name] = 4
			if of.says != "" {
				says[of.table] = of.says
			}
		}
		name := fmt.Sprint(slices.Sorted(maps.Keys(most)))
		p := w.plane(Options{Name: "ps1", start: tiny(), Most: most})
		s := basic()
		w.apply(p, s, nil)
		next := crowd(s.Clone())
		maps.DeleteFunc(next.Neighbours, func(k intent.IPKey, _ intent.MAC) bool { // of the last switch there is room for four
			return k.IP == netip.MustParseAddr("198.51.100.1")
		})
		r, err := p.Apply(t.Context(), next, intent.Diff(s, next))
		if err != nil {
			t.Fatal(err)
		}
		for table, err := range r.Full {
			if want := says[table]; want == "" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: table %d: %v, should be %q", name, table, err, want)
			}
		}
		for table := range says {
			if r.Full[table] == nil {
				t.Errorf("%s: table %d is not said to be full: %v", name, table, r.Full)
			}
		}
		if len(r.Bindings) != c.bindings {
			t.Errorf("%s: %d bindings are not in force, want %d: %v", name, len(r.Bindings), c.bindings, r.Bindings)
		}
		b := frame(bcast, macA, "those that were there first")
		w.send("h0", b)
		w.expect("h1", b)

		// What was there first goes, and there is room for one more.
		fewer := next.Clone()
		for n := range 39 {
			id := intent.SwitchID{3, byte(n)}
			to := intent.Tunnel{Peer: peerNumber(n), VNI: uint32(1000 + n)}
			fewer.Unicast.Delete(intent.MACKey{Switch: id, MAC: intent.MAC{2, 4, 0, 0, 0, byte(n)}})
			delete(fewer.Floods, intent.FloodKey{Switch: id})
			fewer.Decap.Delete(to)
			unroute(fewer, id)
			for _, port := range []string{"p0", "p1"} {
				delete(fewer.Bindings, intent.BindingKey{Port: port, VLAN: uint16(100 + n)})
			}
		}
		delete(fewer.Bindings, intent.BindingKey{Port: "p1", VLAN: 139})
		fewer.Bindings[intent.BindingKey{Port: "p0", VLAN: 139}] = intent.Binding{Switch: ls1}
		if _, err := p.Apply(t.Context(), fewer, intent.Diff(next, fewer)); err != nil {
			t.Fatal(err)
		}
		if most["floods"] != 0 { // two for each switch: less is not possible
			delete(fewer.Floods, intent.FloodKey{Switch: intent.SwitchID{3, 39}})
		}
		testenv.Eventually(t, patience, func() error {
			r, err := p.Apply(t.Context(), fewer, &intent.Delta{})
			if len(r.Full) > 0 || len(r.Bindings) > 0 {
				return fmt.Errorf("%s: still %+v", name, r)
			}
			return err
		})
		w.audit(p)
		if err := p.Destroy(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// There is a port more than numbers for ports: it says so, and is served as soon as another goes.
func TestPortsFull(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := intent.NewState()
	for n := range p.objs.Quotas.MaxEntries() - 1 {
		s.Ports[fmt.Sprintf("without%d", n)] = intent.Port{}
	}
	if _, err := p.Apply(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	next := s.Clone()
	next.Ports["p1"] = intent.Port{}
	r, err := p.Apply(t.Context(), next, intent.Diff(s, next))
	if err != nil || problem.Of("", r.Ports["p1"], problem.PortRefused).Kind != problem.TableFull || !strings.Contains(r.Ports["p1"].Error(), "no room for more than 4095 ports") {
		t.Fatalf("p1: %v, %v", r.Ports["p1"], err)
	}
	last := next.Clone()
	delete(last.Ports, "without7")
	if _, err := p.Apply(t.Context(), last, intent.Diff(next, last)); err != nil {
		t.Fatal(err)
	}
	w.event(p, "there is room", func(e plane.Event) bool { return e == plane.ReportChanged{} })
	if r, err = p.Apply(t.Context(), last, &intent.Delta{}); err != nil || r.Ports["p1"] != nil {
		t.Errorf("p1: %v, %v", r.Ports["p1"], err)
	}
}

// A set that is too large is served in part, and the report says so as long as it is.
func TestCutFloodSet(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{Direct: DirectOff})
	s := basic()
	w.apply(p, s, nil)
	next := s.Clone()
	var set intent.FloodSet
	for n := range layout.FloodMax + 10 {
		to := intent.Tunnel{Peer: peerIP, VNI: uint32(100 + n)}
		set = append(set, to)
		next.Decap.Set(to, ls1)
	}
	slices.SortFunc(set, intent.Tunnel.Compare)
	next.Floods[intent.FloodKey{Switch: ls1}] = set
	const want = "the flood set of ls1 00:00:00:00:00:00 has 65546 tunnels: only the first 65536 get copies"
	r, err := p.Apply(t.Context(), next, intent.Diff(s, next))
	if err != nil || r.Full[plane.FloodSets] == nil || !strings.Contains(r.Full[plane.FloodSets].Error(), want) {
		t.Fatalf("report %v, %v", r.Full, err)
	}
	other := next.Clone()
	other.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macC}, intent.Tunnel{Peer: peerIP, VNI: 10})
	if r, err = p.Apply(t.Context(), other, intent.Diff(next, other)); err != nil || r.Full[plane.FloodSets] == nil {
		t.Errorf("after a change of something else: %v, %v", r.Full, err)
	}
	w.apply(p, s, intent.Diff(other, s)) // and nothing is wrong any more
	w.audit(p)
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// When no more MACs can be learned that is told at once, and when they can again.
func TestLocalsFull(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{Most: map[string]uint32{"locals": 16}})
	s := basic()
	w.apply(p, s, nil)
	for n := range byte(20) {
		w.send("h0", frame(macR, intent.MAC{2, 6, 0, 0, 0, n}, "host"))
	}
	changed := func(e plane.Event) bool { return e == plane.ReportChanged{} }
	w.event(p, "map locals is full", changed)
	const want = "map locals is full (16 learned MACs): no more are learned"
	if r, err := p.Apply(t.Context(), s, &intent.Delta{}); err != nil || fmt.Sprint(r.Full[plane.LearnedMACs]) != want+"; take away what is not needed, or spread it over several VTEPs" {
		t.Errorf("report %v, %v", r.Full, err)
	}
	var keys []intent.MACKey
	for n := range byte(4) {
		keys = append(keys, intent.MACKey{Switch: ls1, MAC: intent.MAC{2, 6, 0, 0, 0, n}})
	}
	if err := p.Forget(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	w.event(p, "map locals has room", changed)
	w.apply(p, s, &intent.Delta{})
}
