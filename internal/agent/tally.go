package agent

import (
	"iter"
	"maps"
	"net/netip"

	"github.com/vtep/vtep/internal/compact"
	"github.com/vtep/vtep/internal/intent"
)

// tally counts what is in the State by port, by switch and by peer, as deltas come: nobody who
// asks for numbers has the loop walk over all MACs.
type tally struct {
	ports    map[string]int // bindings; one for each port, which may be 0
	switches map[intent.SwitchID]switchTally
	peers    compact.Map[netip.Addr, int] // VNIs that frames are accepted in; never 0

	// Those that came or went since they were last told of, and whether they were there then.
	movedPorts map[string]bool
	movedPeers map[netip.Addr]bool
}

// switchTally is what one logical switch has.
type switchTally struct {
	bindings int
	remotes  int // MACs behind other VTEPs
	tunnels  int // that its frames may come from
}

func newTally() tally {
	return tally{ports: map[string]int{}, switches: map[intent.SwitchID]switchTally{},
		movedPorts: map[string]bool{}, movedPeers: map[netip.Addr]bool{}}
}

// countAll counts a State from scratch. Nothing was counted before.
func (t *tally) countAll(s *intent.State) {
	for name := range s.Ports {
		t.port(name, true)
	}
	for at, b := range s.Bindings {
		t.binding(at, b.Switch, 1)
	}
	for key := range s.Unicast.All() {
		t.change(key.Switch, switchTally{remotes: 1}, 1)
	}
	for tunnel, id := range s.Decap.All() {
		t.peer(tunnel.Peer, 1)
		t.change(id, switchTally{tunnels: 1}, 1)
	}
}

// follow has what was counted before t, from scratch, stay known as what was there.
func (t *tally) follow(was *tally) {
	followed(t.movedPorts, maps.Keys(t.ports), was.movedPorts, maps.Keys(was.ports))
	followed(t.movedPeers, t.peers.Keys(), was.movedPeers, was.peers.Keys())
}

func followed[K comparable](moved map[K]bool, there iter.Seq[K], movedBefore map[K]bool, thereBefore iter.Seq[K]) {
	clear(moved)
	for k := range there {
		moved[k] = false
	}
	for k := range thereBefore {
		moved[k] = true
	}
	maps.Copy(moved, movedBefore)
}

// note takes a change of the State.
func (t *tally) note(d *intent.Delta) {
	for _, c := range d.Ports {
		if c.New != nil && c.Old == nil {
			t.port(c.Key, true)
		}
	}
	for _, c := range d.Bindings {
		if c.Old != nil {
			t.binding(c.Key, c.Old.Switch, -1)
		}
		if c.New != nil {
			t.binding(c.Key, c.New.Switch, 1)
		}
	}
	var of intent.SwitchID // that has so many more; there are mostly many of one switch after another
	remotes := 0
	for i := range d.Unicast {
		c := &d.Unicast[i]
		if c.Key.Switch != of {
			t.change(of, switchTally{remotes: 1}, remotes)
			of, remotes = c.Key.Switch, 0
		}
		if c.Old == nil {
			remotes++
		} else if c.New == nil {
			remotes--
		}
	}
	t.change(of, switchTally{remotes: 1}, remotes)
	var peers peerCounts   // there are far fewer than tunnels
	var id intent.SwitchID // mostly there are many tunnels of one switch after another
	tunnels := 0
	count := func(of *intent.SwitchID, tunnel intent.Tunnel, n int) {
		if of == nil {
			return
		}
		if *of != id {
			t.change(id, switchTally{tunnels: 1}, tunnels)
			id, tunnels = *of, 0
		}
		tunnels += n
		*peers.of(tunnel.Peer) += n
	}
	for i := range d.Decap {
		c := &d.Decap[i]
		count(c.Old, c.Key, -1)
		count(c.New, c.Key, 1)
	}
	t.change(id, switchTally{tunnels: 1}, tunnels)
	for _, c := range peers.all {
		if c.n != 0 {
			t.peer(c.peer, c.n)
		}
	}
	for _, c := range d.Ports {
		if c.New == nil {
			t.port(c.Key, false)
		}
	}
}

// peerCounts count something by peer. The tunnels of a switch mostly come in the order of their peers, as those of the
// switch before did: so a peer is looked for behind the last one first.
type peerCounts struct {
	all  []peerCount
	at   map[netip.Addr]int
	next int // where the peer behind the last one is
}

type peerCount struct {
	peer netip.Addr
	n    int
}

// of returns the count of a peer, which is good until the next call.
func (c *peerCounts) of(peer netip.Addr) *int {
	if c.next == len(c.all) {
		c.next = 0
	}
	if c.next >= len(c.all) || c.all[c.next].peer != peer {
		at, known := c.at[peer]
		if !known {
			if c.at == nil {
				c.at = map[netip.Addr]int{}
			}
			at = len(c.all)
			c.at[peer], c.all = at, append(c.all, peerCount{peer: peer})
		}
		c.next = at
	}
	c.next++
	return &c.all[c.next-1].n
}

func (t *tally) port(name string, there bool) {
	mark(t.movedPorts, name, !there)
	if there {
		t.ports[name] += 0
	} else {
		delete(t.ports, name)
	}
}

// mark notes whether something was there, when it is first found to come or go.
func mark[K comparable](moved map[K]bool, k K, was bool) {
	if _, known := moved[k]; !known {
		moved[k] = was
	}
}

func (t *tally) binding(at intent.BindingKey, id intent.SwitchID, n int) {
	t.ports[at.Port] += n
	t.change(id, switchTally{bindings: 1}, n)
}

func (t *tally) peer(peer netip.Addr, n int) {
	was, _ := t.peers.Get(peer)
	if is := was + n; is != 0 {
		t.peers.Set(peer, is)
	} else {
		t.peers.Delete(peer)
	}
	if was == 0 || was+n == 0 {
		mark(t.movedPeers, peer, was != 0)
	}
}

// change adds n times by to what a switch has.
func (t *tally) change(id intent.SwitchID, by switchTally, n int) {
	of := t.switches[id]
	of.bindings += n * by.bindings
	of.remotes += n * by.remotes
	of.tunnels += n * by.tunnels
	if t.switches[id] = of; of == (switchTally{}) {
		delete(t.switches, id)
	}
}
