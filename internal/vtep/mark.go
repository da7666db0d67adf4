package vtep

import (
	"maps"
	"net/netip"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
)

// Update takes the rows that changed. It comes after the Update of the Compiler, with the same
// changes. The first time, and with nil, it looks at all rows.
func (r *Reporter) Update(changes *hwvtep.Changes) {
	grown := r.growOwn()
	if changes == nil || !r.begun || grown {
		r.reread()
	} else {
		each(changes.UcastMACsLocal(), r.macRowChanged)
		each(changes.McastMACsLocal(), r.mcastRowChanged)
		r.markChanged(changes)
	}
	if r.homed != r.f.scope.First() {
		r.homed = r.f.scope.First()
		r.todo.arpSource = true
		r.markLearned()
		r.markGroups()
	}
	if shared := r.f.scope.shared; r.mine.shared != shared {
		r.mine = newMine()
		r.mine.shared = shared
		r.reread()
	}
	r.takeNews()
	if !r.begun && r.f.scope.present {
		r.begun = true
		r.adopt()
		r.adoptGroups()
	}
}

// takeNews has what the Compiler has found out looked at again where rows of ours tell of it.
func (r *Reporter) takeNews() {
	if taken(&r.f.news.own) {
		r.reread()
	}
	for id := range r.f.news.activity {
		r.markSwitch(id)
		delete(r.f.news.activity, id)
	}
	if taken(&r.f.news.groups) {
		r.markGroups()
	}
	if taken(&r.f.news.peers) {
		r.todo.tunnels, r.todo.faults = true, true
	}
	if taken(&r.f.problems.moved) {
		r.todo.faults = true
	}
	if taken(&r.f.news.routers) {
		r.todo.faults = true
	}
	if taken(&r.f.news.arpSource) {
		r.todo.arpSource = true
	}
	for id := range r.f.news.acls {
		r.todo.acls[id] = struct{}{}
		delete(r.f.news.acls, id)
	}
	for id := range r.f.news.aclEntries {
		r.todo.aclEntries[id] = struct{}{}
		delete(r.f.news.aclEntries, id)
	}
	if taken(&r.f.news.segments) {
		r.markPlaces()
	}
	if taken(&r.f.news.ports) {
		r.markPorts()
	}
}

// taken says whether there is news, which is none from then on.
func taken(news *bool) bool {
	was := *news
	*news = false
	return was
}

// growOwn adds to our tunnel IPs those of our row, and those that our tunnels begin at: of a
// process before us, under another tunnel IP. It says whether there are new ones.
func (r *Reporter) growOwn() (moved bool) {
	add := func(ip netip.Addr) {
		if ip.IsValid() && !r.own[ip] && !r.f.scope.others[ip] {
			r.own[ip], moved = true, true
		}
	}
	for ip := range r.f.scope.ownIPs {
		add(ip)
	}
	if !r.begun {
		ps, _ := r.ownRow()
		for _, id := range ps.Tunnels {
			if t, ok := r.f.view.Tunnel(id); ok {
				add(r.f.addrOf(t.Local))
			}
		}
	}
	for ip := range r.f.scope.others {
		if r.own[ip] {
			delete(r.own, ip)
			moved = true
		}
	}
	return moved
}

// reread indexes all Local rows anew, and has everything compared.
func (r *Reporter) reread() {
	clear(r.macs)
	clear(r.spare)
	clear(r.mcasts)
	clear(r.strays)
	all(r.f.view.UcastMACsLocal(), r.macRowChanged)
	all(r.f.view.McastMACsLocal(), r.mcastRowChanged)
	for id, macs := range r.macs {
		for mac := range macs {
			r.MarkMAC(intent.MACKey{Switch: id, MAC: mac})
		}
	}
	maps.DeleteFunc(r.outdated, func(id UUID, _ struct{}) bool {
		_, there := r.f.view.UcastMACLocal(id)
		return !there
	})
	r.markGroups()
	for id := range r.f.ActiveSwitches() {
		r.todo.groups[intent.MACKey{Switch: id}] = struct{}{}
	}
	r.markLearned() // of these, rows may be missing
	r.markPorts()
	r.markACLs()
	r.todo.tunnels, r.todo.faults, r.todo.stats, r.todo.kept = true, true, true, true
	r.todo.arpSource = true
}

func (r *Reporter) markLearned() {
	for key := range r.learned.All() {
		r.MarkMAC(key)
	}
}

// markChanged notes what the changes of other tables make necessary.
func (r *Reporter) markChanged(ch *hwvtep.Changes) {
	for range ch.PhysicalSwitches() {
		r.todo.tunnels, r.todo.faults, r.todo.kept = true, true, true
		r.markPorts()
		break
	}
	r.markACLsChanged(ch)
	for _, after := range ch.PhysicalPorts() {
		if after != nil && r.f.ports[after.UUID] != nil {
			r.todo.ports[after.UUID] = struct{}{}
		}
	}
	for range ch.Tunnels() {
		r.todo.tunnels = true
		break
	}
	for range ch.PhysicalLocators() {
		r.todo.tunnels = true
		break
	}
	for range ch.LogicalBindingStatsRows() { // the server forgets them when it restarts
		r.todo.stats = true
		break
	}
	for range ch.ARPSourcesLocal() {
		r.todo.arpSource = true
		break
	}
	for range ch.LogicalRouters() {
		r.todo.faults = true
		break
	}
	for range ch.ACLs() {
		r.todo.faults = true
		r.markPorts()
		break
	}
}

func (r *Reporter) markSwitch(id intent.SwitchID) {
	r.todo.groups[intent.MACKey{Switch: id}] = struct{}{}
	for mac := range r.mcasts[id] {
		r.todo.groups[intent.MACKey{Switch: id, MAC: mac}] = struct{}{}
	}
	for mac := range r.macs[id] {
		r.MarkMAC(intent.MACKey{Switch: id, MAC: mac})
	}
}

func (r *Reporter) markPorts() {
	for id := range r.f.ports {
		r.todo.ports[id] = struct{}{}
	}
}
