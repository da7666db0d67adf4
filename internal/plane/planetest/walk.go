package planetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/memory"
)

// place is a State of the random walk, made from nothing.
type place struct {
	name string
	edit func(*intent.State)
}

// routerPlaces are for planes that route.
var routerPlaces = []place{
	{"router", routed},
	{"two routers", func(s *intent.State) {
		usual(s)
		s.ARPSource = arpMAC
		gateway(s, routerA, red, 1)
		gateway(s, routerB, blue, 2)
		via(s, routerA, "10.2.0.0/16", red, address(IPv4, 1, 21))
		via(s, routerB, "::/0", blue, address(IPv6, 2, 22))
		for n := range byte(4) {
			lives(s, red, 1, n+1)
			lives(s, blue, 2, n+1)
		}
		lives(s, red, 1, 21)
		lives(s, blue, 2, 22)
	}},
	{"router alone", func(s *intent.State) {
		site(s)
		s.ARPSource = arpMAC
		delete(s.Switches, blue)
		bind(s, "p0", 0, red)
		bind(s, "p2", 100, red)
		gateway(s, routerB, red, 1)
		gateway(s, routerB, red, 2)
		lives(s, red, 1, 2)
		lives(s, red, 2, 3)
	}},
}

// places are for all.
var places = []place{
	{"nothing", func(*intent.State) {}},
	{"ports only", site},
	{"usual", usual},
	{"no tunnel IP", func(s *intent.State) {
		usual(s)
		s.TunnelIP = intent.NewState().TunnelIP
		s.Unicast.Clear()
		clear(s.Floods)
		s.Decap.Clear()
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
		s.Switches[red] = intent.Switch{Name: "red", VNI: redVNI, SwitchOptions: intent.SwitchOptions{InnerTags: true}}
	}},
	{"limited flooding", func(s *intent.State) {
		usual(s)
		option(red, func(ls *intent.Switch) { ls.Flooding, ls.ReservedMACs = intent.FloodNeighbors, 1<<2 })(s)
		option(blue, func(ls *intent.Switch) { ls.Flooding = intent.FloodNone })(s)
		flood(s, blue, group(1), tunnel(1, blueVNI))
		flood(s, red, broadcastMAC, tunnel(1, redVNI))
	}},
	{"priorities", func(s *intent.State) {
		usual(s)
		s.TunnelDSCP, s.TagPCP = intent.Priority{From: intent.Inner}, intent.Priority{From: intent.Outer}
	}},
	{"members of groups", func(s *intent.State) {
		usual(s)
		bind(s, "p2", 0, red)
		snoop(s, red)
		members(s, red, listened(1), at("p1", 0))
		members(s, red, intent.OtherGroups4, at("p2", 0))
		members(s, red, intent.Reports4)
	}},
	{"segments", func(s *intent.State) {
		usual(s)
		bind(s, "p2", 0, red)
		role(s, "p0", 0, intent.NotDesignated)
		role(s, "p2", 100, intent.Standby)
		shared(s, "p1", 0, 2)
		shared(s, "p2", 1)
		attached(s, red, station(3), "p1", 0)
		attached(s, red, station(22), "p2", 0)
	}},
	{"segments, any source", func(s *intent.State) {
		usual(s)
		s.AcceptAnySource = true
		role(s, "p0", 100, intent.NotDesignated)
		role(s, "p1", 0, intent.Standby)
		shared(s, "p0", 0, 2)
		attached(s, red, station(22), "p0", 0)
		attached(s, blue, station(21), "p0", 100)
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
	places := places
	if l.plane.Features().Routers {
		places = append(slices.Clip(places), routerPlaces...)
	}
	for step := range 4 * len(places) {
		place := places[rng.IntN(len(places))]
		l.Logf("step %d: %s", step, place.name)
		before := l.state
		l.apply(func(s *intent.State) {
			*s = *intent.NewState()
			place.edit(s)
			l.onlyWhatItCan(s)
			l.drawInterfaceACLs(rng, s)
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
			l.shut()
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
	dsts := []intent.MAC{broadcastMAC, group(1), listened(1), listened(2), {0x01, 0x80, 0xc2, 0, 0, 2}}
	for _, n := range stations {
		dsts = append(dsts, station(n))
	}
	tags := [][]uint16{nil, nil, {100}, {100}, {0}, {7}, {100, 42}, {100, 100}, {0, 100}}
	l.payload = []Payload{IPv4, IPv6, Other, arpAsks, ndAsks}[rng.IntN(5)]
	f := l.frame(stations[rng.IntN(3)], dsts[rng.IntN(len(dsts))], tags[rng.IntN(len(tags))]...)
	if len(f.Tags) > 1 && l.limits().OneTag && f.Payload > Other {
		f.Payload = Other
	}
	if f.TOS = []uint8{0, 0x02, 0xb8}[rng.IntN(3)]; len(f.Tags) > 1 && l.limits().OneTag {
		f.TOS = 0
	}
	if len(f.Tags) > 0 && rng.IntN(4) == 0 {
		f.Tags[0] |= 5 << 13
	}
	if len(f.Tags) > 0 && rng.IntN(4) == 0 && !l.limits().OneKindOfTag {
		f = f.withService(f.Tags...)
	}
	if l.limits().LearnsLate && f.Dst == f.Src {
		f.Dst = broadcastMAC
	}
	var want []Out
	frame, about := f.Bytes(), fmt.Sprintf("%v with tags %v", f.Dst, f.Tags)
	if len(l.state.Routers) > 0 && rng.IntN(2) == 0 {
		frame, about = l.toRouter(rng, f)
	}
	if rng.IntN(3) > 0 {
		port := Ports[rng.IntN(len(Ports))]
		outs, drop := fabric.FromPort(port, frame)
		for _, o := range outs {
			want = append(want, Out(o))
		}
		l.sendPort(port, frame)
		l.expect(fmt.Sprintf("%s from port %s (model: %d copies %s)", about, port, len(want), drop), want)
		return
	}
	from := tunnel(rng.IntN(len(Peers)), []uint32{redVNI, blueVNI, 7000, 0}[rng.IntN(4)])
	if len(f.Tags) < 2 && frame[12] == 0x81 {
		frame = append(slices.Clone(frame[:12]), frame[12+4*len(f.Tags):]...)
	}
	tos := []uint8{0, 0xa8, 0x02}[rng.IntN(3)]
	outs, drop := fabric.FromTunnelTOS(from.Peer, from.VNI, tos, frame)
	for _, o := range outs {
		want = append(want, Out(o))
	}
	l.sendTunnel(from, tos, frame)
	l.expect(fmt.Sprintf("%s from tunnel %v (model: %d copies %s)", about, from, len(want), drop), want)
}

// toRouter makes of f a packet for a router, or a question, of whatever address.
func (l *lab) toRouter(rng *rand.Rand, f Frame) (frame []byte, about string) {
	l.payload = families[rng.IntN(len(families))]
	hosts := []byte{1, 2, 3, 4, 21, 22, 23, 77, 254}
	any := func() netip.Addr { return l.of(byte(1+rng.IntN(4)), hosts[rng.IntN(len(hosts))]) }
	from, to := any(), any()
	for l.limits().LearnsLate && to.AsSlice()[to.BitLen()/8-1] == f.Src[5] { // to itself, where it has come just now
		to = any()
	}
	if rng.IntN(3) == 0 {
		return ask(f.Src, from, to, f.Tags...).Bytes(), fmt.Sprintf("question for %v with tags %v", to, f.Tags)
	}
	p := packet{dst: routerMAC, src: f.Src, tags: f.Tags, from: from, to: to, ttl: byte(1 + rng.IntN(3)), id: f.ID}
	if rng.IntN(4) == 0 {
		return p.icmp(echoRequest(l.payload)), fmt.Sprintf("echo of %v with tags %v", to, f.Tags)
	}
	return p.Bytes(), fmt.Sprintf("packet to %v with tags %v", to, f.Tags)
}
