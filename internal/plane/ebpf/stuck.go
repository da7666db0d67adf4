package ebpf

import (
	"maps"
	"time"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// stuckMACs are entries of the map of learned MACs that a program has begun to delete, as they were found. That they are there
// still is so for a moment only, but for the rarest of accidents, in which the kernel refused the program. Who deletes one in
// that moment might take out the next entry of the MAC, with whose places nobody would reckon.
type stuckMACs map[layout.MACKey]stuckMAC

type stuckMAC struct {
	slot, gen   uint32
	since, last time.Duration // monotonic
}

// stays takes note of one that is found now, and says whether nobody is about to delete it.
func (s *stuckMACs) stays(key layout.MACKey, l layout.Local, now time.Duration) bool {
	if *s == nil {
		*s = stuckMACs{}
	}
	m, ok := (*s)[key]
	if !ok || m.slot != l.Slot || m.gen != l.Gen {
		m = stuckMAC{l.Slot, l.Gen, now, now}
	}
	m.last = now
	(*s)[key] = m
	return now-m.since > grace
}

// prune forgets those that were not found since.
func (s stuckMACs) prune(since time.Duration) {
	maps.DeleteFunc(s, func(_ layout.MACKey, m stuckMAC) bool { return m.last < since })
}
