package planetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

func learning(l *lab) {
	l.apply(usual)
	f := l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	f = l.frame(1, station(22), 100) // the same MAC in another switch
	l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f.withTags()))
	f = l.frame(2, station(1))
	l.fromPort("p1", f, toPort("p0", f))

	inRed, inBlue := intent.MACKey{Switch: red, MAC: station(1)}, intent.MACKey{Switch: blue, MAC: station(1)}
	two := intent.MACKey{Switch: red, MAC: station(2)}
	l.seen(inRed, at("p0", 0))
	l.seen(inBlue, at("p0", 100))
	l.seen(two, at("p1", 0))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{
		inRed: at("p0", 0), inBlue: at("p0", 100), two: at("p1", 0),
	})
	f = l.frame(21, station(2))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p1", f))
}

func learningIgnores(l *lab) {
	l.apply(usual)
	before := l.stats().Drops["bad_source"]
	sources := []intent.MAC{{}, broadcastMAC, group(1)}
	for _, src := range sources {
		for _, dst := range []intent.MAC{station(21), broadcastMAC} {
			l.lastID++
			l.fromPort("p0", Frame{Dst: dst, Src: src, Payload: l.payload, ID: l.lastID})
			l.lastID++
			l.fromTunnel(tunnel(0, redVNI), Frame{Dst: dst, Src: src, Payload: l.payload, ID: l.lastID})
		}
	}
	testenv.Eventually(l, deadline, func() error {
		if n := l.stats().Drops["bad_source"] - before; n != uint64(4*len(sources)) {
			return fmt.Errorf("%d frames are counted as bad_source, not %d", n, 4*len(sources))
		}
		return nil
	})
	f := l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{{Switch: red, MAC: station(1)}: at("p0", 0)})
}

func move(l *lab) {
	l.apply(usual)
	key := intent.MACKey{Switch: red, MAC: station(1)}
	for _, port := range []string{"p0", "p1", "p0"} {
		f := l.frame(1, station(21))
		l.fromPort(port, f, toTunnel(tunnel(0, redVNI), f))
		l.seen(key, at(port, 0))
		l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{key: at(port, 0)})
		f = l.frame(21, station(1))
		l.fromTunnel(tunnel(0, redVNI), f, toPort(port, f))
	}
	// Between VLANs of one port.
	l.apply(func(s *intent.State) { bind(s, "p0", 7, red) })
	f := l.frame(1, station(21), 7)
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f.withTags()))
	l.seen(key, at("p0", 7))
	f = l.frame(21, station(1))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f.withTags(7)))
}

func forget(l *lab) {
	l.apply(usual)
	f := l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	key := intent.MACKey{Switch: red, MAC: station(1)}
	l.seen(key, at("p0", 0))
	unknown := intent.MACKey{Switch: red, MAC: station(99)}
	if err := l.plane.Forget(context.Background(), []intent.MACKey{key, unknown}); err != nil {
		l.Fatalf("forget: %v", err)
	}
	l.mustHaveLearned(nil)
	f = l.frame(21, station(1))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
	f = l.frame(1, station(21)) // it is new again
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	l.seen(key, at("p0", 0))
}

func portLimit(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) { s.Ports["p0"] = intent.Port{MACLimit: 3} })
	want := map[intent.MACKey]intent.BindingKey{}
	for n := byte(1); n <= 6; n++ {
		f := l.frame(n, station(21)) // forwarded, learned or not
		l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
		if n <= 3 {
			want[intent.MACKey{Switch: red, MAC: station(n)}] = at("p0", 0)
		}
	}
	l.mustHaveLearned(want)
	f := l.frame(7, station(21)) // another port is not concerned
	l.fromPort("p1", f, toTunnel(tunnel(0, redVNI), f))
	want[intent.MACKey{Switch: red, MAC: station(7)}] = at("p1", 0)
	l.mustHaveLearned(want)
	// A MAC that is forgotten makes place for another.
	gone := intent.MACKey{Switch: red, MAC: station(2)}
	if err := l.plane.Forget(context.Background(), []intent.MACKey{gone}); err != nil {
		l.Fatalf("forget: %v", err)
	}
	delete(want, gone)
	f = l.frame(8, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	want[intent.MACKey{Switch: red, MAC: station(8)}] = at("p0", 0)
	l.mustHaveLearned(want)
}

func restart(l *lab) {
	l.apply(usual)
	f := l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	f = l.frame(2, station(21))
	l.fromPort("p1", f, toTunnel(tunnel(0, redVNI), f))
	want := map[intent.MACKey]intent.BindingKey{
		{Switch: red, MAC: station(1)}: at("p0", 0),
		{Switch: red, MAC: station(2)}: at("p1", 0),
	}
	l.mustHaveLearned(want)
	l.remember()
	before := l.stats()

	l.shut()
	f = l.frame(1, station(2)) // nobody is there, and all goes on
	l.fromPort("p0", f, toPort("p1", f))
	f = l.frame(21, station(1))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f))

	l.state.Switches[green] = intent.Switch{Name: "green", VNI: 7000}
	l.open()
	l.mustHaveLearned(want)
	l.mustRemember(red, blue) // the third one is new
	f = l.frame(1, station(2))
	l.fromPort("p0", f, toPort("p1", f))
	after := l.stats()
	for at, c := range before.Bindings {
		if n := after.Bindings[at]; n.PacketsFromLocal < c.PacketsFromLocal || n.PacketsToLocal < c.PacketsToLocal {
			l.Errorf("counters of %v went back from %+v to %+v", at, c, n)
		}
	}

	// What changed while nobody was there is put right, and nothing else is lost.
	l.shut()
	delete(l.state.Bindings, at("p1", 0))
	remote(l.state, red, station(23), tunnel(2, redVNI))
	l.open()
	delete(want, intent.MACKey{Switch: red, MAC: station(2)})
	l.mustHaveLearned(want)
	l.fromPort("p1", l.frame(2, station(1)))
	f = l.frame(1, station(23))
	l.fromPort("p0", f, toTunnel(tunnel(2, redVNI), f))
}

// mustRemember has the plane remember these switches, if it can.
func (l *lab) mustRemember(want ...intent.SwitchID) {
	l.Helper()
	p, ok := l.plane.(plane.Rememberer)
	if !ok {
		return
	}
	have, err := p.Remembered(context.Background())
	if err != nil {
		l.Fatalf("remembered: %v", err)
	}
	for id := range l.state.Switches {
		if have[id] != slices.Contains(want, id) {
			l.Errorf("of an earlier process it remembers %v, should remember %v", have, want)
		}
	}
}

// remember tells the plane that it knows all, if it can keep that in mind.
func (l *lab) remember() {
	l.Helper()
	if p, ok := l.plane.(plane.Rememberer); ok {
		if err := p.Remember(context.Background(), true); err != nil {
			l.Fatalf("remember: %v", err)
		}
	}
}

func missingDevice(l *lab) {
	l.apply(usual)
	l.harness.RemoveDevice(l, "p1")
	l.event("p1 is gone", func(e plane.Event) bool {
		port, ok := e.(plane.PortChanged)
		return ok && port.Name == "p1" && !port.Exists
	})
	r := l.try(func(s *intent.State) { bind(s, "p1", 5, red) })
	if r.Ports["p1"] == nil || r.Bindings[at("p1", 0)] == nil || r.Bindings[at("p1", 5)] == nil {
		l.Errorf("report %+v says nothing of p1", r)
	}
	if r.Ports["p0"] != nil || r.Bindings[at("p0", 0)] != nil {
		l.Errorf("report %+v: p0 is well", r)
	}
	f := l.frame(1, broadcastMAC) // the others go on
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))

	l.harness.AddDevice(l, "p1")
	l.event("p1 is back", func(e plane.Event) bool {
		port, ok := e.(plane.PortChanged)
		return ok && port.Name == "p1" && port.Exists
	})
	if r := l.apply(func(*intent.State) {}); r.Ports["p1"] != nil || r.Bindings[at("p1", 0)] != nil {
		l.Errorf("report %+v: p1 is back", r)
	}
	f = l.frame(2, station(1)) // by itself
	l.fromPort("p1", f, toPort("p0", f))
	f = l.frame(2, station(1), 5)
	l.fromPort("p1", f, toPort("p0", f.withTags()))
}

// watch is for planes that can tell of single frames.
func watch(l *lab) {
	watcher, ok := l.plane.(plane.Watcher)
	if !ok {
		return
	}
	l.apply(usual)
	one, two := intent.MACKey{Switch: red, MAC: station(1)}, intent.MACKey{Switch: red, MAC: station(2)}
	speak := func(port string, n byte) {
		l.Helper()
		f := l.frame(n, station(21))
		l.fromPort(port, f, toTunnel(tunnel(0, redVNI), f))
	}
	speak("p0", 1)
	l.seen(one, at("p0", 0))
	speak("p1", 2)
	l.seen(two, at("p1", 0))
	unknown := intent.MACKey{Switch: red, MAC: station(99)}
	for range 2 { // once for each time
		if err := watcher.Watch(context.Background(), []intent.MACKey{one, unknown}); err != nil {
			l.Fatalf("watch: %v", err)
		}
		speak("p1", 2)
		l.untold(one)
		l.untold(two)
		speak("p0", 1)
		l.seen(one, at("p0", 0))
		speak("p0", 1)
		l.untold(one)
	}
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{one: at("p0", 0), two: at("p1", 0)})

	// What is watched may be forgotten, and is then new.
	if err := watcher.Watch(context.Background(), []intent.MACKey{one}); err != nil {
		l.Fatalf("watch: %v", err)
	}
	if err := l.plane.Forget(context.Background(), []intent.MACKey{one}); err != nil {
		l.Fatalf("forget: %v", err)
	}
	speak("p0", 1)
	l.seen(one, at("p0", 0))
	speak("p0", 1)
	l.untold(one)
}

// untold checks that nothing was told of a MAC: what comes next is told of another one.
func (l *lab) untold(key intent.MACKey) {
	l.Helper()
	f := l.frame(60, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	next := intent.MACKey{Switch: red, MAC: station(60)}
	l.event(fmt.Sprintf("seen %v", next), func(e plane.Event) bool {
		seen, ok := e.(plane.Seen)
		if ok && seen.Key == key {
			l.Errorf("told of %v, which nobody has asked for", key)
		}
		return ok && seen.Key == next
	})
	if err := l.plane.Forget(context.Background(), []intent.MACKey{next}); err != nil {
		l.Fatalf("forget: %v", err)
	}
}
