package evpn

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// unknownDst is the MAC of the sets for frames of unknown destination.
const unknownDst = "unknown-dst"

// mark is what has to be looked at in the database: a MAC of a switch, or with "" its members.
type mark struct {
	ls  hwvtep.UUID
	mac string
}

// database is what one has, by what is asked for, and what is written to it.
type database struct {
	bridge   *Bridge
	replica  *idl.Client
	writer   *idl.Writer
	view     *hwvtep.View
	networks map[hwvtep.UUID]*network
	routers  map[hwvtep.UUID]*router
	sources  map[netip.Addr]string                              // the MACs that VTEPs route with, by tunnel IP
	routes   map[string]bool                                    // those MACs
	own      map[netip.Addr]bool                                // tunnel IPs of the switches of this database
	ends     map[end]hwvtep.UUID                                // locators
	ucast    map[hwvtep.UUID]map[string][]hwvtep.UcastMACRemote // by switch and MAC
	floods   map[hwvtep.UUID][]hwvtep.McastMACRemote            // of unknown-dst, by switch

	sourcesText string // sources, to compare

	ports        map[hwvtep.UUID]*attachment         // of segments, and that were
	bySegment    map[esi]*attachment                 // those that are right
	segmentPorts map[hwvtep.UUID]hwvtep.PhysicalPort // the rows of ports
	numbers      map[uint32]struct{}                 // that ports have, or have had: rows at them are the bridge's
	anew         bool                                // and what is taken now is all of it once more
	read         bool                                // all was read once

	marked      map[mark]struct{}
	markedPorts map[hwvtep.UUID]struct{} // of ports
	held        int                      // marks that wait for members to be written
	rows        uint64                   // written
}

func newDatabase(b *Bridge, replica *idl.Client) *database {
	return &database{bridge: b, replica: replica, networks: map[hwvtep.UUID]*network{}, routers: map[hwvtep.UUID]*router{}, sources: map[netip.Addr]string{}, routes: map[string]bool{}, own: map[netip.Addr]bool{}, ends: map[end]hwvtep.UUID{},
		ucast: map[hwvtep.UUID]map[string][]hwvtep.UcastMACRemote{}, floods: map[hwvtep.UUID][]hwvtep.McastMACRemote{}, marked: map[mark]struct{}{},
		ports: map[hwvtep.UUID]*attachment{}, bySegment: map[esi]*attachment{}, segmentPorts: map[hwvtep.UUID]hwvtep.PhysicalPort{}, numbers: map[uint32]struct{}{}, markedPorts: map[hwvtep.UUID]struct{}{}}
}

func (db *database) markHost(n *network, mac string) { db.marked[mark{n.row.UUID, mac}] = struct{}{} }
func (db *database) markRouter(r *router)            { db.marked[mark{r.row.UUID, ""}] = struct{}{} }
func (db *database) markPort(a *attachment)          { db.markedPorts[a.port.UUID] = struct{}{} }
func (db *database) markMembers(n *network)          { db.marked[mark{n.row.UUID, ""}] = struct{}{} }

// ip is the address of a locator, invalid if it has none or is not there.
func (db *database) ip(id hwvtep.UUID) netip.Addr {
	return db.end(id).vtep
}

// end is what a locator stands for.
func (db *database) end(id hwvtep.UUID) end {
	l, _ := db.view.PhysicalLocator(id)
	return endOfLocator(&l)
}

// lowest is the lowest tunnel IP of the database's own; invalid: there is none.
func (db *database) lowest() (lowest netip.Addr) {
	for ip := range db.own {
		if !lowest.IsValid() || ip.Less(lowest) {
			lowest = ip
		}
	}
	return lowest
}

// take takes over what has changed. Whatever refers to rows is looked up in the newest view.
func (db *database) take() {
	snapshot, delta := db.replica.Take()
	if snapshot == nil || delta.Empty() {
		return
	}
	first := db.view == nil
	db.view = hwvtep.NewView[*idl.Table](snapshot)
	b := db.bridge
	changes := hwvtep.NewChanges(db.view.Layout(), delta)
	rekeyed := map[hwvtep.UUID]bool{}
	for before, after := range changes.PhysicalLocators() {
		if before != nil && after != nil { // only the key can change
			rekeyed[after.UUID] = true
		}
		if before != nil {
			if e := endOfLocator(before); db.ends[e] == before.UUID {
				delete(db.ends, e)
			}
		}
		if after != nil {
			db.ends[endOfLocator(after)] = after.UUID
		}
	}
	ours := false
	for range changes.PhysicalSwitches() {
		ours = true
	}
	reimport, heads := map[*network]bool{}, map[*network]bool{}
	before := maps.Clone(db.own)
	if ours {
		clear(db.own)
		for s := range db.view.PhysicalSwitches() {
			for _, text := range s.TunnelIPs {
				if ip, err := netip.ParseAddr(text); err == nil {
					db.own[ip.Unmap()] = true
				}
			}
		}
	}
	if !maps.Equal(before, db.own) {
		for _, n := range db.networks {
			reimport[n] = true
			for mac, h := range n.hosts {
				for _, l := range h.locals {
					l.ours = db.own[l.vtep]
				}
				if b.ready && h.here() != nil && len(n.spoken[mac]) == 0 {
					b.claimAll(n, mac, h)
				}
			}
		}
	}
	rewire := db.takeRouters(changes) || ours
	touched := map[*network]uint32{} // with the VNI that they had
	for before, after := range changes.LogicalSwitches() {
		if after == nil {
			db.gone(before.UUID)
			rewire = true
			continue
		}
		n := db.networks[after.UUID]
		if n == nil {
			n = newNetwork()
			db.networks[after.UUID] = n
		}
		if before != nil && !configured(before, after) {
			n.row = *after // such as what the bridge itself has written
			n.findFaults()
			continue
		}
		b.imports.remove(n)
		n.configure(*after)
		// Databases of old have no locators of the same VTEP with other VNIs.
		n.labels = n.labels && db.view.Layout().HasColumn(hwvtep.TablePhysicalLocator, "tunnel_key")
		touched[n], rewire = n.vni, true
	}
	if rewire {
		for n := range db.takeVNIs(touched) {
			reimport[n] = true
		}
		for _, n := range db.wire() {
			reimport[n] = true
		}
	}
	db.anew = delta.Reset && !first
	attached, ported := db.takePorts(changes, ours)
	db.anew = false
	db.read = true
	for before, after := range changes.UcastMACsRemote() {
		if before != nil {
			at := mark{before.LogicalSwitch, canonical(before.MAC)}
			db.stands(at, false)
			rows := db.ucast[at.ls]
			rows[at.mac] = slices.DeleteFunc(rows[at.mac], func(r hwvtep.UcastMACRemote) bool { return r.UUID == before.UUID })
			if len(rows[at.mac]) == 0 {
				delete(rows, at.mac)
			}
			if len(rows) == 0 {
				delete(db.ucast, at.ls)
			}
			db.marked[at] = struct{}{}
		}
		if after != nil {
			at := mark{after.LogicalSwitch, canonical(after.MAC)}
			if db.ucast[at.ls] == nil {
				db.ucast[at.ls] = map[string][]hwvtep.UcastMACRemote{}
			}
			db.ucast[at.ls][at.mac] = append(db.ucast[at.ls][at.mac], *after)
			db.stands(at, false)
			db.marked[at] = struct{}{}
		}
	}
	for before, after := range changes.McastMACsRemote() {
		if before != nil && before.MAC == unknownDst {
			ls := before.LogicalSwitch
			db.floods[ls] = slices.DeleteFunc(db.floods[ls], func(r hwvtep.McastMACRemote) bool { return r.UUID == before.UUID })
			if len(db.floods[ls]) == 0 {
				delete(db.floods, ls)
			}
			db.marked[mark{ls, ""}] = struct{}{}
		}
		if after != nil && after.MAC == unknownDst {
			db.floods[after.LogicalSwitch] = append(db.floods[after.LogicalSwitch], *after)
			db.marked[mark{after.LogicalSwitch, ""}] = struct{}{}
		}
	}
	db.markUsers(rekeyed)
	for before, after := range changes.McastMACsLocal() {
		if before != nil && before.MAC == unknownDst {
			if n := db.networks[before.LogicalSwitch]; n != nil {
				delete(n.heads, before.UUID)
				heads[n] = true
			}
		}
		if after != nil && after.MAC == unknownDst {
			if n := db.networks[after.LogicalSwitch]; n != nil {
				n.heads[after.UUID] = db.headsOf(after)
				heads[n] = true
			}
		}
	}
	if ported || len(reimport) > 0 { // first: others go to the VTEPs that are left at once when a port has lost its link
		b.announceSegments()
	}
	for n := range reimport {
		b.reimport(n)
	}
	for n := range attached {
		b.reattach(n)
	}
	b.release()
	for before, after := range changes.LogicalRouters() { // such as routes of other writers
		if r := db.routers[cmp.Or(after, before).UUID]; r != nil && r.net != nil {
			b.announcePrefixes(r.net)
		}
	}
	for n := range heads { // when all is known: nothing is withdrawn for a moment
		b.announceHeads(n)
	}
	heard := map[mark]bool{}
	for before, after := range changes.UcastMACsLocal() {
		db.local(before, after, heard)
	}
	for m := range heard {
		if n := db.networks[m.ls]; n != nil {
			b.settle(n, m.mac)
		}
	}
	if first {
		b.log.Info("database read", "switches", len(db.networks), "tunnel_ips", len(db.own))
		if b.begun || len(b.sessions) == 0 {
			b.begin()
		}
		if len(b.sessions) == 0 {
			b.settleAll()
		}
	}
	if delta.Reset && !first { // a transaction may have been lost
		for _, r := range db.routers {
			db.markRouter(r)
		}
		for _, a := range db.ports {
			db.markPort(a)
		}
		for _, n := range db.networks {
			db.markMembers(n)
			for mac := range n.hosts {
				db.markHost(n, mac)
			}
		}
	}
}

// takeVNIs gives switches their VNIs, after the rows of some have been read. It returns those, and others that have another
// VNI than before.
func (db *database) takeVNIs(touched map[*network]uint32) map[*network]uint32 {
	b := db.bridge
	given, rivals := db.contest(), db.rivals()
	for n, vni := range given {
		others := slices.DeleteFunc(slices.Clone(rivals[n.wants]), func(name string) bool { return name == n.row.Name })
		before, read := touched[n]
		switch {
		case read:
		case n.vni == vni && slices.Equal(n.rivals, others):
			continue
		default:
			before = n.vni
			b.imports.remove(n)
			touched[n] = before
		}
		fault := n.fault
		n.serve(vni, others, b.opts.Config.AS)
		b.imports.add(n)
		if n.fault != fault && n.fault != "" {
			b.log.Warn("logical switch", "switch", n.row.Name, "err", n.fault)
		}
		if before != vni || !read {
			b.log.Info("logical switch", "switch", n.row.Name, "vni", vni)
		}
	}
	return touched
}

// takeRouters takes changed rows of routers, and of the MACs that VTEPs route with. It says whether there are any.
func (db *database) takeRouters(changes hwvtep.Changes) (any bool) {
	for before, after := range changes.LogicalRouters() {
		any = true
		if after == nil {
			delete(db.routers, before.UUID)
			continue
		}
		r := db.routers[after.UUID]
		if r == nil {
			r = &router{hops: map[hop]netip.Addr{}}
			db.routers[after.UUID] = r
		}
		r.configure(*after)
		db.markRouter(r)
	}
	sources := false
	for range changes.ARPSourcesLocal() {
		sources = true
	}
	if sources {
		db.readSources()
	}
	return any || sources
}

// configured says whether what is read of a logical switch has changed, more than by the bridge itself.
func configured(before, after *hwvtep.LogicalSwitch) bool {
	if before.Name != after.Name || before.TunnelKey != after.TunnelKey {
		return true
	}
	for _, k := range []string{keyImport, keyExport, keyLabels, keyOff} {
		if before.OtherConfig[k] != after.OtherConfig[k] {
			return true
		}
	}
	return false
}

// gone withdraws what was announced of a switch that is no more; its rows go with it.
func (db *database) gone(ls hwvtep.UUID) {
	n := db.networks[ls]
	if n == nil {
		return
	}
	b := db.bridge
	b.imports.remove(n)
	n.vni = 0 // nothing is announced any more
	b.takeAll(n)
	for mac := range n.spoken {
		for k := range n.said(mac) {
			b.say(n, k, nil)
		}
	}
	delete(db.networks, ls)
}

// headsOf are the VTEPs of a row of Mcast_Macs_Local.
func (db *database) headsOf(row *hwvtep.McastMACLocal) map[netip.Addr]bool {
	heads := map[netip.Addr]bool{}
	set, _ := db.view.PhysicalLocatorSet(row.LocatorSet)
	for _, l := range set.Locators {
		if ip := db.ip(l); ip.IsValid() {
			heads[ip] = true
		}
	}
	return heads
}

// local takes a row of a host at one of our VTEPs. One that is new says that the host was heard there; a change of
// one, that it has gone from port to port, or that its address is known.
func (db *database) local(before, after *hwvtep.UcastMACLocal, touched map[mark]bool) {
	b := db.bridge
	var was *local
	if before != nil {
		at := mark{before.LogicalSwitch, canonical(before.MAC)}
		touched[at] = true
		if n := db.networks[at.ls]; n != nil && n.hosts[at.mac] != nil {
			was = n.hosts[at.mac].locals[before.UUID]
			delete(n.hosts[at.mac].locals, before.UUID)
		}
	}
	if after == nil {
		return
	}
	at, to := mark{after.LogicalSwitch, canonical(after.MAC)}, db.end(after.Locator)
	vtep := to.vtep
	n := db.networks[at.ls]
	if n == nil {
		return
	}
	touched[at] = true
	h := n.host(at.mac)
	l := &local{vtep: vtep, number: to.vni, ours: db.own[vtep]}
	if ip, err := netip.ParseAddr(after.IPAddr); err == nil {
		l.ip = ip.Unmap()
	}
	h.locals[after.UUID] = l
	switch {
	case was != nil && was.vtep == vtep:
		if l.lost = was.lost; b.ready && !l.lost && n.segmentOf(l) != n.segmentOf(was) { // from a port of a segment to another one
			l.lost = !h.claim(time.Now())
		}
	case b.ready && l.ours:
		duplicate := !h.until.IsZero()
		l.lost = !h.claim(time.Now())
		db.stands(at, !l.lost && len(db.ucast[at.ls][at.mac]) > 0 && !h.beyond(h.best()))
		if !h.until.IsZero() && !duplicate {
			b.duplicate(n, at.mac, h)
		}
	}
}

// stands notes whether a host was heard here beside a remote row that it has had before. A VTEP takes back what it has published then
// for a row that comes, not for one that stays: so the row comes anew if it is to stay after all.
func (db *database) stands(at mark, beside bool) {
	if n := db.networks[at.ls]; n != nil && n.hosts[at.mac] != nil {
		n.hosts[at.mac].beside = beside
	}
}

// duplicate tells of a MAC that several hosts have, and tries again later.
func (b *Bridge) duplicate(n *network, mac string, h *host) {
	b.log.Warn("MAC goes to and fro, as when two hosts have it: left to the other VTEP for a time", "switch", n.row.Name, "mac", mac, "until", h.until.Format(time.TimeOnly))
	ls := n.row.UUID
	b.later(time.Until(h.until)+time.Millisecond, func() {
		if b.database.networks[ls] == n && n.hosts[mac] == h && !time.Now().Before(h.until) {
			h.until = time.Time{}
			b.claimAll(n, mac, h)
			b.age(n, mac, time.Now())
		}
	})
}

// write sends the next transaction, if there is anything to write. After a failure the next look is at what the database
// is then.
func (db *database) write() {
	b := db.bridge
	if db.view == nil || !db.writer.Idle() || !b.ready || !db.writer.May() {
		return
	}
	p := db.portKeys() // rows that name a segment come behind its number
	if p == nil {
		p = db.next()
	}
	if p == nil {
		return
	}
	go db.writer.Send(b.ctx, p.tx.Ops(), func(err error, again time.Duration) {
		db.take() // what it did: a server tells of that first
		if err == nil {
			db.rows += uint64(p.rows)
			return
		}
		for _, m := range p.about {
			db.marked[m] = struct{}{}
		}
		for _, id := range p.ports {
			db.markedPorts[id] = struct{}{}
		}
		switch {
		case again > 0 && len(p.ports) > 0 && db.writer.May():
			db.deny(p.ports, err, again)
		case again > 0:
			b.log.Warn("transaction failed", "err", err, "again in", again)
		}
	})()
}
