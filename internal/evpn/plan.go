package evpn

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
)

// batch is how many marks a transaction is about at most.
const batch = 10_000

// plan is one transaction.
type plan struct {
	db       *database
	tx       *hwvtep.Txn
	locators map[end]hwvtep.UUID // that it makes
	about    []mark
	ports    []hwvtep.UUID     // whose keys it is about
	inserts  map[mark]struct{} // rows of hosts
	routers  map[*router]bool  // that it has looked at
	now      time.Time
	waits    map[*network]bool // of those that it is about, whether their members wait
	rows     int               // that it inserts, changes or deletes
}

func (db *database) plan() *plan {
	p := &plan{db: db, tx: hwvtep.NewTxn(db.view.Layout()), locators: map[end]hwvtep.UUID{}, inserts: map[mark]struct{}{}, routers: map[*router]bool{}, now: time.Now(), waits: map[*network]bool{}}
	if lock := db.writer.Asserts(); lock != "" {
		p.tx.Assert(lock)
	}
	return p
}

// next plans what some of the marks ask for; what is right already costs nothing. It returns nil when nothing is to
// be written, and no mark is left then but those that wait (pace.go). The members of switches come first: with them the switch's row remembers whose
// rows are the bridge's, before there are any.
func (db *database) next() *plan {
	for len(db.marked) > 0 {
		db.mostMarked = max(db.mostMarked, len(db.marked))
		p := db.plan()
		empty := p.tx.Len()
		for m := range db.marked {
			if len(p.about) == batch {
				break
			}
			delete(db.marked, m)
			p.about = append(p.about, m)
			if r := db.routers[m.ls]; r != nil {
				p.router(r)
			}
			n := db.networks[m.ls]
			if n == nil {
				continue
			}
			if _, seen := p.waits[n]; !seen {
				p.waits[n] = n.l3 == nil && n.pace.waits(p.now) // the VTEPs of routers are few
				p.remember(n)
			}
			switch {
			case n.l3 != nil:
				p.router(n.l3)
			case m.mac == "":
				p.members(n)
			default:
				p.host(n, m.mac)
			}
		}
		if len(db.marked) == 0 && db.mostMarked > fewMarks {
			db.marked, db.mostMarked = map[mark]struct{}{}, 0
		}
		if p.tx.Len() > empty {
			return p
		}
	}
	return nil
}

// fewMarks is how many marks there are at most usually. A map that has had many more would be walked through as a whole for each of them.
const fewMarks = 64

// remembered are the VTEPs that the switch's row knows from before.
func (n *network) remembered() []string { return strings.Fields(n.row.OtherConfig[keyVTEPs]) }

// remembers says whether one is among them, without making all.
func (n *network) remembers(one string) bool {
	text := n.row.OtherConfig[keyVTEPs]
	apart := func(at int) bool { return at < 0 || at == len(text) || strings.IndexByte(" \t\n", text[at]) >= 0 }
	for at := 0; ; at++ {
		i := strings.Index(text[at:], one)
		if i < 0 {
			return false
		}
		if at += i; apart(at-1) && apart(at+len(one)) {
			return true
		}
	}
}

// ours says whether a row with that locator is the bridge's.
func (n *network) ours(vtep netip.Addr) bool {
	return vtep.IsValid() && (n.vteps[vtep] > 0 || n.remembers(vtep.String()) || n.forgets && n.left[vtep])
}

// mine says whether a row is the bridge's: at a tunnel IP of ours, that with the number of a segment is, also of one whose
// port has gone while there was no bridge.
func (db *database) mine(n *network, row *hwvtep.UcastMACRemote) bool {
	e := db.end(row.Locator)
	if _, numbered := db.numbers[e.vni]; e.vni != 0 && numbered && db.own[e.vtep] {
		return true
	}
	if _, strange := db.strangers[row.UUID]; strange {
		return false
	}
	return n.ours(e.vtep) || e.vni != 0 && n.remembers(e.ofSegment())
}

// strange says whether a row that has come is another writer's, wherever it places the host: the bridge's own come by its transaction. Where
// others may have come since, those of a bridge are at ends that the row of the switch remembers: at a start (first), after a time without
// a connection (anew), and while another bridge is the one that writes.
func (db *database) strange(row *hwvtep.UcastMACRemote, first, anew bool) bool {
	n := db.networks[row.LogicalSwitch]
	if n == nil || n.l3 != nil {
		return false
	}
	if _, own := db.inserting[mark{row.LogicalSwitch, canonical(row.MAC)}]; own {
		return false
	}
	if first || anew || !db.writer.May() {
		e := db.end(row.Locator)
		return !n.forgets && !n.remembers(e.vtep.String()) && !n.remembers(e.ofSegment())
	}
	return true
}

// known says whether the row of the switch says that rows at an end are the bridge's, as it has to before there is one: who is killed
// between would find a row of his that he does not know.
func (db *database) known(n *network, e end) bool {
	if n.forgets || n.text != "" && n.text == n.row.OtherConfig[keyVTEPs] {
		return true // as is usual: costs nothing
	}
	if db.own[e.vtep] {
		return n.remembers(e.ofSegment())
	}
	return n.remembers(e.vtep.String())
}

// ofSegment is how a switch's row remembers the number of a segment at a tunnel IP of ours.
func (e end) ofSegment() string { return fmt.Sprintf("%v#%d", e.vtep, e.vni) }

// remember writes down whose rows are the bridge's: those of VTEPs that are announced and of ports that are links of segments, and of former ones as long as there is a row.
func (p *plan) remember(n *network) {
	if n.forgets {
		return
	}
	if has := n.row.OtherConfig[keyVTEPs]; n.text != "" && n.text == has && !(n.former && n.freed) {
		n.text = has // which is found to be the same at once then
		return
	}
	if p.waits[n] {
		p.db.hold(n, "")
		return
	}
	set := map[string]bool{}
	for ip := range n.vteps {
		set[ip.String()] = true
	}
	for _, a := range n.own {
		set[end{a.vtep, a.number}.ofSegment()] = true
	}
	former := slices.DeleteFunc(n.remembered(), func(ip string) bool { return set[ip] })
	if len(former) > 0 {
		used := p.db.used(n.row.UUID)
		for _, ip := range former {
			if used[ip] {
				set[ip] = true
			}
		}
	}
	text := strings.Join(slices.Sorted(maps.Keys(set)), " ")
	n.text, n.former, n.freed = text, len(former) > 0, false
	switch {
	case text == n.row.OtherConfig[keyVTEPs]:
	case text == "":
		p.tx.RemoveLogicalSwitchOtherConfig(n.row.UUID, keyVTEPs)
	default:
		n.pace.written(p.now, len(set))
		p.tx.PutLogicalSwitchOtherConfig(n.row.UUID, map[string]string{keyVTEPs: text})
	}
}

// used are the addresses, and numbers of segments, that remote rows of a switch have, but for those of other writers.
func (db *database) used(ls hwvtep.UUID) map[string]bool {
	used := map[string]bool{}
	for _, rows := range db.ucast[ls] {
		for _, r := range rows {
			if _, strange := db.strangers[r.UUID]; strange {
				continue
			}
			e := db.end(r.Locator)
			used[e.vtep.String()] = true
			if e.vni != 0 {
				used[e.ofSegment()] = true
			}
		}
	}
	for _, row := range db.floods[ls] {
		set, _ := db.view.PhysicalLocatorSet(row.LocatorSet)
		for _, l := range set.Locators {
			used[db.ip(l).String()] = true
		}
	}
	return used
}

// host makes the row of a MAC what the fabric says.
func (p *plan) host(n *network, mac string) {
	var own []hwvtep.UcastMACRemote
	others := false
	for _, row := range p.db.ucast[n.row.UUID][mac] {
		if p.db.mine(n, &row) {
			own = append(own, row)
		} else {
			others = true
		}
	}
	if others { // another writer has placed it
		for _, r := range own {
			p.rows++
			p.tx.DeleteUcastMACRemote(r.UUID)
		}
		return
	}
	h := n.hosts[mac]
	var best *route
	if h != nil {
		if best = h.best(); h.here() != nil && !(h.beyond(best) && n.at(best) != nil) {
			best = nil
		}
	}
	if best == nil {
		for _, row := range own {
			at := p.db.ip(row.Locator)
			unknown := n.vteps[at] == 0 && !n.left[at] || h != nil && h.here() == nil && len(h.paths) > 0
			if !p.db.bridge.settled && unknown {
				continue // its route may yet come, or those of its segment
			}
			p.rows++
			p.tx.DeleteUcastMACRemote(row.UUID)
		}
		return
	}
	ip, to := "", n.endOf(h, best)
	if p.waits[n] && !p.db.known(n, to) {
		p.db.hold(n, mac)
		return
	}
	if a := h.address(best); a.IsValid() {
		ip = a.String()
	}
	if len(own) == 0 || h.beside {
		for _, row := range own {
			p.rows++
			p.tx.DeleteUcastMACRemote(row.UUID)
		}
		p.rows++
		p.inserts[mark{n.row.UUID, mac}] = struct{}{}
		p.tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac, LogicalSwitch: n.row.UUID, Locator: p.locator(to), IPAddr: ip})
		return
	}
	row, cols := own[0], hwvtep.UcastMACRemoteColumns(0)
	if p.db.end(row.Locator) != to {
		row.Locator, cols = p.locator(to), hwvtep.UcastMACRemoteLocator
	}
	if row.IPAddr != ip {
		row.IPAddr, cols = ip, cols|hwvtep.UcastMACRemoteIPAddr
	}
	if cols != 0 {
		p.rows++
		p.tx.UpdateUcastMACRemote(row.UUID, row, cols)
	}
	for _, row := range own[1:] {
		p.rows++
		p.tx.DeleteUcastMACRemote(row.UUID)
	}
}

// members makes the set for unknown destinations what the fabric says. In the row of a switch other writers may have
// locators of their own, as "vtep-ctl add-mcast-remote" puts them there: they stay in it, as they are.
func (p *plan) members(n *network) {
	if _, held := n.pace.held[""]; held && p.waits[n] {
		return
	}
	var own *hwvtep.McastMACRemote
	var others []hwvtep.UUID
	var have, wanted []end
	foreign := map[netip.Addr]bool{}
	rows := p.db.floods[n.row.UUID]
	if len(rows) > 0 { // of several only one counts
		own = &rows[0]
		set, _ := p.db.view.PhysicalLocatorSet(own.LocatorSet)
		have = make([]end, 0, len(set.Locators))
		for _, l := range set.Locators {
			switch e := p.db.end(l); {
			case !n.ours(e.vtep):
				others, foreign[e.vtep] = append(others, l), true
			default:
				have = append(have, e)
				if !p.db.bridge.settled && n.vteps[e.vtep] == 0 && !n.left[e.vtep] {
					wanted = append(wanted, e) // its route may yet come
				}
			}
		}
	}
	wanted = append(slices.DeleteFunc(n.members(), func(e end) bool { return foreign[e.vtep] }), wanted...)
	slices.SortFunc(have, end.compare)
	slices.SortFunc(wanted, end.compare)
	wanted = slices.Compact(wanted)
	if p.waits[n] && !slices.Equal(wanted, have) {
		p.db.hold(n, "")
		return
	}
	before := p.rows
	switch {
	case own == nil && len(wanted) > 0:
		p.rows++
		p.tx.InsertMcastMACRemote(hwvtep.McastMACRemote{MAC: unknownDst, LogicalSwitch: n.row.UUID, LocatorSet: p.set(nil, wanted)})
	case own != nil && len(have) > 0 && len(wanted)+len(others) == 0:
		p.rows++
		p.tx.DeleteMcastMACRemote(own.UUID)
	case own != nil && !slices.Equal(wanted, have):
		p.rows++
		row := *own
		row.LocatorSet = p.set(others, wanted)
		p.tx.UpdateMcastMACRemote(row.UUID, row, hwvtep.McastMACRemoteLocatorSet)
	}
	if p.rows > before {
		n.pace.written(p.now, len(wanted))
	}
	if len(wanted) > 0 && n.row.ReplicationMode == "" {
		row := n.row
		row.ReplicationMode = hwvtep.ReplicationModeSourceNode
		p.tx.UpdateLogicalSwitch(row.UUID, row, hwvtep.LogicalSwitchReplicationMode)
	}
}

// locator returns the row of a VTEP, which it makes if there is none.
func (p *plan) locator(to end) hwvtep.UUID {
	if id, ok := p.db.ends[to]; ok {
		return id
	}
	id, ok := p.locators[to]
	if !ok {
		row := hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: to.vtep.String()}
		if to.vni != 0 {
			row.TunnelKey = hwvtep.Some(int64(to.vni))
		}
		id = p.tx.InsertPhysicalLocator(row)
		p.locators[to] = id
	}
	return id
}

// set makes a set, which no other row can have: sets can't be changed.
func (p *plan) set(others []hwvtep.UUID, ends []end) hwvtep.UUID {
	ids := append(make([]hwvtep.UUID, 0, len(others)+len(ends)), others...)
	for _, e := range ends {
		ids = append(ids, p.locator(e))
	}
	return p.tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: ids})
}
