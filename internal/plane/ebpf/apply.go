package ebpf

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Apply implements plane.Plane. The change is staged in the tables first, all of it in
// memory; install then writes it in the order that keeps frames right.
func (p *Plane) Apply(_ context.Context, next *intent.State, d *intent.Delta) (plane.Report, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return plane.Report{}, errClosed
	}
	var err error
	if d == nil || !p.known || p.anew {
		p.known = false
		err = p.reconcile(next)
	} else {
		p.known = false
		p.stage(next, d)
		err = p.install()
	}
	if err != nil {
		return p.report(), fmt.Errorf("ebpf plane: apply: %w", err)
	}
	p.known = true
	if time.Since(p.checked) >= recheckPause {
		p.checkAttachments()
	}
	p.recheckLater()
	p.watchLocals()
	if p.monitor {
		p.monitor = false
		p.watchman.configure(p.sessions(next.BFD), p.overlay.TunnelIPs, p.underlay(), p.overlay.outerTOS(bfdTOS))
	}
	if !p.begun {
		p.begun = true
		close(p.ready)
	}
	return p.report(), nil
}

// stage works the delta into the tables. Nothing is written to the kernel but the vxlan
// device, which must be there before anything can name it.
func (p *Plane) stage(next *intent.State, d *intent.Delta) {
	p.position = next.Position
	had := p.overlay.TunnelIPs
	if !had.Any() {
		had = p.hadTunnelIPs() // of the process before
	}
	if d.Global {
		p.physical = next.Physical
		p.limitQuota(0, next.MACLimit)
		dscp := p.overlay.dscp
		p.configureOverlay(next)
		if p.overlay.dscp != dscp {
			p.byFlow = nil
		}
		if p.overlay.TunnelIPs != had || p.byFlow == nil {
			p.resolvePeers()
		}
		if p.overlay.TunnelIPs != had {
			for name, prt := range p.ports { // it must not be on one of them
				p.setDevice(prt, p.lookup(name))
			}
		}
	}
	if d.Global || len(d.Ends) > 0 {
		p.stageEnds(next, had)
	}
	if d.Global || p.overlay.err != nil {
		p.ensureVXLAN()
	}
	changed := map[uint32]*domain{}
	for _, c := range d.Switches {
		if c.New != nil {
			if dom := p.setDomain(c.Key, *c.New); dom != nil {
				changed[dom.bd] = dom
			}
		}
	}
	p.setFeatures(changed)
	for _, c := range d.ACLs {
		p.stageACL(c)
	}
	for _, c := range d.Ports {
		if c.New != nil {
			p.setPort(c.Key, *c.New)
		} else {
			p.delPort(c.Key)
		}
	}
	for _, c := range d.Bindings {
		if dom := p.domainOf(c.New); dom != nil {
			p.setBinding(c.Key, dom)
		} else {
			p.delBinding(c.Key)
		}
	}
	for _, c := range d.Policies {
		p.stagePolicy(c)
	}
	for _, c := range d.Unicast {
		p.stageUnicast(c)
	}
	p.stageRouters(next, d)
	for _, c := range d.Floods {
		dom := p.byUUID[c.Key.Switch]
		if dom == nil {
			continue
		}
		key := layout.MACKey{BD: dom.bd, MAC: c.Key.MAC, Kind: layout.FloodTunnels}
		if c.New != nil {
			p.setTunnels(key, *c.New)
		} else {
			p.delTunnels(key)
		}
	}
	p.stageMembers(d.Members)
	for _, c := range d.Decap {
		p.stageDecap(c)
	}
	for _, c := range d.Switches {
		if c.New == nil {
			p.delDomain(c.Key)
		}
	}
	if d.Global || len(d.Switches) > 0 {
		p.stageAnySource()
	}
	for _, c := range d.BFD {
		p.stageSession(c)
	}
	if d.Global || len(d.BFD) > 0 {
		p.noteData, p.monitor = wantData(next.BFD), true
	}
	p.floodMembers()
	p.forgetPeers()
	p.updateWays()
}

func (p *Plane) domainOf(b *intent.Binding) *domain {
	if b == nil {
		return nil
	}
	return p.byUUID[b.Switch]
}

// setDomain returns the domain if its features are others now.
func (p *Plane) setDomain(id intent.SwitchID, sw intent.Switch) *domain {
	d := p.byUUID[id]
	if d == nil {
		d = &domain{id: id, members: map[uint32]*binding{}}
		if d.bd = p.adopted.switches[id]; d.bd == 0 {
			d.bd = p.nextBD
			p.nextBD++
		}
		p.byUUID[id], p.domains[d.bd] = d, d
		p.markSwitch(d.bd)
		p.tSwitches.set(layout.SwitchID{UUID: id}, d.bd)
	}
	was := d.features
	d.sw, d.features = sw, featuresOf(sw)
	if d.features == was {
		return nil
	}
	return d
}

func (p *Plane) delDomain(id intent.SwitchID) {
	d := p.byUUID[id]
	if d == nil {
		return
	}
	for _, b := range d.members { // the compiler has removed them already
		p.delBinding(b.key)
	}
	p.delFlood(layout.MACKey{BD: d.bd, Kind: layout.FloodMembers})
	for mac := range d.groups {
		p.delFlood(layout.MACKey{BD: d.bd, MAC: mac, Kind: layout.FloodMembers})
	}
	p.tSwitches.del(layout.SwitchID{UUID: id})
	p.unwatchDomain(d.bd)
	delete(p.byUUID, id)
	delete(p.domains, d.bd)
	p.markSwitch(d.bd)
}

func (p *Plane) stageUnicast(c intent.Change[intent.MACKey, intent.Tunnel]) {
	dom := p.byUUID[c.Key.Switch]
	if dom == nil {
		return
	}
	key := layout.MACKey{BD: dom.bd, MAC: c.Key.MAC}
	old, had := p.tRemotes.want[key]
	delete(p.nameless, any(key))
	if c.New == nil {
		p.tRemotes.del(key)
	} else if t, ok := p.target(key, *c.New); ok {
		p.tRemotes.set(key, layout.Remote{Peer: t.Peer, VNI: t.ID})
	} else {
		p.tRemotes.del(key)
	}
	if had {
		p.dropTarget(old.Peer)
	}
}

func (p *Plane) stageDecap(c intent.Change[intent.Tunnel, intent.SwitchID]) {
	if !c.Key.Peer.IsValid() {
		return
	}
	delete(p.nameless, any(c.Key))
	if c.New != nil {
		if dom := p.byUUID[*c.New]; dom != nil {
			p.setDecap(c.Key, dom)
			return
		}
	}
	p.delDecap(c.Key)
}

// stageAnySource makes the decap entries that hold for every source: one for each VNI that
// is a switch's own. Of two switches with the same VNI, the one with the lower id gets it.
func (p *Plane) stageAnySource() {
	owners := map[uint32]*domain{}
	if p.overlay.anySource {
		for _, d := range p.domains {
			if !d.sw.OverlayUp() {
				continue
			}
			if o := owners[d.sw.VNI]; o == nil || string(d.id[:]) < string(o.id[:]) {
				owners[d.sw.VNI] = d
			}
		}
	}
	for vni := range p.overlay.anyVNI {
		if owners[vni] == nil {
			p.tDecaps.del(layout.TunnelKey{VNI: vni})
		}
	}
	p.overlay.anyVNI = map[uint32]struct{}{}
	for vni, d := range owners {
		p.tDecaps.set(layout.TunnelKey{VNI: vni}, d.decap())
		p.overlay.anyVNI[vni] = struct{}{}
	}
}

// install writes what is staged: what others name before those that name it, additions
// before removals. Programs are attached last, so that a frame finds everything ready.
func (p *Plane) install() error {
	p.publish()
	now := time.Now()
	if err := p.sweepRetired(now); err != nil {
		return err
	}
	p.growToNeed()
	p.orderLists()
	for _, write := range []func() error{
		// Peers first: the settings may open the short way, which some of them must not take.
		p.tSwitches.put, p.tPeers.put, p.tAddresses.put, p.tEnds.put, p.writeSettings, p.writeOrigin,
		p.writeACLs, p.tPolicies.put, p.tMembers.put, p.tBindings.put,
		p.tRouters.put, p.tNeighbors.put, p.tRoutes4.put, p.tRoutes6.put, p.tInterfaces.put, p.tGateways.put,
		p.tChunks.put, p.tFloods.put, p.tRemotes.put, p.tDecaps.put,
	} {
		if err := write(); err != nil {
			return err
		}
	}
	for _, prt := range p.ports {
		p.attachPort(prt)
	}
	p.measureUnderlays()
	p.attachUnderlays()
	p.retireChunks(now)
	for _, remove := range []func() error{
		p.tDevices.put,
		p.tDecaps.prune, p.tRemotes.prune, p.forgetRouters,
		p.tGateways.prune, p.tInterfaces.prune, p.tRoutes4.prune, p.tRoutes6.prune, p.tNeighbors.prune, p.tRouters.prune,
		p.tFloods.prune, p.tBindings.prune, p.tMembers.prune, p.tPolicies.prune, p.pruneACLs,
		p.tAddresses.prune, p.tPeers.prune, p.tEnds.prune, p.tSwitches.prune,
		p.detachLeaving, p.tDevices.prune,
		p.collectIfFew,
	} {
		if err := remove(); err != nil {
			return err
		}
	}
	return nil
}

// fewLocals is how many learned MACs are looked through at once for those whose binding has
// gone; more wait for the next reading of the counters.
const fewLocals = 4096

func (p *Plane) collectIfFew() error {
	if !p.stale || atomic.LoadUint32(&p.quotas[0].Count) > fewLocals {
		return nil
	}
	return p.collect()
}

// report says what is in force.
func (p *Plane) report() plane.Report {
	r := plane.Report{
		Ports:    map[string]error{},
		Bindings: map[intent.BindingKey]error{},
		Peers:    map[netip.Addr]error{},
		Full:     map[plane.Table]error{},
		Tunnels:  p.tunnelError(),
	}
	r.Disturbed = p.disturbedPorts()
	r.BFD = p.watchman.states()
	for name, prt := range p.ports {
		if prt.err == nil {
			continue
		}
		r.Ports[name] = prt.err
		for _, b := range prt.bindings {
			r.Bindings[b.key] = prt.err
		}
	}
	for key, b := range p.unserved {
		r.Bindings[key] = p.bindingError(b)
	}
	for slot := range p.tMembers.short {
		if b := p.bySlot[slot]; b != nil { // else it has gone meanwhile
			r.Bindings[b.key] = p.tMembers.full()
		}
	}
	for k := range p.tBindings.short {
		if prt := p.portOf(int(k.Ifindex)); prt != nil {
			r.Bindings[intent.BindingKey{Port: prt.name, VLAN: uint16(k.VID)}] = p.tBindings.full()
		}
	}
	maps.Copy(r.Peers, p.unreachable)
	r.Sessions = p.sessionErrors()
	r.ACLs = maps.Clone(p.access.refused)
	r.Problems = p.doubts()
	for table, err := range map[plane.Table]error{
		plane.LearnedMACs: p.localsError(),
		plane.RemoteMACs:  p.tRemotes.full(),
		plane.Peers:       errors.Join(p.peersError(), p.tPeers.full(), p.tAddresses.full()),
		plane.Tunnels:     errors.Join(p.tDecaps.full(), p.tEnds.full()),
		plane.FloodSets:   errors.Join(p.cutError(), p.tFloods.full(), p.tChunks.full()),
		plane.Routers:     errors.Join(p.tRouters.full(), p.tGateways.full()),
		plane.Routes:      errors.Join(p.tRoutes4.full(), p.tRoutes6.full()),
		plane.Interfaces:  p.tInterfaces.full(),
		plane.Neighbours:  p.tNeighbors.full(),
	} {
		if err != nil {
			r.Full[table] = err
		}
	}
	return r
}
