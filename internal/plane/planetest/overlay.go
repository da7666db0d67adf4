package planetest

import "github.com/vtep/vtep/internal/intent"

func remoteUnicast(l *lab) {
	l.apply(usual)
	f := l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	f = l.frame(1, station(22), 100)
	l.fromPort("p0", f, toTunnel(tunnel(1, blueVNI), f.withTags()))
	f = l.frame(1, station(21)) // and again, for what is cached
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))

	// It moves to another VTEP, and then away.
	l.apply(func(s *intent.State) { remote(s, red, station(21), tunnel(1, redVNI)) })
	f = l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(1, redVNI), f))
	l.apply(func(s *intent.State) { s.Unicast.Delete(intent.MACKey{Switch: red, MAC: station(21)}) })
	f = l.frame(1, station(21))
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
}

// A locator may have a VNI of its own, both to send with and to receive.
func ownVNIOfPeer(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) {
		remote(s, red, station(23), tunnel(0, 7000))
		remote(s, red, station(24), tunnel(2, 16777215))
		remote(s, blue, station(25), tunnel(2, 7000)) // the same VNI with another peer
		flood(s, red, intent.UnknownDst, tunnel(0, redVNI), tunnel(0, 7000), tunnel(2, 16777215))
	})
	f := l.frame(1, station(23))
	l.fromPort("p0", f, toTunnel(tunnel(0, 7000), f))
	f = l.frame(1, station(24))
	l.fromPort("p0", f, toTunnel(tunnel(2, 16777215), f))
	f = l.frame(1, broadcastMAC)
	l.fromPort("p0", f, toPort("p1", f),
		toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(0, 7000), f), toTunnel(tunnel(2, 16777215), f))
	f = l.frame(23, station(1))
	l.fromTunnel(tunnel(0, 7000), f, toPort("p0", f))
	f = l.frame(25, broadcastMAC)
	l.fromTunnel(tunnel(2, 7000), f, toPort("p0", f.withTags(100)), toPort("p2", f.withTags(100)))
}

func broadcast(l *lab) {
	l.apply(usual)
	all := []intent.Tunnel{tunnel(0, redVNI), tunnel(1, redVNI), tunnel(2, redVNI)}
	l.apply(func(s *intent.State) { flood(s, red, intent.UnknownDst, all...) })
	for _, dst := range []intent.MAC{broadcastMAC, group(1), {0x33, 0x33, 0, 0, 0, 1}, station(77)} {
		f := l.frame(1, dst)
		l.fromPort("p0", f, toPort("p1", f), toTunnel(all[0], f), toTunnel(all[1], f), toTunnel(all[2], f))
	}
	l.apply(func(s *intent.State) { flood(s, red, intent.UnknownDst, all[2]) })
	f := l.frame(1, broadcastMAC)
	l.fromPort("p0", f, toPort("p1", f), toTunnel(all[2], f))
	f = l.frame(3, broadcastMAC, 100)
	l.fromPort("p2", f, toPort("p0", f), toTunnel(tunnel(1, blueVNI), f.withTags()))
}

// A set for a group address replaces the default set for it, even when it is empty.
func groupSet(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) {
		flood(s, red, group(1), tunnel(2, redVNI))
		flood(s, red, group(2))
		flood(s, red, broadcastMAC, tunnel(1, redVNI))
	})
	f := l.frame(1, group(1))
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(2, redVNI), f))
	f = l.frame(1, group(2))
	l.fromPort("p0", f, toPort("p1", f))
	f = l.frame(1, broadcastMAC)
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(1, redVNI), f))
	f = l.frame(1, group(3))
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
	f = l.frame(3, group(1), 100) // the sets are red's
	l.fromPort("p2", f, toPort("p0", f), toTunnel(tunnel(1, blueVNI), f.withTags()))
	l.apply(func(s *intent.State) { delete(s.Floods, intent.FloodKey{Switch: red, MAC: group(2)}) })
	f = l.frame(1, group(2))
	l.fromPort("p0", f, toPort("p1", f), toTunnel(tunnel(0, redVNI), f), toTunnel(tunnel(1, redVNI), f))
}

func noFloodSet(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) {
		delete(s.Floods, intent.FloodKey{Switch: red, MAC: intent.UnknownDst})
		flood(s, blue, intent.UnknownDst)
	})
	f := l.frame(1, broadcastMAC)
	l.fromPort("p0", f, toPort("p1", f))
	f = l.frame(1, station(77), 100)
	l.fromPort("p0", f, toPort("p2", f))
}

// A MAC that is learned and listed as remote is remote; what was learned is not lost.
func remoteBeforeLocal(l *lab) {
	l.apply(usual)
	f := l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	l.apply(func(s *intent.State) { remote(s, red, station(1), tunnel(1, redVNI)) })
	f = l.frame(2, station(1))
	l.fromPort("p1", f, toTunnel(tunnel(1, redVNI), f))
	f = l.frame(1, station(21)) // still sending
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	f = l.frame(2, station(1))
	l.fromPort("p1", f, toTunnel(tunnel(1, redVNI), f))
	l.fromTunnel(tunnel(0, redVNI), l.frame(21, station(1))) // remote to remote
	l.apply(func(s *intent.State) { s.Unicast.Delete(intent.MACKey{Switch: red, MAC: station(1)}) })
	f = l.frame(2, station(1))
	l.fromPort("p1", f, toPort("p0", f))
	f = l.frame(21, station(1))
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f))
}

// No tag goes into the overlay, and none comes out of it (RFC 7348, 6.1).
func taggedOverlay(l *lab) {
	l.apply(usual)
	f := l.frame(1, broadcastMAC, 100, 42)
	l.fromPort("p0", f, toPort("p2", f))
	l.fromPort("p0", l.frame(1, station(22), 100, 42))
	l.fromTunnel(tunnel(0, redVNI), l.frame(21, broadcastMAC, 42))
	l.fromTunnel(tunnel(0, redVNI), l.frame(21, station(1), 100))
}

func fromTunnel(l *lab) {
	l.apply(usual)
	f := l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	f = l.frame(21, station(1)) // known
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f))
	f = l.frame(21, station(2)) // unknown
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
	f = l.frame(21, broadcastMAC)
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
	f = l.frame(22, group(1))
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p0", f.withTags(100)), toPort("p2", f.withTags(100)))
	f = l.frame(3, station(22), 100)
	l.fromPort("p2", f, toTunnel(tunnel(1, blueVNI), f.withTags()))
	f = l.frame(22, station(3))
	l.fromTunnel(tunnel(1, blueVNI), f, toPort("p2", f.withTags(100)))
}

func noTunnelLearning(l *lab) {
	l.apply(usual)
	f := l.frame(30, broadcastMAC)
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
	l.mustHaveLearned(nil)
	// A local MAC that shows up behind a tunnel stays where it was learned.
	f = l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	f = l.frame(1, broadcastMAC)
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{{Switch: red, MAC: station(1)}: at("p0", 0)})
}

// Nothing that came by a tunnel leaves by a tunnel.
func splitHorizon(l *lab) {
	l.apply(usual)
	l.apply(func(s *intent.State) {
		remote(s, red, station(23), tunnel(1, redVNI))
		flood(s, red, group(1), tunnel(1, redVNI), tunnel(2, redVNI))
	})
	l.fromTunnel(tunnel(0, redVNI), l.frame(21, station(23))) // known, with another peer
	l.fromTunnel(tunnel(0, redVNI), l.frame(30, station(21))) // known, with the same peer
	for _, dst := range []intent.MAC{broadcastMAC, group(1), station(77)} {
		f := l.frame(21, dst)
		l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
	}
}

func unknownTunnels(l *lab) {
	l.apply(usual)
	l.fromTunnel(tunnel(2, redVNI), l.frame(21, broadcastMAC))  // not a peer of red
	l.fromTunnel(tunnel(0, blueVNI), l.frame(21, broadcastMAC)) // a peer, but not of blue
	l.fromTunnel(tunnel(0, 9999), l.frame(21, broadcastMAC))
	l.fromTunnel(tunnel(0, 0), l.frame(21, broadcastMAC))
	l.apply(func(s *intent.State) {
		delete(s.Floods, intent.FloodKey{Switch: red, MAC: intent.UnknownDst})
		s.Decap.Delete(tunnel(1, redVNI))
	})
	l.fromTunnel(tunnel(1, redVNI), l.frame(23, broadcastMAC))
	f := l.frame(21, broadcastMAC)
	l.fromTunnel(tunnel(0, redVNI), f, toPort("p0", f), toPort("p1", f))
}

func anySource(l *lab) {
	l.apply(usual)
	l.fromTunnel(tunnel(2, redVNI), l.frame(30, broadcastMAC))
	l.apply(func(s *intent.State) {
		s.AcceptAnySource = true
		remote(s, blue, station(25), tunnel(1, 7000))
	})
	f := l.frame(30, broadcastMAC)
	l.fromTunnel(tunnel(2, redVNI), f, toPort("p0", f), toPort("p1", f))
	f = l.frame(25, broadcastMAC)
	l.fromTunnel(tunnel(1, 7000), f, toPort("p0", f.withTags(100)), toPort("p2", f.withTags(100)))
	l.fromTunnel(tunnel(2, 7000), l.frame(30, broadcastMAC)) // not blue's own VNI
	l.fromTunnel(tunnel(2, 9999), l.frame(30, broadcastMAC))
	l.apply(func(s *intent.State) { s.Switches[red] = intent.Switch{Name: "red"} }) // no VNI
	l.fromTunnel(tunnel(2, redVNI), l.frame(30, broadcastMAC))
	l.fromTunnel(tunnel(2, 0), l.frame(30, broadcastMAC))
	l.apply(func(s *intent.State) { s.Switches[red] = intent.Switch{Name: "red", VNI0: true} })
	f = l.frame(30, broadcastMAC)
	l.fromTunnel(tunnel(2, 0), f, toPort("p0", f), toPort("p1", f))
	l.apply(func(s *intent.State) { s.AcceptAnySource = false })
	l.fromTunnel(tunnel(2, blueVNI), l.frame(30, broadcastMAC))
}

func vniChanges(l *lab) {
	l.apply(usual)
	f := l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, redVNI), f))
	rekey := func(s *intent.State, vni uint32) {
		s.Switches[red] = intent.Switch{Name: "red", VNI: vni}
		s.Decap.Delete(tunnel(0, redVNI))
		s.Decap.Delete(tunnel(1, redVNI))
		remote(s, red, station(21), tunnel(0, vni))
		flood(s, red, intent.UnknownDst, tunnel(0, vni), tunnel(1, vni))
	}
	l.apply(func(s *intent.State) { rekey(s, 5001) })
	f = l.frame(1, station(21))
	l.fromPort("p0", f, toTunnel(tunnel(0, 5001), f))
	l.fromTunnel(tunnel(0, redVNI), l.frame(21, station(1)))
	f = l.frame(21, station(1))
	l.fromTunnel(tunnel(0, 5001), f, toPort("p0", f))
	// Without a VNI the overlay is down and local switching goes on.
	l.apply(func(s *intent.State) {
		s.Switches[red] = intent.Switch{Name: "red"}
		s.Decap.Clear()
		s.Unicast.Clear()
		clear(s.Floods)
	})
	l.fromTunnel(tunnel(0, 5001), l.frame(21, station(1)))
	f = l.frame(2, station(1))
	l.fromPort("p1", f, toPort("p0", f))
	f = l.frame(1, broadcastMAC)
	l.fromPort("p0", f, toPort("p1", f))
}
