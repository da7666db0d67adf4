package evpn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// Reconfigure has a bridge that runs take another configuration: neighbors that are new get sessions, those that are
// missing lose them, those that have changed get new ones; other sessions go on. It says in words what has changed, and
// which settings wait for the next start.
func (b *Bridge) Reconfigure(ctx context.Context, c *Config) (changed, waits []string, err error) {
	b.configuring.Lock()
	defer b.configuring.Unlock()
	was := *b.Config()
	for _, setting := range []struct {
		name string
		same bool
	}{{"as", c.AS == was.AS}, {"router-id", c.RouterID == was.RouterID}, {"listen", slices.Equal(c.Listen, was.Listen)}, {"port", c.Port == was.Port}} {
		if !setting.same {
			waits = append(waits, setting.name)
		}
	}
	before, after := byAddress(was.Neighbors), byAddress(c.Neighbors)
	all := maps.Clone(before)
	maps.Copy(all, after)
	var errs []error
	for _, address := range slices.SortedFunc(maps.Keys(all), netip.Addr.Compare) {
		old, had := before[address]
		now, has := after[address]
		what := ""
		switch {
		case had && !has:
			what, err = "removed", b.removeNeighbor(ctx, address)
		case !had:
			what, err = "added", b.addNeighbor(ctx, now)
		case old == now:
			continue
		case sameSession(old, now):
			what, err = "max-routes", b.ask(ctx, func() {
				s := b.sessions[address]
				if s.most = int(cmp.Or(now.MaxRoutes, MaxRoutes)); s.over && s.most > s.overMost {
					b.admit(s)
				}
				b.limit(address)
			})
		default:
			what = "changed"
			if err = b.removeNeighbor(ctx, address); err == nil {
				err = b.addNeighbor(ctx, now)
			}
		}
		if err != nil {
			errs = append(errs, err)
			delete(after, address) // there is none: the next attempt is to add it
			continue
		}
		changed = append(changed, fmt.Sprintf("neighbor %v %s", address, what))
	}
	err = b.ask(ctx, func() {
		next := was
		next.Neighbors = slices.DeleteFunc(slices.Clone(c.Neighbors), func(n Neighbor) bool { _, is := after[n.Address]; return !is })
		b.config.Store(&next)
		b.beginIfWhole()
	})
	return changed, waits, errors.Join(append(errs, err)...)
}

func byAddress(all []Neighbor) map[netip.Addr]Neighbor {
	m := map[netip.Addr]Neighbor{}
	for _, n := range all {
		m[n.Address] = n
	}
	return m
}

// sameSession says whether a neighbor may keep its session.
func sameSession(a, b Neighbor) bool {
	a.MaxRoutes = b.MaxRoutes
	return a == b
}

// removeNeighbor ends the session with a neighbor; its routes go. The library is asked outside of Run, for which it may wait.
func (b *Bridge) removeNeighbor(ctx context.Context, address netip.Addr) error {
	err := b.speaker.remove(ctx, address)
	return errors.Join(err, b.ask(ctx, func() {
		b.forget(address)
		b.unlinger(address)
		delete(b.sessions, address)
	}))
}

func (b *Bridge) addNeighbor(ctx context.Context, n Neighbor) error {
	if err := b.ask(ctx, func() { b.sessions[n.Address] = newSession(n, b.Config().AS) }); err != nil {
		return err
	}
	err := b.speaker.add(ctx, n)
	if err != nil {
		err = errors.Join(err, b.ask(ctx, func() { delete(b.sessions, n.Address) }))
	}
	return err
}
