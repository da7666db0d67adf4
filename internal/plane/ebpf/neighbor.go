package ebpf

import (
	"context"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// UsedNeighbors implements plane.NeighborUser. The programs note the time to within a second.
func (p *Plane) UsedNeighbors(_ context.Context, keys []intent.IPKey, within time.Duration) []bool {
	used := make([]bool, len(keys))
	least := int64(monotonic() - within - time.Second)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return used
	}
	for i, key := range keys {
		d := p.contents.ByUUID[key.Switch]
		if d == nil {
			continue
		}
		var n layout.Neighbor
		err := p.objs.Neighbors.Lookup(layout.IPKey{BD: d.BD, IP: layout.AddressOf(key.IP)}, &n)
		used[i] = err == nil && n.Used > 0 && int64(n.Used) > least
	}
	return used
}
