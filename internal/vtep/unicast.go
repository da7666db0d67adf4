package vtep

import (
	"fmt"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

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

// dirtyMAC is a MAC to be looked at. Of a million of them, as at the start, each look-up takes
// its time: so it comes with what it stands for.
type dirtyMAC struct {
	ls     *lswitch
	mac    intent.MAC
	target *claim // of its tunnel, once that is resolved
}

// spot is where a row places a MAC: behind a tunnel, or at a binding of ours if that has a Port.
type spot struct {
	tunnel intent.Tunnel
	at     intent.BindingKey
}

func (d *dirtyMAC) key() intent.MACKey { return intent.MACKey{Switch: d.ls.id, MAC: d.mac} }

// markEntry has a MAC looked at. It may be marked twice: what was looked at a second time stays as it is.
func (c *Compiler) markEntry(ls *lswitch, mac intent.MAC) {
	if c.dirty.every {
		return
	}
	if last := len(c.dirty.macs) - 1; last < 0 || c.dirty.macs[last].ls != ls || c.dirty.macs[last].mac != mac {
		c.dirty.macs = append(c.dirty.macs, dirtyMAC{ls: ls, mac: mac})
	}
}

func (c *Compiler) markMAC(key intent.MACKey) {
	if ls := c.switches[key.Switch]; ls != nil {
		c.markEntry(ls, key.MAC)
	}
}

// macRow is what the unicast tables have in common.
type macRow struct {
	table       string
	rank        uint8
	id          UUID
	mac         intent.MAC
	parsed      bool // mac is what the row says; otherwise that is none
	ip          string
	ls, locator UUID
}

// remote makes m what r says, and returns it; nil for none. Of very many rows none so takes memory of its own.
func (m *macRow) remote(r *hwvtep.UcastMACRemote) *macRow {
	if r == nil {
		return nil
	}
	mac, err := intent.ParseMAC(r.MAC)
	*m = macRow{hwvtep.TableUcastMACRemote, rankRemote, r.UUID, mac, err == nil, r.IPAddr, r.LogicalSwitch, r.Locator}
	return m
}

// local is remote for a row of the other table.
func (m *macRow) local(r *hwvtep.UcastMACLocal) *macRow {
	if r == nil {
		return nil
	}
	mac, err := intent.ParseMAC(r.MAC)
	*m = macRow{hwvtep.TableUcastMACLocal, rankLocal, r.UUID, mac, err == nil, r.IPAddr, r.LogicalSwitch, r.Locator}
	return m
}

// unicastChanged takes a changed row of a unicast table.
func (c *Compiler) unicastChanged(before, after *macRow) {
	if before != nil {
		c.removeUnicast(before)
	}
	if after != nil {
		c.addUnicast(after)
		if before == nil || before.mac != after.mac || before.ls != after.ls || c.addrOf(before.locator) != c.addrOf(after.locator) {
			c.queueMove(after)
		}
	}
}

// queueMove notes that another switch of the database has learned, or an NVC has placed behind a
// peer, or behind another one, a MAC that is learned here.
func (c *Compiler) queueMove(r *macRow) {
	key := intent.MACKey{Switch: switchID(r.ls), MAC: r.mac}
	if !r.parsed || !c.isLearned(key) && !c.isAdopted(key) {
		return
	}
	if r.rank == rankLocal && c.othersLocator(r.locator) || r.rank == rankRemote && c.leadsAway(r.locator, key) {
		c.moved = append(c.moved, key)
	}
}

// leadsAway says whether a locator is one of a peer, or stands for another port than that at which the MAC was learned.
func (c *Compiler) leadsAway(id UUID, key intent.MACKey) bool {
	if port := c.segments.port(c.segmentAt(id)); port != "" {
		at, learned := c.learnedAt(key)
		return learned && at.Port != port
	}
	return c.isPeers(id)
}

// isPeers says whether a locator is one of a peer.
func (c *Compiler) isPeers(id UUID) bool {
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
	if !r.parsed || r.mac.IsGroup() || r.mac.IsZero() {
		c.problems.set(rowOf(r.table, r.id), notStation)
		return
	}
	ls := c.lswitch(r.ls)
	c.addCandidate(ls, r.mac, candidate{r.rank, r.id, r.locator})
	c.addNeighbour(ls, r.mac, r)
	c.markEntry(ls, r.mac)
}

func (c *Compiler) removeUnicast(r *macRow) {
	c.problems.clear(rowOf(r.table, r.id))
	c.problems.clear(aspectOf(r.table, r.id, aspectOfRouter))
	c.clearChecks(r)
	ls := c.switches[switchID(r.ls)]
	if ls == nil || !r.parsed {
		return
	}
	e := ls.macs.Find(r.mac)
	if e == nil {
		return
	}
	c.removeCandidate(ls, r.mac, e, candidate{r.rank, r.id, r.locator})
	c.removeNeighbour(ls, r)
	c.markEntry(ls, r.mac)
}

// markEvery marks all MACs, each once: at the start of a VTEP rows mark them, and once more the switches that become
// active.
func (c *Compiler) markEvery() {
	n := 0
	for _, ls := range c.switches {
		n += ls.macs.Len()
	}
	c.dirty.every, c.dirty.macs = false, make([]dirtyMAC, 0, n)
	for _, ls := range c.switchNumbers.all {
		switch {
		case ls == nil:
		case ls.active:
			c.markMACs(ls)
		default: // sources of ARP count for others only
			for mac := range ls.macs.All() {
				c.markEntry(ls, mac)
			}
		}
	}
}

// groupMACs has the dirty MACs of a switch lie behind one another, in the order they have: rows come in that of their
// UUIDs, which is none, and of very many switches each MAC would find everything about its own gone from the caches
// of the processor.
func (c *Compiler) groupMACs() {
	macs := c.dirty.macs
	if len(macs) < manyDirty {
		return
	}
	next := make([]int, len(c.switchNumbers.all)+1) // where the next MAC of a switch goes, by its number
	for i := range macs {
		next[macs[i].ls.number+1]++
	}
	for n := 1; n < len(next); n++ {
		next[n] += next[n-1]
	}
	grouped := make([]dirtyMAC, len(macs))
	for i := range macs {
		at := &next[macs[i].ls.number]
		grouped[*at] = macs[i]
		*at++
	}
	c.dirty.macs = grouped
}

// manyDirty is for how many dirty MACs it pays to be grouped.
var manyDirty = 1 << 12

// resolveMACs finds the tunnel of every dirty MAC.
func (c *Compiler) resolveMACs() {
	if c.dirty.every {
		c.markEvery()
	} else {
		c.groupMACs()
	}
	var one [1]candidate
	for i := 0; i < len(c.dirty.macs); i++ {
		d := &c.dirty.macs[i]
		key, ls := d.key(), d.ls
		var was macEntry
		at := ls.macs.Find(d.mac) // which stays there: nothing below gives the switch another MAC
		if at != nil {
			was = *at
		}
		e := was
		all := c.candidates(ls, d.mac, &e, &one)
		arps := c.arps[key.MAC]
		c.reportDuplicates(hwvtep.TableUcastMACRemote, all, key)
		rows, learned := all, c.isLearned(key)
		if learned {
			if i := slices.IndexFunc(rows, candidate.weak); i >= 0 {
				rows = rows[:i]
			}
		}
		where, placed := c.place(ls, rows)
		if !placed && !learned {
			where, placed = c.place(ls, arps)
		}
		if where.at.Port != "" {
			c.dirty.attached[key] = where.at
			placed = false // by no tunnel
		} else if len(c.dirty.attached) > 0 {
			delete(c.dirty.attached, key)
		}
		target := where.tunnel
		if d.target = nil; was.target != 0 {
			d.target = c.claims.at(was.target)
		}
		if from := d.target; placed != (from != nil) || placed && c.claims.tunnel(from) != target {
			d.target, e.target = nil, 0
			if placed {
				d.target = c.countMAC(ls, target, 1)
				e.target = d.target.number
			}
			if from != nil {
				c.countMAC(ls, c.claims.tunnel(from), -1)
			}
		}
		c.checkMAC(key, ls, all, d.target)
		c.restMAC(ls, d, &e, all, arps)
		if !placed && !e.has && (len(arps) == 0 || !ls.active) {
			if at != nil {
				ls.macs.Delete(d.mac)
			}
		} else if at != nil {
			*at = e
		} else {
			ls.macs.Set(d.mac, e)
		}
	}
}

// restMAC sees to what the rows of a MAC name beside its target.
func (c *Compiler) restMAC(ls *lswitch, d *dirtyMAC, e *macEntry, rows, arps []candidate) {
	now := c.restOfMAC(ls, d.target, rows, arps)
	if now == nil && !e.more {
		return
	}
	m := ls.more[d.mac]
	c.setRest(ls, &m.rest, now)
	c.setMore(ls, d.mac, e, m)
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
	if ls == nil || !ls.active || len(c.arps[key.MAC]) == 0 && !ls.macs.Has(key.MAC) {
		return false
	}
	c.markMAC(key)
	return true
}

// Claimed says whether an NVC has placed the MAC behind a peer, or at another port than it was learned at.
func (c *Compiler) Claimed(key intent.MACKey) bool {
	ls := c.switches[key.Switch]
	if ls == nil {
		return false
	}
	return slices.ContainsFunc(c.rowsOfMAC(ls, key.MAC), func(r candidate) bool { return r.rank == rankRemote && c.leadsAway(r.to, key) })
}

// TakeMoved returns the MACs, learned on our ports or with Local rows of an earlier process, that
// since the last call other switches of the database have learned, or an NVC has placed behind a
// peer.
func (c *Compiler) TakeMoved() []intent.MACKey {
	moved := c.moved
	c.moved = nil
	return moved
}

// restOfMAC returns what rows name beside the target.
func (c *Compiler) restOfMAC(ls *lswitch, target *claim, rows, arps []candidate) *rest {
	if !ls.active || target != nil && len(rows)+len(arps) == 1 {
		return nil
	}
	known := func(t intent.Tunnel) bool { return target != nil && t == c.claims.tunnel(target) }
	var r *rest
	for _, list := range [][]candidate{rows, arps} {
		for _, row := range list {
			r = c.named(ls, r, row.to, known)
		}
	}
	return r
}

// place returns where the first row leads that leads anywhere. To a port of ours goes what any leads to.
func (c *Compiler) place(ls *lswitch, rows []candidate) (spot, bool) {
	if !ls.active {
		return spot{}, false
	}
	if len(c.segments.byNumber) > 0 {
		for _, r := range rows {
			if at, ok := c.attachedBy(r.to, ls); ok {
				return spot{at: at}, true
			}
		}
	}
	for _, r := range rows {
		if t, ok := c.tunnelBy(r.to, ls); ok {
			return spot{tunnel: t}, true
		}
	}
	return spot{}, false
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
func (c *Compiler) reportRouterMAC(ls *lswitch, mac intent.MAC, ofRouter bool) {
	e, _ := ls.macs.Get(mac)
	if !e.has || e.rank != rankRemote {
		return
	}
	what := complaint{}
	if ofRouter {
		what = complaint{kind: problem.IgnoredRow, remedy: "delete it, or give the router another router_mac",
			text: fmt.Sprintf("the MAC is that of the router %s here: the row is not used", problem.Name(c.state.Routers[intent.RouterID(ls.router)].Name))}
	}
	c.problems.set(aspectOf(hwvtep.TableUcastMACRemote, e.row, aspectOfRouter), what)
}

// publishMACs writes the unicast entries of the State.
func (c *Compiler) publishMACs() {
	told := c.problems.tells(aspectOfRouter)
	intent.UnicastTable.Expect(c.edit, len(c.dirty.macs))
	for i := range c.dirty.macs {
		d := &c.dirty.macs[i]
		key := d.key()
		ofRouter := c.isRouters(d.ls, key.MAC)
		if ofRouter || told {
			c.reportRouterMAC(d.ls, key.MAC, ofRouter)
		}
		c.publishAttached(key, ofRouter)
		if d.target != nil && d.target.owner == d.ls.number && !ofRouter {
			intent.UnicastTable.Set(c.edit, key, c.claims.tunnel(d.target))
		} else {
			intent.UnicastTable.Delete(c.edit, key)
		}
	}
	c.checkARPs()
}
