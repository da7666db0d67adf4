package layout

import (
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// list is a flood list in the kernel: never changed, only replaced.
type list struct {
	number  uint32
	targets []Target
}

// expectChunks makes room for the lists of new flood sets.
func (c *Contents) expectChunks(changes []intent.Change[intent.FloodKey, intent.FloodSet]) {
	fresh := 0
	for _, ch := range changes {
		if ch.Old == nil && ch.New != nil {
			fresh += chunksOf(min(len(*ch.New), FloodMax))
		}
	}
	c.Maps.Chunks.Expect(fresh)
}

// chunksOf is how many chunks so many targets take.
func chunksOf(targets int) int { return (targets + ChunkTargets - 1) / ChunkTargets }

// setTunnels makes set the tunnels that key's frames get a copy to.
func (c *Contents) setTunnels(key MACKey, set intent.FloodSet) {
	delete(c.Cut, key)
	delete(c.Nameless, any(key))
	if len(set) > FloodMax {
		c.Cut[key] = len(set)
		set = set[:FloodMax]
	}
	old := c.lists[key].targets
	targets := make([]Target, 0, len(set))
	for _, t := range set {
		if t, ok := c.target(key, t); ok {
			targets = append(targets, t)
		}
	}
	c.setFlood(key, targets)
	c.dropPeers(old)
}

func (c *Contents) delTunnels(key MACKey) {
	delete(c.Cut, key)
	delete(c.Nameless, any(key))
	c.dropPeers(c.lists[key].targets)
	c.delFlood(key)
}

func (c *Contents) dropPeers(targets []Target) {
	for _, t := range targets {
		c.dropTarget(t.Peer)
	}
}

// setFlood makes targets the flood set of key.
func (c *Contents) setFlood(key MACKey, targets []Target) {
	have, ok := c.lists[key]
	if !ok {
		have, ok = c.Adopted.lists[key]
	}
	if !ok || !slices.Equal(have.targets, targets) {
		c.dropChunks(c.lists[key])
		have = list{targets: targets}
		if len(targets) > 0 {
			have.number = c.nextList
			c.nextList++
		}
	}
	c.lists[key] = have
	for seq := range chunksOf(len(targets)) {
		var chunk Chunk
		copy(chunk.Targets[:], targets[seq*ChunkTargets:])
		c.Maps.Chunks.Set(ChunkKey{List: have.number, Seq: uint32(seq)}, chunk)
	}
	c.Maps.Floods.Set(key, FloodSet{List: have.number, Count: uint32(len(targets))})
}

func (c *Contents) delFlood(key MACKey) {
	if l, ok := c.lists[key]; ok {
		c.dropChunks(l)
		delete(c.lists, key)
		c.Maps.Floods.Del(key)
	}
}

func (c *Contents) dropChunks(l list) {
	for seq := range chunksOf(len(l.targets)) {
		c.Maps.Chunks.Del(ChunkKey{List: l.number, Seq: uint32(seq)})
	}
}

// FloodMembers makes the local flood sets whose members have changed.
func (c *Contents) FloodMembers() {
	for _, d := range c.dirty {
		d.dirty = false
		if c.Domains[d.BD] == d {
			c.floodMembersOf(d)
		}
	}
	c.dirty = nil
}

func (c *Contents) floodMembersOf(d *Domain) {
	for mac := range d.groups {
		c.setGroup(d, mac)
	}
	key := MACKey{BD: d.BD, Kind: FloodMembers}
	if len(d.members) == 0 {
		c.delFlood(key)
		return
	}
	targets := make([]Target, 0, len(d.members))
	for slot := range d.members {
		targets = append(targets, Target{ID: slot})
	}
	slices.SortFunc(targets, func(a, b Target) int { return int(a.ID) - int(b.ID) })
	c.setFlood(key, targets)
}
