package vtep

import (
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
)

// rest is what the rows for an address name beside what its frames are sent by. Few addresses
// have any.
type rest struct {
	tunnels []intent.Tunnel // by which peers may send, sorted
	bad     []UUID          // locators that lead nowhere
}

// named adds the locator called id to r, which may be nil, unless its tunnel is known. It returns r, or a new one.
func (c *Compiler) named(ls *lswitch, r *rest, id UUID, known func(intent.Tunnel) bool) *rest {
	t, ok := c.tunnelBy(id, ls)
	l := c.locators[id]
	if !ok && (l == nil || l.wrong == nil) {
		return r
	}
	if ok && known(t) {
		return r
	}
	if r == nil {
		r = &rest{}
	}
	if !ok {
		if !slices.Contains(r.bad, id) {
			r.bad = append(r.bad, id)
		}
	} else if i, found := slices.BinarySearchFunc(r.tunnels, t, intent.Tunnel.Compare); !found {
		r.tunnels = slices.Insert(r.tunnels, i, t)
	}
	return r
}

// setRest puts now in the place of *at.
func (c *Compiler) setRest(ls *lswitch, at **rest, now *rest) {
	was := *at
	*at = now
	if was == nil && now == nil {
		return
	}
	if now != nil {
		for _, t := range now.tunnels {
			c.countMAC(ls, t, 1)
		}
		for _, id := range now.bad {
			if ls.bad == nil {
				ls.bad = map[UUID]int{}
			}
			ls.bad[id]++
			c.problems.set(badLocator(ls, id), *c.locators[id].wrong)
		}
	}
	if was != nil {
		for _, t := range was.tunnels {
			c.countMAC(ls, t, -1)
		}
		for _, id := range was.bad {
			if ls.bad[id]--; ls.bad[id] == 0 {
				delete(ls.bad, id)
				c.problems.clear(badLocator(ls, id))
			}
		}
	}
}

// badLocator is what a locator that leads nowhere means to a switch.
func badLocator(ls *lswitch, id UUID) subject {
	return aspectOf(hwvtep.TableLogicalSwitch, UUID(ls.id), "locator "+id.String())
}
