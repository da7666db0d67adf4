package ebpf

import (
	"sync/atomic"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
)

// Routers keep the next hops that they have found (bpf/hop.h). All of them are found anew when the generation
// is another than they were found in.
type generation struct {
	memory []byte   // what now is a view of
	now    []uint64 // one element, shared with the programs: atomic access only
}

// openGeneration begins a generation of this process: programs that are kept may have hops of one before.
func (p *Plane) openGeneration() (err error) {
	if p.generation.memory, p.generation.now, err = kernel.MapArray[uint64](p.objs.Generation); err != nil {
		return err
	}
	p.findAnew()
	for _, written := range []*func(){&p.tNeighbors.Written, &p.tRemotes.Written, &p.tRoutes4.Written, &p.tRoutes6.Written} {
		*written = p.findAnew
	}
	return nil
}

// findAnew is called after every change of what hops come from.
func (p *Plane) findAnew() { atomic.AddUint64(&p.generation.now[0], 1) }
