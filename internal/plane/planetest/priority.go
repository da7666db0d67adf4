package planetest

import (
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// A DSCP and a PCP, and how a TCI has the latter.
const (
	ef   = 46 << 2 // TOS of expedited forwarding
	pcp3 = 3 << 13
	pcp5 = 5 << 13
	pcp6 = 6 << 13
)

// What leaves has the priority that the State says: a number, that of the packet in the frame, or
// that of what was around the frame when it came.
func priorities(l *lab) {
	l.apply(usual)
	set := func(dscp, pcp intent.Priority) {
		l.apply(func(s *intent.State) { s.TunnelDSCP, s.TagPCP = dscp, pcp })
	}
	ip := l.payload != Other
	inner := func(of uint8) uint8 { // what there is to be seen of a packet's TOS
		if ip {
			return of
		}
		return 0
	}
	frame := func(src byte, dst intent.MAC, tos uint8, vids ...uint16) Frame {
		f := l.frame(src, dst, vids...)
		f.TOS = tos
		return f
	}

	// All is 0, whatever comes.
	f := frame(1, station(22), ef, 100|pcp5)
	l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f.withTags()))
	f = frame(3, station(1), ef, 100|pcp5)
	l.fromPort("p2", f, toPort("p0", f.withTags(100)))
	f = frame(22, station(1), ef)
	l.fromTunnelTOS(tunnel(1, blueVNI), ef, f, toPort("p0", f.withTags(100)))
	can := l.plane.Features()

	set(intent.Priority{Value: 34}, intent.Priority{Value: 6})
	f = frame(1, station(22), ef, 100|pcp5)
	l.fromPort("p0", f, toTunnelTOS(tunnel(1, blueVNI), 34<<2, f.withTags()))
	f = frame(1, broadcastMAC, ef)
	l.fromPort("p0", f, toPort("p1", f), toTunnelTOS(tunnel(0, redVNI), 34<<2, f), toTunnelTOS(tunnel(1, redVNI), 34<<2, f))
	f = frame(22, station(1), 0)
	l.fromTunnelTOS(tunnel(1, blueVNI), ef, f, toPort("p0", f.withTags(100|pcp6)))
	f = frame(22, broadcastMAC, 0)
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withTags(100|pcp6)), toPort("p2", f.withTags(100|pcp6)))

	set(intent.Priority{From: intent.Inner}, intent.Priority{Value: 6})
	f = frame(1, station(22), ef|1, 100|pcp3)
	l.fromPort("p0", f, toTunnelTOS(tunnel(1, blueVNI), inner(ef|1), f.withTags()))
	f = frame(3, broadcastMAC, ef, 100|pcp3)
	l.fromPort("p2", f, toPort("p0", f.withTags(100|pcp6)), toTunnelTOS(tunnel(1, blueVNI), inner(ef), f.withTags()))
	if can.TagPCP == plane.FixedPriority {
		set(intent.Priority{}, intent.Priority{})
		f = frame(1, station(22), ef, 100|pcp5)
		l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f.withTags()))
		f = frame(3, station(1), ef, 100|pcp5)
		l.fromPort("p2", f, toPort("p0", f.withTags(100)))
		return
	}

	set(intent.Priority{From: intent.Inner}, intent.Priority{From: intent.Inner})
	f = frame(1, station(22), ef, 100|pcp3)
	l.fromPort("p0", f, toTunnelTOS(tunnel(1, blueVNI), inner(ef), f.withTags()))
	f = frame(3, broadcastMAC, ef, 100|pcp3)
	pcp := uint16(inner(ef)) >> 5 << 13
	l.fromPort("p2", f, toPort("p0", f.withTags(100|pcp)), toTunnelTOS(tunnel(1, blueVNI), inner(ef), f.withTags()))
	f = frame(22, station(3), ef)
	l.fromTunnelTOS(tunnel(1, blueVNI), 10<<2, f, toPort("p2", f.withTags(100|pcp)))

	set(intent.Priority{From: intent.Outer}, intent.Priority{From: intent.Outer})
	f = frame(1, station(22), ef, 100|pcp3)
	l.fromPort("p0", f, toTunnelTOS(tunnel(1, blueVNI), 3<<5, f.withTags()))
	f = frame(1, station(21), ef) // there was nothing around it
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	f = frame(1, station(21), ef, pcp5) // a priority tag
	l.fromPort("p0", f, toTunnelTOS(tunnel(0, redVNI), 5<<5, f.withTags()))
	f = frame(3, station(1), ef, 100|pcp5)
	l.fromPort("p2", f, toPort("p0", f.withTags(100|pcp5)))
	f = frame(22, station(1), ef)
	l.fromTunnelTOS(tunnel(1, blueVNI), 26<<2, f, toPort("p0", f.withTags(100|pcp3)))
	f = frame(22, broadcastMAC, ef)
	l.fromTunnelTOS(tunnel(1, blueVNI), 26<<2|1, f, toPort("p0", f.withTags(100|pcp3)), toPort("p2", f.withTags(100|pcp3)))
	f = frame(21, station(1), ef)
	l.fromTunnelTOS(tunnel(0, redVNI), 26<<2, f, toPort("p0", f)) // no tag, no PCP

	// A tag that stays is data: its PCP is as it was. What is behind it is still the packet.
	l.apply(func(s *intent.State) {
		s.Switches[blue] = intent.Switch{Name: "blue", VNI: blueVNI, SwitchOptions: intent.SwitchOptions{InnerTags: true}}
		s.TunnelDSCP = intent.Priority{From: intent.Inner}
	})
	f = frame(1, station(22), ef, 100|pcp3, 42|pcp6)
	l.fromPort("p0", f, toTunnelTOS(tunnel(1, blueVNI), inner(ef), f.withTags(42|pcp6)))
	f = frame(22, station(1), 0, 42|pcp6)
	l.fromTunnelTOS(tunnel(1, blueVNI), ef, f, toPort("p0", f.withTags(100|pcp5, 42|pcp6)))
	set(intent.Priority{}, intent.Priority{})
	f = frame(1, station(22), ef, 100|pcp5)
	l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f.withTags()))
}

// Congestion is told across tunnels as Linux does it (RFC 3168, 9.1.1, and RFC 6040, 4.2): outside it
// can be noted if it can be inside, and what was noted on the way is noted inside.
func congestion(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) { s.TunnelDSCP = intent.Priority{Value: 10} })
	dscp := l.state.TunnelDSCP.Value << 2
	const capable0, capable1, experienced = 2, 1, 3
	for in, out := range map[uint8]uint8{0: 0, capable0: capable0, capable1: capable1, experienced: capable0} {
		if l.payload == Other {
			out = 0
		}
		f := l.frame(1, station(21))
		f.TOS = in
		l.fromPort("p0", f, toTunnelTOS(tunnel(0, redVNI), dscp|out, f))
	}
	for _, outer := range []uint8{0, capable0, capable1, experienced} {
		for _, in := range []uint8{0, capable0, capable1, experienced} {
			f := l.frame(21, station(1))
			f.TOS = in
			got := f
			switch {
			case l.payload == Other:
			case outer == experienced && in == 0: // it could not be told
				l.fromTunnelTOS(tunnel(0, redVNI), outer, f)
				continue
			case outer == experienced, outer == capable1 && in == capable0 && !l.limits().LeavesECT1:
				got.TOS = outer
			}
			l.fromTunnelTOS(tunnel(0, redVNI), outer, f, toPort("p0", got))
		}
	}
}
