package ebpf

import (
	"hash/crc32"
	"slices"
	"sync/atomic"

	"github.com/vtep/vtep/internal/acl"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// accessLists are the ACLs in the kernel, and who has them.
type accessLists struct {
	acls    map[intent.ACLID]*accessList
	adopted map[intent.ACLID]*accessList // in force when the maps were read last
	staged  map[intent.ACLID]struct{}    // to be written, or to go
	refused map[intent.ACLID]error       // that could not be written, and why

	numbers, counters layout.Pool // indexes of acls, of acl_counts
	blocks            blocks

	rootMemory, blockMemory []byte       // what roots and bytes are views of
	roots                   []layout.ACL // atomic access only
	larger                  []byte       // the memory of a larger map that is to take the place
}

// accessList is an ACL. Its program in the kernel is never changed, only replaced.
type accessList struct {
	number   uint32 // index of acls; 0: they ran out
	acl      intent.ACL
	place    extent      // of the program; none: nothing is in force
	counters []uint32    // by entry, those of ingress first: index of acl_counts; 0: they ran out
	sum      uint32      // of the program as it was written
	next     acl.Program // to be written; nil: none is
	nextACL  intent.ACL  // of which it is made
	gone     bool        // it is to go
}

// counted names what an entry of an ACL counts by, which goes on when the ACL changes.
type counted struct {
	direction intent.Direction
	id        intent.ACLEntryID
}

// countedBy lists them in the order of the counters.
func countedBy(a intent.ACL) []counted {
	all := make([]counted, 0, len(a.Ingress)+len(a.Egress))
	for _, d := range []intent.Direction{intent.Ingress, intent.Egress} {
		for _, e := range a.Entries(d) {
			all = append(all, counted{d, e.ID})
		}
	}
	return all
}

// openAccess maps what is written beside the programs into memory.
func (p *Plane) openAccess() (err error) {
	if p.access.rootMemory, p.access.roots, err = kernel.MapArray[layout.ACL](p.objs.Acls); err != nil {
		return err
	}
	p.access.blockMemory, _, err = kernel.MapArray[layout.ACLBlock](p.objs.AclBlocks)
	return err
}

// stageACL notes that an ACL is new, another, or gone. The numbers that bindings name them by are
// given out here, the rest by writeACLs.
func (p *Plane) stageACL(c intent.Change[intent.ACLID, intent.ACL]) {
	l := p.access.acls[c.Key]
	if c.New == nil {
		if l != nil {
			l.next, l.gone = nil, true
			delete(p.contents.ACLNumbers, c.Key)
			p.access.staged[c.Key] = struct{}{}
		}
		return
	}
	if l == nil {
		if l = p.access.adopted[c.Key]; l != nil {
			delete(p.access.adopted, c.Key)
		} else {
			l = &accessList{number: p.contents.Number(&p.access.numbers)}
		}
		p.access.acls[c.Key] = l
	}
	l.gone, l.next = false, nil
	p.contents.ACLNumbers[c.Key] = l.number
	delete(p.access.refused, c.Key)
	delete(p.access.staged, c.Key)
	if l.place.n > 0 && slices.Equal(l.acl.Ingress, c.New.Ingress) && slices.Equal(l.acl.Egress, c.New.Egress) {
		return
	}
	l.next, l.nextACL = acl.Compile(*c.New), *c.New
	p.access.staged[c.Key] = struct{}{}
}

// writeACLs puts programs in force that are new or others. A frame on its way is asked by the old one
// or by the new one. Where one can't be written what was in force stays, and it is tried again.
func (p *Plane) writeACLs() error {
	for id := range p.access.staged {
		l := p.access.acls[id]
		if l.next == nil {
			continue
		}
		if err := p.writeACL(id, l); err != nil {
			p.access.refused[id] = err
			continue
		}
		delete(p.access.refused, id)
		delete(p.access.staged, id)
	}
	return nil
}

func (p *Plane) writeACL(id intent.ACLID, l *accessList) error {
	if l.number == 0 {
		return noRoom("no room for more than %d ACLs", p.access.numbers.Max-1)
	}
	place, ok := p.access.blocks.take(uint32(len(l.next) / acl.BlockLen))
	if !ok {
		return noRoom("no room for the %d entries of an ACL", len(l.nextACL.Ingress)+len(l.nextACL.Egress))
	}
	counters := p.countersOf(l)
	l.next.SetCounters(counters)
	l.next.SetID(id)
	copy(p.access.bytes(place), l.next)
	atomic.StoreUint32(&p.access.roots[l.number].Root, place.first)
	p.access.blocks.retire(l.place)
	p.releaseCounters(l, counters)
	l.acl, l.place, l.counters, l.sum, l.next = l.nextACL, place, counters, crc32.ChecksumIEEE(l.next), nil
	return nil
}

// bytes are those of a program.
func (l *accessLists) bytes(e extent) []byte {
	return l.blockMemory[int(e.first)*acl.BlockLen : int(e.first+e.n)*acl.BlockLen]
}

// countersOf gives the entries of the next version their counters: those that they have, or new ones.
func (p *Plane) countersOf(l *accessList) []uint32 {
	had := map[counted]uint32{}
	for i, at := range countedBy(l.acl) {
		if i < len(l.counters) {
			had[at] = l.counters[i]
		}
	}
	next := countedBy(l.nextACL)
	counters := make([]uint32, len(next))
	for i, at := range next {
		if counters[i] = had[at]; counters[i] == 0 {
			counters[i] = p.takeCounter()
		}
	}
	return counters
}

// takeCounter gives a counter that counts from nothing; 0: they ran out, and nothing is counted.
func (p *Plane) takeCounter() uint32 {
	n := p.access.counters.Take()
	if n == 0 || n >= p.objs.AclCounts.MaxEntries() {
		return 0
	}
	var cpus []layout.ACLCount
	err := p.objs.AclCounts.Lookup(n, &cpus)
	if err == nil {
		clear(cpus)
		err = p.objs.AclCounts.Put(n, cpus)
	}
	if err != nil {
		p.log.Warn("resetting the counter of an entry of an ACL failed", "err", err)
	}
	return n
}

// releaseCounters gives back those of the list that are not kept.
func (p *Plane) releaseCounters(l *accessList, kept []uint32) {
	still := make(map[uint32]bool, len(kept))
	for _, n := range kept {
		still[n] = true
	}
	for _, n := range l.counters {
		if !still[n] {
			p.access.counters.Release(n)
		}
	}
}

// pruneACLs takes out of force what no binding has any more.
func (p *Plane) pruneACLs() error {
	for id := range p.access.staged {
		if l := p.access.acls[id]; l.gone {
			p.dropACL(l)
			delete(p.access.acls, id)
			delete(p.access.refused, id)
			delete(p.access.staged, id)
		}
	}
	for id, l := range p.access.adopted { // that nobody wants
		p.dropACL(l)
		delete(p.access.adopted, id)
	}
	return nil
}

func (p *Plane) dropACL(l *accessList) {
	if l.number != 0 {
		atomic.StoreUint32(&p.access.roots[l.number].Root, 0)
		p.contents.GiveBack(&p.access.numbers, l.number)
	}
	p.access.blocks.retire(l.place)
	p.releaseCounters(l, nil)
}

// readACLs reads the ACLs that are in force.
func (p *Plane) readACLs() map[intent.ACLID]*accessList {
	found := map[intent.ACLID]*accessList{}
	for number := range p.access.roots {
		root := atomic.LoadUint32(&p.access.roots[number].Root)
		if root == 0 || number == 0 {
			continue
		}
		program, err := acl.Open(p.access.blockMemory, root)
		var is intent.ACL
		if err == nil {
			is, err = program.Source()
		}
		if err != nil {
			p.log.Warn("an ACL that is in force can't be read: it will be made anew", "number", number, "err", err)
			continue
		}
		found[program.ID()] = &accessList{number: uint32(number), acl: is, counters: program.Counters(),
			place: extent{root, uint32(len(program) / acl.BlockLen)}, sum: crc32.ChecksumIEEE(program)}
	}
	return found
}

// adoptACLs takes the numbers from what is in force.
func (p *Plane) adoptACLs() {
	p.access.adopted = p.readACLs()
	p.access.acls = map[intent.ACLID]*accessList{}
	p.access.staged, p.access.refused = map[intent.ACLID]struct{}{}, map[intent.ACLID]error{}
	numbers, counters := map[uint32]bool{}, map[uint32]bool{}
	var places []extent
	for n := range p.access.roots {
		if p.access.roots[n].Root != 0 {
			numbers[uint32(n)] = true // one that can't be read, too
		}
	}
	for _, l := range p.access.adopted {
		places = append(places, l.place)
		for _, n := range l.counters {
			if n != 0 {
				counters[n] = true
			}
		}
	}
	if len(p.access.blocks.retired) > 0 {
		kernel.AwaitFrames()
	}
	p.access.numbers = layout.NewPool(uint32(len(p.access.roots)), numbers)
	p.access.counters = layout.NewPool(p.limit("acl_counts"), counters)
	p.access.blocks = newBlocks(p.objs.AclBlocks.MaxEntries(), places)
}

// auditACLs compares what is in force with what was written.
func (p *Plane) auditACLs() (a audit) {
	wanted := map[uint32]bool{}
	for id, l := range p.access.acls {
		wanted[l.number] = true
		d := plane.Drift{Kind: "acl", Key: id.String(), Want: "its program"}
		switch root := atomic.LoadUint32(&p.access.roots[l.number].Root); {
		case l.place.n == 0: // the report says why
		case root != l.place.first:
			d.Have = "another program"
			a = append(a, d)
		case crc32.ChecksumIEEE(p.access.bytes(l.place)) != l.sum:
			d.Have = "a program that was changed"
			a = append(a, d)
		}
	}
	for n := range p.access.roots {
		if atomic.LoadUint32(&p.access.roots[n].Root) != 0 && !wanted[uint32(n)] {
			a = append(a, plane.Drift{Kind: "acl", Key: "number", Have: "a program that nobody wants"})
		}
	}
	return a
}
