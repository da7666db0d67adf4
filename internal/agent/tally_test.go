package agent

import (
	"maps"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/intent"
)

// TestTally has a State change at random: what is counted by the changes is what there is, and
// what came or went since it was told of is known.
func TestTally(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := intent.NewState()
		kept := newTally()
		told := newTally()
		told.countAll(s)
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			next := randomState(t)
			if rapid.Bool().Draw(t, "from scratch") {
				was := kept
				kept = newTally()
				kept.countAll(next)
				kept.follow(&was)
			} else {
				kept.note(intent.Diff(s, next))
			}
			s = next
			want := newTally()
			want.countAll(s)
			if !maps.Equal(kept.ports, want.ports) || !maps.Equal(kept.switches, want.switches) || !maps.Equal(maps.Collect(kept.peers.All()), maps.Collect(want.peers.All())) {
				t.Fatalf("counted %+v, there is %+v", kept, want)
			}
			checkMoved(t, "ports", told.ports, kept.ports, kept.movedPorts)
			checkMoved(t, "peers", maps.Collect(told.peers.All()), maps.Collect(kept.peers.All()), kept.movedPeers)
			if rapid.Bool().Draw(t, "told") {
				clear(kept.movedPorts)
				clear(kept.movedPeers)
				told = want
			}
		}
	})
}

// checkMoved wants moved to say of all that differs whether it was there.
func checkMoved[K comparable](t *rapid.T, what string, before, now map[K]int, moved map[K]bool) {
	t.Helper()
	look := func(k K) {
		_, was := before[k]
		_, is := now[k]
		had, noted := moved[k]
		if was != is && !noted || noted && had != was {
			t.Fatalf("%s: %v was there: %v, is: %v; noted: %v, %v", what, k, was, is, noted, had)
		}
	}
	for k := range before {
		look(k)
	}
	for k := range now {
		look(k)
	}
	for k := range moved {
		look(k)
	}
}

func randomState(t *rapid.T) *intent.State {
	s := intent.NewState()
	id := rapid.Custom(func(t *rapid.T) intent.SwitchID { return intent.SwitchID{rapid.ByteRange(1, 3).Draw(t, "id")} })
	tunnel := rapid.Custom(func(t *rapid.T) intent.Tunnel {
		return intent.Tunnel{Peer: netip.AddrFrom4([4]byte{192, 0, 2, rapid.ByteRange(1, 3).Draw(t, "peer")}), VNI: rapid.Uint32Range(1, 3).Draw(t, "vni")}
	})
	for range rapid.IntRange(0, 3).Draw(t, "ports") {
		name := rapid.SampledFrom([]string{"p0", "p1", "p2"}).Draw(t, "port")
		s.Ports[name] = intent.Port{}
		if rapid.Bool().Draw(t, "bound") {
			s.Bindings[intent.BindingKey{Port: name, VLAN: rapid.Uint16Range(0, 2).Draw(t, "vlan")}] = intent.Binding{Switch: id.Draw(t, "bound to")}
		}
	}
	for range rapid.IntRange(0, 4).Draw(t, "macs") {
		s.Unicast.Set(intent.MACKey{Switch: id.Draw(t, "of"), MAC: intent.MAC{2, rapid.ByteRange(1, 3).Draw(t, "mac")}}, tunnel.Draw(t, "behind"))
	}
	for range rapid.IntRange(0, 4).Draw(t, "tunnels") {
		s.Decap.Set(tunnel.Draw(t, "tunnel"), id.Draw(t, "enters"))
	}
	return s
}
