package vtep

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// groupEntry is a group address of a switch, or unknown-dst.
type groupEntry struct {
	rows    []candidate   // best first
	members []ordinal     // claims of what it needs to flood: of those of the best row, in the order of tunnels
	rest    *rest         // of the rows that give way
	service bool          // one member gets the copy, not all
	flood   []ordinal     // beside members: claims of the peers of unicast rows
	present bool          // there is a set, perhaps an empty one
	chosen  intent.Tunnel // the service node; zero: none
}

// Liveness is what BFD says of a peer. Peers without BFD are Unmonitored.
type Liveness uint8

const (
	Unmonitored Liveness = iota
	Forwarding
	Recovering // forwarding, but it has failed often of late
	NotForwarding
)

// SetLiveness notes what BFD says of a peer. The next Update acts on it.
func (c *Compiler) SetLiveness(peer netip.Addr, l Liveness) {
	if c.liveness[peer] == l {
		return
	}
	if l == Unmonitored {
		delete(c.liveness, peer)
	} else {
		c.liveness[peer] = l
	}
	number := c.claims.numberOf(peer)
	if number == 0 {
		return
	}
	isPeer := func(n ordinal) bool { return c.claims.at(n).peer == number }
	for _, ls := range c.switches {
		for mac, e := range ls.groups {
			if (e.service || c.prunes(ls)) && (slices.ContainsFunc(e.members, isPeer) || slices.ContainsFunc(e.flood, isPeer)) {
				c.dirty.groups[intent.MACKey{Switch: ls.id, MAC: mac}] = struct{}{}
			}
		}
	}
}

// groupRow is what the multicast tables have in common.
type groupRow struct {
	table   string
	rank    uint8
	id      UUID
	mac     string
	ls, set UUID
}

func remoteGroup(r *hwvtep.McastMACRemote) *groupRow {
	if r == nil {
		return nil
	}
	return &groupRow{hwvtep.TableMcastMACRemote, rankRemote, r.UUID, r.MAC, r.LogicalSwitch, r.LocatorSet}
}

// localGroup leaves out what is for others' group addresses: only the sets that say where the
// switches of the database are matter here.
func localGroup(r *hwvtep.McastMACLocal) *groupRow {
	if r == nil || r.MAC != hwvtep.UnknownDst {
		return nil
	}
	return &groupRow{hwvtep.TableMcastMACLocal, rankLocal, r.UUID, r.MAC, r.LogicalSwitch, r.LocatorSet}
}

func parseGroup(text string) (mac intent.MAC, ok bool) {
	if text == hwvtep.UnknownDst {
		return intent.UnknownDst, true
	}
	mac, err := intent.ParseMAC(text)
	return mac, err == nil && mac.IsGroup()
}

func (c *Compiler) groupChanged(before, after *groupRow) {
	if before != nil {
		c.removeGroup(before)
	}
	if after != nil {
		c.addGroup(after)
	}
}

func (c *Compiler) addGroup(r *groupRow) {
	mac, ok := parseGroup(r.mac)
	if !ok {
		c.problems.set(rowOf(r.table, r.id), complaint{
			kind: problem.IgnoredRow, text: "the MAC is neither unknown-dst nor a group address: the row is ignored", remedy: "correct or delete it"})
		return
	}
	ls := c.lswitch(r.ls)
	e := ls.groups[mac]
	if e == nil {
		e = &groupEntry{}
		ls.groups[mac] = e
	}
	e.rows = insertCandidate(e.rows, candidate{r.rank, r.id, r.set})
	key := intent.MACKey{Switch: ls.id, MAC: mac}
	if c.setUsers[r.set] == nil {
		c.setUsers[r.set] = map[intent.FloodKey]struct{}{}
	}
	c.setUsers[r.set][key] = struct{}{}
	c.dirty.groups[key] = struct{}{}
}

func (c *Compiler) removeGroup(r *groupRow) {
	c.problems.clear(rowOf(r.table, r.id))
	mac, ok := parseGroup(r.mac)
	ls := c.switches[switchID(r.ls)]
	if !ok || ls == nil || ls.groups[mac] == nil {
		return
	}
	e := ls.groups[mac]
	e.rows = removeCandidate(e.rows, candidate{r.rank, r.id, r.set})
	key := intent.MACKey{Switch: ls.id, MAC: mac}
	if !leadTo(e.rows, r.set) {
		if delete(c.setUsers[r.set], key); len(c.setUsers[r.set]) == 0 {
			delete(c.setUsers, r.set)
		}
	}
	c.dirty.groups[key] = struct{}{}
}

// resolveGroups finds the members of every dirty group.
func (c *Compiler) resolveGroups() {
	for key := range c.dirty.groups {
		ls := c.switches[key.Switch]
		if ls == nil {
			continue
		}
		e := ls.groups[key.MAC]
		if e == nil {
			if key.MAC != intent.UnknownDst || !ls.active || !c.floods(ls) {
				continue
			}
			e = &groupEntry{}
			ls.groups[key.MAC] = e
		}
		c.reportDuplicates(hwvtep.TableMcastMACRemote, e.rows, key)
		members, whole := c.members(ls, e, key.MAC == intent.UnknownDst)
		if !slices.Equal(members, e.members) {
			for _, n := range members {
				c.countNeed(ls, c.claims.at(n), 1)
			}
			for _, n := range e.members {
				c.countNeed(ls, c.claims.at(n), -1)
			}
			e.members = members
		}
		var left *rest
		if !whole {
			left = c.restOfGroup(ls, e)
		}
		c.setRest(ls, &e.rest, left)
		if len(e.rows) == 0 && !e.present {
			delete(ls.groups, key.MAC)
		}
	}
	c.forgetSetPeers()
}

// members works out what e is now, and returns the claims that it needs. whole: its rows name nothing else.
func (c *Compiler) members(ls *lswitch, e *groupEntry, unknown bool) (set []ordinal, whole bool) {
	e.service, e.present, e.flood = false, false, nil
	if !ls.active {
		return nil, true
	}
	remote := len(e.rows) > 0 && e.rows[0].rank == rankRemote
	if remote {
		e.present, e.service = true, !ls.sourceNode
		locators := c.sets[e.rows[0].to]
		if to := c.peersOf(locators); !to.keyed {
			return c.claimsOf(ls, to), to.good && !slices.ContainsFunc(e.rows[1:], c.namesAny)
		}
		for _, id := range locators {
			if t, ok := c.tunnelBy(id, ls); ok {
				set = append(set, c.claims.make(t).number)
			}
		}
		return c.sortClaims(set), false
	}
	// No NVC says where to flood: to the other switches of the database, which each need a
	// copy, and, where that is wanted, to all who have unicast MACs.
	for _, r := range e.rows {
		for _, id := range c.sets[r.to] {
			if t, ok := c.tunnelBy(id, ls); ok && c.othersLocator(id) {
				e.present = true
				set = append(set, c.claims.make(t).number)
			}
		}
	}
	if unknown && c.floods(ls) {
		e.present = true
		for n := range ls.behind.All() {
			e.flood = append(e.flood, n)
		}
		slices.SortFunc(e.flood, c.claims.compare)
	}
	return c.sortClaims(set), false
}

// namesAny says whether a row that gives way to another may name somebody. Of ours, which have this VTEP alone, there is
// one in each switch.
func (c *Compiler) namesAny(row candidate) bool {
	return row.rank == rankRemote || slices.ContainsFunc(c.sets[row.to], c.othersLocator)
}

// restOfGroup returns what the rows of e name beside its members: those of whoever is named
// there are peers, and their frames are taken, though nothing is flooded to them.
func (c *Compiler) restOfGroup(ls *lswitch, e *groupEntry) *rest {
	if !ls.active {
		return nil
	}
	var r *rest
	isMember := func(t intent.Tunnel) bool {
		_, is := slices.BinarySearchFunc(e.members, t, c.claims.compareTo)
		return is
	}
	for _, row := range e.rows {
		for _, id := range c.sets[row.to] {
			if row.rank == rankRemote || c.othersLocator(id) {
				r = c.named(ls, r, id, isMember)
			}
		}
	}
	return r
}

// sortClaims sorts list in the order of tunnels, and leaves each out that is in it already.
func (c *Compiler) sortClaims(list []ordinal) []ordinal {
	slices.SortFunc(list, c.claims.compare)
	return slices.Compact(list)
}

// publishGroups writes the flood sets of the State.
func (c *Compiler) publishGroups() {
	for key := range c.dirty.groups {
		var e *groupEntry
		ls := c.switches[key.Switch]
		if ls != nil {
			e = ls.groups[key.MAC]
		}
		if e == nil || !e.present {
			intent.FloodTable.Delete(c.edit, key)
			continue
		}
		set := make(intent.FloodSet, 0, len(e.members)+len(e.flood))
		for _, list := range [][]ordinal{e.members, e.flood} {
			for _, n := range list {
				if cl := c.claims.at(n); cl.owner == ls.number {
					set = append(set, c.claims.tunnel(cl))
				}
			}
		}
		if len(e.flood) > 0 {
			slices.SortFunc(set, intent.Tunnel.Compare)
			set = slices.Compact(set)
		}
		switch {
		case e.service:
			set = c.choose(key, e, set)
		case c.prunes(ls):
			set = c.live(set)
			fallthrough
		default:
			e.chosen = intent.Tunnel{}
		}
		intent.FloodTable.Set(c.edit, key, set)
	}
}

// choose leaves of set the one member that gets the copy. Those that BFD sees forwarding come
// before those without BFD, these before those that come and go, and these before those that it
// sees not forwarding. A choice
// stands while nobody is better; otherwise a hash spreads the switches over the members.
func (c *Compiler) choose(key intent.FloodKey, e *groupEntry, set intent.FloodSet) intent.FloodSet {
	if len(set) == 0 {
		e.chosen = intent.Tunnel{}
		return set
	}
	preference := func(t intent.Tunnel) int {
		switch c.liveness[t.Peer] {
		case Forwarding:
			return 0
		case Recovering:
			return 2
		case NotForwarding:
			return 3
		}
		return 1
	}
	best := slices.MinFunc(set, func(a, b intent.Tunnel) int {
		return cmp.Or(cmp.Compare(preference(a), preference(b)),
			cmp.Compare(spread(key.Switch, b), spread(key.Switch, a)), a.Compare(b))
	})
	if e.chosen == (intent.Tunnel{}) {
		e.chosen = c.sticky.chosen[key]
	}
	if !slices.Contains(set, e.chosen) || preference(e.chosen) > preference(best) {
		e.chosen = best
	}
	return intent.FloodSet{e.chosen}
}

// spread is a hash by which each switch ranks the members: one that goes changes only the
// choice of those that had chosen it.
func spread(id intent.SwitchID, t intent.Tunnel) uint64 {
	h := fnv.New64a()
	h.Write(id[:])
	h.Write(t.Peer.AsSlice())
	var vni [4]byte
	binary.BigEndian.PutUint32(vni[:], t.VNI)
	h.Write(vni[:])
	return h.Sum64()
}
