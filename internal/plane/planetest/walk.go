package planetest

import (
	"fmt"
	"maps"
	"math/rand/v2"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/memory"
)

// places are the States of the random walk, each made from nothing.
var places = []struct {
	name string
	edit func(*intent.State)
}{
	{"nothing", func(*intent.State) {}},
	{"ports only", site},
	{"usual", usual},
	{"no tunnel IP", func(s *intent.State) {
		usual(s)
		s.TunnelIP = intent.NewState().TunnelIP
		clear(s.Unicast)
		clear(s.Floods)
		clear(s.Decap)
	}},
	{"switches swapped", func(s *intent.State) {
		site(s)
		bind(s, "p0", 0, blue)
		bind(s, "p1", 0, blue)
		bind(s, "p0", 100, red)
		bind(s, "p2", 100, red)
		remote(s, blue, station(21), tunnel(0, redVNI))
		remote(s, red, station(22), tunnel(1, blueVNI))
		flood(s, blue, intent.UnknownDst, tunnel(0, redVNI))
		flood(s, red, intent.UnknownDst, tunnel(1, blueVNI), tunnel(2, blueVNI))
	}},
	{"one switch", func(s *intent.State) {
		site(s)
		delete(s.Switches, blue)
		for _, p := range Ports {
			bind(s, p, 0, red)
			bind(s, p, 100, red)
		}
		remote(s, red, station(22), tunnel(2, 7000))
		flood(s, red, broadcastMAC, tunnel(0, redVNI), tunnel(1, redVNI), tunnel(2, redVNI))
	}},
	{"service tags, tags in tunnels", func(s *intent.State) {
		usual(s)
		s.Ports["p0"] = intent.Port{ServiceTags: true}
		s.Switches[red] = intent.Switch{Name: "red", VNI: redVNI, InnerTags: true}
	}},
	{"priorities", func(s *intent.State) {
		usual(s)
		s.TunnelDSCP, s.TagPCP = intent.Priority{From: intent.Inner}, intent.Priority{From: intent.Outer}
	}},
	{"any source, port p2 gone", func(s *intent.State) {
		usual(s)
		s.AcceptAnySource = true
		delete(s.Bindings, at("p2", 100))
		delete(s.Ports, "p2")
		flood(s, red, intent.UnknownDst)
		flood(s, blue, intent.UnknownDst, tunnel(1, blueVNI), tunnel(2, blueVNI))
	}},
}

// randomWalk goes from place to place, now and then with a new plane, and looks after each
// step at what becomes of frames of every kind.
func randomWalk(l *lab) {
	seed := rand.Uint64()
	l.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	fabric := memory.New(memory.Options{})
	for _, p := range Ports {
		fabric.AddDevice(p)
	}
	model := fabric.Open()
	if _, err := model.Apply(l.Context(), l.state, nil); err != nil {
		l.Fatal(err)
	}
	for step := range 4 * len(places) {
		place := places[rng.IntN(len(places))]
		l.Logf("step %d: %s", step, place.name)
		before := l.state
		l.apply(func(s *intent.State) {
			*s = *intent.NewState()
			place.edit(s)
			if l.limits().NoPriorities {
				s.TunnelDSCP, s.TagPCP = intent.Priority{}, intent.Priority{}
			}
			for name := range s.Ports {
				if l.limits().OneKindOfTag {
					s.Ports[name] = intent.Port{}
				}
			}
		})
		if _, err := model.Apply(l.Context(), l.state, intent.Diff(before, l.state)); err != nil {
			l.Fatal(err)
		}
		if rng.IntN(4) == 0 {
			if err := l.plane.Close(); err != nil {
				l.Fatalf("close: %v", err)
			}
			l.open()
		}
		l.audit()
		for range 8 {
			l.probe(rng, fabric)
		}
		want := map[intent.MACKey]intent.BindingKey{}
		sightings, err := model.Sweep(l.Context())
		if err != nil {
			l.Fatal(err)
		}
		for _, s := range sightings {
			want[s.Key] = s.At
		}
		l.mustHaveLearned(maps.Clone(want))
	}
}

// probe sends one frame and expects what the model says.
func (l *lab) probe(rng *rand.Rand, fabric *memory.Fabric) {
	l.Helper()
	stations := []byte{1, 2, 3, 21, 22, 30}
	dsts := []intent.MAC{broadcastMAC, group(1), {0x01, 0x80, 0xc2, 0, 0, 2}}
	for _, n := range stations {
		dsts = append(dsts, station(n))
	}
	tags := [][]uint16{nil, nil, {100}, {100}, {0}, {7}, {100, 42}, {100, 100}, {0, 100}}
	l.payload = Payload(rng.IntN(3))
	f := l.frame(stations[rng.IntN(3)], dsts[rng.IntN(len(dsts))], tags[rng.IntN(len(tags))]...)
	f.TOS = []uint8{0, 0x02, 0xb8}[rng.IntN(3)]
	if len(f.Tags) > 0 && rng.IntN(4) == 0 && !l.limits().NoPriorities {
		f.Tags[0] |= 5 << 13
	}
	if len(f.Tags) > 0 && rng.IntN(4) == 0 && !l.limits().OneKindOfTag {
		f = f.withService(f.Tags...)
	}
	if l.limits().LearnsLate && f.Dst == f.Src {
		f.Dst = broadcastMAC
	}
	var want []Out
	if rng.IntN(3) > 0 {
		port := Ports[rng.IntN(len(Ports))]
		outs, drop := fabric.FromPort(port, f.Bytes())
		for _, o := range outs {
			want = append(want, Out(o))
		}
		l.harness.FromPort(l, port, f.Bytes())
		l.expect(fmt.Sprintf("%v with tags %v from port %s (model: %d copies %s)", f.Dst, f.Tags, port, len(want), drop), want)
		return
	}
	from := tunnel(rng.IntN(len(Peers)), []uint32{redVNI, blueVNI, 7000, 0}[rng.IntN(4)])
	if len(f.Tags) < 2 {
		f = f.withTags()
	}
	tos := []uint8{0, 0xa8, 0x02}[rng.IntN(3)]
	outs, drop := fabric.FromTunnelTOS(from.Peer, from.VNI, tos, f.Bytes())
	for _, o := range outs {
		want = append(want, Out(o))
	}
	l.harness.FromTunnel(l, from, tos, f.Bytes())
	l.expect(fmt.Sprintf("%v with tags %v from tunnel %v (model: %d copies %s)", f.Dst, f.Tags, from, len(want), drop), want)
}
