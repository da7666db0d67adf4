package ebpf

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// enlarging is the making of a larger map of learned MACs, for which p.mu is not held: it takes longer the more there are, and is
// most often due when many come. One is under way at a time.
type enlarging struct {
	forgotten []layout.MACKey // since it began: the copy may have them
	over      chan struct{}   // closed at its end
}

// awaitMaking has neither such a map nor a link be made, or begun: it would pin what is about to be taken away. p.mu is not held
// meanwhile.
func (p *Plane) awaitMaking() {
	for p.enlarging != nil || p.attaching != nil {
		p.known = false // a change that comes meanwhile says that they are
		var over chan struct{}
		if p.enlarging != nil {
			over = p.enlarging.over
		} else {
			over = p.attaching.over
		}
		p.mu.Unlock()
		<-over
		p.mu.Lock()
	}
}

// growLocals has room made long before the learned MACs take the last of it, as far as they may: a larger map takes some
// tenths of a second, in which a crowd may come. So many that came wait for it already.
func (p *Plane) growLocals(waiting int) {
	have, most, need := p.objs.Locals.MaxEntries(), p.mostLocals(), int(p.learnedCount())+waiting
	if need < int(have/4) || have >= most || time.Since(p.growFailed) < growPause {
		return
	}
	sizes := map[string]uint32{"locals": min(kernel.RoundUp(max(int(have), need)*4), most)}
	if p.showing != nil { // its maps are another's to close
		p.growTo(sizes, p.growing())
		return
	}
	p.enlarging = &enlarging{over: make(chan struct{})}
	p.wg.Go(func() { p.enlargeLocals(sizes) })
}

// enlargeLocals does it, and has those placed that wait for room.
func (p *Plane) enlargeLocals(sizes map[string]uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	start := time.Now()
	err := p.enlarge(sizes)
	close(p.enlarging.over)
	if p.enlarging = nil; p.closed {
		return
	}
	p.grew(sizes, start, err)
	p.leave(lookAtLocals)
}

// errOvertaken says that the programs, or maps that they use, were replaced meanwhile.
var errOvertaken = errors.New("other tables were made larger at the same time")

// enlarge makes a map of learned MACs of that size take the place of the one before. p.mu is held, but not while it is made.
func (p *Plane) enlarge(sizes map[string]uint32) error {
	if p.closed {
		return errClosed
	}
	have := map[string]*ebpf.Map{}
	defer func() {
		for _, m := range have {
			m.Close()
		}
	}()
	for name, m := range p.objs.byName() {
		clone, err := (*m).Clone() // the plane's own may be closed
		if err != nil {
			return fmt.Errorf("open map %s once more: %w", name, err)
		}
		have[name] = clone
	}
	spec, err := p.presentSpec()
	if err != nil {
		return err
	}
	growing := map[string]grown{"locals": {0, copyLocals, nil}}
	began, replaced := monotonic(), p.replaced
	p.mu.Unlock()
	next, err := p.makeSuccessors(spec, have, sizes, growing)
	if p.opts.beforeSwap != nil {
		p.opts.beforeSwap()
	}
	p.mu.Lock()
	if err != nil {
		return err
	}
	if p.closed || p.replaced != replaced {
		p.discard(next)
		return errors.Join(errOvertaken, p.pins.PruneStages(p.objs.Stages))
	}
	for _, key := range p.enlarging.forgotten {
		if err := next.forget(key); err != nil {
			p.log.Warn("a MAC that was forgotten while the table was made larger may be back until it ages", "err", err)
		}
	}
	for name, m := range p.objs.byName() {
		if next.fresh[name] == nil {
			next.all[name] = *m
		}
	}
	p.succeed(next, growing, began)
	return nil
}

// mostLocals is the size at which their map stops.
func (p *Plane) mostLocals() uint32 {
	most := p.limit("locals")
	if allowed := p.quotas[0].Limit; allowed != 0 {
		most = min(most, kernel.RoundUp(int(allowed)+1))
	}
	return most
}

func copyLocals(from, to *ebpf.Map) error {
	return kernel.CopySome[layout.MACKey](from, to, func(l layout.Local) bool { return l.Port != layout.Leaving })
}

// forget takes out a learned MAC that was copied.
func (n *successors) forget(key layout.MACKey) error {
	m := n.fresh["locals"]
	var l layout.Local
	err := m.Lookup(&key, &l)
	if err == nil {
		err = m.Delete(&key)
	}
	if isMissing(err) {
		return nil // it came later than the copy
	}
	if err == nil {
		n.copied.add(l, minusOne)
	}
	return err
}

// catchUp adds what the old programs have learned since the copy began, and mends the counts. All programs change the same ones:
// the old ones by what came into their map and left it, those now by what comes into theirs and leaves it. The last of the old ones
// has ended: their stages were taken away, which waits for that. So wrong is by how much the copy, with what is added here, is
// more than what is in the old map.
func (p *Plane) catchUp(old *ebpf.Map, began time.Duration, copied places) error {
	wrong := slices.Clone(copied)
	var failed error
	err := kernel.Scan(old, func(k layout.MACKey, l layout.Local) {
		wrong.add(l, minusOne)
		if l.Port == layout.Leaving || time.Duration(l.Seen) < began-time.Second {
			return
		}
		added, err := learnLate(p.objs.Locals, k, l, p.unlearn)
		if added {
			wrong.add(l, 1)
		}
		failed = errors.Join(failed, err)
	})
	if err != nil {
		return err
	}
	p.correct(wrong)
	return failed
}

// learnLate adds a MAC to those that programs go on learning: what they know of it is newer, unless it is what is older than l. It
// says whether it did; then its places are counted already. What was known is taken out, with its places, by a program.
func learnLate(m *ebpf.Map, k layout.MACKey, l layout.Local, unlearn func(...layout.MACKey) error) (bool, error) {
	for {
		err := m.Update(&k, &l, ebpf.UpdateNoExist)
		if !errors.Is(err, ebpf.ErrKeyExist) {
			return err == nil, err
		}
		var now layout.Local
		if err = m.Lookup(&k, &now); err == nil {
			if now.Seen >= l.Seen || now.Port == layout.Leaving || now.Slot == l.Slot && now.Gen == l.Gen {
				return false, nil
			}
			err = unlearn(k) // it has moved
		}
		if err != nil && !isMissing(err) { // else it has gone a moment ago
			return false, err
		}
	}
}
