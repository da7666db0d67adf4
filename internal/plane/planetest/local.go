package planetest

import "github.com/vtep/vtep/internal/intent"

func untagged(l *lab) {
	l.apply(site)
	l.apply(func(s *intent.State) {
		bind(s, "p0", 0, red)
		bind(s, "p1", 0, red)
		bind(s, "p2", 0, blue)
	})
	f := l.frame(1, station(2)) // unknown
	l.fromPort("p0", f, toPort("p1", f))
	f = l.frame(2, broadcastMAC)
	l.fromPort("p1", f, toPort("p0", f))
	f = l.frame(1, station(2)) // known
	l.fromPort("p0", f, toPort("p1", f))
	f = l.frame(3, station(1)) // of another switch
	l.fromPort("p2", f)
}

func tagged(l *lab) {
	l.apply(site)
	l.apply(func(s *intent.State) {
		bind(s, "p0", 100, red)
		bind(s, "p1", 200, red)
		bind(s, "p2", 0, red)
		bind(s, "p2", 300, blue)
	})
	f := l.frame(1, broadcastMAC, 100)
	l.fromPort("p0", f, toPort("p1", f.withTags(200)), toPort("p2", f.withTags()))
	f = l.frame(2, station(1), 200)
	l.fromPort("p1", f, toPort("p0", f.withTags(100)))
	f = l.frame(3, station(2))
	l.fromPort("p2", f, toPort("p1", f.withTags(200)))
	f = l.frame(1, station(3), 100)
	l.fromPort("p0", f, toPort("p2", f.withTags()))
}

func unboundVLAN(l *lab) {
	l.apply(site)
	l.apply(func(s *intent.State) {
		bind(s, "p0", 0, red)
		bind(s, "p1", 0, red)
		bind(s, "p1", 100, blue)
		bind(s, "p2", 100, blue)
	})
	l.fromPort("p0", l.frame(1, broadcastMAC, 100)) // tagged, on an untagged port
	l.fromPort("p0", l.frame(1, broadcastMAC, 7))
	l.fromPort("p1", l.frame(1, broadcastMAC, 101))
	l.fromPort("p2", l.frame(1, broadcastMAC)) // untagged, on a tagged port
	l.fromPort("p2", l.frame(1, broadcastMAC, 0))
	l.mustHaveLearned(nil)
}

func priorityTag(l *lab) {
	l.apply(site)
	l.apply(func(s *intent.State) {
		bind(s, "p0", 0, red)
		bind(s, "p1", 0, red)
		bind(s, "p2", 100, red)
	})
	f := l.frame(1, broadcastMAC, 0)
	l.fromPort("p0", f, toPort("p1", f.withTags()), toPort("p2", f.withTags(100)))
	f = l.frame(2, station(1), 0)
	l.fromPort("p1", f, toPort("p0", f.withTags()))
}

func hairpin(l *lab) {
	l.apply(site)
	l.apply(func(s *intent.State) {
		bind(s, "p0", 100, red)
		bind(s, "p0", 200, red)
		bind(s, "p0", 0, red)
		bind(s, "p1", 0, red)
	})
	f := l.frame(1, broadcastMAC, 100)
	l.fromPort("p0", f, toPort("p0", f.withTags(200)), toPort("p0", f.withTags()), toPort("p1", f.withTags()))
	f = l.frame(2, station(1), 200)
	l.fromPort("p0", f, toPort("p0", f.withTags(100)))
	f = l.frame(1, station(2), 100)
	l.fromPort("p0", f, toPort("p0", f.withTags(200)))
	f = l.frame(3, station(1))
	l.fromPort("p0", f, toPort("p0", f.withTags(100)))
}

func innerTag(l *lab) {
	l.apply(site)
	l.apply(func(s *intent.State) {
		bind(s, "p0", 100, red)
		bind(s, "p1", 200, red)
		bind(s, "p2", 0, red)
	})
	f := l.frame(1, broadcastMAC, 100, 42)
	l.fromPort("p0", f, toPort("p1", f.withTags(200, 42)), toPort("p2", f.withTags(42)))
	f = l.frame(2, station(1), 200, 43)
	l.fromPort("p1", f, toPort("p0", f.withTags(100, 43)))
}

// A host must not choose the VLAN that its frame leaves in by tagging it twice: what still has a
// tag does not leave untagged by a port that has VLANs.
func taggedTwice(l *lab) {
	l.apply(site)
	l.apply(func(s *intent.State) {
		bind(s, "p0", 100, red)
		bind(s, "p1", 0, red)
		bind(s, "p1", 200, blue)
		bind(s, "p2", 0, red)
	})
	f := l.frame(2, broadcastMAC)
	l.fromPort("p1", f, toPort("p0", f.withTags(100)), toPort("p2", f))
	for _, inner := range []uint16{200, 7, 0} {
		f = l.frame(1, broadcastMAC, 100, inner) // p2 has no VLAN: for its host all is data
		l.fromPort("p0", f, toPort("p2", f.withTags(inner)))
		l.fromPort("p0", l.frame(1, station(2), 100, inner)) // known
		l.fromPort("p2", l.frame(3, station(2), 0, inner))   // behind a priority tag
	}
	l.fromPort("p0", l.frame(1, station(2), 100, 0, 200))
	f = l.frame(1, station(2), 100)
	l.fromPort("p0", f, toPort("p1", f.withTags()))
	f = l.frame(3, broadcastMAC, 0, 200)
	l.fromPort("p2", f, toPort("p0", f.withTags(100, 200)))

	// Back to the port that it came from, by another binding.
	l.apply(func(s *intent.State) { bind(s, "p1", 300, red) })
	f = l.frame(4, broadcastMAC, 300, 200)
	l.fromPort("p1", f, toPort("p0", f.withTags(100, 200)), toPort("p2", f.withTags(200)))
	l.fromPort("p1", l.frame(4, station(2), 300, 200))

	// It depends on the bindings as they are now, whatever came first.
	l.apply(func(s *intent.State) {
		delete(s.Bindings, at("p1", 200))
		delete(s.Bindings, at("p1", 300))
	})
	f = l.frame(1, station(2), 100, 200)
	l.fromPort("p0", f, toPort("p1", f.withTags(200)))
	l.apply(func(s *intent.State) { bind(s, "p2", 200, blue) })
	f = l.frame(1, broadcastMAC, 100, 200)
	l.fromPort("p0", f, toPort("p1", f.withTags(200)))
	l.apply(func(s *intent.State) {
		delete(s.Ports, "p2")
		delete(s.Bindings, at("p2", 0))
		delete(s.Bindings, at("p2", 200))
	})
	l.apply(func(s *intent.State) { s.Ports["p2"] = intent.Port{}; bind(s, "p2", 200, blue); bind(s, "p2", 0, red) })
	f = l.frame(1, broadcastMAC, 100, 200)
	l.fromPort("p0", f, toPort("p1", f.withTags(200)))
}

func reflected(l *lab) {
	l.apply(site)
	l.apply(func(s *intent.State) {
		bind(s, "p0", 0, red)
		bind(s, "p1", 0, red)
	})
	f := l.frame(1, broadcastMAC)
	l.fromPort("p0", f, toPort("p1", f))
	l.fromPort("p0", l.frame(2, station(1))) // both are behind p0
	l.fromPort("p0", l.frame(1, station(1)))
}

func noBinding(l *lab) {
	l.apply(site)
	l.fromPort("p0", l.frame(1, broadcastMAC))
	l.apply(func(s *intent.State) { bind(s, "p0", 0, red) })
	l.fromPort("p0", l.frame(1, broadcastMAC)) // nobody else
	l.fromPort("p0", l.frame(1, station(2)))
}

func reserved(l *lab) {
	l.apply(usual)
	for _, last := range []byte{0x00, 0x02, 0x0e, 0x0f} {
		mac := intent.MAC{0x01, 0x80, 0xc2, 0, 0, last}
		l.fromPort("p0", l.frame(1, mac))
		l.fromPort("p0", l.frame(1, mac, 100))
		l.fromTunnel(tunnel(0, redVNI), l.frame(21, mac))
	}
	f := l.frame(1, intent.MAC{0x01, 0x80, 0xc2, 0, 0, 0x10})
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
}

func bindingMoves(l *lab) {
	l.apply(usual)
	f := l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	key := intent.MACKey{Switch: red, MAC: station(1)}
	l.seen(key, at("p0", 0))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{key: at("p0", 0)})

	l.apply(func(s *intent.State) { bind(s, "p0", 0, blue) })
	l.mustHaveLearned(nil)
	f = l.frame(2, station(1)) // unknown now, and p0 is no member
	l.fromPort("p1", f, toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	f = l.frame(1, station(22))
	l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f))
	f = l.frame(1, broadcastMAC)
	l.fromPort("p0", f, toPort("p0", f.withTags(100)), toPort("p2", f.withTags(100)), toTunnel(tunnel(1, blueVNI), f))
	f = l.frame(21, broadcastMAC)
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p1", f))
}

func bindingGoes(l *lab) {
	l.apply(usual)
	f := l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	key := intent.MACKey{Switch: red, MAC: station(1)}
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{key: at("p0", 0)})
	l.apply(func(s *intent.State) { delete(s.Bindings, at("p0", 0)) })
	l.mustHaveLearned(nil)
	l.fromPort("p0", l.frame(1, station(21)))
	l.fromPort("p0", l.frame(1, broadcastMAC))
	f = l.frame(1, station(22), 100) // the other binding of the port is as it was
	l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f.withTags()))
	f = l.frame(21, station(1))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p1", f))
	l.apply(func(s *intent.State) { delete(s.Ports, "p0"); delete(s.Bindings, at("p0", 100)) })
	l.fromPort("p0", l.frame(1, station(22), 100))
	l.mustHaveLearned(nil)
}
