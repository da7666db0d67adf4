package ebpf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// list is a flood list in the kernel: never changed, only replaced.
type list struct {
	number  uint32
	targets []layout.Target
}

// setTunnels makes set the tunnels that key's frames get a copy to.
func (p *Plane) setTunnels(key layout.MACKey, set intent.FloodSet) {
	delete(p.cut, key)
	delete(p.nameless, any(key))
	if len(set) > layout.FloodMax {
		p.cut[key] = len(set)
		set = set[:layout.FloodMax]
	}
	old := p.lists[key].targets
	targets := make([]layout.Target, 0, len(set))
	for _, t := range set {
		if t, ok := p.target(key, t); ok {
			targets = append(targets, t)
		}
	}
	p.setFlood(key, targets)
	p.dropPeers(old)
}

// cutError says which flood sets are served in part, or nil.
func (p *Plane) cutError() error {
	var errs []error
	for key, n := range p.cut {
		errs = append(errs, noRoom("the flood set of %s has %d tunnels: only the first %d get copies", p.macOf(key), n, layout.FloodMax))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func (p *Plane) delTunnels(key layout.MACKey) {
	delete(p.cut, key)
	delete(p.nameless, any(key))
	p.dropPeers(p.lists[key].targets)
	p.delFlood(key)
}

func (p *Plane) dropPeers(targets []layout.Target) {
	for _, t := range targets {
		p.dropTarget(t.Peer)
	}
}

// setFlood makes targets the flood set of key.
func (p *Plane) setFlood(key layout.MACKey, targets []layout.Target) {
	have, ok := p.lists[key]
	if !ok {
		have, ok = p.adopted.lists[key]
	}
	if !ok || !slices.Equal(have.targets, targets) {
		p.dropChunks(p.lists[key])
		have = list{targets: targets}
		if len(targets) > 0 {
			have.number = p.nextList
			p.nextList++
		}
	}
	p.lists[key] = have
	for seq := range (len(targets) + layout.ChunkTargets - 1) / layout.ChunkTargets {
		var c layout.Chunk
		copy(c.Targets[:], targets[seq*layout.ChunkTargets:])
		p.tChunks.set(layout.ChunkKey{List: have.number, Seq: uint32(seq)}, c)
	}
	p.tFloods.set(key, layout.FloodSet{List: have.number, Count: uint32(len(targets))})
}

func (p *Plane) delFlood(key layout.MACKey) {
	if l, ok := p.lists[key]; ok {
		p.dropChunks(l)
		delete(p.lists, key)
		p.tFloods.del(key)
	}
}

func (p *Plane) dropChunks(l list) {
	for seq := range (len(l.targets) + layout.ChunkTargets - 1) / layout.ChunkTargets {
		p.tChunks.del(layout.ChunkKey{List: l.number, Seq: uint32(seq)})
	}
}

// floodMembers makes the local flood sets whose members have changed.
func (p *Plane) floodMembers() {
	for _, d := range p.dirty {
		d.dirty = false
		if p.domains[d.bd] == d {
			p.floodMembersOf(d)
		}
	}
	p.dirty = nil
}

func (p *Plane) floodMembersOf(d *domain) {
	for mac := range d.groups {
		p.setGroup(d, mac)
	}
	key := layout.MACKey{BD: d.bd, Kind: layout.FloodMembers}
	if len(d.members) == 0 {
		p.delFlood(key)
		return
	}
	targets := make([]layout.Target, 0, len(d.members))
	for slot := range d.members {
		targets = append(targets, layout.Target{ID: slot})
	}
	slices.SortFunc(targets, func(a, b layout.Target) int { return int(a.ID) - int(b.ID) })
	p.setFlood(key, targets)
}

// ---- lists that a frame may still be walking -------------------------------------------

// retired are chunks of lists that nothing names any more.
type retired struct {
	since  time.Time
	chunks []layout.ChunkKey
}

// grace is longer than any frame takes through the programs.
const grace = time.Second

// retireChunks keeps the chunks that would be deleted now for later.
func (p *Plane) retireChunks(now time.Time) {
	var chunks []layout.ChunkKey
	for _, k := range p.tChunks.gone {
		if _, ok := p.tChunks.want[k]; !ok {
			chunks = append(chunks, k)
		}
	}
	p.tChunks.gone = nil
	if len(chunks) > 0 {
		p.retired = append(p.retired, retired{now, chunks})
	}
}

// sweepRetired deletes what has been retired for long enough.
func (p *Plane) sweepRetired(now time.Time) error {
	for len(p.retired) > 0 && now.Sub(p.retired[0].since) > grace {
		for _, k := range p.retired[0].chunks {
			if err := p.objs.Chunks.Delete(&k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("delete from map chunks: %w", err)
			}
		}
		p.retired = p.retired[1:]
	}
	return nil
}
