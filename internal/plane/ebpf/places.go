package ebpf

import (
	"sync/atomic"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// A learned MAC takes two places, one of its port and one of all, which the quotas count. The programs count when they add an
// entry to the map of learned MACs, move it or take it out, each of which one of them does: whoever else changes what is
// there has to leave an entry's port to them, or counts what they count as well.

// takePlace takes one of those that a port (0: all) may have, as the programs do.
func (p *Plane) takePlace(port uint32) bool {
	q := &p.quotas[port]
	if limit := atomic.LoadUint32(&q.Limit); int32(atomic.AddUint32(&q.Count, 1)) <= int32(limit) || limit == 0 {
		return true
	}
	p.givePlace(port)
	return false
}

func (p *Plane) givePlace(port uint32) { atomic.AddUint32(&p.quotas[port].Count, minusOne) }

// countRefused counts MACs of a port (0: nobody knows of which) that were not learned for want of room in all.
func (p *Plane) countRefused(port, n uint32) {
	atomic.AddUint32(&p.quotas[0].Refused, n)
	if port != 0 {
		atomic.AddUint32(&p.quotas[port].Lost, n)
	}
}

// places are numbers of places, or differences of them modulo 2^32, by the number of the port; 0: of all.
type places []uint32

const minusOne = ^uint32(0)

func (n places) add(l layout.Local, by uint32) {
	if int(l.Port) < len(n) { // else it is leaving, and counted no more
		n[l.Port] += by
		n[0] += by
	}
}

// counted are the places that are taken, as the quotas have it.
func (p *Plane) counted() places {
	n := make(places, len(p.quotas))
	for i := range n {
		n[i] = atomic.LoadUint32(&p.quotas[i].Count)
	}
	return n
}

// taken are those that entries of a map of learned MACs have.
func (p *Plane) taken(m *ebpf.Map) (places, error) {
	n := make(places, len(p.quotas))
	if p.opts.whileCounting != nil {
		p.opts.whileCounting()
	}
	err := kernel.Scan(m, func(_ layout.MACKey, l layout.Local) { n.add(l, 1) })
	return n, err
}

// correct changes the counts, which the programs change as well.
func (p *Plane) correct(by places) {
	for i, n := range by {
		if n != 0 {
			atomic.AddUint32(&p.quotas[i].Count, n)
		}
	}
}

// recount makes the quotas' counts agree with the learned MACs, should a process have died while
// it replaced their map. The programs go on counting meanwhile: what may be their doing is let be, until a sweep.
func (p *Plane) recount() error {
	before := p.counted()
	found, err := p.taken(p.objs.Locals)
	if err != nil {
		return err
	}
	wrong := make(places, len(found))
	for i, after := range p.counted() {
		wrong[i] = found[i] - min(max(found[i], min(before[i], after)), max(before[i], after))
	}
	p.correct(wrong)
	return nil
}

// settle corrects the counts by what a sweep has found, which began when the counts were those given. The programs change both
// meanwhile: what a port's count is off by is believed when two sweeps in a row find it, in neither of which the count changed.
func (p *Plane) settle(before, found places) {
	wrong, doubt := make(places, len(found)), make(places, len(found))
	for i, after := range p.counted() {
		off := found[i] - before[i]
		switch {
		case off == 0 || before[i] != after:
		case i < len(p.doubtedCounts) && p.doubtedCounts[i] == off:
			wrong[i] = off
		default:
			doubt[i] = off
		}
	}
	p.doubtedCounts = doubt
	p.correct(wrong)
}
