package nvc

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
)

// unknownDst is the MAC of the sets for frames of unknown destination.
const unknownDst = "unknown-dst"

// end is where a tunnel ends: a Physical_Locator without its UUID.
type end struct {
	ip  string
	key hwvtep.Optional[int64] // of the locator; nearly always none: the switch's counts
}

func (e end) compare(o end) int {
	a, hasA := e.key.Get()
	b, hasB := o.key.Get()
	if c := cmp.Compare(e.ip, o.ip); c != 0 || hasA == hasB && a == b {
		return c
	}
	if hasA != hasB {
		return map[bool]int{true: 1, false: -1}[hasA]
	}
	return cmp.Compare(a, b)
}

// mesh is all networks. It knows nothing of transactions.
type mesh struct {
	networks map[string]*network
	clock    uint64 // counts the rows that have come
	base     int64  // the first VNI that it gives
	peers    []netip.Addr
	touched  []*database // that have been marked since somebody has looked
	complete bool        // every database was read: who is not known now is gone
	allot    bool        // VNIs may be given: every database was read, or there was time for it
	resting  map[int64]rest
	likeOVN  bool // ovn.go
}

// network is the logical switches of one name.
type network struct {
	mesh     *mesh
	name     string
	in       map[*database]*presence
	stations map[string]map[source]station // by MAC
	groups   map[string]map[source]group   // by MAC, or unknownDst
	members  map[string]int                // how many rows name each IP address
	text     string                        // the members, sorted, with blanks between them
	changed  bool                          // text is of before
	vni      int64                         // 0: none yet
}

// memberText is the members as switches remember them.
func (n *network) memberText() string {
	if n.changed {
		n.text, n.changed = strings.Join(slices.Sorted(maps.Keys(n.members)), " "), false
	}
	return n.text
}

// presence is a network in one database.
type presence struct {
	row    hwvtep.LogicalSwitch
	joined bool // it has the network's VNI, or is to get it; not one of another writer
}

// snoops says that only ports with members get frames to a group, and that the VTEP reports these.
func (p *presence) snoops() bool { return p.row.OtherConfig["mcast_snooping"] == "true" }

// source is the row that says something.
type source struct {
	db  *database // nil: an option
	row hwvtep.UUID
}

// station is a row of Ucast_Macs_Local.
type station struct {
	at   end
	ip   string // "": not known
	came uint64 // 0: was there when the database was read
}

// group is a row of Mcast_Macs_Local.
type group struct{ ends []end }

// network returns the one of that name.
func (m *mesh) network(name string) *network {
	n := m.networks[name]
	if n == nil {
		n = &network{mesh: m, name: name, in: map[*database]*presence{}, stations: map[string]map[source]station{},
			groups: map[string]map[source]group{}, members: map[string]int{}}
		for _, p := range m.peers {
			n.members[p.String()]++
		}
		n.changed = true
		m.networks[name] = n
	}
	return n
}

func (m *mesh) touchAll() {
	for _, n := range m.networks {
		m.settle(n)
		n.touchAll()
	}
}

// touch marks a MAC, or with mcast a group, in every database of the network.
func (n *network) touch(mac string, mcast bool) {
	for db := range n.in {
		db.mark(mark{n.name, mac, mcast})
	}
}

// touchAll marks everything.
func (n *network) touchAll() {
	for db := range n.in {
		n.touchIn(db)
	}
}

// touchIn marks everything in one database, rows that are there for no reason any more included.
func (n *network) touchIn(db *database) {
	p := n.in[db]
	db.mark(mark{network: n.name})
	db.mark(mark{n.name, unknownDst, true})
	for mac := range n.stations {
		db.mark(mark{n.name, mac, false})
	}
	for mac := range n.groups {
		db.mark(mark{n.name, mac, true})
	}
	for key := range db.ucast {
		if key.ls == p.row.UUID {
			db.mark(mark{n.name, key.mac, false})
		}
	}
	for key := range db.mcast {
		if key.ls == p.row.UUID {
			db.mark(mark{n.name, key.mac, true})
		}
	}
}

// touchOf marks what a database reports, in the others.
func (n *network) touchOf(db *database) {
	for mac, all := range n.stations {
		for from := range all {
			if from.db == db {
				n.touch(mac, false)
			}
		}
	}
	for mac, all := range n.groups {
		for from := range all {
			if from.db == db {
				n.touchGroup(mac)
			}
		}
	}
}

func (n *network) addStation(mac string, from source, s station) {
	if n.stations[mac] == nil {
		n.stations[mac] = map[source]station{}
	}
	n.stations[mac][from] = s
	n.count(s.at, 1)
	n.touch(mac, false)
}

func (n *network) removeStation(mac string, from source) {
	s, ok := n.stations[mac][from]
	if !ok {
		return
	}
	if delete(n.stations[mac], from); len(n.stations[mac]) == 0 {
		delete(n.stations, mac)
	}
	n.count(s.at, -1)
	if n.mesh.likeOVN || !n.outdated(mac, from, s) {
		n.touch(mac, false)
	}
}

// reportedBy says whether a database has a row of a MAC.
func (n *network) reportedBy(db *database, mac string) bool {
	for from := range n.stations[mac] {
		if from.db == db {
			return true
		}
	}
	return false
}

// outdated says that a row that goes was not what counts of its MAC: as when a host has moved, and the database that it has left
// withdraws it. Then nobody has to look.
func (n *network) outdated(mac string, from source, s station) bool {
	last := s.came
	for other, o := range n.stations[mac] {
		if other.db == from.db {
			return false // an address of the same host, perhaps
		}
		if other.db == nil || n.joined(other.db) {
			last = max(last, o.came)
		}
	}
	return last > s.came
}

func (n *network) addGroup(mac string, from source, g group) {
	if n.groups[mac] == nil {
		n.groups[mac] = map[source]group{}
	}
	n.groups[mac][from] = g
	for _, e := range g.ends {
		n.count(e, 1)
	}
	n.touchGroup(mac)
}

func (n *network) removeGroup(mac string, from source) {
	g, ok := n.groups[mac][from]
	if !ok {
		return
	}
	if delete(n.groups[mac], from); len(n.groups[mac]) == 0 {
		delete(n.groups, mac)
	}
	for _, e := range g.ends {
		n.count(e, -1)
	}
	n.touchGroup(mac)
}

// touchGroup marks a group; those of unknown-dst are in the others' sets, too.
func (n *network) touchGroup(mac string) {
	n.touch(mac, true)
	if mac == unknownDst {
		for other := range n.groups {
			n.touch(other, true)
		}
	}
}

// count notes that a row names e, or does no more. Who is a member says which rows are ours.
func (n *network) count(e end, by int) {
	before := n.members[e.ip]
	if n.members[e.ip] += by; n.members[e.ip] == 0 {
		delete(n.members, e.ip)
	}
	if before == 0 || before+by == 0 {
		n.changed = true
		for db := range n.in {
			db.mark(mark{network: n.name}) // it remembers them
		}
	}
}

// where says which database's rows of a MAC count, and at which end: those that came last. Of those that
// were there from the beginning it is what the others have been told already; once all are known that is settled, since
// what they have been told changes with each row.
func (n *network) where(mac string) (db *database, at end, known bool) {
	if n.mesh.likeOVN {
		return n.first(mac)
	}
	var best struct {
		source
		station
	}
	even := false // another one came at the same time, which then was the beginning
	for from, s := range n.stations[mac] {
		if from.db != nil && !n.joined(from.db) {
			continue
		}
		order := cmp.Or(cmp.Compare(s.came, best.came), best.at.compare(s.at))
		even = known && s.came == best.came || even && s.came < best.came
		if !known || order > 0 {
			best.source, best.station, known = from, s, true
		}
	}
	if !even {
		return best.db, best.at, known
	}
	most := -1
	for from, s := range n.stations[mac] {
		if from.db != nil && !n.joined(from.db) || s.came != best.came {
			continue
		}
		told := n.told(mac, s.at)
		if told > most || told == most && s.at.compare(best.at) < 0 {
			best.source, best.station, most = from, s, told
		}
	}
	if n.mesh.complete {
		n.mesh.clock++
		best.came = n.mesh.clock
		n.stations[mac][best.source] = best.station
	}
	return best.db, best.at, known
}

// told counts the databases that say of a MAC that it is at an end.
func (n *network) told(mac string, at end) (told int) {
	for other, p := range n.in {
		for _, row := range other.ucast[rowKey{p.row.UUID, mac}] {
			if other.end(row.Locator) == at {
				told++
			}
		}
	}
	return told
}

// addresses returns the IP addresses that a MAC has at an end; "" if none is known.
func (n *network) addresses(mac string, db *database, at end) []string {
	var ips []string
	for from, s := range n.stations[mac] {
		if from.db == db && s.at == at {
			ips = append(ips, s.ip)
		}
	}
	slices.Sort(ips)
	return slices.Compact(ips)
}

// audience returns who gets copies of frames from db to a group: whoever is in it, and who does not say
// who is in groups.
func (n *network) audience(mac string, db *database) []end {
	all := map[end]bool{}
	add := func(mac string, want func(*database) bool) {
		for from, g := range n.groups[mac] {
			if from.db == db || !want(from.db) {
				continue
			}
			for _, e := range g.ends {
				all[e] = true
			}
		}
	}
	add(mac, n.joined)
	if mac != unknownDst && len(all) == 0 {
		return nil
	}
	add(unknownDst, func(other *database) bool { return n.joined(other) && !n.in[other].snoops() })
	for _, p := range db.mesh.peers {
		all[end{ip: p.String()}] = true
	}
	return slices.SortedFunc(maps.Keys(all), end.compare)
}

func (n *network) joined(db *database) bool { return n.in[db] != nil && n.in[db].joined }
