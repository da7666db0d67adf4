package layout

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/intent"
)

// intents are steps from one to the next: things come, change and go.
func intents(rng *rand.Rand, n int) (all []*intent.State) {
	s := basic()
	withRouter(s)
	s.Ports["p2"] = intent.Port{}
	some := func(k int) bool { return rng.IntN(k) == 0 }
	for range n {
		s = s.Clone()
		for i := range 3 {
			port, vlan := []string{"p0", "p1", "p2"}[rng.IntN(3)], uint16(rng.IntN(3))
			id := []intent.SwitchID{ls1, ls2}[rng.IntN(2)]
			far := intent.Tunnel{Peer: netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + rng.IntN(4))}), VNI: uint32(10 * (1 + i%2))}
			mac := intent.MAC{2, 0, 0, 0, 1, byte(rng.IntN(4))}
			if some(2) {
				s.Bindings[at(port, vlan)] = intent.Binding{Switch: id, Role: intent.Role(max(0, rng.IntN(6)-3))}
				if key := (intent.MACKey{Switch: id, MAC: mac}); some(3) {
					s.Unicast.Delete(key)
					s.Attached[key] = at(port, vlan)
				} else {
					delete(s.Attached, key)
					s.Unicast.Set(key, far)
				}
				s.Decap.Set(far, id)
				s.Neighbours[intent.IPKey{Switch: id, IP: netip.AddrFrom4([4]byte{10, 1, 0, byte(rng.IntN(4))})}] = mac
				s.Floods[intent.FloodKey{Switch: id}] = append(s.Floods[intent.FloodKey{Switch: id}][:0:0], far)
				s.Members[intent.MACKey{Switch: id, MAC: group}] = intent.MemberSet{at(port, vlan)}
				s.BFD[far.Peer] = intent.BFD{}
				s.Policies[at(port, vlan)] = intent.Policy{ACL: acl2}
			} else {
				delete(s.Bindings, at(port, vlan))
				delete(s.Policies, at(port, vlan))
				s.Unicast.Delete(intent.MACKey{Switch: id, MAC: mac})
				delete(s.Attached, intent.MACKey{Switch: id, MAC: mac})
				s.Decap.Delete(far)
				delete(s.Floods, intent.FloodKey{Switch: id})
				delete(s.Members, intent.MACKey{Switch: id, MAC: group})
				delete(s.BFD, far.Peer)
			}
		}
		if some(3) {
			sw := s.Switches[ls1]
			sw.SnoopIPs, sw.InnerTags = some(2), some(2)
			s.Switches[ls1] = sw
		}
		if some(4) {
			s.AcceptAnySource = !s.AcceptAnySource
		}
		if some(4) {
			s.Ports["p1"] = intent.Port{Group: uint16(rng.IntN(3)), ServiceTags: some(2)}
		}
		if some(3) {
			s.Segments["p2"] = intent.Segment{peer1, peer2}[:1+rng.IntN(2)]
		} else if some(2) {
			delete(s.Segments, "p2")
		}
		for mac, at := range s.Attached {
			if b := s.Bindings[at]; b.Switch != mac.Switch || b.Role == intent.Standby {
				delete(s.Attached, mac)
			}
		}
		for at := range s.Policies {
			if _, bound := s.Bindings[at]; !bound {
				delete(s.Policies, at)
			}
		}
		all = append(all, s)
	}
	return all
}

// read has what is wanted be what the maps are read to be, but for what is zero in arrays.
func read(c *Contents, of *Contents) {
	copyTable(c.Maps.Switches, of.Maps.Switches)
	copyTable(c.Maps.Devices, of.Maps.Devices)
	copyTable(c.Maps.Bindings, of.Maps.Bindings)
	copyTable(c.Maps.Members, of.Maps.Members)
	copyTable(c.Maps.Remotes, of.Maps.Remotes)
	copyTable(c.Maps.Decaps, of.Maps.Decaps)
	copyTable(c.Maps.Peers, of.Maps.Peers)
	copyTable(c.Maps.Addresses, of.Maps.Addresses)
	copyTable(c.Maps.Neighbors, of.Maps.Neighbors)
	copyTable(c.Maps.Ends, of.Maps.Ends)
	copyTable(c.Maps.Segments, of.Maps.Segments)
	copyTable(c.Maps.Floods, of.Maps.Floods)
	copyTable(c.Maps.Chunks, of.Maps.Chunks)
	copyTable(c.Maps.Policies, of.Maps.Policies)
	copyTable(c.Maps.Routers, of.Maps.Routers)
	copyTable(c.Maps.Gateways, of.Maps.Gateways)
	copyTable(c.Maps.Routes4, of.Maps.Routes4)
	copyTable(c.Maps.Routes6, of.Maps.Routes6)
	copyTable(c.Maps.Interfaces, of.Maps.Interfaces)
}

func copyTable[K, V comparable](to, from *Table[K, V]) { to.Have = maps.Collect(from.Want.All()) }

// TestAdopt: whoever comes to an intent by steps, and whoever begins there with the maps of the first, want the
// same. So a restart writes nothing.
func TestAdopt(t *testing.T) {
	for seed := range uint64(200) {
		c := fresh(ample)
		was := intent.NewState()
		for _, s := range intents(rand.New(rand.NewPCG(seed, 1)), 6) {
			usual.stage(c, s, intent.Diff(was, s))
			was = s
		}
		next := &Contents{Maps: NewTables()}
		read(next, c)
		next.Adopt(1, ample, usual.name)
		usual.stage(next, was, intent.Whole(was))
		for slot, m := range next.Maps.Members.Have { // of bindings that have gone the generation stays
			if next.BySlot[slot] == nil {
				next.Maps.Members.Set(slot, Member{Gen: m.Gen})
			}
		}
		if got, want := next.Maps.text(), c.Maps.text(); got != want {
			t.Fatalf("seed %d: after a restart\n%s\nis wanted, not\n%s", seed, got, want)
		}
		next.Maps.Members.Diff()
		next.Maps.Floods.Diff()
		next.Maps.Chunks.Diff()
		if n := next.Maps.Members.Staged() + next.Maps.Floods.Staged() + len(next.Maps.Chunks.Gone); n != 0 {
			t.Errorf("seed %d: %d entries would be written", seed, n)
		}
	}
}

// TestState: the maps say which intent they are of.
func TestState(t *testing.T) {
	s := basic()
	s.Ends[netip.MustParseAddr("192.0.2.101")] = intent.End{}
	s.Segments["p0"] = intent.Segment{peer1, netip.MustParseAddr("2001:db8::2")}
	s.Bindings[at("p0", 5)] = intent.Binding{Switch: ls1, Role: intent.NotDesignated}
	s.Bindings[at("p1", 5)] = intent.Binding{Switch: ls1, Role: intent.Standby}
	s.Attached[intent.MACKey{Switch: ls1, MAC: intent.MAC{2, 5: 9}}] = at("p0", 5)
	c := fresh(ample)
	usual.stage(c, s, intent.Diff(intent.NewState(), s))
	read(c, c)
	got := c.State(usual.name, nil)
	got.TunnelIPs = s.TunnelIPs
	for id, sw := range s.Switches { // of which the maps have the number alone
		if _, ok := got.Switches[id]; ok {
			got.Switches[id] = sw
		}
	}
	if d := intent.Diff(s, got); !d.Empty() {
		t.Errorf("the maps are those of\n%v\nnot of\n%v", got, s)
	}
}

// TestNumbersRunOut: who gets no number is not in force, and when one is there again a reconcile is wanted.
func TestNumbersRunOut(t *testing.T) {
	few := Limits{Members: 3, Slots: 3, Ports: 3, Peers: 2} // numbers begin with 1
	c := fresh(few)
	s := basic()
	s.Ports["p2"] = intent.Port{}
	s.Bindings[at("p2", 0)] = intent.Binding{Switch: ls1}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: intent.MAC{2, 9}}, intent.Tunnel{Peer: peer2, VNI: 10})
	usual.stage(c, s, intent.Diff(intent.NewState(), s))
	if len(c.Unserved) != 1 || c.Maps.Bindings.Want.Len() != 2 {
		t.Errorf("%d bindings of 3 are in force, %d are not", c.Maps.Bindings.Want.Len(), len(c.Unserved))
	}
	if len(c.Nameless) != 1 || c.Maps.Remotes.Want.Len() != 1 {
		t.Errorf("%d MACs of 2 are in force, %d are not", c.Maps.Remotes.Want.Len(), len(c.Nameless))
	}
	if c.Anew {
		t.Error("a number is there again, says somebody")
	}
	next := s.Clone()
	delete(next.Bindings, at("p0", 0))
	usual.stage(c, next, intent.Diff(s, next))
	if !c.Anew {
		t.Error("a number is there again, and nobody says so")
	}
}
