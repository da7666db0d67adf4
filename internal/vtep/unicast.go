package vtep

import (
	"fmt"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// The ranks of rows that place a MAC behind a tunnel; the lower one is taken.
const (
	rankRemote = iota // Ucast_Macs_Remote, Mcast_Macs_Remote
	rankLocal         // ..._Local, of other switches in the database
)

// candidate is a row that places a MAC: a unicast one by its locator, a group by its set.
type candidate struct {
	rank uint8
	row  UUID
	to   UUID // the locator, or the locator set
}

func compareCandidates(a, b candidate) int {
	if a.rank != b.rank {
		return int(a.rank) - int(b.rank)
	}
	return compareUUIDs(a.row, b.row)
}

// insertCandidate and removeCandidate keep lists in the order of preference: of rows that say
// the same thing, the one with the lowest UUID counts.
func insertCandidate(list []candidate, c candidate) []candidate {
	i, _ := slices.BinarySearchFunc(list, c, compareCandidates)
	return slices.Insert(list, i, c)
}

func removeCandidate(list []candidate, c candidate) []candidate {
	if i, ok := slices.BinarySearchFunc(list, c, compareCandidates); ok {
		return slices.Delete(list, i, i+1)
	}
	return list
}

func leadTo(list []candidate, to UUID) bool {
	return slices.ContainsFunc(list, func(c candidate) bool { return c.to == to })
}

// weak says whether a MAC that was learned on a port of ours counts more than the row. What
// another switch of the database has learned does not: a host that came here is known there
// until that switch hears of it.
func (c candidate) weak() bool { return c.rank == rankLocal }

var notStation = complaint{
	kind: problem.IgnoredRow, text: "the MAC is not the address of a station: the row is ignored", remedy: "correct or delete it",
}

// duplicate is the same for all rows of a MAC, so that it is told once.
func (c *Compiler) duplicate(used candidate) complaint {
	text := "several rows are for this MAC: only one is used"
	if ip := c.addrOf(used.to); ip.IsValid() {
		text = fmt.Sprintf("several rows are for this MAC: the one to %v is used", ip)
	}
	return complaint{kind: problem.DuplicateRow, text: text, remedy: "delete the others"}
}

// macEntry is a unicast MAC of a switch.
type macEntry struct {
	rows   []candidate  // best first
	first  [1]candidate // room for rows: there is seldom more than one
	dirty  bool         // it is in Compiler.dirty.macs
	target *claim       // of its tunnel; nil: nothing places it
	rest   *rest        // of the rows that give way
}

// dirtyMAC is a MAC to be looked at. Of a million of them, as at the start, each look-up takes
// its time: so it comes with what it stands for.
type dirtyMAC struct {
	ls    *lswitch
	mac   intent.MAC
	entry *macEntry
}

func (d *dirtyMAC) key() intent.MACKey { return intent.MACKey{Switch: d.ls.id, MAC: d.mac} }

// entry returns the entry of a MAC, and makes it if there is none. What nothing places is
// removed when it was looked at.
func (ls *lswitch) entry(mac intent.MAC) *macEntry {
	e := ls.macs[mac]
	if e == nil {
		e = &macEntry{}
		e.rows = e.first[:0]
		ls.macs[mac] = e
	}
	return e
}

// markEntry has a MAC looked at.
func (c *Compiler) markEntry(ls *lswitch, mac intent.MAC, e *macEntry) {
	if !e.dirty {
		e.dirty = true
		c.dirty.macs = append(c.dirty.macs, dirtyMAC{ls, mac, e})
	}
}

func (c *Compiler) markMAC(key intent.MACKey) {
	if ls := c.switches[key.Switch]; ls != nil {
		c.markEntry(ls, key.MAC, ls.entry(key.MAC))
	}
}

// macRow is what the unicast tables have in common.
type macRow struct {
	table       string
	rank        uint8
	id          UUID
	mac, ip     string
	ls, locator UUID
}

func remoteRow(r *hwvtep.UcastMACRemote) *macRow {
	if r == nil {
		return nil
	}
	return &macRow{hwvtep.TableUcastMACRemote, rankRemote, r.UUID, r.MAC, r.IPAddr, r.LogicalSwitch, r.Locator}
}

func localRow(r *hwvtep.UcastMACLocal) *macRow {
	if r == nil {
		return nil
	}
	return &macRow{hwvtep.TableUcastMACLocal, rankLocal, r.UUID, r.MAC, r.IPAddr, r.LogicalSwitch, r.Locator}
}

// unicastChanged takes a changed row of a unicast table.
func (c *Compiler) unicastChanged(before, after *macRow) {
	if before != nil {
		c.removeUnicast(before)
	}
	if after != nil {
		c.addUnicast(after)
		if before == nil || before.mac != after.mac || before.ls != after.ls {
			c.queueMove(after)
		}
	}
}

// queueMove notes that another switch of the database has learned, or an NVC has placed behind a
// peer, a MAC that is learned here.
func (c *Compiler) queueMove(r *macRow) {
	mac, err := intent.ParseMAC(r.mac)
	key := intent.MACKey{Switch: switchID(r.ls), MAC: mac}
	if err != nil || r.rank == rankLocal && !c.othersLocator(r.locator) || r.rank == rankRemote && !c.leadsAway(r.locator) {
		return
	}
	if c.isLearned(key) || c.isAdopted(key) {
		c.moved = append(c.moved, key)
	}
}

// leadsAway says whether a locator is one of a peer.
func (c *Compiler) leadsAway(id UUID) bool {
	addr := c.addrOf(id)
	return addr.IsValid() && !c.scope.ownIPs[addr]
}

// othersLocator says whether a row of a Local table with this locator is of another switch of
// the database. Our own rows follow from what we learn; they must not come back as remote.
func (c *Compiler) othersLocator(id UUID) bool {
	return c.scope.others[c.addrOf(id)]
}

func (c *Compiler) addUnicast(r *macRow) {
	if r.rank == rankLocal && !c.othersLocator(r.locator) {
		return
	}
	mac, err := intent.ParseMAC(r.mac)
	if err != nil || mac.IsGroup() || mac.IsZero() {
		c.problems.set(rowOf(r.table, r.id), notStation)
		return
	}
	ls := c.lswitch(r.ls)
	e := ls.entry(mac)
	e.rows = insertCandidate(e.rows, candidate{r.rank, r.id, r.locator})
	c.addNeighbour(ls, mac, r)
	key := intent.MACKey{Switch: ls.id, MAC: mac}
	c.locator(r.locator).macs.add(key)
	c.markEntry(ls, mac, e)
}

func (c *Compiler) removeUnicast(r *macRow) {
	c.problems.clear(rowOf(r.table, r.id))
	c.problems.clear(aspectOf(r.table, r.id, aspectOfRouter))
	c.clearChecks(r)
	mac, err := intent.ParseMAC(r.mac)
	if err != nil {
		return
	}
	ls := c.switches[switchID(r.ls)]
	if ls == nil || ls.macs[mac] == nil {
		return
	}
	e := ls.macs[mac]
	e.rows = removeCandidate(e.rows, candidate{r.rank, r.id, r.locator})
	c.removeNeighbour(ls, r)
	key := intent.MACKey{Switch: ls.id, MAC: mac}
	if l := c.locators[r.locator]; l != nil && !leadTo(e.rows, r.locator) {
		l.macs.remove(key)
		c.forgetLocator(r.locator)
	}
	c.markEntry(ls, mac, e)
}

// arpRow is what the tables of sources of ARP have in common.
type arpRow struct {
	table       string
	rank        uint8
	id, locator UUID
	mac         string
}

func remoteARP(r *hwvtep.ARPSourceRemote) *arpRow {
	if r == nil {
		return nil
	}
	return &arpRow{hwvtep.TableARPSourceRemote, rankRemote, r.UUID, r.Locator, r.SrcMAC}
}

func localARP(r *hwvtep.ARPSourceLocal) *arpRow {
	if r == nil {
		return nil
	}
	return &arpRow{hwvtep.TableARPSourceLocal, rankLocal, r.UUID, r.Locator, r.SrcMAC}
}

// arpChanged takes a changed row of Arp_Sources_Remote, or of another switch in Arp_Sources_Local. Its
// MAC is behind its locator in every switch that has no better row for it.
func (c *Compiler) arpChanged(before, after *arpRow) {
	if before != nil {
		c.problems.clear(rowOf(before.table, before.id))
		c.problems.clear(aspectOf(before.table, before.id, aspectOfRouter))
		if mac, err := intent.ParseMAC(before.mac); err == nil {
			rows := removeCandidate(c.arps[mac], candidate{before.rank, before.id, before.locator})
			if c.markARP(mac); len(rows) > 0 {
				c.arps[mac] = rows
			} else {
				delete(c.arps, mac)
			}
			if l := c.locators[before.locator]; l != nil && !leadTo(rows, before.locator) {
				l.arps.remove(mac)
				c.forgetLocator(before.locator)
			}
		}
	}
	if after == nil || after.rank == rankLocal && !c.othersLocator(after.locator) {
		return
	}
	mac, err := intent.ParseMAC(after.mac)
	if err != nil || mac.IsGroup() || mac.IsZero() {
		c.problems.set(rowOf(after.table, after.id), notStation)
		return
	}
	c.arps[mac] = insertCandidate(c.arps[mac], candidate{after.rank, after.id, after.locator})
	c.locator(after.locator).arps.add(mac)
	c.markARP(mac)
}

func (c *Compiler) markARP(mac intent.MAC) {
	for _, ls := range c.switches {
		if ls.active {
			c.markEntry(ls, mac, ls.entry(mac))
		}
	}
}

// resolveMACs finds the tunnel of every dirty MAC.
func (c *Compiler) resolveMACs() {
	for i := 0; i < len(c.dirty.macs); i++ {
		d := &c.dirty.macs[i]
		key, ls, e := d.key(), d.ls, d.entry
		arps := c.arps[key.MAC]
		c.reportDuplicates(hwvtep.TableUcastMACRemote, e.rows, key)
		rows, learned := e.rows, c.isLearned(key)
		if i := slices.IndexFunc(rows, candidate.weak); learned && i >= 0 {
			rows = rows[:i]
		}
		target, placed := c.place(ls, rows)
		if !placed && !learned {
			target, placed = c.place(ls, arps)
		}
		if was := e.target; placed != (was != nil) || placed && was.tunnel != target {
			e.target = nil
			if placed {
				c.countNeed(ls, target, 1)
				c.countMACs(ls, target, 1)
				e.target = c.claims[target] // it is there as long as somebody needs it
			}
			if was != nil {
				c.countNeed(ls, was.tunnel, -1)
				c.countMACs(ls, was.tunnel, -1)
			}
		}
		c.checkMAC(key, ls, e)
		c.setRest(ls, &e.rest, c.restOfMAC(ls, e, arps))
		if !placed && len(e.rows) == 0 && (len(arps) == 0 || !ls.active) {
			if delete(ls.macs, key.MAC); len(ls.macs) == 0 {
				ls.macs = map[intent.MAC]*macEntry{}
			}
		}
	}
}

// SetLearned says where to ask which MACs are learned on our ports.
func (c *Compiler) SetLearned(l Learned) { c.learned = l }

func (c *Compiler) isLearned(key intent.MACKey) bool {
	_, ok := c.learnedAt(key)
	return ok
}

func (c *Compiler) learnedAt(key intent.MACKey) (intent.BindingKey, bool) {
	if c.learned == nil {
		return intent.BindingKey{}, false
	}
	return c.learned.Get(key)
}

func (c *Compiler) isAdopted(key intent.MACKey) bool {
	_, ok := c.adopted[key]
	return ok
}

// LearnedChanged notes that a MAC was learned, has moved, or was forgotten. When the answer is
// true the State or a doubt depends on it: Refresh is to be called.
func (c *Compiler) LearnedChanged(key intent.MACKey) bool {
	ls := c.switches[key.Switch]
	if ls == nil || !ls.active || len(c.arps[key.MAC]) == 0 && ls.macs[key.MAC] == nil {
		return false
	}
	c.markMAC(key)
	return true
}

// Claimed says whether an NVC has placed the MAC behind a peer.
func (c *Compiler) Claimed(key intent.MACKey) bool {
	ls := c.switches[key.Switch]
	if ls == nil || ls.macs[key.MAC] == nil {
		return false
	}
	return slices.ContainsFunc(ls.macs[key.MAC].rows, func(r candidate) bool { return r.rank == rankRemote && c.leadsAway(r.to) })
}

// TakeMoved returns the MACs, learned on our ports or with Local rows of an earlier process, that
// since the last call other switches of the database have learned, or an NVC has placed behind a
// peer.
func (c *Compiler) TakeMoved() []intent.MACKey {
	moved := c.moved
	c.moved = nil
	return moved
}

// restOfMAC returns what the rows of e name beside its target.
func (c *Compiler) restOfMAC(ls *lswitch, e *macEntry, arps []candidate) *rest {
	if !ls.active || e.target != nil && len(e.rows)+len(arps) == 1 {
		return nil
	}
	var known []intent.Tunnel
	if e.target != nil {
		known = []intent.Tunnel{e.target.tunnel}
	}
	var r *rest
	for _, rows := range [][]candidate{e.rows, arps} {
		for _, row := range rows {
			r = c.named(ls, r, row.to, known)
		}
	}
	return r
}

// place returns the tunnel of the first row that leads anywhere.
func (c *Compiler) place(ls *lswitch, rows []candidate) (intent.Tunnel, bool) {
	if ls.active {
		for _, r := range rows {
			if t, ok := c.tunnelBy(r.to, ls); ok {
				return t, true
			}
		}
	}
	return intent.Tunnel{}, false
}

// reportDuplicates notes which rows of the remote table give way to another for the same MAC.
func (c *Compiler) reportDuplicates(table string, rows []candidate, key intent.MACKey) {
	for i, r := range rows {
		if r.rank != rankRemote {
			return
		}
		if i == 0 || r.to == rows[0].to && c.otherAddress(r, rows[0]) {
			c.problems.clear(rowOf(table, r.row))
		} else {
			c.problems.set(rowOf(table, r.row), c.duplicate(rows[0]))
		}
	}
}

// otherAddress says whether two rows of a MAC tell of two IP addresses that it has.
func (c *Compiler) otherAddress(a, b candidate) bool {
	one, _ := c.view.UcastMACRemote(a.row)
	other, _ := c.view.UcastMACRemote(b.row)
	return one.IPAddr != "" && other.IPAddr != "" && one.IPAddr != other.IPAddr
}

// aspectOfRouter is of what is wrong with a row because of the router of its switch.
const aspectOfRouter = "router"

// reportRouterMAC notes of the remote row that a MAC would have whether it is that of the router.
func (c *Compiler) reportRouterMAC(ls *lswitch, e *macEntry, ofRouter bool) {
	if len(e.rows) == 0 || e.rows[0].rank != rankRemote {
		return
	}
	what := complaint{}
	if ofRouter {
		what = complaint{kind: problem.IgnoredRow, remedy: "delete it, or give the router another router_mac",
			text: fmt.Sprintf("the MAC is that of the router %s here: the row is not used", problem.Name(c.state.Routers[intent.RouterID(ls.router)].Name))}
	}
	c.problems.set(aspectOf(hwvtep.TableUcastMACRemote, e.rows[0].row, aspectOfRouter), what)
}

// countMACs counts the MACs of ls behind t, for switches that flood to them.
func (c *Compiler) countMACs(ls *lswitch, t intent.Tunnel, n int) {
	was := ls.peers[t]
	if ls.peers[t] += n; ls.peers[t] == 0 {
		delete(ls.peers, t)
	}
	if c.floods(ls) && (was == 0 || was+n == 0) {
		c.dirty.groups[intent.MACKey{Switch: ls.id, MAC: intent.UnknownDst}] = struct{}{}
	}
}

// publishMACs writes the unicast entries of the State.
func (c *Compiler) publishMACs() {
	for i := range c.dirty.macs {
		d := &c.dirty.macs[i]
		key, e := d.key(), d.entry
		ofRouter := c.isRouters(d.ls, key.MAC)
		c.reportRouterMAC(d.ls, e, ofRouter)
		if e.target != nil && e.target.owner == d.ls.id && !ofRouter {
			intent.UnicastTable.Set(c.edit, key, e.target.tunnel)
		} else {
			intent.UnicastTable.Delete(c.edit, key)
		}
	}
	c.checkARPs()
}
