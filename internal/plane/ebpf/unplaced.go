package ebpf

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// unplacedMost is how many MACs wait for room at most (some 40 MiB, as long as they do): of one port, those of some seconds.
const unplacedMost = 1 << 19

// unplaced are MACs that the programs would have learned, had there been room in their map. Its lock is held for a
// moment only, so that the learner can go on while a larger map is made.
type unplaced struct {
	mu   sync.Mutex // guards what follows
	macs map[layout.MACKey]unplacedAt
	of   map[string]int // how many of them a port brought: none takes what the others need, as in queue
}

// unplacedAt is where and when a MAC was seen last.
type unplacedAt struct {
	slot, gen uint32
	seen      time.Duration // monotonic
	port      string        // that brought it
}

// add says whether there is place for another one. One that waits already, of which each frame is told, waits where it was
// seen last.
func (u *unplaced) add(port string, s layout.Sighting, now time.Duration) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.macs == nil {
		u.macs, u.of = map[layout.MACKey]unplacedAt{}, map[string]int{}
	}
	key := layout.MACKey{BD: s.BD, MAC: s.MAC}
	if was, waits := u.macs[key]; waits {
		port = was.port
	} else {
		if !fair(u.of[port], unplacedMost-len(u.macs)) {
			return false
		}
		u.of[port]++
	}
	u.macs[key] = unplacedAt{s.Slot, s.Gen, now, port}
	return true
}

// len is how many wait.
func (u *unplaced) len() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.macs)
}

// take empties it.
func (u *unplaced) take() map[layout.MACKey]unplacedAt {
	u.mu.Lock()
	defer u.mu.Unlock()
	macs := u.macs
	u.macs, u.of = nil, nil
	return macs
}

// drop takes out one that the programs have learned since.
func (u *unplaced) drop(key layout.MACKey) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, waits := u.macs[key]; waits {
		u.of[at.port]--
		delete(u.macs, key)
	}
}

// back takes some once more, if they were not seen since.
func (u *unplaced) back(macs map[layout.MACKey]unplacedAt) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.macs == nil {
		u.macs, u.of = map[layout.MACKey]unplacedAt{}, map[string]int{}
	}
	for key, at := range macs {
		if _, waits := u.macs[key]; !waits {
			u.macs[key] = at
			u.of[at.port]++
		}
	}
}

// place learns MACs that had no room when they were seen. Those for which there is none yet wait on; they are refused if the
// map is as large as it may be, or there is no memory for another one.
func (p *Plane) place(macs map[layout.MACKey]unplacedAt) error {
	mayGrow := p.objs.Locals.MaxEntries() < p.mostLocals() && time.Since(p.growFailed) >= growPause
	wait := map[layout.MACKey]unplacedAt{}
	var failed error
	for key, u := range macs {
		b := p.contents.BySlot[u.slot]
		if b == nil || b.Gen != u.gen || b.Domain == nil || b.Domain.BD != key.BD || p.ports[b.Key.Port] == nil {
			p.countRefused(0, 1) // it means nothing any more
			continue
		}
		port := p.ports[b.Key.Port].Number
		if !p.takePlace(0) {
			p.countRefused(port, 1)
			continue
		}
		if !p.takePlace(port) {
			p.givePlace(0)
			atomic.AddUint32(&p.quotas[port].Refused, 1)
			continue
		}
		l := layout.Local{Slot: u.slot, Gen: u.gen, Port: port, Seen: uint64(u.seen)}
		if b.Domain.Features&layout.FeatureSnoop != 0 {
			p.forgetAddresses(key)
		}
		added, err := learnLate(p.objs.Locals, key, l, p.unlearn)
		if added {
			continue
		}
		p.givePlace(0)
		p.givePlace(port)
		if err == nil { // it was seen elsewhere since
			continue
		}
		if mayGrow && errors.Is(err, unix.E2BIG) {
			wait[key] = u
			continue
		}
		p.countRefused(port, 1)
		if !errors.Is(err, unix.E2BIG) {
			failed = fmt.Errorf("write to map locals: %w", err)
		}
	}
	if len(wait) > 0 {
		p.unplaced.back(wait)
		p.leave(lookAtLocals)
	}
	return failed
}

// forgetAddresses has the agent told of a MAC's IP addresses once more, as the programs do when they learn it.
func (p *Plane) forgetAddresses(key layout.MACKey) {
	for _, family := range []uint16{layout.FamilyIPv4, layout.FamilyIPv6} {
		key.Kind = family
		_ = p.objs.Snooped.Delete(&key) // most often there is none
	}
}
