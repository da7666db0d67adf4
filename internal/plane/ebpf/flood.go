package ebpf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
)

// list is a flood list in the kernel: never changed, only replaced.
type list struct {
	number  uint32
	targets []vtepTarget
}

// maxTargets is FLOOD_MAX of the programs.
const maxTargets = 1 << 16

const chunkTargets = len(vtepChunk{}.Targets)

// setTunnels makes set the tunnels that key's frames get a copy to.
func (p *Plane) setTunnels(key vtepMacKey, set intent.FloodSet) {
	delete(p.cut, key)
	delete(p.nameless, any(key))
	if len(set) > maxTargets {
		p.cut[key] = len(set)
		set = set[:maxTargets]
	}
	old := p.lists[key].targets
	targets := make([]vtepTarget, 0, len(set))
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
		errs = append(errs, noRoom("the flood set of %s has %d tunnels: only the first %d get copies", p.macOf(key), n, maxTargets))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func (p *Plane) delTunnels(key vtepMacKey) {
	delete(p.cut, key)
	delete(p.nameless, any(key))
	p.dropPeers(p.lists[key].targets)
	p.delFlood(key)
}

func (p *Plane) dropPeers(targets []vtepTarget) {
	for _, t := range targets {
		p.dropTarget(t.Peer)
	}
}

// setFlood makes targets the flood set of key.
func (p *Plane) setFlood(key vtepMacKey, targets []vtepTarget) {
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
	for seq := range (len(targets) + chunkTargets - 1) / chunkTargets {
		var c vtepChunk
		copy(c.Targets[:], targets[seq*chunkTargets:])
		p.tChunks.set(vtepChunkKey{List: have.number, Seq: uint32(seq)}, c)
	}
	p.tFloods.set(key, vtepFloodSet{List: have.number, Count: uint32(len(targets))})
}

func (p *Plane) delFlood(key vtepMacKey) {
	if l, ok := p.lists[key]; ok {
		p.dropChunks(l)
		delete(p.lists, key)
		p.tFloods.del(key)
	}
}

func (p *Plane) dropChunks(l list) {
	for seq := range (len(l.targets) + chunkTargets - 1) / chunkTargets {
		p.tChunks.del(vtepChunkKey{List: l.number, Seq: uint32(seq)})
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
	key := vtepMacKey{Bd: d.bd, Kind: floodMembers}
	if len(d.members) == 0 {
		p.delFlood(key)
		return
	}
	targets := make([]vtepTarget, 0, len(d.members))
	for slot := range d.members {
		targets = append(targets, vtepTarget{Id: slot})
	}
	slices.SortFunc(targets, func(a, b vtepTarget) int { return int(a.Id) - int(b.Id) })
	p.setFlood(key, targets)
}

// ---- lists that a frame may still be walking -------------------------------------------

// retired are chunks of lists that nothing names any more.
type retired struct {
	since  time.Time
	chunks []vtepChunkKey
}

// grace is longer than any frame takes through the programs.
const grace = time.Second

// retireChunks keeps the chunks that would be deleted now for later.
func (p *Plane) retireChunks(now time.Time) {
	var chunks []vtepChunkKey
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
