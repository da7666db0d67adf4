package nvc

import (
	"maps"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
)

// batch is how many marks a transaction is about at most.
const batch = 500

// plan is one transaction on a database.
type plan struct {
	db       *database
	tx       *hwvtep.Txn
	locators map[end]hwvtep.UUID // that it makes; nil: none
	about    []mark
	rows     int // that it inserts, changes or deletes
}

// next plans what some of the marks ask for; what is right already costs nothing. It returns nil when
// nothing is to be written, and no mark is left then. Switches come first: they remember who is a
// member before there is a row of it.
func (db *database) next(lock string) *plan {
	if len(db.marked) > batch { // a map that was large once would stay so
		defer func() {
			if len(db.marked) == 0 {
				db.marked = map[mark]struct{}{}
			}
		}()
	}
	for len(db.marked)+len(db.switches) > 0 {
		p := &plan{db: db, tx: hwvtep.NewTxn(db.view.Layout())}
		if lock != "" {
			p.tx.Assert(lock)
		}
		empty := p.tx.Len()
		for _, marks := range [...]map[mark]struct{}{db.switches, db.marked} {
			if len(marks) == 0 {
				continue
			}
			for m := range marks {
				if len(p.about) == batch {
					break
				}
				delete(marks, m)
				p.about = append(p.about, m)
				p.settle(m)
			}
		}
		if p.tx.Len() > empty {
			return p
		}
	}
	return nil
}

// failed marks again what the transaction was about.
func (p *plan) failed() {
	for _, m := range p.about {
		p.db.mark(m)
	}
}

// settle adds the operations for one mark.
func (p *plan) settle(m mark) {
	n := p.db.mesh.networks[m.network]
	if n == nil || n.in[p.db] == nil {
		return // rows go with their switch
	}
	switch at := n.in[p.db]; {
	case m.mac == "":
		p.logicalSwitch(n, at)
	case m.mcast:
		p.group(n, at, m.mac)
	case p.db.mesh.likeOVN:
		p.stationLikeOVN(n, at, m.mac)
	default:
		p.station(n, at, m.mac)
	}
}

// remembered are the members that the switch's row knows from before.
func (at *presence) remembered() []string { return strings.Fields(at.row.OtherConfig[keyMembers]) }

// ours says whether a row with that end is the controller's.
func (n *network) ours(at *presence, e end) bool {
	return n.mesh.likeOVN || n.members[e.ip] > 0 || slices.Contains(at.remembered(), e.ip)
}

// waits says whether a row with that end, which nobody reports now, may yet be reported by a database that
// was not read yet.
func (p *plan) waits(n *network, e end) bool { return n.members[e.ip] == 0 && !p.db.mesh.complete }

// logicalSwitch sets what the mesh needs, where nobody else has set it, and notes that.
func (p *plan) logicalSwitch(n *network, at *presence) {
	row, cols := at.row, hwvtep.LogicalSwitchColumns(0)
	note := map[string]string{}
	if key, _ := row.TunnelKey.Get(); at.joined && key != n.vni {
		row.TunnelKey, cols = hwvtep.Some(n.vni), cols|hwvtep.LogicalSwitchTunnelKey
		note[keyVNI] = number(n.vni)
	}
	if at.joined && row.ReplicationMode == "" {
		row.ReplicationMode, cols = hwvtep.ReplicationModeSourceNode, cols|hwvtep.LogicalSwitchReplicationMode
		note[keyMode] = string(row.ReplicationMode)
	}
	if text := row.OtherConfig[keyMembers]; text != n.memberText() {
		if now := p.members(n, at); now != text {
			note[keyMembers] = now
		}
	}
	if cols != 0 {
		p.tx.UpdateLogicalSwitch(row.UUID, row, cols)
	}
	if p.db.mesh.likeOVN {
		return
	}
	p.tx.PutLogicalSwitchOtherConfig(row.UUID, note)
}

// members are the addresses by which the controller knows its rows in the database: those of the mesh, and those
// of before that may come back, or that a row has still.
func (p *plan) members(n *network, at *presence) string {
	former := slices.DeleteFunc(at.remembered(), func(ip string) bool { return n.members[ip] > 0 })
	if len(former) > 0 && p.db.mesh.complete {
		used := p.db.used(at.row.UUID)
		former = slices.DeleteFunc(former, func(ip string) bool { return !used[ip] })
	}
	if len(former) == 0 {
		return n.memberText()
	}
	all := slices.AppendSeq(former, maps.Keys(n.members))
	slices.Sort(all)
	return strings.Join(all, " ")
}

// used returns the addresses that remote rows of a switch have.
func (db *database) used(ls hwvtep.UUID) map[string]bool {
	used := map[string]bool{}
	for key, rows := range db.ucast {
		for _, r := range rows {
			used[db.end(r.Locator).ip] = used[db.end(r.Locator).ip] || key.ls == ls
		}
	}
	for key, rows := range db.mcast {
		for _, r := range rows {
			for _, e := range db.endsOf(r.LocatorSet) {
				used[e.ip] = used[e.ip] || key.ls == ls
			}
		}
	}
	return used
}

// station makes the remote rows of a MAC what the mesh knows.
func (p *plan) station(n *network, at *presence, mac string) {
	var own []hwvtep.UcastMACRemote
	for _, row := range p.db.ucast[rowKey{at.row.UUID, mac}] {
		if !n.ours(at, p.db.end(row.Locator)) {
			return // another writer has placed it, and may
		}
		own = append(own, row)
	}
	db, where, known := n.where(mac)
	wanted := []string{}
	if known && db != p.db && at.joined {
		wanted = n.addresses(mac, db, where)
	} else {
		own = slices.DeleteFunc(own, func(r hwvtep.UcastMACRemote) bool { return p.waits(n, p.db.end(r.Locator)) })
	}
	// First the rows that are right or need another locator only, then the others. A VTEP that has published the MAC
	// beside the row that it had takes that back for one that comes.
	_, heard := p.db.heard[rowKey{at.row.UUID, mac}]
	missing := wanted[:0:0]
	for _, ip := range wanted {
		if heard {
			missing = wanted
			break
		}
		i := slices.IndexFunc(own, func(r hwvtep.UcastMACRemote) bool { return r.IPAddr == ip })
		if i < 0 {
			missing = append(missing, ip)
			continue
		}
		p.place(own[i], where, ip)
		own = slices.Delete(own, i, i+1)
	}
	for _, ip := range missing {
		if len(own) > 0 && !heard {
			p.place(own[0], where, ip)
			own = own[1:]
			continue
		}
		p.rows++
		p.tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac, LogicalSwitch: at.row.UUID, Locator: p.locator(where), IPAddr: ip})
	}
	for _, row := range own {
		p.rows++
		p.tx.DeleteUcastMACRemote(row.UUID)
	}
}

// place makes a row say that its MAC is at an end, with an address.
func (p *plan) place(row hwvtep.UcastMACRemote, at end, ip string) {
	cols := hwvtep.UcastMACRemoteColumns(0)
	if p.db.end(row.Locator) != at {
		row.Locator, cols = p.locator(at), hwvtep.UcastMACRemoteLocator
	}
	if row.IPAddr != ip {
		row.IPAddr, cols = ip, cols|hwvtep.UcastMACRemoteIPAddr
	}
	if cols != 0 {
		p.rows++
		p.tx.UpdateUcastMACRemote(row.UUID, row, cols)
	}
}

// group makes the set of a group what the mesh knows. Of several rows a VTEP uses one only, so that there is to be
// one: where another writer has it, or has put ends of its own into the controller's, as "vtep-ctl
// add-mcast-remote" does, these stay in it.
func (p *plan) group(n *network, at *presence, mac string) {
	var own *hwvtep.McastMACRemote
	keep := []end{}
	rows := p.db.mcast[rowKey{at.row.UUID, mac}]
	i := slices.IndexFunc(rows, func(r hwvtep.McastMACRemote) bool {
		return slices.ContainsFunc(p.db.endsOf(r.LocatorSet), func(e end) bool { return n.ours(at, e) })
	})
	if i < 0 && len(rows) > 0 {
		i = 0
	}
	if i >= 0 {
		own = &rows[i]
		for _, e := range p.db.endsOf(own.LocatorSet) {
			if !n.ours(at, e) || p.waits(n, e) {
				keep = append(keep, e)
			}
		}
	}
	wanted := keep
	if at.joined && (mac == unknownDst || !n.mesh.likeOVN) {
		wanted = append(wanted, n.audience(mac, p.db)...)
	}
	slices.SortFunc(wanted, end.compare)
	wanted = slices.Compact(wanted)
	switch {
	case own == nil && len(wanted) > 0:
		p.rows++
		p.tx.InsertMcastMACRemote(hwvtep.McastMACRemote{MAC: mac, LogicalSwitch: at.row.UUID, LocatorSet: p.set(wanted)})
	case own != nil && len(wanted) == 0:
		p.rows++
		p.tx.DeleteMcastMACRemote(own.UUID)
	case own != nil && !slices.Equal(wanted, p.db.endsOf(own.LocatorSet)):
		p.rows++
		row := *own
		row.LocatorSet = p.set(wanted)
		p.tx.UpdateMcastMACRemote(row.UUID, row, hwvtep.McastMACRemoteLocatorSet)
	}
}

// locator returns the row of an end, which it makes if there is none.
func (p *plan) locator(e end) hwvtep.UUID {
	if id, ok := p.db.ends[e]; ok {
		return id
	}
	id, ok := p.locators[e]
	if !ok {
		if p.locators == nil {
			p.locators = map[end]hwvtep.UUID{}
		}
		id = p.tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: e.ip, TunnelKey: e.key})
		p.locators[e] = id
	}
	return id
}

// set makes a set, which no other row can have: sets can't be changed.
func (p *plan) set(ends []end) hwvtep.UUID {
	var ids []hwvtep.UUID
	for _, e := range ends {
		ids = append(ids, p.locator(e))
	}
	return p.tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: ids})
}

// farewell plans to take out of the database what the controller has put in, when it leaves the mesh, or
// nil if there is nothing.
func (db *database) farewell(lock string) *plan {
	p := &plan{db: db, tx: hwvtep.NewTxn(db.view.Layout())}
	if lock != "" {
		p.tx.Assert(lock)
	}
	empty := p.tx.Len()
	for _, n := range db.mesh.networks {
		at := n.in[db]
		if at == nil {
			continue
		}
		for key, rows := range db.ucast {
			for _, row := range rows {
				if key.ls == at.row.UUID && n.ours(at, db.end(row.Locator)) {
					p.tx.DeleteUcastMACRemote(row.UUID)
				}
			}
		}
		for key, rows := range db.mcast {
			for _, row := range rows {
				if key.ls == at.row.UUID {
					p.thin(n, at, row)
				}
			}
		}
		row, cols := at.row, hwvtep.LogicalSwitchColumns(0)
		if at.keyIsOurs() {
			row.TunnelKey, cols = hwvtep.Optional[int64]{}, cols|hwvtep.LogicalSwitchTunnelKey
		}
		if mode := row.OtherConfig[keyMode]; mode != "" && mode == string(row.ReplicationMode) {
			row.ReplicationMode, cols = "", cols|hwvtep.LogicalSwitchReplicationMode
		}
		if cols != 0 {
			p.tx.UpdateLogicalSwitch(row.UUID, row, cols)
		}
		if row.OtherConfig[keyVNI]+row.OtherConfig[keyMode]+row.OtherConfig[keyMembers] != "" {
			p.tx.RemoveLogicalSwitchOtherConfig(row.UUID, keyVNI, keyMode, keyMembers)
		}
	}
	if p.tx.Len() == empty {
		return nil
	}
	return p
}

// thin takes the controller's ends out of a set.
func (p *plan) thin(n *network, at *presence, row hwvtep.McastMACRemote) {
	all := p.db.endsOf(row.LocatorSet)
	left := slices.DeleteFunc(slices.Clone(all), func(e end) bool { return n.ours(at, e) })
	switch {
	case len(left) == 0:
		p.tx.DeleteMcastMACRemote(row.UUID)
	case len(left) < len(all):
		row.LocatorSet = p.set(left)
		p.tx.UpdateMcastMACRemote(row.UUID, row, hwvtep.McastMACRemoteLocatorSet)
	}
}
