package vtep

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/trim"
)

// neighbour is a row that says which station has an IP address, or with the lowest rank what the
// dataplane has found out.
type neighbour struct {
	rank uint8
	row  UUID
	mac  intent.MAC
}

// rankHeard is of what no row says. See rankRemote.
const rankHeard = rankLocal + 1

func compareNeighbours(a, b neighbour) int {
	if a.rank != b.rank {
		return int(a.rank) - int(b.rank)
	}
	return compareUUIDs(a.row, b.row)
}

// addNeighbour takes the ipaddr of a unicast row, which may be empty.
func (c *Compiler) addNeighbour(ls *lswitch, mac intent.MAC, r *macRow) {
	if r.ip == "" {
		return
	}
	ip, ok := parseNeighbour(r.ip)
	if !ok {
		c.problems.set(aspectOf(r.table, r.id, "ipaddr"), complaint{
			kind: problem.IgnoredRow, text: fmt.Sprintf("its ipaddr %s is not the IP address of a host: nothing is known of who has it", quote(r.ip)),
			remedy: "correct or clear it"})
		return
	}
	c.putNeighbour(ls, ip, neighbour{r.rank, r.id, mac})
}

func (c *Compiler) removeNeighbour(ls *lswitch, r *macRow) {
	c.problems.clear(aspectOf(r.table, r.id, "ipaddr"))
	if ip, ok := parseNeighbour(r.ip); ok {
		c.dropNeighbour(ls, ip, func(n neighbour) bool { return n.rank == r.rank && n.row == r.id })
	}
}

func parseNeighbour(text string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(text)
	return ip, err == nil && ip.Zone() == "" && !ip.Is4In6() && isHost(ip)
}

func (c *Compiler) putNeighbour(ls *lswitch, ip netip.Addr, n neighbour) {
	if ls.neighbours == nil {
		ls.neighbours = map[netip.Addr][]neighbour{}
	}
	list := ls.neighbours[ip]
	i, _ := slices.BinarySearchFunc(list, n, compareNeighbours)
	ls.neighbours[ip] = slices.Insert(list, i, n)
	c.dirty.neighbours[intent.IPKey{Switch: ls.id, IP: ip}] = struct{}{}
}

func (c *Compiler) dropNeighbour(ls *lswitch, ip netip.Addr, which func(neighbour) bool) {
	list := slices.DeleteFunc(ls.neighbours[ip], which)
	if len(list) > 0 {
		ls.neighbours[ip] = list
	} else if delete(ls.neighbours, ip); len(ls.neighbours) == 0 {
		ls.neighbours = nil
	}
	c.dirty.neighbours[intent.IPKey{Switch: ls.id, IP: ip}] = struct{}{}
}

// SetNeighbour notes which station has been found to have an IP address; the zero MAC: none any
// more. What rows say counts more. The next Refresh acts on it.
func (c *Compiler) SetNeighbour(key intent.IPKey, mac intent.MAC) {
	delete(c.unconfirmed, key)
	c.setHeard(key, mac)
}

func (c *Compiler) setHeard(key intent.IPKey, mac intent.MAC) {
	ls := c.switches[key.Switch]
	if ls == nil || !ls.row {
		return
	}
	c.dropNeighbour(ls, key.IP, func(n neighbour) bool { return n.rank == rankHeard })
	if !mac.IsZero() {
		c.putNeighbour(ls, key.IP, neighbour{rank: rankHeard, mac: mac})
	}
}

// Unconfirmed returns a copy of the neighbours that only an earlier process has known.
func (c *Compiler) Unconfirmed() map[intent.IPKey]intent.MAC { return maps.Clone(c.unconfirmed) }

// ForgetUnconfirmed forgets the neighbours that only an earlier process has heard of, or rows of its time
// have told of; with routed false not those of switches with a router. It says whether there were any. The
// next Refresh acts on it.
func (c *Compiler) ForgetUnconfirmed(routed bool) (had bool) {
	for key, mac := range c.unconfirmed {
		if ls := c.switches[key.Switch]; routed || ls == nil || ls.routed == 0 {
			delete(c.unconfirmed, key)
			had = c.ForgetNeighbour(key, mac) || had
		}
	}
	return had
}

// ForgetNeighbour takes SetNeighbour back, if it was of this MAC, and says whether it was.
func (c *Compiler) ForgetNeighbour(key intent.IPKey, mac intent.MAC) bool {
	heard := func(n neighbour) bool { return n.rank == rankHeard && n.mac == mac }
	ls := c.switches[key.Switch]
	if ls == nil || !slices.ContainsFunc(ls.neighbours[key.IP], heard) {
		return false
	}
	delete(c.unconfirmed, key)
	c.dropNeighbour(ls, key.IP, heard)
	return true
}

// KnownByRow says whether a row says which station has an IP address.
func (c *Compiler) KnownByRow(key intent.IPKey) bool {
	ls := c.switches[key.Switch]
	return ls != nil && len(ls.neighbours[key.IP]) > 0 && ls.neighbours[key.IP][0].rank != rankHeard
}

// wantsNeighbours says whether anybody in the dataplane asks for the neighbours of ls.
func (c *Compiler) wantsNeighbours(ls *lswitch) bool {
	return ls.active && (ls.routed > 0 || ls.options.resolve(c.scope.options, c.features).Suppress)
}

// WantsNeighbours says whether a switch has use for SetNeighbour.
func (c *Compiler) WantsNeighbours(id intent.SwitchID) bool {
	ls := c.switches[id]
	return ls != nil && c.wantsNeighbours(ls)
}

func (c *Compiler) markNeighbours(ls *lswitch) {
	for ip := range ls.neighbours {
		c.dirty.neighbours[intent.IPKey{Switch: ls.id, IP: ip}] = struct{}{}
	}
}

// publishNeighbours writes the neighbours of the State. It comes after routers and switches are
// resolved.
func (c *Compiler) publishNeighbours() {
	for key := range c.dirty.neighbours {
		ls := c.switches[key.Switch]
		if ls == nil || len(ls.neighbours[key.IP]) == 0 || !c.wantsNeighbours(ls) || has(c.state.Interfaces, key) {
			intent.NeighbourTable.Delete(c.edit, key)
		} else {
			intent.NeighbourTable.Set(c.edit, key, ls.neighbours[key.IP][0].mac)
		}
		if ls != nil {
			c.forgetSwitch(ls)
		}
	}
	trim.Empty(&c.dirty.neighbours)
}

// heard are the neighbours that no row has told of, which a rebuild has to keep.
func (c *Compiler) heard() map[intent.IPKey]intent.MAC {
	all := maps.Clone(c.inherited.heard)
	if all == nil {
		all = map[intent.IPKey]intent.MAC{}
	}
	for id, ls := range c.switches {
		for ip, list := range ls.neighbours {
			if n := list[len(list)-1]; n.rank == rankHeard {
				all[intent.IPKey{Switch: id, IP: ip}] = n.mac
			}
		}
	}
	return all
}
