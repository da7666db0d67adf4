package planetest

import (
	"context"
	"fmt"
	"net/netip"

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
	before := l.stats().Tunnels
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
	peers := map[netip.Addr]plane.Traffic{
		tunnel(0, redVNI).Peer:  {OutPackets: 1, OutBytes: size},
		tunnel(1, blueVNI).Peer: {InPackets: 1, InBytes: size, OutPackets: 3, OutBytes: 3 * size},
	}
	testenv.Eventually(l, deadline, func() error {
		stats := l.stats()
		for _, peer := range []netip.Addr{tunnel(0, redVNI).Peer, tunnel(1, blueVNI).Peer, tunnel(2, redVNI).Peer} {
			got, was := stats.Tunnels[peer], before[peer]
			got.InPackets, got.InBytes = got.InPackets-was.InPackets, got.InBytes-was.InBytes
			got.OutPackets, got.OutBytes = got.OutPackets-was.OutPackets, got.OutBytes-was.OutBytes
			if stats.Tunnels != nil && got != peers[peer] {
				return fmt.Errorf("peer %v was counted %+v, should be %+v", peer, got, peers[peer])
			}
		}
		got := stats.Bindings
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
