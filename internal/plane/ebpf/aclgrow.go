package ebpf

import (
	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/acl"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// growingACLs gives what grows with ACLs.
func (p *Plane) growingACLs(all map[string]grown) {
	var lengths []uint32
	blocks, entries := 0, 0
	for id := range p.access.staged {
		if l := p.access.acls[id]; l.next != nil {
			n := len(l.next) / acl.BlockLen
			lengths = append(lengths, uint32(n))
			blocks += n
			entries += len(l.nextACL.Ingress) + len(l.nextACL.Egress)
		}
	}
	if blocks > 0 && !p.access.blocks.fits(lengths) {
		blocks += int(p.access.blocks.size)
	} else {
		blocks = 0 // as it is
	}
	all["acl_blocks"] = grown{blocks, p.copyBlocks, p.takeBlocks}
	all["acl_counts"] = grown{int(p.access.counters.Next) + entries, p.copyACLCounts, nil}
}

// copyBlocks copies all programs, to where they are.
func (p *Plane) copyBlocks(_, to *ebpf.Map) error {
	if p.access.larger != nil { // of a map that did not come into use
		_ = unix.Munmap(p.access.larger)
	}
	var err error
	if p.access.larger, _, err = kernel.MapArray[layout.ACLBlock](to); err == nil {
		copy(p.access.larger, p.access.blockMemory)
	}
	return err
}

// takeBlocks goes on with the map that they were copied into.
func (p *Plane) takeBlocks(m *ebpf.Map) {
	_ = unix.Munmap(p.access.blockMemory)
	p.access.blockMemory, p.access.larger = p.access.larger, nil
	p.access.blocks.grow(m.MaxEntries())
}

// copyACLCounts copies what entries have counted; the elements are for each CPU.
func (p *Plane) copyACLCounts(from, to *ebpf.Map) error {
	for _, l := range p.access.acls {
		for _, n := range l.counters {
			var cpus []layout.ACLCount
			if err := from.Lookup(n, &cpus); err != nil {
				return err
			}
			if err := to.Put(n, cpus); err != nil {
				return err
			}
		}
	}
	return nil
}

// close gives the memory back.
func (l *accessLists) close() {
	for _, m := range []*[]byte{&l.rootMemory, &l.blockMemory, &l.larger} {
		if *m != nil {
			_ = unix.Munmap(*m)
			*m = nil
		}
	}
	l.roots = nil
}
