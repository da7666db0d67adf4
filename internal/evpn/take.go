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

// take takes over what has changed. Whatever refers to rows is looked up in the newest view.
func (db *database) take() {
	snapshot, delta := db.replica.Take()
	if snapshot == nil || delta.Empty() {
		return
	}
	view := hwvtep.NewView[*idl.Table](snapshot)
	db.takeChanges(view, hwvtep.NewChanges(view.Layout(), delta), delta.Reset)
}

// takeChanges takes over what has changed till there is this view; anew: all of it may have, and a transaction may have been lost.
func (db *database) takeChanges(view *hwvtep.View, changes hwvtep.Changes, anew bool) {
	first := db.view == nil
	db.view = view
	b := db.bridge
	rekeyed := db.takeLocators(changes)
	ours := false
	for range changes.PhysicalSwitches() {
		ours = true
	}
	reimport := map[*network]bool{}
	if ours && db.readOwn() {
		for _, n := range db.networks {
			reimport[n] = true
			db.rehome(n)
		}
	}
	rewire := db.takeRouters(changes) || ours
	touched, routed := db.takeSwitches(changes)
	for n := range db.takeVNIs(touched) {
		reimport[n] = true
		_, bound := db.bound[n.row.UUID]
		routed = routed || bound
	}
	if rewire || routed {
		for _, n := range db.wire() {
			reimport[n] = true
		}
	}
	db.anew = anew && !first
	attached, ported := db.takePorts(changes, ours)
	db.anew = false
	db.read = true
	db.takeRemotes(changes, first, anew)
	db.takeFloods(changes)
	db.markUsers(rekeyed)
	heads := db.takeHeads(changes)
	if first {
		b.reserve()
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
	if anew && !first {
		db.markAll()
	}
}

// takeLocators takes changed rows of locators, and returns those that have another key than before: nothing else of one can
// change.
func (db *database) takeLocators(changes hwvtep.Changes) map[hwvtep.UUID]bool {
	rekeyed := map[hwvtep.UUID]bool{}
	for before, after := range changes.PhysicalLocators() {
		if before != nil && after != nil {
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
	return rekeyed
}

// readOwn reads the tunnel IPs of the database's switches, and says whether they are others than before.
func (db *database) readOwn() (changed bool) {
	before := maps.Clone(db.own)
	clear(db.own)
	for s := range db.view.PhysicalSwitches() {
		for _, text := range s.TunnelIPs {
			if ip, err := netip.ParseAddr(text); err == nil {
				db.own[ip.Unmap()] = true
			}
		}
	}
	return !maps.Equal(before, db.own)
}

// rehome finds out which hosts of a network are at VTEPs of ours, after these have got other tunnel IPs.
func (db *database) rehome(n *network) {
	for mac, h := range n.hosts {
		for _, l := range h.locals {
			l.ours = db.own[l.vtep]
		}
		if db.bridge.ready && h.here() != nil && len(n.spoken[mac]) == 0 {
			db.bridge.claimAll(n, mac, h)
		}
	}
}

// takeSwitches takes changed rows of logical switches. It returns those that ask for something else than before, with the VNIs
// that they had, and whether one has gone that a router has an interface in.
func (db *database) takeSwitches(changes hwvtep.Changes) (touched map[*network]uint32, routed bool) {
	touched = map[*network]uint32{}
	for before, after := range changes.LogicalSwitches() {
		if after == nil {
			_, bound := db.bound[before.UUID]
			routed = routed || bound
			db.gone(before.UUID)
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
		db.bridge.imports.remove(n)
		db.configure(n, *after)
		// Databases of old have no locators of the same VTEP with other VNIs.
		n.labels = n.labels && db.view.Layout().HasColumn(hwvtep.TablePhysicalLocator, "tunnel_key")
		n.forgets = !db.view.Layout().HasColumn(hwvtep.TableLogicalSwitch, "other_config")
		touched[n] = n.vni
	}
	return touched, routed
}

// takeRemotes takes changed rows of MACs that are elsewhere.
func (db *database) takeRemotes(changes hwvtep.Changes, first, anew bool) {
	for before, after := range changes.UcastMACsRemote() {
		switch {
		case after == nil:
			delete(db.strangers, before.UUID)
		case before == nil && db.strange(after, first, anew):
			db.strangers[after.UUID] = struct{}{}
		}
		if before != nil {
			at := mark{before.LogicalSwitch, canonical(before.MAC)}
			db.stands(at, false)
			db.free(at.ls)
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
}

// free notes that a row of a switch has gone, or leads elsewhere.
func (db *database) free(ls hwvtep.UUID) {
	if n := db.networks[ls]; n != nil {
		n.freed = true
	}
}

// takeFloods takes changed rows of where unknown frames go to.
func (db *database) takeFloods(changes hwvtep.Changes) {
	for before, after := range changes.McastMACsRemote() {
		if before != nil && before.MAC == unknownDst {
			ls := before.LogicalSwitch
			db.free(ls)
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
}

// takeHeads takes changed rows of the VTEPs of ours that want unknown frames, and returns their networks.
func (db *database) takeHeads(changes hwvtep.Changes) map[*network]bool {
	heads := map[*network]bool{}
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
	return heads
}

// markAll has everything looked at.
func (db *database) markAll() {
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
			r = &router{hops: map[hop]netip.Addr{}, had: map[string]bool{}}
			db.routers[after.UUID] = r
		}
		r.configure(*after)
		db.markRouter(r)
	}
	if any {
		clear(db.bound)
		for _, r := range db.routers {
			for _, i := range r.interfaces {
				db.bound[i.ls] = struct{}{}
			}
		}
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
	db.unwant(n)
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
			l.lost = !b.claim(n, at.mac, h)
		}
	case b.ready && l.ours:
		l.lost = !b.claim(n, at.mac, h)
		db.stands(at, !l.lost && len(db.ucast[at.ls][at.mac]) > 0 && !h.beyond(h.best()))
	}
}

// stands notes whether a host was heard here beside a remote row that it has had before. A VTEP takes back what it has published then
// for a row that comes, not for one that stays: so the row comes anew if it is to stay after all.
func (db *database) stands(at mark, beside bool) {
	if n := db.networks[at.ls]; n != nil && n.hosts[at.mac] != nil {
		n.hosts[at.mac].beside = beside
	}
}

// claim is for a row that has come, and tells of a MAC that has come too often. It says whether the host may be announced.
func (b *Bridge) claim(n *network, mac string, h *host) bool {
	held := h.until
	ok := h.claim(time.Now())
	if h.until.After(held) {
		b.duplicate(n, mac, h)
	}
	return ok
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
