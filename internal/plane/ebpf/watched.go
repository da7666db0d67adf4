package ebpf

import (
	"context"
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
)

// Watch implements plane.Watcher. The programs look for watched MACs only while there are any.
func (p *Plane) Watch(_ context.Context, keys []intent.MACKey) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	if p.watched == nil {
		p.watched = map[layout.MACKey]struct{}{}
	}
	var fresh []layout.MACKey
	for _, k := range keys {
		if d := p.byUUID[k.Switch]; d != nil {
			key := layout.MACKey{BD: d.bd, MAC: k.MAC}
			fresh = append(fresh, key)
			p.watched[key] = struct{}{}
		}
	}
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
			delete(p.watched, key)
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

// unwatch takes note that the programs have told of a MAC, or that it is forgotten.
func (p *Plane) unwatch(key layout.MACKey) {
	if _, ok := p.watched[key]; !ok {
		return
	}
	delete(p.watched, key)
	_ = p.objs.Watched.Delete(&key) // they do so before they tell
	// It takes some room for that to be over, or it would flap.
	if size := int(p.objs.Watched.MaxEntries()); p.watchedFull && len(p.watched) < size-size/16 {
		p.notifyReport(func() { p.watchedFull = false })
	}
	if len(p.watched) == 0 && p.known {
		_ = p.writeSettings() // the next Apply does, else
	}
}

// unwatchDomain takes note that a switch has gone: nobody will tell of its MACs.
func (p *Plane) unwatchDomain(bd uint32) {
	for key := range p.watched {
		if key.BD == bd {
			p.unwatch(key)
		}
	}
}

// clearWatched forgets what an earlier process has watched.
func (p *Plane) clearWatched() error {
	var left []layout.MACKey
	err := scan(p.objs.Watched, func(k layout.MACKey, _ uint32) {
		if _, ok := p.watched[k]; !ok {
			left = append(left, k)
		}
	})
	for _, k := range left {
		_ = p.objs.Watched.Delete(&k)
	}
	return err
}
