package ebpf

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
)

// watchedMACs are those of whose next frame the agent wants to hear.
type watchedMACs struct {
	mu   sync.Mutex // guards what follows
	keys map[layout.MACKey]struct{}
}

// add takes in those that are given, drop takes one out, if it is there.
func (w *watchedMACs) add(keys ...layout.MACKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keys == nil {
		w.keys = map[layout.MACKey]struct{}{}
	}
	for _, key := range keys {
		w.keys[key] = struct{}{}
	}
}

func (w *watchedMACs) drop(key layout.MACKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.keys[key]
	delete(w.keys, key)
	return ok
}

func (w *watchedMACs) has(key layout.MACKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.keys[key]
	return ok
}

func (w *watchedMACs) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.keys)
}

// in lists those of a bd.
func (w *watchedMACs) in(bd uint32) (keys []layout.MACKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.keys {
		if key.BD == bd {
			keys = append(keys, key)
		}
	}
	return keys
}

// Watch implements plane.Watcher. The programs look for watched MACs only while there are any.
func (p *Plane) Watch(_ context.Context, keys []intent.MACKey) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	var fresh []layout.MACKey
	for _, k := range keys {
		if d := p.contents.ByUUID[k.Switch]; d != nil {
			key := layout.MACKey{BD: d.BD, MAC: k.MAC}
			fresh = append(fresh, key)
		}
	}
	p.watched.add(fresh...)
	if p.known {
		p.growToNeed()
	}
	var failed error
	for i, key := range fresh {
		if failed = p.objs.Watched.Put(&key, uint32(1)); failed == nil {
			continue
		}
		failed = fmt.Errorf("ebpf plane: write map watched: %w", failed)
		for _, key := range fresh[i:] {
			p.watched.drop(key)
		}
		break
	}
	p.notifyReport(func() { p.watchedFull = failed != nil })
	return errors.Join(failed, p.writeSettings())
}

// watchedProblem says that some MACs could not be watched, or nothing.
func (p *Plane) watchedProblem() []problem.Problem {
	if !p.watchedFull {
		return nil
	}
	return []problem.Problem{problem.Of(problem.PhysicalSwitch(p.opts.Name),
		noRoom("map watched is full (%d MACs): of other hosts that are here, but are said to be behind a peer, the rows come back up to 30 seconds late",
			p.objs.Watched.MaxEntries()), problem.TableFull)}
}

// unwatch takes note that a MAC is forgotten, or that nobody will tell of it.
func (p *Plane) unwatch(key layout.MACKey) {
	if p.watched.drop(key) {
		_ = p.objs.Watched.Delete(&key)
		p.watchedLess()
	}
}

// watchedLess takes note that there are fewer.
func (p *Plane) watchedLess() {
	n := p.watched.len()
	// It takes some room for that to be over, or it would flap.
	if size := int(p.objs.Watched.MaxEntries()); p.watchedFull && n < size-size/16 {
		p.notifyReport(func() { p.watchedFull = false })
	}
	if n == 0 && p.known {
		_ = p.writeSettings() // the next Apply does, else
	}
}

// unwatchDomain takes note that a switch has gone.
func (p *Plane) unwatchDomain(bd uint32) {
	for _, key := range p.watched.in(bd) {
		p.unwatch(key)
	}
}

// clearWatched forgets what an earlier process has watched.
func (p *Plane) clearWatched() error {
	var left []layout.MACKey
	err := kernel.Scan(p.objs.Watched, func(k layout.MACKey, _ uint32) {
		if !p.watched.has(k) {
			left = append(left, k)
		}
	})
	for _, k := range left {
		_ = p.objs.Watched.Delete(&k)
	}
	return err
}
