package planetest

import "github.com/vtep/vtep/internal/intent"

// A port may have service tags: its VLANs are those of service tags, and a customer tag is
// data, with a VLAN 0 binding as any other.
func serviceTags(l *lab) {
	l.apply(site)
	report := l.try(func(s *intent.State) {
		s.Ports["p0"] = intent.Port{ServiceTags: true}
		bind(s, "p0", 100, red)
		bind(s, "p1", 200, red)
		bind(s, "p2", 0, red)
	})
	if l.limits().OneKindOfTag { // then it says so, and keeps the port out
		if report.Ports["p0"] == nil || report.Bindings[at("p0", 100)] == nil {
			l.Errorf("report %+v says nothing of p0", report)
		}
		l.fromPort("p0", l.frame(1, broadcastMAC, 100))
		f := l.frame(2, broadcastMAC, 200)
		l.fromPort("p1", f, toPort("p2", f.withTags()))
		return
	}
	f := l.frame(1, broadcastMAC).withService(100)
	l.fromPort("p0", f, toPort("p1", f.withTags(200)), toPort("p2", f.withTags()))
	f = l.frame(2, station(1), 200)
	l.fromPort("p1", f, toPort("p0", f.withService(100)))
	f = l.frame(2, broadcastMAC, 200)
	l.fromPort("p1", f, toPort("p0", f.withService(100)), toPort("p2", f.withTags()))
	f = l.frame(1, station(2)).withService(100, 42)
	l.fromPort("p0", f, toPort("p1", f.withTags(200, 42)))
	f = l.frame(2, station(1), 200, 42)
	l.fromPort("p1", f, toPort("p0", f.withService(100, 42)))

	l.fromPort("p0", l.frame(1, broadcastMAC, 100)) // no service tag, and nothing for those without
	l.fromPort("p0", l.frame(1, broadcastMAC).withService(7))
	l.fromPort("p0", l.frame(1, broadcastMAC))
	l.fromPort("p1", l.frame(1, broadcastMAC).withService(200)) // p1 has customer tags

	l.apply(func(s *intent.State) {
		delete(s.Bindings, at("p0", 100))
		bind(s, "p0", 0, red)
	})
	f = l.frame(1, broadcastMAC, 42)
	l.fromPort("p0", f, toPort("p1", f.withTags(200, 42)), toPort("p2", f))
	f = l.frame(1, station(2))
	l.fromPort("p0", f, toPort("p1", f.withTags(200)))
	f = l.frame(2, station(1), 200, 42)
	l.fromPort("p1", f, toPort("p0", f.withTags(42)))

	// The port changes while its bindings stay.
	l.apply(func(s *intent.State) {
		delete(s.Bindings, at("p0", 0))
		bind(s, "p0", 100, red)
	})
	l.apply(func(s *intent.State) { s.Ports["p0"] = intent.Port{} })
	f = l.frame(1, broadcastMAC, 100)
	l.fromPort("p0", f, toPort("p1", f.withTags(200)), toPort("p2", f.withTags()))
	l.fromPort("p0", l.frame(1, broadcastMAC).withService(100))
}

// A switch may let tags into its tunnels, and out of them.
func innerTagsInTunnels(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) {
		s.Switches[blue] = intent.Switch{Name: "blue", VNI: blueVNI, SwitchOptions: intent.SwitchOptions{InnerTags: true}}
	})
	f := l.frame(1, broadcastMAC, 100, 42)
	l.fromPort("p0", f, toPort("p2", f), toTunnel(tunnel(1, blueVNI), f.withTags(42)))
	f = l.frame(1, station(22), 100, 42)
	l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f.withTags(42)))
	f = l.frame(1, station(22), 100)
	l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f.withTags()))
	f = l.frame(22, station(1), 42)
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withTags(100, 42)))
	f = l.frame(22, broadcastMAC, 42)
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withTags(100, 42)), toPort("p2", f.withTags(100, 42)))
	f = l.frame(22, broadcastMAC, 42, 43)
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withTags(100, 42, 43)), toPort("p2", f.withTags(100, 42, 43)))

	l.fromTunnel(tunnel(0, redVNI), l.frame(21, broadcastMAC, 42)) // red does not
	l.apply(func(s *intent.State) { s.Switches[blue] = intent.Switch{Name: "blue", VNI: blueVNI} })
	l.fromTunnel(tunnel(1, blueVNI), l.frame(22, broadcastMAC, 42))
	l.fromPort("p0", l.frame(1, station(22), 100, 42))
}

// Of a port that has service tags those of customers are carried through tunnels, and what comes out of
// one gets the service tag around whatever it has, be it a service tag.
func customerTagsInTunnels(l *lab) {
	if l.limits().OneKindOfTag {
		return // and keeps such a port out
	}
	l.apply(usual)
	l.apply(option(blue, func(ls *intent.Switch) { ls.InnerTags = true }))
	l.apply(func(s *intent.State) { s.Ports["p0"] = intent.Port{ServiceTags: true} })
	f := l.frame(1, broadcastMAC).withService(100, 42)
	l.fromPort("p0", f, toPort("p2", f.withTags(100, 42)), toTunnel(tunnel(1, blueVNI), f.withTags(42)))
	f = l.frame(1, station(22)).withService(100, 42, 43)
	l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f.withTags(42, 43)))
	f = l.frame(22, station(1), 42, 43)
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withService(100, 42, 43)))
	f = l.frame(22, broadcastMAC, 42)
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withService(100, 42)), toPort("p2", f.withTags(100, 42)))

	service := []byte{0x88, 0xa8, 0, 7, etherOther >> 8, etherOther & 0xff}
	f = l.frame(22, broadcastMAC)
	f.Packet = service
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withService(100)), toPort("p2", f.withTags(100)))
	f = l.frame(1, station(22)).withService(100)
	f.Packet = service
	l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f.withTags()))
	f = l.frame(3, station(1), 100)
	f.Packet = service
	l.fromPort("p2", f, toPort("p0", f.withService(100)))

	l.apply(option(blue, func(ls *intent.Switch) { ls.InnerTags = false }))
	l.fromPort("p0", l.frame(1, station(22)).withService(100, 42))
	l.fromTunnel(tunnel(1, blueVNI), l.frame(22, station(1), 42))
}

// BFD is between VTEPs: its packets are not for hosts, whichever VNI they come with, nor for
// peers if a host sends them.
func packetsOfBFD(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) {
		s.Switches[red] = intent.Switch{Name: "red", VNI0: true}
		s.Decap.Set(tunnel(0, 0), red)
	})
	bfdMAC := intent.MAC{0x00, 0x23, 0x20, 0, 0, 1}
	for _, t := range []intent.Tunnel{tunnel(0, 0), tunnel(0, redVNI)} {
		f := l.frame(21, bfdMAC)
		l.fromTunnel(t, f)
		f = l.frame(21, station(9)) // to an address that somebody has configured
		f.Payload = bfdControl
		l.fromTunnel(t, f)
		f = l.frame(21, station(9))
		l.fromTunnel(t, f, toPort("p0", f), toPort("p1", f))
	}
	l.fromPort("p0", l.frame(1, bfdMAC))
	f := l.frame(1, broadcastMAC)
	f.Src = bfdMAC
	l.fromPort("p1", f, toPort("p0", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{{Switch: red, MAC: station(1)}: at("p0", 0)})
}
