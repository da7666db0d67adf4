package ebpf

import (
	"context"
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/intent"
)

// Watch implements plane.Watcher. The programs look for watched MACs only while there are any.
func (p *Plane) Watch(_ context.Context, keys []intent.MACKey) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	var errs []error
	for _, k := range keys {
		d := p.byUUID[k.Switch]
		if d == nil {
			continue
		}
		key := vtepMacKey{Bd: d.bd, Mac: k.MAC}
		if err := p.objs.Watched.Put(&key, uint32(1)); err != nil {
			errs = append(errs, fmt.Errorf("ebpf plane: write map watched: %w", err))
			break
		}
		if p.watched == nil {
			p.watched = map[vtepMacKey]struct{}{}
		}
		p.watched[key] = struct{}{}
	}
	return errors.Join(append(errs, p.writeSettings())...)
}

// unwatch takes note that the programs have told of a MAC, or that it is forgotten.
func (p *Plane) unwatch(key vtepMacKey) {
	if _, ok := p.watched[key]; !ok {
		return
	}
	delete(p.watched, key)
	_ = p.objs.Watched.Delete(&key) // they do so before they tell
	if len(p.watched) == 0 && p.known {
		_ = p.writeSettings() // the next Apply does, else
	}
}

// unwatchDomain takes note that a switch has gone: nobody will tell of its MACs.
func (p *Plane) unwatchDomain(bd uint32) {
	for key := range p.watched {
		if key.Bd == bd {
			p.unwatch(key)
		}
	}
}

// clearWatched forgets what an earlier process has watched.
func (p *Plane) clearWatched() error {
	var left []vtepMacKey
	err := scan(p.objs.Watched, func(k vtepMacKey, _ uint32) {
		if _, ok := p.watched[k]; !ok {
			left = append(left, k)
		}
	})
	for _, k := range left {
		_ = p.objs.Watched.Delete(&k)
	}
	return err
}
