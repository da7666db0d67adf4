package ebpf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// learner turns the programs' sightings into events. It waits for nobody.
// Before the first Apply nothing is known of the numbers in them; until then they wait in the
// ring, with those of the time when there was no process.
func (p *Plane) learner() {
	p.readRing(p.ring, func(b []byte, rest int) {
		p.handleSighting(b)
		// The programs count what did not fit; when the ring is empty it is time to tell.
		if rest == 0 {
			p.leave(lookForLost)
		}
	})
}

func (p *Plane) tellLost() {
	if n := atomic.SwapUint32(&p.quotas[0].Lost, 0); n > 0 {
		p.queue.add(plane.Lost{Count: uint64(n), MACs: true})
	}
}

// handleSighting queues the event for one struct sighting.
func (p *Plane) handleSighting(b []byte) {
	var e layout.Sighting
	if _, err := binary.Decode(b, binary.NativeEndian, &e); err != nil {
		return
	}
	if e.BD == 0 {
		p.leave(lookForPaths)
		return
	}
	if p.watched.drop(layout.MACKey{BD: e.BD, MAC: e.MAC}) {
		p.leave(lookAtWatch)
	}
	s, ok := p.directory.sighting(e.BD, e.MAC, e.Slot, e.Gen)
	if e.Why == layout.WhyLearned {
		p.unplaced.drop(layout.MACKey{BD: e.BD, MAC: e.MAC})
	}
	if e.Why == layout.WhyNoRoom && (!ok || !p.unplaced.add(s.At.Port, e, monotonic())) {
		p.countRefused(0, 1)
	}
	if ok {
		p.queue.add(plane.Seen{Key: s.Key, At: s.At})
	}
	p.leave(lookAtLocals)
}

// learnedCount is how many MACs are learned on all ports.
func (p *Plane) learnedCount() uint32 { return atomic.LoadUint32(&p.quotas[0].Count) }

// watchLocals sees to it that there is room for more MACs, or tells that there is none. It
// takes some room for that to be over, so that it does not flap.
func (p *Plane) watchLocals() {
	if !p.known {
		return
	}
	if p.enlarging == nil {
		p.growLocals(p.unplaced.len())
	}
	if p.enlarging != nil {
		return // at its end it is looked again; who is placed now might be in neither map
	}
	if err := p.place(p.unplaced.take()); err != nil {
		p.log.Warn("MACs that had no room can't be learned until their hosts send again", "err", err)
	}
	count, size := p.learnedCount(), p.objs.Locals.MaxEntries()
	if full := count >= size || p.localsFull && count >= size-size/16; full != p.localsFull {
		p.localsFull = full
		p.queue.add(plane.ReportChanged{})
	}
}

// localsError says that no more MACs can be learned, whatever the limits are, or nil.
func (p *Plane) localsError() error {
	if !p.localsFull {
		return nil
	}
	return noRoom("map locals is full (%d learned MACs): no more are learned", p.objs.Locals.MaxEntries())
}

// Sweep implements plane.Plane.
func (p *Plane) Sweep(context.Context) ([]plane.Sighting, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	count := p.learnedCount()
	p.mu.Unlock()
	seen := make([]plane.Sighting, 0, count+count/16) // it is not to grow under the lock
	began := monotonic()
	ips, err := p.snoopedIPs()
	if err == nil {
		err = p.readLocals(func(s plane.Sighting, l layout.Local) {
			s.Idle = max(0, began-time.Duration(l.Seen))
			s.IP = ips[s.Key]
			seen = append(seen, s)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("ebpf plane: sweep: %w", err)
	}
	return seen, nil
}

// Remembered implements plane.Rememberer.
func (p *Plane) Remembered(context.Context) (map[intent.SwitchID]bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	return p.remembered, nil
}

// Remember implements plane.Rememberer.
func (p *Plane) Remember(_ context.Context, whole bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errClosed
	case p.whole == whole:
		return nil
	}
	p.whole = whole
	if !p.known {
		return nil // the next Apply writes it
	}
	if err := p.writeSettings(); err != nil {
		return fmt.Errorf("ebpf plane: remember: %w", err)
	}
	return nil
}

// readLocals calls f for every learned MAC that means something, some perhaps twice, and deletes
// the others. p.mu is not held but for localsPart of them at a time, so that nobody who wants
// it waits for all of a large map. Before the first Apply it is not known which mean something:
// forwarding is an earlier process's.
func (p *Plane) readLocals(f func(plane.Sighting, layout.Local)) error {
	for {
		p.mu.Lock()
		if p.closed || !p.begun {
			defer p.mu.Unlock()
			if p.closed {
				return errClosed
			}
			return nil
		}
		began := monotonic()
		of, before, found := p.objs.Locals, p.counted(), make(places, len(p.quotas))
		m, err := of.Clone() // the map may be replaced meanwhile, or the plane closed
		p.contents.Stale = false
		p.mu.Unlock()
		if err == nil {
			err = kernel.ScanBatches(m, func(keys []layout.MACKey, values []layout.Local) error {
				if p.opts.betweenBatches != nil {
					p.opts.betweenBatches()
				}
				for len(keys) > 0 {
					n := min(len(keys), localsPart)
					for _, l := range values[:n] {
						found.add(l, 1)
					}
					if err := p.sortPart(keys[:n], values[:n], f); err != nil {
						return err
					}
					keys, values = keys[n:], values[n:]
				}
				return nil
			})
			err = errors.Join(err, m.Close())
		}
		p.mu.Lock()
		if err != nil {
			p.contents.Stale = true
		}
		again := err == nil && !p.closed && p.objs.Locals != of // a larger one took its place
		if err == nil && !again && !p.closed {
			p.settle(before, found)
			p.stuck.prune(began)
			p.watchLocals()
		}
		p.mu.Unlock()
		if err != nil {
			return fmt.Errorf("read map locals: %w", err)
		}
		if !again {
			return nil
		}
	}
}

// localsPart is how many learned MACs are looked at under the lock at a time.
const localsPart = 512

func (p *Plane) sortPart(keys []layout.MACKey, values []layout.Local, f func(plane.Sighting, layout.Local)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	return p.sortLocals(keys, values, f)
}

// collect deletes the learned MACs whose binding has gone or changed its switch, all at once:
// there are few.
func (p *Plane) collect() error {
	if !p.begun {
		return nil
	}
	var keys []layout.MACKey
	var values []layout.Local
	err := kernel.Scan(p.objs.Locals, func(k layout.MACKey, l layout.Local) {
		keys, values = append(keys, k), append(values, l)
	})
	if err != nil {
		return fmt.Errorf("read map locals: %w", err)
	}
	if err := p.sortLocals(keys, values, func(plane.Sighting, layout.Local) {}); err != nil {
		return err
	}
	p.contents.Stale = false
	p.watchLocals()
	return nil
}

// sortLocals calls f for those learned MACs that mean something, and deletes the others.
func (p *Plane) sortLocals(keys []layout.MACKey, values []layout.Local, f func(plane.Sighting, layout.Local)) error {
	var stale, stuck []layout.MACKey
	now := monotonic()
	for i, k := range keys {
		l := values[i]
		if l.Port == layout.Leaving {
			if p.stuck.stays(k, l, now) {
				stuck = append(stuck, k)
			}
		} else if s, ok := p.directory.sighting(k.BD, k.MAC, l.Slot, l.Gen); ok {
			f(s, l)
		} else {
			stale = append(stale, k)
		}
	}
	if err := p.forget(stale); err != nil {
		return err
	}
	for _, k := range stuck {
		if err := p.objs.Locals.Delete(&k); err != nil && !isMissing(err) {
			return fmt.Errorf("delete from map locals: %w", err)
		}
	}
	return nil
}

// Forget implements plane.Plane.
func (p *Plane) Forget(_ context.Context, keys []intent.MACKey) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	list := make([]layout.MACKey, 0, len(keys))
	for _, k := range keys {
		if d := p.contents.ByUUID[k.Switch]; d != nil {
			list = append(list, layout.MACKey{BD: d.BD, MAC: k.MAC})
		}
	}
	if err := p.forget(list); err != nil {
		return fmt.Errorf("ebpf plane: forget: %w", err)
	}
	p.watchLocals()
	return nil
}

// forget deletes learned MACs and gives their places back. A program does it.
func (p *Plane) forget(keys []layout.MACKey) error {
	if p.enlarging != nil {
		p.enlarging.forgotten = append(p.enlarging.forgotten, keys...)
	}
	for _, k := range keys {
		p.unwatch(k)
	}
	return p.unlearn(keys...)
}

// unlearn takes learned MACs out of their map, with their places.
func (p *Plane) unlearn(keys ...layout.MACKey) error {
	if p.opts.beforeUnlearn != nil {
		p.opts.beforeUnlearn()
	}
	for part := range slices.Chunk(keys, layout.ForgetMax) {
		in := make([]byte, 14, 14+len(part)*int(unsafe.Sizeof(layout.MACKey{})))
		for _, k := range part {
			in = binary.NativeEndian.AppendUint32(in, k.BD)
			in = append(in, k.MAC[:]...)
			in = binary.NativeEndian.AppendUint16(in, k.Kind)
		}
		if _, err := p.objs.VtepForget.Run(&ebpf.RunOptions{Data: in}); err != nil {
			return kernel.Explain("delete from map locals", err)
		}
	}
	return nil
}

func isMissing(err error) bool { return errors.Is(err, ebpf.ErrKeyNotExist) }
