package planetest

import (
	"context"
	"fmt"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

func (l *lab) stats() plane.Stats {
	l.Helper()
	s, err := l.plane.Stats(context.Background())
	if err != nil {
		l.Fatalf("stats: %v", err)
	}
	return s
}

// Direction is seen from the hosts; bytes are without the binding's tag.
func counters(l *lab) {
	l.apply(usual)
	size := uint64(len(l.frame(0, station(0)).Bytes()))
	f := l.frame(1, station(21), 100) // unknown in blue: p2 and a tunnel
	l.fromPort("p0", f, toPort("p2", f), toTunnel(tunnel(1, blueVNI), f.withTags()))
	f = l.frame(1, station(22), 100)
	l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f.withTags()))
	f = l.frame(22, station(1))
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withTags(100)))
	f = l.frame(2, station(1)) // the same MAC is unknown in red
	l.fromPort("p1", f, toPort("p0", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	l.fromPort("p0", l.frame(1, station(2), 101))              // not of any binding
	l.fromTunnel(tunnel(2, redVNI), l.frame(30, broadcastMAC)) // not accepted

	want := map[intent.BindingKey]plane.Counters{
		at("p0", 100): {PacketsFromLocal: 2, BytesFromLocal: 2 * size, PacketsToLocal: 1, BytesToLocal: size},
		at("p2", 100): {PacketsToLocal: 1, BytesToLocal: size},
		at("p1", 0):   {PacketsFromLocal: 1, BytesFromLocal: size},
		at("p0", 0):   {PacketsToLocal: 1, BytesToLocal: size},
	}
	if l.limits().CountsTags {
		w := want[at("p2", 100)] // it came with a tag from p0
		w.BytesToLocal += 4
		want[at("p2", 100)] = w
	}
	testenv.Eventually(l, deadline, func() error {
		got := l.stats().Bindings
		for at, w := range want {
			if got[at] != w {
				return fmt.Errorf("counters of %v are %+v, should be %+v", at, got[at], w)
			}
		}
		if len(got) != len(want) {
			return fmt.Errorf("counters of %d bindings, want %d", len(got), len(want))
		}
		return nil
	})
}

// Whoever asks why a frame did not arrive wants to know where it came in.
func dropPlaces(l *lab) {
	l.apply(usual)
	for range 2 {
		l.fromPort("p0", l.frame(1, station(2), 101)) // not of any binding
	}
	if !l.limits().RoughDrops {
		l.fromPort("p1", l.frame(1, station(1))) // where it came from, after this one
	}
	l.fromTunnel(tunnel(2, redVNI), l.frame(30, broadcastMAC))         // of nobody who is known
	l.fromTunnel(tunnel(1, redVNI+blueVNI), l.frame(30, broadcastMAC)) // of somebody, in a VNI of nobody
	want := map[plane.PlaceDrops]uint64{
		{Reason: "unbound_vlan", Port: "p0", VLAN: 101}:               2,
		{Reason: "unknown_tunnel", Tunnel: tunnel(2, redVNI)}:         1,
		{Reason: "unknown_tunnel", Tunnel: tunnel(1, redVNI+blueVNI)}: 1,
		{Reason: "hairpin", Port: "p1"}:                               1,
	}
	totals := map[string]uint64{"unbound_vlan": 2, "unknown_tunnel": 2, "hairpin": 1}
	if l.limits().RoughDrops {
		want = map[plane.PlaceDrops]uint64{{Reason: "unbound_vlan", Port: "p0", VLAN: plane.NoVLAN}: 2}
		totals = map[string]uint64{"unbound_vlan": 2, "unknown_tunnel": 1}
	}
	testenv.Eventually(l, deadline, func() error {
		list, err := l.plane.DropsByPlace(context.Background())
		if err != nil {
			return err
		}
		got := map[plane.PlaceDrops]uint64{}
		for _, d := range list {
			n := d.Count
			d.Count = 0
			got[d] += n
		}
		for at, n := range want {
			if got[at] != n {
				return fmt.Errorf("%d drops of %+v, want %d; all are %+v", got[at], at, n, got)
			}
		}
		for reason, n := range totals {
			if all := l.stats().Drops; all[reason] != n {
				return fmt.Errorf("in all %v", all)
			}
		}
		return nil
	})
}
