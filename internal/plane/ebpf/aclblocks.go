package ebpf

import (
	"cmp"
	"slices"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
)

// extent is a run of blocks.
type extent struct{ first, n uint32 }

// blocks hands out those of acl_blocks. What is given back may still be looked at by a frame on its
// way: it is handed out again only when all such frames are through.
type blocks struct {
	size    uint32
	free    []extent // sorted, none next to another
	retired []extent
}

// newBlocks makes blocks of which those in use are taken; block 0 is nobody's.
func newBlocks(size uint32, used []extent) blocks {
	b := blocks{size: size}
	used = append(slices.Clone(used), extent{0, 1})
	slices.SortFunc(used, func(x, y extent) int { return cmp.Compare(x.first, y.first) })
	at := uint32(0)
	for _, u := range used {
		if u.first > at {
			b.free = append(b.free, extent{at, u.first - at})
		}
		at = max(at, u.first+u.n)
	}
	if at < size {
		b.free = append(b.free, extent{at, size - at})
	}
	return b
}

// take gives n blocks in a row; false: there are none.
func (b *blocks) take(n uint32) (extent, bool) {
	if e, ok := b.fit(n); ok {
		return e, true
	}
	b.reuse()
	return b.fit(n)
}

func (b *blocks) fit(n uint32) (extent, bool) {
	for i := range b.free {
		e := &b.free[i]
		if e.n < n {
			continue
		}
		got := extent{e.first, n}
		e.first, e.n = e.first+n, e.n-n
		if e.n == 0 {
			b.free = slices.Delete(b.free, i, i+1)
		}
		return got, true
	}
	return extent{}, false
}

// retire gives blocks back.
func (b *blocks) retire(e extent) {
	if e.n > 0 {
		b.retired = append(b.retired, e)
	}
}

// reuse waits until no frame looks at what was given back, some milliseconds, and frees it.
func (b *blocks) reuse() {
	if len(b.retired) == 0 || !kernel.AwaitFrames() {
		return
	}
	all := append(b.free, b.retired...)
	slices.SortFunc(all, func(x, y extent) int { return cmp.Compare(x.first, y.first) })
	b.free, b.retired = nil, nil
	for _, e := range all {
		if last := len(b.free) - 1; last >= 0 && b.free[last].first+b.free[last].n == e.first {
			b.free[last].n += e.n
		} else {
			b.free = append(b.free, e)
		}
	}
}

// fits says whether there is room for runs of these lengths.
func (b *blocks) fits(lengths []uint32) bool {
	b.reuse()
	try := blocks{free: slices.Clone(b.free)}
	for _, n := range lengths {
		if _, ok := try.fit(n); !ok {
			return false
		}
	}
	return true
}

// grow adds what a larger map has more.
func (b *blocks) grow(size uint32) {
	if last := len(b.free) - 1; last >= 0 && b.free[last].first+b.free[last].n == b.size {
		b.free[last].n += size - b.size
	} else {
		b.free = append(b.free, extent{b.size, size - b.size})
	}
	b.size = size
}
