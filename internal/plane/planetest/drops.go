package planetest

import (
	"context"
	"fmt"
	"maps"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// Whoever asks why a frame did not arrive wants to know where it came in.
func dropPlaces(l *lab) {
	l.apply(usual)
	for range 2 {
		l.fromPort("p0", l.frame(1, station(2), 101)) // not of any binding
	}
	f := l.frame(1, broadcastMAC)
	l.fromPort("p1", f, toPort("p0", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{{Switch: red, MAC: station(1)}: at("p1", 0)})
	l.fromPort("p1", l.frame(1, station(1)))                           // where it came from
	l.fromTunnel(tunnel(2, redVNI), l.frame(30, broadcastMAC))         // of nobody who is known
	l.fromTunnel(tunnel(1, redVNI+blueVNI), l.frame(30, broadcastMAC)) // of somebody, in a VNI of nobody
	l.mustHaveDropped(map[string]uint64{"unbound_vlan": 2, "unknown_tunnel": 2, "hairpin": 1}, map[plane.PlaceDrops]uint64{
		{Reason: "unbound_vlan", Port: "p0", VLAN: 101}:               2,
		{Reason: "unknown_tunnel", Tunnel: tunnel(2, redVNI)}:         1,
		{Reason: "unknown_tunnel", Tunnel: tunnel(1, redVNI+blueVNI)}: 1,
		{Reason: "hairpin", Port: "p1"}:                               1,
	})
}

// Every frame that goes nowhere is counted, once, and for the reason that the others give.
func dropReasons(l *lab) {
	green, violet, black := intent.SwitchID{0x6e}, intent.SwitchID{0x71}, intent.SwitchID{0xb2}
	const greenVNI, violetVNI, blackVNI = 7000, 7001, 7002
	l.apply(usual)
	l.apply(func(s *intent.State) {
		s.Switches[green] = intent.Switch{Name: "green", VNI: greenVNI}
		bind(s, "p1", 7, green) // it has nobody else
		s.Switches[violet] = intent.Switch{Name: "violet", VNI: violetVNI}
		bind(s, "p2", 8, violet) // and this one only a peer
		flood(s, violet, intent.UnknownDst, tunnel(2, violetVNI))
		s.Switches[black] = intent.Switch{Name: "black", VNI: blackVNI}
		s.Decap.Set(tunnel(2, blackVNI), black) // and this one no port
	})
	f := l.frame(1, broadcastMAC)
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{{Switch: red, MAC: station(1)}: at("p0", 0)})
	none := l.dropped()

	l.fromPort("p0", l.frame(2, station(1))) // hairpin
	l.fromPort("p0", l.frame(1, station(1)))
	l.fromTunnel(tunnel(0, redVNI), l.frame(21, station(21))) // split_horizon
	l.fromTunnel(tunnel(1, redVNI), l.frame(23, station(21)))
	f = l.frame(21, broadcastMAC) // what local hosts get is not dropped
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
	l.fromPort("p0", l.frame(1, station(22), 100, 42)) // tagged_overlay
	l.fromPort("p2", l.frame(1, broadcastMAC, 8, 42))
	f = l.frame(1, broadcastMAC, 100, 42)
	l.fromPort("p0", f, toPort("p2", f))
	for _, dst := range []intent.MAC{broadcastMAC, station(77)} { // no_destination
		l.fromPort("p1", l.frame(1, dst, 7))
		l.fromPort("p1", l.frame(1, dst, 7, 42))
		l.fromTunnel(tunnel(2, blackVNI), l.frame(30, dst))
		f = l.frame(1, dst, 8)
		l.fromPort("p2", f, toTunnel(tunnel(2, violetVNI), f.withTags()))
	}
	l.fromPort("p0", l.frame(1, broadcastMAC, 0, 42)) // double_tagged: p1 has VLAN 7
	l.fromPort("p0", l.frame(1, broadcastMAC, 101))   // unbound_vlan
	l.fromPort("p2", l.frame(1, broadcastMAC))
	for _, t := range []intent.Tunnel{tunnel(2, redVNI), tunnel(0, blueVNI), tunnel(0, 9999), tunnel(0, 0)} { // unknown_tunnel
		l.fromTunnel(t, l.frame(30, broadcastMAC))
	}
	l.fromTunnel(tunnel(0, redVNI), l.frame(21, broadcastMAC, 42)) // tagged_inside
	lldp := intent.MAC{0x01, 0x80, 0xc2, 0, 0, 0x0e}
	l.fromPort("p0", l.frame(1, lldp)) // reserved
	l.fromTunnel(tunnel(0, redVNI), l.frame(21, lldp))
	f = l.frame(1, broadcastMAC) // bad_source
	f.Src = group(1)
	l.fromPort("p0", f)
	f = l.frame(21, broadcastMAC)
	f.Src = intent.MAC{}
	l.fromTunnel(tunnel(0, redVNI), f)
	f = l.frame(21, station(9)) // bfd
	f.Payload = bfdControl
	l.fromTunnel(tunnel(0, redVNI), f)

	all := map[string]uint64{
		"hairpin": 2, "split_horizon": 2, "tagged_overlay": 2, "no_destination": 6, "double_tagged": 1, "unbound_vlan": 2,
		"unknown_tunnel": 4, "tagged_inside": 1, "reserved": 2, "bad_source": 2, "bfd": 1,
	}
	for reason, n := range none {
		all[reason] += n
	}
	l.mustHaveDropped(all, map[plane.PlaceDrops]uint64{
		{Reason: "hairpin", Port: "p0"}:                         2,
		{Reason: "split_horizon", Tunnel: tunnel(0, redVNI)}:    1,
		{Reason: "tagged_overlay", Port: "p0", VLAN: 100}:       1,
		{Reason: "tagged_overlay", Port: "p2", VLAN: 8}:         1,
		{Reason: "no_destination", Port: "p1", VLAN: 7}:         4,
		{Reason: "unbound_vlan", Port: "p0", VLAN: 101}:         1,
		{Reason: "unbound_vlan", Port: "p2"}:                    1,
		{Reason: "tagged_inside", Tunnel: tunnel(0, redVNI)}:    1,
		{Reason: "no_destination", Tunnel: tunnel(2, blackVNI)}: 2,
		{Reason: "bfd", Tunnel: tunnel(0, redVNI)}:              1,
	})
}

// mustHaveDropped waits until exactly these frames are counted, and these among them by place,
// as far as the plane can tell places.
func (l *lab) mustHaveDropped(all map[string]uint64, places map[plane.PlaceDrops]uint64) {
	l.Helper()
	want := map[plane.PlaceDrops]uint64{}
	for at, n := range places {
		switch {
		case l.limits().RoughDrops && at.Port == "":
			continue
		case l.limits().RoughDrops && at.Reason == "unbound_vlan":
			at.VLAN = plane.NoVLAN
		}
		want[at] += n
	}
	testenv.Eventually(l, deadline, func() error {
		got, err := l.droppedAt()
		if err != nil {
			return err
		}
		for at, n := range want {
			if got[at] != n {
				return fmt.Errorf("%d drops of %+v, want %d; all are %+v", got[at], at, n, got)
			}
		}
		have := l.dropped()
		for reason := range have {
			if have[reason] != all[reason] {
				return fmt.Errorf("%d of %s, want %d; in all %v", have[reason], reason, all[reason], have)
			}
		}
		for reason := range all {
			if have[reason] != all[reason] {
				return fmt.Errorf("%d of %s, want %d; in all %v", have[reason], reason, all[reason], have)
			}
		}
		return nil
	})
}

// dropped gives the numbers of frames dropped since the case began, by reason.
func (l *lab) dropped() map[string]uint64 {
	l.Helper()
	return since(l.before.reasons, l.stats().Drops)
}

// droppedAt is the same by place: they are PlaceDrops without a Count.
func (l *lab) droppedAt() (map[plane.PlaceDrops]uint64, error) {
	list, err := l.plane.DropsByPlace(context.Background())
	if err != nil {
		return nil, err
	}
	all := map[plane.PlaceDrops]uint64{}
	for _, d := range list {
		n := d.Count
		d.Count = 0
		all[d] += n
	}
	return since(l.before.places, all), nil
}

func since[K comparable](before, now map[K]uint64) map[K]uint64 {
	m := map[K]uint64{}
	for k, n := range now {
		if n > before[k] {
			m[k] = n - before[k]
		}
	}
	return m
}

// drops is what had been dropped before the case began.
type drops struct {
	reasons map[string]uint64
	places  map[plane.PlaceDrops]uint64
}

func (l *lab) noteDrops() {
	l.Helper()
	reasons := l.dropped()
	places, err := l.droppedAt()
	if err != nil {
		l.Fatalf("drops by place: %v", err)
	}
	// A port counts from nothing when it comes, whatever was counted at its device before.
	maps.DeleteFunc(places, func(at plane.PlaceDrops, _ uint64) bool {
		_, is := l.state.Ports[at.Port]
		return at.Port != "" && !is
	})
	l.before = drops{reasons, places}
}
