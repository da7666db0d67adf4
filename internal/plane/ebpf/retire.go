package ebpf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Lists of flood sets that a frame may still be walking.

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
	for _, k := range p.tChunks.Gone {
		if p.tChunks.Want.Find(k) < 0 {
			chunks = append(chunks, k)
		}
	}
	p.tChunks.Gone = nil
	if len(chunks) > 0 {
		p.retired = append(p.retired, retired{now, chunks})
	}
}

// retiredChunks is how many there are.
func (p *Plane) retiredChunks() (n int) {
	for _, r := range p.retired {
		n += len(r.chunks)
	}
	return n
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

// cutError says which flood sets are served in part, or nil.
func (p *Plane) cutError() error {
	var errs []error
	for key, n := range p.contents.Cut {
		errs = append(errs, noRoom("the flood set of %s has %d tunnels: only the first %d get copies", p.macOf(key), n, layout.FloodMax))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}
